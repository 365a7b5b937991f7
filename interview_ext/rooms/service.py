"""Rooms: making them, reading them, and leading them through their life."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from interview_ext.errors import (
    BadRequest,
    BranchGone,
    Conflict,
    InterviewError,
    LegalHold,
    NotFound,
    SeatRequired,
    TooManyRequests,
)
from interview_ext.rooms import roles
from interview_ext.rooms.actor import Actor, check_open
from interview_ext.rooms.branching import document_of, is_branch, is_branch_path
from interview_ext.rooms.ids import Clock, new_id, now
from interview_ext.rooms.lifecycle import check_step
from interview_ext.rooms.limits import RateLimit
from interview_ext.rooms.model import (
    EVERYONE,
    Document,
    Event,
    Participant,
    Policy,
    Role,
    Room,
    RoomState,
    Section,
)
from interview_ext.rooms.palette import colour
from interview_ext.rooms.ports import ROOMS_TOPIC, Bus, Store, host_topic, room_topic, tell_room
from interview_ext.rooms.roles import Action
from interview_ext.rooms.timeline import Timeline

log = logging.getLogger(__name__)

MAX_CHAT_CHARACTERS = 2000
CHAT_LINES_PER_MINUTE = 30
"""More than anybody types; a stranger in the lobby must not fill the timeline."""
MAX_WARNING_S = 3600
ENDS_LOOK_S = 5.0
"""How often a server looks for ends that others have announced."""
REFUSALS_PER_MINUTE = 6
"""Timeline entries of refused attempts for each participant: enough to see an attack,
too few to bury the rest of the timeline under it."""

_BEFORE = frozenset({RoomState.SCHEDULED, RoomState.LOBBY})
_ALL = frozenset(Role)
_AUTHORS = frozenset({Role.HOST, Role.INTERVIEWER, Role.CANDIDATE})
_INTERVIEWERS = frozenset({Role.HOST, Role.INTERVIEWER})


@dataclass(frozen=True, kw_only=True)
class RoomSpec:
    """What a host says of a new room. `starts_at` None means now."""

    title: str
    host_name: str
    starts_at: datetime | None = None
    duration_s: int = 3600
    brief: str = ""
    profile: str = "python"
    packages: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)
    sections: tuple[Section, ...] = ()
    external_ids: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RoomPlan:
    """A room that does not exist yet, with the ids its contents are stored under.

    Contents are stored first and the room last, so a room exists whole or not at all.
    """

    room: Room
    notebook: Document
    notes: Document
    host: Participant

    @property
    def documents(self) -> tuple[Document, ...]:
        return (self.notebook, self.notes)


@dataclass(frozen=True, kw_only=True)
class RoomChanges:
    """New values for some of a room's fields; None leaves a field as it is.

    `version` is the version the change was made from; None takes the newest.
    """

    version: int | None = None
    title: str | None = None
    starts_at: datetime | None = None
    duration_s: int | None = None
    brief: str | None = None
    policy: Policy | None = None
    packages: tuple[str, ...] | None = None


class Rooms:
    """The rooms of this server. Made once by ``house.py``."""

    def __init__(self, *, store: Store, bus: Bus, timeline: Timeline, clock: Clock = now) -> None:
        self._store = store
        self._bus = bus
        self._timeline = timeline
        self._clock = clock
        self._endings: dict[str, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._refusals = RateLimit(per_minute=REFUSALS_PER_MINUTE, clock=clock)
        self._lines = RateLimit(per_minute=CHAT_LINES_PER_MINUTE, clock=clock)

    async def start(self) -> None:
        """Set the clocks of rooms whose end had been announced before a restart, and where servers
        share the rooms, again and again of those whose end another one announces: each counts,
        the first to come ends the room, and the others find it ended.
        """
        await self._schedule_ends()
        if self._bus.shared:
            self._looking = asyncio.create_task(self._look_for_ends(), name="announced ends")

    async def stop(self) -> None:
        """Stop the clocks; announced ends are kept in the store."""
        endings = [*self._endings.values(), *([self._looking] if self._looking else [])]
        self._endings.clear()
        for task in endings:
            task.cancel()
        await asyncio.gather(*endings, return_exceptions=True)

    # -- making and reading

    def plan(self, spec: RoomSpec, *, owner: str) -> RoomPlan:
        """Return a new room with its documents and host, none of it stored yet."""
        at = self._clock()
        room = Room(
            id=new_id("room"),
            title=spec.title,
            owner=owner,
            created_at=at,
            starts_at=(spec.starts_at or at).astimezone(UTC),
            duration_s=spec.duration_s,
            brief=spec.brief,
            profile=spec.profile,
            packages=spec.packages,
            policy=spec.policy,
            sections=spec.sections,
            external_ids=spec.external_ids,
        )
        return RoomPlan(
            room=room,
            notebook=Document(
                id=new_id("doc"),
                room_id=room.id,
                path="interview.ipynb",
                kind="notebook",
                readers=_ALL,
                writers=_AUTHORS,
            ),
            notes=Document(
                id=new_id("doc"),
                room_id=room.id,
                path="notes.md",
                kind="file",
                readers=_INTERVIEWERS,
                writers=_INTERVIEWERS,
            ),
            host=Participant(
                id=new_id("person"),
                room_id=room.id,
                role=Role.HOST,
                name=spec.host_name,
                colour=colour(0),
                created_at=at,
                user=owner,
            ),
        )

    async def find_created(self, owner: str, idempotency_key: str) -> Room | None:
        """Return the room that this owner created with this key before."""
        return await self._store.find_room(owner, idempotency_key)

    async def create(self, plan: RoomPlan, *, idempotency_key: str | None = None) -> Room:
        """Store the planned room, whose contents have been stored before.

        Returns another room when the key was used before: the caller then drops the
        planned one with `discard`.
        """
        room = await self._store.create_room(
            plan.room, plan.documents, plan.host, idempotency_key=idempotency_key
        )
        if room.id == plan.room.id:
            data = await self._store.list_data_files(room.id)
            await self._timeline.record(
                room.id,
                "room.created",
                actor=plan.host.id,
                payload={
                    "title": room.title,
                    "data": [{"path": file.path, "digest": file.digest} for file in data],
                    "packages": list(room.packages),
                },
            )
            tell_room(self._bus, room)
        return room

    async def discard(self, plan: RoomPlan) -> None:
        """Remove what was stored for a plan that did not become a room."""
        await self._store.delete_room(plan.room.id)

    async def owned_by(self, owner: str) -> list[Room]:
        """Return the owner's rooms, newest start first."""
        return await self._store.list_rooms(owner)

    async def get(self, room_id: str) -> Room:
        """Return the room as it is now, or raise `NotFound`."""
        room = await self._store.get_room(room_id)
        if room is None:
            raise NotFound("There is no such interview.", hint="Check the address.")
        return room

    async def host_actor(self, room_id: str, *, owner: str) -> Actor:
        """Return the host of a room for the server's own login; `NotFound` if not theirs."""
        room = await self.get(room_id)
        if room.owner == owner:
            for person in await self._store.list_participants(room_id):
                if person.role is Role.HOST:
                    return Actor(participant=person, seat=None)
        raise NotFound("There is no such interview.", hint="Check the address.")

    async def check(self, actor: Actor, action: Action) -> Room:
        """Return the room as it is now if `actor` may do `action` in it.

        Raises
        ------
        NotFound, RoomNotLive, Forbidden
            SeatClosed among these.
        """
        room = await self.get(actor.room_id)
        if actor.seat is not None:
            # Not the actor's copy of it: the seat may have been closed since they came in.
            seat = await self._store.get_seat(actor.seat.id)
            if seat is None:
                raise SeatRequired("You have no seat in this interview any more.")
            check_open(seat)
        roles.check(actor.role, room, action, admitted=actor.admitted)
        return room

    # -- changing

    async def change(self, actor: Actor, changes: RoomChanges) -> Room:
        """Apply the changes.

        Raises
        ------
        Conflict
            `changes.version` is no longer the newest, or the packages are to be others although
            the interview has begun.
        """
        room = await self.check(actor, Action.ROOM_MANAGE)
        if changes.version is not None and changes.version != room.version:
            raise Conflict(
                "Somebody else has changed this interview meanwhile.",
                hint="Look at the newest version, then change it again.",
            )
        values = {
            name: value
            for name, value in vars(changes).items()
            if name != "version" and value is not None
        }
        if not values:
            return room
        if changes.packages is not None and room.state not in _BEFORE:
            raise Conflict(
                "Packages can be changed only before the interview begins.",
                hint="Make another interview with the right ones.",
            )
        changed = await self._store.update_room(replace(room, **values))
        shown = sorted(values)
        await self._timeline.record(
            room.id, "room.changed", actor=actor.id, payload={"fields": shown}
        )
        tell_room(self._bus, changed)
        return changed

    async def set_state(self, actor: Actor, to: RoomState, *, in_s: int = 0) -> Room:
        """Lead the room to another state.

        Parameters
        ----------
        in_s:
            Only for ``ended``: seconds until then, in which everybody sees the end
            coming. Setting ``live`` meanwhile calls the end off.
        """
        room = await self.check(actor, Action.ROOM_MANAGE)
        if in_s and to is not RoomState.ENDED:
            raise BadRequest("Only the end of an interview can be announced ahead.")
        if not 0 <= in_s <= MAX_WARNING_S:
            raise BadRequest(f"`in_s` must be between 0 and {MAX_WARNING_S} seconds.")
        if to is room.state is RoomState.LIVE and room.ends_at is not None:
            return await self._call_off_end(actor, room)
        check_step(room.state, to)
        if in_s and room.state in (RoomState.LIVE, RoomState.PAUSED):
            return await self._announce_end(actor, room, in_s)
        return await self._step(room, to, actor.id)

    async def delete(self, actor: Actor) -> None:
        """Remove the room and all that belongs to it."""
        room = await self.check(actor, Action.ROOM_MANAGE)
        if room.state in (RoomState.LIVE, RoomState.PAUSED):
            raise Conflict("A running interview cannot be deleted.", hint="End it first.")
        if room.legal_hold:
            raise LegalHold("This interview is under a legal hold; it cannot be deleted.")
        await self._store.delete_room(room.id)
        self._cancel_end(room.id)
        self._bus.publish(room_topic(room.id), {"type": "deleted"})
        self._bus.publish(
            ROOMS_TOPIC, {"type": "room_state", "room_id": room.id, "state": "deleted"}
        )
        self._bus.publish(host_topic(room.owner), {"type": "rooms"})

    # -- what is in a room

    async def documents(self, actor: Actor) -> list[tuple[Document, bool]]:
        """Return the documents the actor may read, and whether each is writable now."""
        room = await self.check(actor, Action.ROOM_READ)
        if not actor.admitted:
            return []
        return [
            (document, roles.may_write(actor.role, room, document))
            for document in await self._store.list_documents(room.id)
            if roles.may_read(actor.role, room, document)
        ]

    async def document(self, actor: Actor, document_id: str) -> tuple[Room, Document, bool]:
        """Return one document by id; `NotFound` when it does not exist for the actor."""
        if is_branch(document_id):
            return await self._own_branch(actor, lambda d: d.id == document_id)
        return await self._one_document(actor, lambda d: d.id == document_id)

    async def document_by_path(self, actor: Actor, path: str) -> tuple[Room, Document, bool]:
        """Return one document by its name in the room."""
        try:
            return await self._one_document(actor, lambda d: d.path == path)
        except NotFound:
            if not is_branch_path(path):
                raise
        return await self._own_branch(actor, lambda d: d.path == path)

    async def replayable(self, actor: Actor, document_id: str) -> tuple[Document, datetime | None]:
        """Return a document whose past the actor may see, and since when; None: all of it.

        It is one that they may read, or could while the interview was live.

        Raises
        ------
        Forbidden, RoomNotLive, NotFound
        """
        room = await self.check(actor, Action.REPLAY)
        live = replace(room, state=RoomState.LIVE)
        for document in await self._store.list_documents(room.id):
            if document.id == document_id and roles.may_read(actor.role, live, document):
                staff = actor.role in (Role.HOST, Role.INTERVIEWER)
                return document, None if staff else room.live_at or self._clock()
        raise NotFound("There is no such document in this interview.")

    async def chat(self, actor: Actor, text: str) -> Event:
        """Send a line; from the lobby it reaches the staff, from inside everybody."""
        room = await self.check(actor, Action.CHAT)
        line = text.strip()
        if not line or len(line) > MAX_CHAT_CHARACTERS:
            raise BadRequest(f"A message has 1 to {MAX_CHAT_CHARACTERS} characters.")
        if not self._lines.take(actor.id):
            raise TooManyRequests("You have sent many messages within a minute.")
        return await self._timeline.record(
            room.id,
            "chat",
            actor=actor.id,
            audience=EVERYONE if actor.admitted else actor.id,
            payload={"text": line, "name": actor.participant.name},
        )

    async def timeline(self, actor: Actor, *, after: int = 0, limit: int = 500) -> list[Event]:
        """Return up to `limit` events that the actor may see, oldest first."""
        await self.check(actor, Action.TIMELINE_READ)
        return await self._timeline.read(actor.participant, after=after, limit=limit)

    async def refused(self, actor: Actor, what: str) -> None:
        """Put a refused attempt onto the timeline, where the actor sees it too."""
        if not self._refusals.take(actor.id):
            return
        await self._timeline.record(
            actor.room_id,
            "access.refused",
            actor=actor.id,
            audience=actor.id,
            payload={"what": what},
        )

    # -- inside

    async def _one_document(
        self, actor: Actor, wanted: Callable[[Document], bool]
    ) -> tuple[Room, Document, bool]:
        room = await self.check(actor, Action.DOCUMENT_READ)
        for document in await self._store.list_documents(room.id):
            if wanted(document):
                roles.check_read(actor.role, room, document)
                return room, document, roles.may_write(actor.role, room, document)
        raise NotFound("There is no such document in this interview.")

    async def _own_branch(
        self, actor: Actor, wanted: Callable[[Document], bool]
    ) -> tuple[Room, Document, bool]:
        """Return the actor's own branch if it is the wanted one; others' do not exist for them.

        Whether it may be read and changed is decided by what it is a branch of.
        """
        room = await self.check(actor, Action.DOCUMENT_READ)
        documents = {d.id: d for d in await self._store.list_documents(room.id)}
        for branch in await self._store.list_branches(room.id):
            origin = documents.get(branch.document_id)
            if branch.participant_id != actor.id or origin is None:
                continue
            document = document_of(branch, origin)
            if wanted(document) and roles.may_read(actor.role, room, origin):
                return room, document, roles.may_write(actor.role, room, origin)
        raise BranchGone("There is no such branch of yours.")

    async def _announce_end(self, actor: Actor, room: Room, in_s: int) -> Room:
        ends_at = self._clock() + timedelta(seconds=in_s)
        room = await self._store.update_room(replace(room, ends_at=ends_at))
        await self._timeline.record(
            room.id, "room.ending", actor=actor.id, payload={"ends_at": ends_at.isoformat()}
        )
        self._schedule_end(room)
        tell_room(self._bus, room)
        return room

    async def _call_off_end(self, actor: Actor, room: Room) -> Room:
        self._cancel_end(room.id)
        room = await self._store.update_room(replace(room, ends_at=None))
        await self._timeline.record(room.id, "room.ending_called_off", actor=actor.id)
        tell_room(self._bus, room)
        return room

    async def _step(self, room: Room, to: RoomState, by: str) -> Room:
        at = self._clock()
        changed = replace(
            room,
            state=to,
            live_at=room.live_at or (at if to is RoomState.LIVE else None),
            ended_at=at if to is RoomState.ENDED else room.ended_at,
            ends_at=room.ends_at if to is RoomState.PAUSED else None,
        )
        changed = await self._store.update_room(changed)
        if changed.ends_at is None:
            self._cancel_end(room.id)
        await self._timeline.record(
            room.id, "room.state", actor=by, payload={"from": room.state, "to": to}
        )
        tell_room(self._bus, changed)
        self._bus.publish(ROOMS_TOPIC, {"type": "room_state", "room_id": room.id, "state": str(to)})
        return changed

    async def _schedule_ends(self) -> None:
        for room in await self._store.list_open_rooms():
            ending = self._endings.get(room.id)
            if room.ends_at is not None and (ending is None or ending.done()):
                self._schedule_end(room)

    async def _look_for_ends(self) -> None:
        while True:
            await asyncio.sleep(ENDS_LOOK_S)
            try:
                await self._schedule_ends()
            except InterviewError as error:
                log.info("announced ends could not be looked for: %s", error.message)

    def _schedule_end(self, room: Room) -> None:
        self._cancel_end(room.id)
        self._endings[room.id] = asyncio.create_task(
            self._end_later(room.id), name=f"end of {room.id}"
        )

    def _cancel_end(self, room_id: str) -> None:
        task = self._endings.pop(room_id, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _end_later(self, room_id: str) -> None:
        """Wait for the room's announced end and bring it about, however the store behaves."""
        while True:
            try:
                room = await self.get(room_id)
                if room.ends_at is None:
                    return
                wait_s = (room.ends_at - self._clock()).total_seconds()
                if wait_s <= 0:
                    await self._step(room, RoomState.ENDED, "server")
                    return
            except NotFound:
                return
            except Conflict:  # changed by somebody this very moment: see how it stands now
                wait_s = 0.1
            except InterviewError as error:
                log.warning("Room %s could not be ended yet: %s", room_id, error.message)
                wait_s = 1.0
            # Another server may call the end off, or bring it forward.
            await asyncio.sleep(min(wait_s, ENDS_LOOK_S) if self._bus.shared else wait_s)
