"""Who waits in an owner's rooms: read once for all pages of that owner on this server.

An owner may have hundreds of rooms and a page in each. What somebody who comes or goes changes
is read for their room alone, and the pages hear of it only if the list is another one now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

from interview_ext.api import messages as m
from interview_ext.errors import InterviewError, NotFound
from interview_ext.rooms.admission import Admission
from interview_ext.rooms.ports import Bus, Message, host_topic, people_topic
from interview_ext.rooms.service import Rooms

log = logging.getLogger(__name__)

_ROOMS = ""
"""Stands among the ids of rooms for the list of the rooms themselves."""


class Change(Enum):
    """What has changed in an owner's rooms."""

    WAITING = auto()
    """Who waits is another list now."""
    OTHER = auto()
    """Something else about the rooms or their people."""


Listener = Callable[[Change], None]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Somebody in a lobby."""

    message: m.WaitingMessage
    present: bool
    """Whether they have the page open."""


class WaitingLists:
    """The lists of all owners with a page open on this server. Made once by ``house.py``."""

    def __init__(self, *, rooms: Rooms, admission: Admission, bus: Bus) -> None:
        self._rooms = rooms
        self._admission = admission
        self._bus = bus
        self._lists: dict[str, WaitingList] = {}

    def of(self, owner: str) -> WaitingList:
        """Return the owner's list: it is kept while somebody listens to it."""
        found = self._lists.get(owner)
        if found is None:
            found = self._lists[owner] = WaitingList(
                owner,
                rooms=self._rooms,
                admission=self._admission,
                bus=self._bus,
                unheard=lambda: self._lists.pop(owner, None),
            )
        return found


class WaitingList:
    """Who waits in the rooms of one owner."""

    def __init__(
        self,
        owner: str,
        *,
        rooms: Rooms,
        admission: Admission,
        bus: Bus,
        unheard: Callable[[], object],
    ) -> None:
        self._owner = owner
        self._rooms = rooms
        self._admission = admission
        self._bus = bus
        self._unheard = unheard
        self._listeners: set[Listener] = set()
        self._followed: dict[str, Callable[[], None]] = {}
        self._titles: dict[str, str] = {}
        self._found: dict[str, tuple[Waiting, ...]] = {}
        self._version = self._told = 0
        self._stale = {_ROOMS}
        self._heard = False
        self._reading = asyncio.Lock()
        self._telling: asyncio.Task[None] | None = None
        self._stop_hearing: Callable[[], None] | None = None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after each change from now on; return the way to stop."""
        if self._stop_hearing is None:
            self._stop_hearing = self._bus.subscribe(host_topic(self._owner), self._hear_rooms)
        self._listeners.add(listener)
        return lambda: self._leave(listener)

    async def now(self) -> list[Waiting]:
        """Return who waits, in the order of the rooms. Errors of the store are raised."""
        async with self._reading:
            await self._read()
            return [one for room_id in self._titles for one in self._found.get(room_id, ())]

    # -- hearing

    def _hear_rooms(self, message: Message) -> None:
        if message["type"] in ("rooms", "gap"):
            self._is_stale(_ROOMS)

    def _hear_people(self, room_id: str, message: Message) -> None:
        if message["type"] in ("people", "gap"):
            self._is_stale(room_id)

    def _leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if self._listeners or self._stop_hearing is None:
            return
        self._stop_hearing()
        self._stop_hearing = None
        while self._followed:
            self._followed.popitem()[1]()
        if self._telling is not None:
            self._telling.cancel()
        self._unheard()

    def _is_stale(self, what: str) -> None:
        self._stale.add(what)
        self._heard = True
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="who waits")

    async def _tell(self) -> None:
        """Read what has changed and call the listeners, until nothing more has been heard."""
        while self._heard:
            self._heard = False
            try:
                async with self._reading:
                    await self._read()
            except InterviewError as error:
                # Each page finds that out for itself, and says so in its own way.
                log.warning("Who waits could not be read: %s", error.message)
                self._told = -1
            # A page that came may have read the news before: a version tells, a comparison not.
            change = Change.OTHER if self._told == self._version else Change.WAITING
            self._told = self._version
            for listener in tuple(self._listeners):
                listener(change)

    # -- reading

    async def _read(self) -> None:
        """Read once what is stale: the list of the rooms first, which may add some."""
        if _ROOMS in self._stale:
            with self._stale_if_it_fails(_ROOMS):
                await self._read_rooms()
        for room_id in self._stale - {_ROOMS}:
            with self._stale_if_it_fails(room_id):
                await self._read_room(room_id)

    @contextmanager
    def _stale_if_it_fails(self, what: str) -> Iterator[None]:
        """Whatever is heard of it from now on makes it stale again."""
        self._stale.discard(what)
        try:
            yield
        except BaseException:
            self._stale.add(what)
            raise

    async def _read_rooms(self) -> None:
        rooms = await self._rooms.owned_by(self._owner)
        before, self._titles = self._titles, {r.id: r.title for r in rooms if not r.state.is_over}
        for room_id in before.keys() - self._titles.keys():
            self._forget(room_id)
        self._stale |= {i for i, title in self._titles.items() if before.get(i) != title}
        if self._listeners:
            for room_id in self._titles.keys() - self._followed.keys():
                self._follow(room_id)

    def _follow(self, room_id: str) -> None:
        self._followed[room_id] = self._bus.subscribe(
            people_topic(room_id), lambda message: self._hear_people(room_id, message)
        )

    def _forget(self, room_id: str) -> None:
        if room_id in self._followed:
            self._followed.pop(room_id)()
        self._stale.discard(room_id)
        self._keep(room_id, ())

    def _keep(self, room_id: str, found: tuple[Waiting, ...]) -> None:
        if self._found.pop(room_id, ()) != found:
            self._version += 1
        if found:
            self._found[room_id] = found

    async def _read_room(self, room_id: str) -> None:
        try:
            host = await self._rooms.host_actor(room_id, owner=self._owner)
            people = await self._admission.people(host)
        except NotFound:
            # Deleted meanwhile: the list of rooms says so next.
            self._keep(room_id, ())
            return
        found = tuple(
            Waiting(
                message=m.WaitingMessage(
                    type="waiting",
                    room_id=room_id,
                    title=self._titles.get(room_id, ""),
                    participant_id=person.participant.id,
                    name=person.participant.name,
                    since=person.waiting_since,
                ),
                present=person.present,
            )
            for person in people
            if person.waiting_since is not None
        )
        self._keep(room_id, found)
