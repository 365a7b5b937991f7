"""A document made from what is stored of it: a snapshot and the log behind it, or the whole log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pycrdt import Doc

from interview_ext.collab.nesting import Nesting
from interview_ext.collab.rehearsal import apply_guarded
from interview_ext.collab.snapshots import Shortcut
from interview_ext.collab.wire.structs import read_committed
from interview_ext.errors import WireError
from interview_ext.rooms.model import LogEntry
from interview_ext.rooms.ports import UpdateLog

log = logging.getLogger(__name__)

AT_ONCE = 500
"""Updates that are replayed before others have their turn: 20 ms."""


@dataclass(kw_only=True)
class Restored:
    """A document as its log has it.

    Attributes
    ----------
    seq:
        Position in the log of the last update; 0 if it has none.
    size:
        Bytes of all updates of clients.
    from_seq:
        Position of the snapshot that it is made from; 0 if from the log alone.
    """

    doc: Doc[Any]
    nesting: Nesting
    seq: int = 0
    size: int = 0
    from_seq: int = 0


async def restore(
    document_id: str,
    *,
    reserve: Callable[[], Awaitable[int]],
    update_log: UpdateLog,
    shortcut: Shortcut | None,
) -> Restored:
    """Return the document, which is the same with and without a snapshot.

    Parameters
    ----------
    reserve:
        Returns the id under which the server is going to write. Called once the log was read.

    Raises
    ------
    StoreUnavailable
        And what else the log raises.
    """
    entries = await update_log.read(document_id, after=shortcut.seq if shortcut else 0)
    client_id = await reserve()
    restored = Restored(doc=Doc(client_id=client_id), nesting=Nesting())
    if shortcut is not None:
        if apply_guarded(restored.doc, shortcut.update):
            restored.nesting, restored.size = shortcut.nesting, shortcut.size
            restored.seq = restored.from_seq = shortcut.seq
        else:
            log.error("%s: its snapshot cannot be applied, its whole log is read", document_id)
            restored.doc = Doc(client_id=client_id)
            entries = await update_log.read(document_id)
    for at in range(0, len(entries), AT_ONCE):
        if at:
            await asyncio.sleep(0)
        _replay(restored, entries[at : at + AT_ONCE])
    return restored


def _replay(restored: Restored, entries: Sequence[LogEntry]) -> None:
    for entry in entries:
        restored.seq = entry.seq
        if entry.seat is not None:
            restored.size += len(entry.update)
        if not apply_guarded(restored.doc, entry.update):
            log.error("%s: update %d of the log cannot be applied", entry.document_id, entry.seq)
            continue
        with suppress(WireError):
            restored.nesting.add(read_committed(entry.update))
