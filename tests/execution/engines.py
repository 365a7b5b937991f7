"""Rooms whose kernels run in engines without containers, and a look at what they leave behind."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from interview_ext.sandbox.engines import engine_of
from interview_ext.sandbox.proc import processes
from interview_ext.sandbox.process import FOLDER_PREFIX
from interview_ext.sandbox.profiles import PYTHON, Limits
from interview_ext.sandbox.sandboxes import Sandboxes
from tests.descriptors import back_to, descriptors
from tests.execution.conftest import Bench
from tests.execution.sandboxes import house

PATIENCE_S = 20


def children() -> set[int]:
    """Processes that this one has started and that live."""
    everybody = processes()
    found = {pid for pid, each in everybody.items() if each.parent == _own_pid()}
    while more := {pid for pid, each in everybody.items() if each.parent in found} - found:
        found |= more
    return found


def _own_pid() -> int:
    return int(Path("/proc/self").readlink().name)


def folders() -> set[Path]:
    """Folders of the process engine's sandboxes."""
    return set(Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"))


def sandboxes_on(engine: str, **limits: Any) -> Sandboxes:
    """The sandboxes of a server that is configured so."""
    return Sandboxes(
        server_id=f"test-{secrets.token_hex(6)}",
        engine=engine_of(engine),
        pool_size=0,
        profiles={"python": replace(PYTHON, limits=Limits(**limits))},
    )


@asynccontextmanager
async def room_on(folder: Path, engine: str, **limits: Any) -> AsyncIterator[Bench]:
    """A room on such a server; in the end no process, folder or descriptor is left of it."""
    before, started, made = descriptors(), children(), folders()
    async with house(folder, sandboxes_on(engine, **limits)) as bench:
        yield bench
    assert children() - started == set(), "processes were left behind"
    assert folders() - made == set(), "folders were left behind"
    await back_to(before, PATIENCE_S)
