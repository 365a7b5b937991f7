"""All open documents of this server."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from interview_ext.collab.erasing import Eraser
from interview_ext.collab.export import Exporter
from interview_ext.collab.gate import SERVER, Gate
from interview_ext.collab.history import History
from interview_ext.collab.intake import Intake
from interview_ext.collab.limits import Limits
from interview_ext.collab.relay import Relay
from interview_ext.collab.reports import Reports
from interview_ext.collab.restoring import restore
from interview_ext.collab.seed import SEED_CLIENT, seed_update
from interview_ext.collab.shared import SharedDocument
from interview_ext.collab.snapshots import Keeper, Snapshots
from interview_ext.collab.store_health import StoreHealth
from interview_ext.collab.wire.sets import read_state
from interview_ext.collab.wire.update import EMPTY_UPDATE
from interview_ext.errors import Conflict, StoreUnavailable
from interview_ext.rooms.erasure import Author, ErasedText
from interview_ext.rooms.ids import Clock, now
from interview_ext.rooms.model import Document, EditOrigin, NewLogEntry
from interview_ext.rooms.ports import Bus, UpdateLog

log = logging.getLogger(__name__)

REPLAYS = 2
"""Documents whose past is read or replayed at once: others' keystrokes wait beside that."""


def new_client_id() -> int:
    """Return a random Yjs client id, 32 bits as Yjs itself takes them; never `SEED_CLIENT`."""
    return secrets.randbelow(2**32 - SEED_CLIENT - 1) + SEED_CLIENT + 1


