"""Who is here: a participant is present while at least one of their event sockets is open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from interview_ext.errors import InterviewError
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import EVERYONE
from interview_ext.rooms.ports import Bus, room_topic
from interview_ext.rooms.timeline import Timeline

log = logging.getLogger(__name__)

GRACE_S = 5.0
"""A page that reloads is away for a second or two; that is not a person leaving."""


class Presence:
    """Counts open event sockets for each participant and seat. Made once by ``house.py``."""

    def __init__(self, *, bus: Bus, timeline: Timeline, grace_s: float = GRACE_S) -> None:
        self._bus = bus
        self._timeline = timeline
        self._grace_s = grace_s
        self._open: dict[str, dict[object, Actor]] = {}
        self._here: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def arrived(self, actor: Actor, connection: object) -> None:
        """Called by an event socket when it opens; `connection` is any hashable of its own."""
        self._open.setdefault(actor.id, {})[connection] = actor
        if actor.id not in self._here:
            self._here.add(actor.id)
            self._own(self._announce(actor, "participant.arrived"))

    def left(self, actor: Actor, connection: object) -> None:
        """Called by the same event socket when it has closed."""
        connections = self._open.get(actor.id, {})
        connections.pop(connection, None)
        if not connections:
            self._open.pop(actor.id, None)
            self._own(self._leave_later(actor))

    def is_here(self, participant_id: str) -> bool:
        """Whether the participant has a page open, in the room or in its lobby."""
        return participant_id in self._here

    def seat_is_here(self, participant_id: str, seat_id: str) -> bool:
        """Whether a page is open in this very browser."""
        actors = self._open.get(participant_id, {}).values()
        return any(actor.seat is not None and actor.seat.id == seat_id for actor in actors)

    async def stop(self) -> None:
        """Cancel what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _leave_later(self, actor: Actor) -> None:
        await asyncio.sleep(self._grace_s)
        if actor.id not in self._open and actor.id in self._here:
            self._here.discard(actor.id)
            await self._announce(actor, "participant.left")

    async def _announce(self, actor: Actor, kind: str) -> None:
        self._bus.publish(room_topic(actor.room_id), {"type": "people"})
        try:
            await self._timeline.record(
                actor.room_id,
                kind,
                actor=actor.id,
                audience=EVERYONE if actor.admitted else actor.id,
                payload={"name": actor.participant.name, "lobby": not actor.admitted},
            )
        except InterviewError as error:
            log.warning("%s could not be recorded: %s", kind, error.message)

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
