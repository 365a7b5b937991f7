"""Who is here: a participant is present while at least one of their event sockets is open.

Where several servers share the rooms, each says of every room with people of its own who they
are: when that changes, when it is asked, and every few seconds, so that those of a server that
is gone vanish. The server where a person's first page opens, or the last one closes, puts that onto
the timeline; if two close at once, the one with the smaller id; and for a server that is gone, the
smallest of those that are left.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from interview_ext.errors import InterviewError
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import EVERYONE
from interview_ext.rooms.ports import Bus, Message, Recorder, tell_people

log = logging.getLogger(__name__)

GRACE_S = 5.0
"""A page that reloads is away for a second or two; that is not a person leaving."""
SAY_EVERY_S = 3.0
GONE_AFTER_S = 8.0
"""A server that has said nothing for so long is gone, and its people are."""
AGREE_S = 0.3
"""How long a server waits for what others say of the same moment, before it is recorded."""
PRESENCE_TOPIC = "presence"


@dataclass(frozen=True, kw_only=True)
class _Person:
    """Somebody with a page open on another server."""

    name: str
    admitted: bool
    since: float
    seats: tuple[str, ...]


_NOBODY: dict[str, _Person] = {}


class Presence:
    """Counts open event sockets for each participant and seat. Made once by ``house.py``."""

    def __init__(self, *, bus: Bus, timeline: Recorder, grace_s: float = GRACE_S) -> None:
        self._bus = bus
        self._timeline = timeline
        self._grace_s = grace_s
        self._server = new_id("srv")
        self._open: dict[str, dict[object, Actor]] = {}
        self._here: dict[str, Actor] = {}
        self._since: dict[str, float] = {}
        self._there: dict[tuple[str, str], dict[str, _Person]] = {}
        self._servers: dict[str, float] = {}
        self._departed: dict[str, tuple[str, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Listen to the other servers, if there are any. Called once the bus has been started."""
        if not self._bus.shared:
            return
        self._unsubscribe = self._bus.subscribe(PRESENCE_TOPIC, self._hear)
        self._own(self._say_for_ever())
        self._bus.publish(PRESENCE_TOPIC, {"type": "asked"})

    def arrived(self, actor: Actor, connection: object) -> None:
        """Called by an event socket when it opens; `connection` is any hashable of its own."""
        self._open.setdefault(actor.id, {})[connection] = actor
        first = actor.id not in self._here
        self._here[actor.id] = actor
        if first:
            self._since[actor.id] = time.time()
        self._say(actor.room_id)
        if first:
            self._own(self._arrive(actor))

    def left(self, actor: Actor, connection: object) -> None:
        """Called by the same event socket when it has closed."""
        connections = self._open.get(actor.id, {})
        connections.pop(connection, None)
        if not connections:
            self._open.pop(actor.id, None)
            self._own(self._leave_later(actor))
        else:
            self._say(actor.room_id)

    def is_here(self, participant_id: str) -> bool:
        """Whether the participant has a page open, in the room or in its lobby."""
        return participant_id in self._here or self._is_there(participant_id)

    def seat_is_here(self, participant_id: str, seat_id: str) -> bool:
        """Whether a page is open in this very browser."""
        actors = self._open.get(participant_id, {}).values()
        if any(actor.seat is not None and actor.seat.id == seat_id for actor in actors):
            return True
        there = (each.get(participant_id) for each in self._there.values())
        return any(person is not None and seat_id in person.seats for person in there)

    def rooms(self) -> set[str]:
        """Ids of the rooms that have people on this very server."""
        return {actor.room_id for actor in self._here.values()}

    async def stop(self) -> None:
        """Cancel what is under way; the others hear that nobody is here any more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        rooms = self.rooms()
        self._open.clear()
        self._here.clear()
        self._since.clear()
        for room_id in rooms:
            self._say(room_id)

    async def _arrive(self, actor: Actor) -> None:
        since = self._since[actor.id]
        if self._bus.shared:
            self._tell_people(actor.room_id)
            if not self._came_first(actor.id, since):
                return
            await asyncio.sleep(AGREE_S)
        if self._came_first(actor.id, since):
            await self._announce(actor, "participant.arrived")

    def _came_first(self, participant_id: str, since: float) -> bool:
        """Whether no other server has had the person since before; the same answer on all."""
        return not any(
            participant_id in people
            and (people[participant_id].since, server) < (since, self._server)
            for (server, _), people in self._there.items()
        )

    async def _leave_later(self, actor: Actor) -> None:
        await asyncio.sleep(self._grace_s)
        if actor.id in self._open or actor.id not in self._here:
            return
        del self._here[actor.id]
        del self._since[actor.id]
        self._say(actor.room_id)
        if self._bus.shared:
            self._tell_people(actor.room_id)
            await asyncio.sleep(AGREE_S)
            server, at = self._departed.get(actor.id, ("", 0.0))
            both = self._now() - at < 2 * AGREE_S
            if self.is_here(actor.id) or (both and server < self._server):
                return
        await self._announce(actor, "participant.left")

    async def _announce(self, actor: Actor, kind: str) -> None:
        self._tell_people(actor.room_id)
        await self._record(
            actor.room_id,
            kind,
            actor.id,
            name=actor.participant.name,
            admitted=actor.admitted,
        )

    async def _record(
        self, room_id: str, kind: str, participant_id: str, *, name: str, admitted: bool
    ) -> None:
        try:
            await self._timeline.record(
                room_id,
                kind,
                actor=participant_id,
                audience=EVERYONE if admitted else participant_id,
                payload={"name": name, "lobby": not admitted},
            )
        except InterviewError as error:
            log.warning("%s could not be recorded: %s", kind, error.message)

    def _tell_people(self, room_id: str) -> None:
        tell_people(self._bus, room_id)

    # -- the other servers

    def _is_there(self, participant_id: str) -> bool:
        return any(participant_id in people for people in self._there.values())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _say(self, room_id: str) -> None:
        """Tell the others who is in a room by this server; with no room, that there is one."""
        if not self._bus.shared:
            return
        people = {
            actor.id: {
                "name": actor.participant.name,
                "admitted": actor.admitted,
                "since": self._since[actor.id],
                "seats": sorted(
                    {a.seat.id for a in self._open.get(actor.id, {}).values() if a.seat is not None}
                ),
            }
            for actor in self._here.values()
            if actor.room_id == room_id
        }
        self._bus.publish(
            PRESENCE_TOPIC,
            {"type": "here", "server": self._server, "room_id": room_id, "people": people},
        )

    def _say_all(self) -> None:
        for room_id in ("", *self.rooms()):
            self._say(room_id)

    async def _say_for_ever(self) -> None:
        while True:
            self._say_all()
            await asyncio.sleep(SAY_EVERY_S)
            await self._drop_silent()

    def _hear(self, message: Message) -> None:
        if message["type"] in ("asked", "gap"):
            self._say_all()
            return
        server, room_id = message["server"], message["room_id"]
        if server == self._server:
            return
        self._servers[server] = self._now()
        people = {
            who: _Person(**{**p, "seats": tuple(p["seats"])})
            for who, p in message["people"].items()
        }
        for who in self._there.pop((server, room_id), _NOBODY).keys() - people.keys():
            self._departed[who] = (server, self._now())
        if people:
            self._there[server, room_id] = people

    async def _drop_silent(self) -> None:
        """Take out the people of servers that are gone, and record who has left with them."""
        before = self._now() - GONE_AFTER_S
        gone = {server for server, heard_at in self._servers.items() if heard_at < before}
        for server in gone:
            del self._servers[server]
        self._departed = {w: d for w, d in self._departed.items() if d[1] >= before}
        recorder = all(self._server < server for server in self._servers)
        for key in [key for key in self._there if key[0] in gone]:
            people = self._there.pop(key)
            self._tell_people(key[1])
            for who, person in people.items():
                if recorder and not self.is_here(who):
                    await self._record(
                        key[1],
                        "participant.left",
                        who,
                        name=person.name,
                        admitted=person.admitted,
                    )

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
