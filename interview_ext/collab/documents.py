"""All open documents of this server."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from pycrdt import Doc

from interview_ext.collab.export import Exporter
from interview_ext.collab.gate import SERVER, Gate
from interview_ext.collab.history import History
from interview_ext.collab.intake import Intake
from interview_ext.collab.limits import Limits
from interview_ext.collab.nesting import Nesting
from interview_ext.collab.rehearsal import apply_guarded
from interview_ext.collab.relay import Relay
from interview_ext.collab.seed import SEED_CLIENT, seed_update
from interview_ext.collab.shared import SharedDocument
from interview_ext.collab.store_health import StoreHealth
from interview_ext.collab.wire.update import read_state, read_update
from interview_ext.errors import Conflict, WireError
from interview_ext.rooms.ids import Clock, now
from interview_ext.rooms.model import Document, LogEntry, NewLogEntry
from interview_ext.rooms.ports import Bus, UpdateLog

log = logging.getLogger(__name__)


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
        self._open: dict[str, SharedDocument] = {}
        self._opening: dict[str, asyncio.Lock] = {}

    @property
    def peers(self) -> int:
        """Sockets that are open on any document."""
        return sum(len(shared.relay.peers) for shared in self._open.values())

    async def start(self) -> None:
        """Nothing to open: documents open when they are asked for."""

    async def stop(self) -> None:
        """Write the files that wait to be written, and close all documents."""
        for room_id in {shared.document.room_id for shared in self._open.values()}:
            await self.close_room(room_id)

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
        return History(document.id, self._log)

    async def close_room(self, room_id: str) -> None:
        """Commit what was done, write the files, and forget the room's documents.

        Called when the room has ended or is deleted. A page that is still connected is closed
        and finds the document again, from the log, if it may still read it.
        """
        closing = [s for s in self._open.values() if s.document.room_id == room_id]
        for shared in closing:
            async with self._opening.setdefault(shared.document.id, asyncio.Lock()):
                self._open.pop(shared.document.id, None)
                await shared.close(wait_s=self.limits.close_wait_s)
            self._health.forget(shared.document)
            if self._exporter is not None:
                await self._exporter.flush(shared.document)

    async def _load(self, document: Document) -> SharedDocument:
        entries = await self._log.read(document.id)
        owners = await self._log.client_owners(document.id)
        client_id = await self._reserve(document)
        doc: Doc[Any] = Doc(client_id=client_id)
        nesting = Nesting()
        for entry in entries:
            _replay(doc, nesting, entry)
        shared = SharedDocument(
            document=document,
            doc=doc,
            history=self.history(document),
            relay=partial(
                Relay,
                document=document,
                doc=doc,
                intake=Intake(
                    doc=doc,
                    gate=Gate(
                        clocks=read_state(doc.get_state()),
                        owners={**owners, client_id: SERVER, SEED_CLIENT: SERVER},
                    ),
                    nesting=nesting,
                    size=_written_by_clients(entries),
                    max_size=self.limits.max_document,
                ),
                log_seq=entries[-1].seq if entries else 0,
                update_log=self._log,
                bus=self._bus,
                health=self._health,
                limits=self.limits,
                clock=self._clock,
                broken=partial(self._drop, document),
            ),
        )
        shared.relay.start()
        if self._exporter is not None:
            shared.observe(partial(self._exporter.changed, shared))
        return shared

    def _drop(self, document: Document) -> None:
        """Forget a document whose relay has failed; it is loaded from the log when next asked."""
        self._open.pop(document.id, None)

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


def _replay(doc: Doc[Any], nesting: Nesting, entry: LogEntry) -> None:
    if not apply_guarded(doc, entry.update):
        log.error("%s: update %d of the log cannot be applied", entry.document_id, entry.seq)
        return
    with suppress(WireError):  # an output of the server's beyond the bounds that hold for pages
        nesting.add(read_update(entry.update))


def _written_by_clients(entries: Sequence[LogEntry]) -> int:
    return sum(len(entry.update) for entry in entries if entry.seat is not None)