class Documents:
    """Opens documents from the log and keeps them while their room is. One per server.

    Parameters
    ----------
    update_log:
        Where every update is committed, and where documents come from.
    exporter:
        Writes the files of documents that have changed; None writes none.
    client_ids:
        Where the server's own Yjs client ids come from.
    """

    def __init__(
        self,
        *,
        update_log: UpdateLog,
        bus: Bus,
        exporter: Exporter | None = None,
        limits: Limits | None = None,
        clock: Clock = now,
        client_ids: Callable[[], int] = new_client_id,
    ) -> None:
        self.limits = limits or Limits()
        self._log = update_log
        self._bus = bus
        self._exporter = exporter
        self._clock = clock
        self._client_ids = client_ids
        self._health = StoreHealth(bus=bus, clock=clock)
        self._snapshots = Snapshots(update_log)
        self._replays = asyncio.Semaphore(REPLAYS)
        self._open: dict[str, SharedDocument] = {}
        self._opening: dict[str, asyncio.Lock] = {}

    @property
    def peers(self) -> int:
        """Sockets that are open on any document."""
        return sum(len(shared.relay.peers) for shared in self._open.values())

    def failing_since(self, room_id: str) -> datetime | None:
        """Return since when something of the room cannot be saved; None if all can."""
        return self._health.failing_since(room_id)

    @property
    def rooms(self) -> set[str]:
        """The rooms of which a document is open here."""
        return {shared.document.room_id for shared in self._open.values()}

    async def start(self) -> None:
        """Nothing to open: documents open when they are asked for."""

    async def stop(self) -> None:
        """Write the files and snapshots that wait to be written, and close all documents."""
        await asyncio.gather(*map(self.close_room, self.rooms))
        await self._snapshots.stop(wait_s=self.limits.close_wait_s)

    async def open(self, document: Document) -> SharedDocument:
        """Return the document, loaded from the log when it is the first to ask.

        Raises
        ------
        StoreUnavailable
        """
        async with self._opening.setdefault(document.id, asyncio.Lock()):
            shared = self._open.get(document.id)
            if shared is None:
                shared = await self._load(document)
                self._open[document.id] = shared
            return shared

    async def seed(self, document: Document, content: dict[str, Any] | str) -> None:
        """Commit the first content of a new document.

        The same content gives the same structs, so a seed that was repeated because
        its answer was lost doubles nothing.

        Raises
        ------
        Conflict
            The document has content already.
        StoreUnavailable
        """
        async with self._opening.setdefault(document.id, asyncio.Lock()):
            if await self._log.last_seq(document.id):
                raise Conflict(f"{document.path} has been begun already.")
            await self._log.claim_clients(document.id, SERVER, [SEED_CLIENT])
            entry = NewLogEntry(
                at=self._clock(),
                client=SEED_CLIENT,
                seat=None,
                update=seed_update(document, content),
            )
            await self._log.append(document.id, [entry])
            early = self._open.pop(document.id, None)
            if early is not None:
                await early.close(wait_s=self.limits.close_wait_s)

    async def content(self, document: Document) -> dict[str, Any] | str:
        """Return the notebook as nbformat JSON, or the file's text, as of now."""
        return (await self.open(document)).content()

    def history(self, document: Document) -> History:
        """Return what the document has been."""
        return History(document.id, self._log, places=self._replays)

    def reports(self, origins: Sequence[EditOrigin], seats: Mapping[str, str]) -> Reports:
        """Return what pages reported, ready to be joined to the entries of a log."""
        return Reports(origins, seats)

    async def erase(self, document: Document, author: Author) -> ErasedText:
        """Replace the log by one without the author's text, and rewrite the document's file.

        The document is closed before; it opens again from the new log. Repeating the call is
        harmless, whenever it was cut off.

        Raises
        ------
        StoreUnavailable
            Also if something in it is not saved yet: nothing was changed.
        Conflict
        WireError
            The log holds what cannot be read; nobody's text was changed.
        """
        async with self._opening.setdefault(document.id, asyncio.Lock()):
            if not await self._let_go(document.id):
                raise StoreUnavailable(
                    f"Not all of {document.path} could be saved yet.", hint="Try again."
                )
            await self._end_relays_elsewhere(document)
            entries = await self._log.read(document.id)
            eraser = Eraser(entries, await self._log.client_owners(document.id), author)
            written, text = await asyncio.to_thread(eraser.erase)
            # Also where nothing differs: the call before may have been cut off in its midst.
            await self._log.replace(document.id, written)
            await self._end_relays_elsewhere(document)
            if self._exporter is not None:
                last = entries[-1].seq if entries else 0
                notebook = document.kind == "notebook"
                content = await self.history(document).at(last, notebook=notebook)
                await self._exporter.rewrite(document, content)
            return text

    async def _end_relays_elsewhere(self, document: Document) -> None:
        """Have no other server commit what it holds of a document, or show it: see `across`."""
        if self._bus.shared:
            mark = NewLogEntry(at=self._clock(), client=SEED_CLIENT, seat=None, update=EMPTY_UPDATE)
            await self._log.append(document.id, [mark])

    async def close_room(self, room_id: str) -> None:
        """Commit what was done, write the files, and forget the room's documents.

        Called when the room has ended or is deleted. A page that is still connected is closed
        and finds the document again, from the log, if it may still read it.
        """
        closing = [s for s in self._open.values() if s.document.room_id == room_id]
        await asyncio.gather(*map(self._close_with_room, closing))

    async def _close_with_room(self, shared: SharedDocument) -> None:
        document = shared.document
        async with self._opening.setdefault(document.id, asyncio.Lock()):
            # It may have been closed meanwhile, and opened anew for a page that came back.
            if self._open.get(document.id) is shared:
                del self._open[document.id]
                await self._close(shared)
                self._health.forget(document)
        if self._exporter is not None:
            await self._exporter.flush(document)

    async def close_one(self, document_id: str, *, commit: bool = True) -> bool:
        """Forget one document, and unless told otherwise commit what was done in it first.

        Its sockets are closed. Returns whether all was committed that was to be; if it cannot be
        now, the document stays open with what waits. Called by `branches`.
        """
        async with self._opening.setdefault(document_id, asyncio.Lock()):
            return await self._let_go(document_id, commit=commit)

    async def _let_go(self, document_id: str, *, commit: bool = True) -> bool:
        """See `close_one`; whoever calls it has the document's turn."""
        shared = self._open.get(document_id)
        if shared is None:
            return True
        if commit and not await shared.settle(wait_s=self.limits.close_wait_s):
            return False
        self._open.pop(document_id, None)
        await shared.drop()
        self._health.forget(shared.document)
        return True

    async def _close(self, shared: SharedDocument) -> None:
        if shared.keeper is not None:
            shared.keeper.last()
        await shared.close(wait_s=self.limits.close_wait_s)

    async def _load(self, document: Document) -> SharedDocument:
        own = document.branch_of is not None  # a branch is stored encrypted, so it has no snapshot
        found = await restore(
            document.id,
            reserve=partial(self._reserve, document),
            update_log=self._log,
            shortcut=None if own else await self._snapshots.find(document.id),
        )
        owners = await self._log.client_owners(document.id)
        client_id = found.doc.client_id
        intake = Intake(
            doc=found.doc,
            gate=Gate(
                clocks=read_state(found.doc.get_state()),
                owners={**owners, client_id: SERVER, SEED_CLIENT: SERVER},
            ),
            nesting=found.nesting,
            size=found.size,
            max_size=self.limits.max_document,
        )
        shared = SharedDocument(
            document=document,
            doc=found.doc,
            history=self.history(document),
            relay=partial(
                Relay,
                document=document,
                doc=found.doc,
                intake=intake,
                log_seq=found.seq,
                update_log=self._log,
                bus=self._bus,
                health=self._health,
                limits=self.limits,
                clock=self._clock,
                broken=partial(self._drop, document),
            ),
        )
        shared.relay.start()
        if own:
            return shared
        shared.keeper = Keeper(
            document.id,
            relay=shared.relay,
            intake=intake,
            snapshots=self._snapshots,
            seq=found.from_seq,
        )
        shared.observe(shared.keeper.look)
        if self._exporter is not None:
            shared.observe(partial(self._exporter.changed, shared))
        return shared

    def _drop(self, document: Document) -> None:
        """Forget a document whose relay has failed; it is loaded from the log when next asked."""
        shared = self._open.pop(document.id, None)
        if shared is not None:
            shared.give_up()

    async def _reserve(self, document: Document) -> int:
        """Claim a client id for the server that nobody has shown before.

        A new one at each load: two servers that open the same document never write
        under the same id.
        """
        while True:
            client_id = self._client_ids()
            owners = await self._log.claim_clients(document.id, SERVER, [client_id])
            if owners[client_id] == SERVER:
                return client_id
