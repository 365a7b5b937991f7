"""What was on screen when somebody asked for a run: that source runs, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pycrdt import Doc

from interview_ext.errors import NotFound, SourceMismatch
from interview_ext.execution.cells import Cell, source_digest, source_in
from interview_ext.execution.ports import RunDocument

SOURCE_WAIT_S = 2.0
"""How long a run waits for the keystrokes before it, which travel on another socket."""
LOOK_BACK_AFTER_S = 0.3
"""How long it waits for them before it looks whether the keystrokes after it were faster."""
LOOK_BACK_S = 30.0
"""How old a state of the cell may be to be what a page showed when its run was asked for: pages
send one request after another, so the last of several waits for the answers to the others."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A cell's source at the moment it was what the page showed."""

    source: str
    log_seq: int


async def source_shown(shared: RunDocument, cell: Cell, source_sha256: str, at: datetime) -> Shown:
    """Take the cell's source as it was with that digest: as soon as it is, or from the log.

    Keystrokes and requests travel on different sockets. Those before the request are waited
    for; when those after it came first, the state the page showed is in the log.
    """
    found: list[Shown] = []

    def shown(source: str | None) -> bool:
        return source is not None and source_digest(source) == source_sha256

    def matches() -> bool:
        source = cell.source()
        if source is None or not shown(source):
            return False
        found.append(Shown(source=source, log_seq=shared.log_seq))
        return True

    def earlier(doc: Doc[Any]) -> str | None:
        source = source_in(doc, cell.cell_id)
        return source if shown(source) else None

    coming = asyncio.create_task(shared.wait_for(matches, SOURCE_WAIT_S))
    try:
        await asyncio.wait({coming}, timeout=LOOK_BACK_AFTER_S)
        if not found and cell.source() is not None:
            past = await shared.history.newest(earlier, since=at - timedelta(seconds=LOOK_BACK_S))
            if past is not None:
                return Shown(source=past[0], log_seq=past[1])
        await coming
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
    if not found:
        if cell.source() is None:
            raise NotFound("There is no such code cell in this notebook.")
        raise SourceMismatch("The server's copy of this cell is not what your page shows.")
    return found[0]
