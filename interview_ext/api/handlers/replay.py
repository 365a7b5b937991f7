"""Earlier states of a document, and who changed what."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Any

from interview_ext.api import replay
from interview_ext.api.base import ApiHandler
from interview_ext.api.services import History
from interview_ext.errors import NotFound
from interview_ext.rooms.model import Document


@dataclass(frozen=True, kw_only=True)
class Past:
    """One document's past, as far as somebody may see it.

    Attributes
    ----------
    begin:
        Position in the log of the first state they may see.
    seats:
        By seat, the participant.
    reports:
        How edits came about, as pages say.
    """

    document: Document
    history: History
    begin: int
    seats: dict[str, str]
    reports: Any

    @property
    def notebook(self) -> bool:
        return self.document.kind == "notebook"

    async def state(self, seq: int) -> replay.DocumentState:
        """Return the document as of `seq`; `NotFound` if there is no such state for them."""
        if not self.begin <= seq <= await self.history.last_seq():
            raise NotFound("There is no such state of this document for you.")
        content = await self.history.at(seq, notebook=self.notebook)
        return replay.DocumentState(document=self.document.id, seq=seq, content=content)

    def pages(self, *, after: int, to: int | None = None) -> aclosing[Any]:
        """Return what they may see of the changes behind `after`, closed by whoever reads it."""
        return aclosing(
            self.history.changes(
                after=max(after, self.begin), to=to, notebook=self.notebook, reports=self.reports
            )
        )

    def change(self, found: Any) -> replay.Change:
        """Return a change with who made it."""
        return replay.Change.model_validate(
            {
                "seq": found.seq,
                "at": found.at,
                "by": None if found.seat is None else self.seats.get(found.seat),
                "origin": found.origin,
                "steps": found.steps,
            }
        )


class ReplayBase(ApiHandler):
    """What the three have in common: each takes a person's turn, for it reads a whole log."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for the actor's turn, and hold it; raises `TooManyRequests`."""
        return self.services.replays.turn(self.actor.id)

    async def past(self, document_id: str) -> Past:
        """Return a document's past; `NotFound` if there is none for the actor."""
        document, since = await self.services.rooms.replayable(self.actor, document_id)
        history = self.services.documents.history(document)
        found = await self.services.store.list_seats(document.room_id)
        seats = {seat.id: seat.participant_id for seat in found}
        origins = await self.services.store.list_origins(document.id)
        return Past(
            document=document,
            history=history,
            begin=0 if since is None else await history.seq_at(since),
            seats=seats,
            reports=self.services.documents.reports(origins, seats),
        )


class AtHandler(ReplayBase):
    """``/rooms/{room}/documents/{document}/at``"""

    async def get(self, room: str, document: str) -> None:  # noqa: ARG002
        (query,) = self.operations["GET"].query
        async with self.turn():
            past = await self.past(document)
            self.answer(await past.state(self.query(query)))


class ChangesHandler(ReplayBase):
    """``/rooms/{room}/documents/{document}/changes``"""

    async def get(self, room: str, document: str) -> None:  # noqa: ARG002
        given = {query.name: self.query(query) for query in self.operations["GET"].query}
        async with self.turn():
            self.answer(await self._changes(await self.past(document), **given))

    async def _changes(self, past: Past, *, after: int, to: int, limit: int) -> replay.ChangeList:
        found: list[Any] = []
        async with past.pages(after=after, to=to) as pages:
            async for page in pages:
                found += page
                if len(found) > limit:
                    break
        return replay.ChangeList(
            changes=tuple(past.change(change) for change in found[:limit]),
            next=found[limit - 1].seq if len(found) > limit else None,
        )


class ReplayHandler(ReplayBase):
    """``/rooms/{room}/documents/{document}/replay``"""

    async def get(self, room: str, document: str) -> None:  # noqa: ARG002
        async with self.turn():
            past = await self.past(document)
            first = await past.state(past.begin)
            self.set_header("Content-Type", self.operations["GET"].media_type)
            self.set_header("Cache-Control", "no-store")
            self.write(first.model_dump_json() + "\n")
            async with past.pages(after=past.begin) as pages:
                async for page in pages:
                    for change in page:
                        self.write(past.change(change).model_dump_json() + "\n")
                    await self.flush()  # waits for a slow reader, so nothing piles up here
        self.finish()
