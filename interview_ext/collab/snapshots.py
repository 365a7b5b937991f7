"""What documents open from, so that nobody waits for a log of 27,000 updates to be replayed.

A snapshot is a shortcut and nothing else: the log stays whole, whatever is wrong with a snapshot
means that the log is read. It holds what opening would make of the log: the document as one
update, the bytes of clients' updates so far, and how deep types lie. The depths cannot be told
from the one update: letters are merged with their neighbours there and deleted parents are gone,
so other updates would be refused than after a replay of the log.

Making one takes the event loop, since a document of pycrdt stays in its thread: 20 ms for a
notebook of 5 MB (measured; 15 more when it is applied). Storing it keeps nothing waiting but
SQLite's one writer, 20 ms for that size.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from dataclasses import dataclass

from interview_ext.collab.intake import Intake
from interview_ext.collab.nesting import Nesting
from interview_ext.collab.relay import Relay
from interview_ext.collab.wire.varint import read_bytes, read_uint, write_bytes, write_uint
from interview_ext.errors import StoreUnavailable, WireError
from interview_ext.rooms.model import Snapshot
from interview_ext.rooms.ports import UpdateLog

log = logging.getLogger(__name__)

EVERY = 1000
"""Updates after which the next one is made: three minutes of three people who type. As many are
replayed in 40 ms when the document is opened."""
AT_CLOSE = 100
"""Updates that are worth one when a document is closed."""

_FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """A snapshot as it is used.

    Attributes
    ----------
    seq:
        Position in the log of the last update in it.
    update:
        The whole document.
    size:
        Bytes of all updates of clients so far.
    """

    seq: int
    update: bytes
    size: int
    nesting: Nesting


def pack(shortcut: Shortcut) -> Snapshot:
    """Return a snapshot as it is stored."""
    parts = (
        write_uint(_FORMAT),
        write_uint(shortcut.size),
        write_bytes(shortcut.nesting.dump()),
        shortcut.update,
    )
    return Snapshot(seq=shortcut.seq, data=b"".join(parts))


def unpack(snapshot: Snapshot) -> Shortcut:
    """Return what was stored. Raises `WireError`: it is of another version, or damaged."""
    try:
        version, at = read_uint(snapshot.data, 0)
        if version != _FORMAT:
            raise WireError(f"A snapshot is in format {version}.")
        size, at = read_uint(snapshot.data, at)
        depths, at = read_bytes(snapshot.data, at)
        nesting = Nesting.load(depths)
    except (IndexError, struct.error) as error:
        raise WireError("A snapshot cannot be read.") from error
    return Shortcut(seq=snapshot.seq, update=snapshot.data[at:], size=size, nesting=nesting)


class Snapshots:
    """Finds and keeps those of all documents. One per server."""

    def __init__(self, update_log: UpdateLog) -> None:
        self._log = update_log
        self._writing: dict[str, asyncio.Task[None]] = {}

    async def find(self, document_id: str) -> Shortcut | None:
        """Return the document's, if there is one that can be read; never raises."""
        try:
            snapshot = await self._log.get_snapshot(document_id)
            return None if snapshot is None else unpack(snapshot)
        except (StoreUnavailable, WireError) as error:
            log.warning("%s opens from its whole log: %s", document_id, error.message)
            return None

    def keep(self, document_id: str, shortcut: Shortcut) -> None:
        """Store it in the background. While an earlier one is being stored it is dropped."""
        if document_id in self._writing:
            return
        task = asyncio.create_task(
            self._keep(document_id, pack(shortcut)), name=f"snapshot of {document_id}"
        )
        self._writing[document_id] = task
        task.add_done_callback(lambda _: self._writing.pop(document_id, None))

    async def stop(self, *, wait_s: float) -> None:
        """Finish what is being stored, as far as it goes in this time."""
        writing = list(self._writing.values())
        if writing:
            _, late = await asyncio.wait(writing, timeout=wait_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _keep(self, document_id: str, snapshot: Snapshot) -> None:
        try:
            await self._log.keep_snapshot(document_id, snapshot)
        except StoreUnavailable as error:  # the next one comes in time
            log.warning("%s gets no snapshot now: %s", document_id, error.message)
        except Exception:
            log.exception("%s gets no snapshot now", document_id)


class Keeper:
    """Has snapshots of one open document made when they are due.

    Parameters
    ----------
    seq:
        Position in the log of the last snapshot; 0 if there is none.
    """

    def __init__(
        self, document_id: str, *, relay: Relay, intake: Intake, snapshots: Snapshots, seq: int
    ) -> None:
        self._document_id = document_id
        self._relay = relay
        self._intake = intake
        self._snapshots = snapshots
        self._seq = seq
        self._asked = False

    def look(self) -> None:
        """Something was committed and applied."""
        self._ask(EVERY)

    def last(self) -> None:
        """The document is going to be closed."""
        self._ask(AT_CLOSE)

    def _ask(self, enough: int) -> None:
        """Nothing that is examined but not committed may be in it: the relay says when."""
        if self._relay.log_seq - self._seq >= enough and not self._asked:
            self._asked = True
            self._relay.after_commit(self._make)

    def _make(self) -> None:
        """Called with everything examined also applied, and without waiting in between."""
        self._asked = False
        update = self._relay.committed_update()
        if update is None:
            return  # edits of the server wait: their commit asks again
        self._seq = self._relay.log_seq
        shortcut = Shortcut(
            seq=self._seq, update=update, size=self._intake.size, nesting=self._intake.nesting
        )
        self._snapshots.keep(self._document_id, shortcut)
