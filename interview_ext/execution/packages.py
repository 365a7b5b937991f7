"""The packages of rooms: begun when a room is made, looked at until they are there or have failed.

Whoever shows a room asks `RoomPackages.of`; each change is told on the bus, as one of the room.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from interview_ext.errors import EngineUnavailable, InterviewError
from interview_ext.rooms.model import Room
from interview_ext.rooms.ports import Bus, room_topic, tell_room

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
AWAY_S = 5.0
READY_FOR_S = 900.0
"""How often rooms that are still to come ask for what is ready, so that it counts as used."""
FAILED_FOR_S = 60.0
"""How soon it is asked whether what failed has been got over, as an engine's absence may be."""
BUILDING, READY, FAILED = "building", "ready", "failed"


class Preparation(Protocol):
    """How far packages are, in the sandbox's words."""

    @property
    def state(self) -> str: ...
    @property
    def line(self) -> str: ...
    @property
    def problem(self) -> str: ...


class Prepare(Protocol):
    """Begins with packages of a profile, or tells how far they are."""

    def __call__(
        self, profile: str, packages: Sequence[str], *, again: bool = False
    ) -> Awaitable[Preparation]: ...


@dataclass(frozen=True, kw_only=True)
class PackagesState:
    """How far a room's packages are: `building`, `ready` or `failed`.

    `line` is what is being done, `problem` why it failed, in words for the host.
    """

    state: str
    line: str = ""
    problem: str = ""


@dataclass(eq=False)
class _Following:
    wants: tuple[str, ...]
    seen: PackagesState
    again_at: float = float("inf")
    """Loop time from which on it is asked for again; never while it is being looked at."""
    task: asyncio.Task[None] | None = None


class RoomPackages:
    """All rooms' packages. Made once by ``house.py``."""

    def __init__(self, *, prepare: Prepare, bus: Bus) -> None:
        self._prepare = prepare
        self._bus = bus
        self._rooms: dict[str, _Following] = {}

    def of(self, room: Room) -> PackagesState | None:
        """How far a room's packages are; None if it has none, or is over."""
        if not room.packages or room.state.is_over:
            return None
        following = self._rooms.get(room.id)
        if following is None or following.wants != _wants(room):
            return PackagesState(state=BUILDING)
        return following.seen

    def notice(self, room: Room) -> str:
        """What everybody in the room should know of its packages; empty if they are there."""
        state = self.of(room)
        if state is None or state.state == READY:
            return ""
        if state.state == BUILDING:
            return "The packages of this interview are being installed; cells run after that."
        return "The packages of this interview could not be installed; the host has been told why."

    def begin(self, room: Room, *, again: bool = False) -> None:
        """Make a room's packages ready, in the background. What is done is not done again.

        Parameters
        ----------
        again:
            Whether to try once more what has failed.
        """
        if not room.packages or room.state.is_over:
            return
        now = asyncio.get_running_loop().time()
        seen = PackagesState(state=BUILDING)
        known = self._rooms.get(room.id)
        if known is not None and known.wants == _wants(room):
            retried = again and known.seen.state == FAILED
            if now < known.again_at and not retried:
                return
            seen = seen if retried else known.seen
        self.forget(room.id)
        following = self._rooms[room.id] = _Following(wants=_wants(room), seen=seen)
        following.task = asyncio.create_task(
            self._follow(room, following, again=again), name=f"packages of {room.id}"
        )
        if known is None or known.seen != seen:
            tell_room(self._bus, room)

    def forget(self, room_id: str) -> None:
        """The room is over, or wants others."""
        following = self._rooms.pop(room_id, None)
        if following is not None and following.task is not None:
            following.task.cancel()

    async def stop(self) -> None:
        """Look no more."""
        tasks = [each.task for each in self._rooms.values() if each.task is not None]
        for room_id in list(self._rooms):
            self.forget(room_id)
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- inside

    async def _follow(self, room: Room, following: _Following, *, again: bool) -> None:
        while True:
            pause_s = LOOK_EVERY_S
            try:
                found = await self._prepare(room.profile, room.packages, again=again)
                again = False
                seen = PackagesState(state=found.state, line=found.line, problem=found.problem)
            except EngineUnavailable as error:
                seen = PackagesState(state=BUILDING, line=error.message)
                pause_s = AWAY_S
            except InterviewError as error:
                seen = PackagesState(state=FAILED, problem=f"{error.message} {error.hint}".strip())
            if seen != following.seen:
                before, following.seen = following.seen, seen
                tell_room(self._bus, room)
                if before.state != seen.state:  # so that the sandbox's notice is read again
                    self._bus.publish(room_topic(room.id), {"type": "sandbox"})
            if seen.state != BUILDING:
                lasts_s = READY_FOR_S if seen.state == READY else FAILED_FOR_S
                following.again_at = asyncio.get_running_loop().time() + lasts_s
                return
            await asyncio.sleep(pause_s)


def _wants(room: Room) -> tuple[str, ...]:
    return (room.profile, *room.packages)
