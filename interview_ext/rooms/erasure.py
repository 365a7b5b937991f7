"""Erasing a person from an interview: what they wrote goes, what others wrote stays.

Everything is done in an order in which each step may be repeated: a call that was cut off at
any point is finished by the next. The person's name goes last but one, since until then it says
what else is to go, and the space in which all of it stood is cleared at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from weakref import WeakValueDictionary

from interview_ext.errors import Conflict, LegalHold, NotFound
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.admission import Admission
from interview_ext.rooms.ids import Clock, now
from interview_ext.rooms.model import (
    STAFF,
    Document,
    Event,
    Participant,
    Role,
    Room,
    Run,
)
from interview_ext.rooms.ports import Bus, Store, tell_people, tell_room
from interview_ext.rooms.roles import Action
from interview_ext.rooms.service import Rooms
from interview_ext.rooms.timeline import Timeline

ERASED = "erased"
"""The name of somebody who was erased."""
ERASED_EVENT = "participant.erased"
_NO_DIGEST = "0" * 64
"""Instead of the digest of a source: short texts can be guessed from their digests."""


@dataclass(frozen=True, kw_only=True)
class Author:
    """Whose text is to go, and what tells it from others'.

    Attributes
    ----------
    seats:
        Ids of all seats they ever had.
    runs:
        All runs in the document, also those of others.
    """

    participant_id: str
    seats: frozenset[str]
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ErasedText:
    """What was found in one document.

    Attributes
    ----------
    cells:
        Ids, as they were, of the cells in whose source they wrote: their outputs are gone.
    renamed:
        Ids of cells that could have been words, and what they are now.
    known:
        Ids of all cells that ever were in the document, as they are now.
    """

    cells: frozenset[str] = frozenset()
    renamed: dict[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()


class Texts(Protocol):
    """Shared documents; `collab.documents.Documents` is it."""

    async def erase(self, document: Document, author: Author) -> ErasedText:
        """Replace the document's log by one without the author's text, and its file.

        Raises
        ------
        StoreUnavailable, Conflict
        """


class Erasure:
    """Erases people from rooms that are over. Made once by ``house.py``.

    Parameters
    ----------
    quiet:
        Returns once nothing of a room that is over is still being written.
    """

    def __init__(
        self,
        *,
        rooms: Rooms,
        admission: Admission,
        store: Store,
        bus: Bus,
        timeline: Timeline,
        texts: Texts,
        quiet: Callable[[str], Awaitable[None]],
        clock: Clock = now,
    ) -> None:
        self._rooms = rooms
        self._admission = admission
        self._store = store
        self._bus = bus
        self._timeline = timeline
        self._texts = texts
        self._quiet = quiet
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def hold(self, actor: Actor, *, held: bool) -> Room:
        """Set or lift a legal hold: while it stands, nothing of the room can be erased.

        Raises
        ------
        Forbidden, Conflict
        """
        room = await self._rooms.check(actor, Action.ROOM_MANAGE)
        if room.legal_hold is held:
            return room
        changed = await self._store.update_room(replace(room, legal_hold=held))
        await self._timeline.record(
            room.id, "room.hold", actor=actor.id, audience=STAFF, payload={"held": held}
        )
        tell_room(self._bus, changed)
        return changed

    async def erase(self, actor: Actor, participant_id: str) -> Participant:
        """Erase a person; called again, finish what was cut off.

        Raises
        ------
        LegalHold
        Conflict
            The interview is not over, or it is the host.
        NotFound
            Nobody of that id belongs to the room.
        StoreUnavailable
            Parts may be done: call again.
        """
        room = await self._rooms.check(actor, Action.ROOM_MANAGE)
        person = await self._store.get_participant(participant_id)
        if person is None or person.room_id != room.id:
            raise NotFound("There is no such participant in this interview.")
        if room.legal_hold:
            raise LegalHold("This interview is under a legal hold; nothing of it can be erased.")
        if not room.state.is_over:
            raise Conflict(
                f"This interview is {room.state}; somebody can be erased once it is over.",
                hint="End it first.",
            )
        if person.role is Role.HOST:
            raise Conflict(
                "The host cannot be erased from their own interview.",
                hint="Delete the interview instead.",
            )
        async with self._turns.setdefault(room.id, asyncio.Lock()):
            return await self._erase(actor, person)

    async def _erase(self, actor: Actor, person: Participant) -> Participant:
        await self._admission.shut_out(person)
        await self._quiet(person.room_id)
        runs = await self._store.list_runs(person.room_id)
        seats = await self._store.list_seats(person.room_id)
        author = Author(
            participant_id=person.id,
            seats=frozenset(seat.id for seat in seats if seat.participant_id == person.id),
        )
        theirs = {run.id for run in runs if run.by == person.id}
        renamed: set[str] = set()
        for document in await self._store.list_documents(person.room_id):
            own = [run for run in runs if run.document_id == document.id]
            text = await self._texts.erase(document, replace(author, runs=tuple(own)))
            theirs |= {run.id for run in own if run.cell_id in text.cells}
            # A cell that the log does not know was renamed by a call that was then cut off.
            theirs |= {run.id for run in own if _cell_of(run, text) == ERASED}
            renamed |= text.renamed.keys()
            for run in own:
                await self._save(_emptied(run, text, theirs))
            await self._store.drop_origins(document.id, person.id)
        if theirs:
            await self._store.drop_kept_files(person.room_id)
        for event in await self._store.list_events(person.room_id):
            if event.payload is not None and _tells_of(event, person, theirs, renamed):
                await self._store.erase_payload(person.room_id, event.seq)
        return await self._close(actor, person)

    async def _save(self, run: Run | None) -> None:
        if run is not None:
            await self._store.rewrite_run(run)

    async def _close(self, actor: Actor, person: Participant) -> Participant:
        at = self._clock()
        erased = replace(
            person,
            name=ERASED,
            user=None,
            removed_at=person.removed_at or at,
            erased_at=person.erased_at or at,
        )
        if not await self._is_recorded(person):
            await self._timeline.record(
                person.room_id,
                ERASED_EVENT,
                actor=actor.id,
                audience=STAFF,
                payload={"participant": person.id},
            )
        await self._store.update_participant(erased)
        await self._store.scrub()
        self._admission.forget_person(person.id)
        tell_people(self._bus, person.room_id)
        await self._count_as_change(person.room_id)
        return erased

    async def _count_as_change(self, room_id: str) -> None:
        """So that pages which know the people of that version of the room read them again."""
        while room := await self._store.get_room(room_id):
            with suppress(Conflict):
                tell_room(self._bus, await self._store.update_room(room))
                return

    async def _is_recorded(self, person: Participant) -> bool:
        return any(
            event.kind == ERASED_EVENT and (event.payload or {}).get("participant") == person.id
            for event in await self._store.list_events(person.room_id)
        )


def _emptied(run: Run, text: ErasedText, theirs: set[str]) -> Run | None:
    """Return a run's record without what it says of them; None if it says nothing."""
    changed = replace(run, cell_id=_cell_of(run, text))
    if run.id in theirs:
        changed = replace(
            changed, source_digest=_NO_DIGEST, output_digest=None, network_reported=()
        )
    return None if changed == run else changed


def _cell_of(run: Run, text: ErasedText) -> str:
    cell_id = text.renamed.get(run.cell_id, run.cell_id)
    return cell_id if cell_id in text.known else ERASED


def _tells_of(event: Event, person: Participant, runs: set[str], cells: set[str]) -> bool:
    """Whether an event's payload is theirs, is about them, or is about their runs."""
    if event.kind == ERASED_EVENT:
        return False
    if person.id in (event.actor, event.audience):
        return True
    if event.kind == "files.kept":
        return bool(runs)
    words = {person.id} | runs | cells
    return any(text in words for text in _texts(event.payload))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
