"""The events sockets: a room's, and the host's dashboard's.

What the bus says is mostly that something has changed. The socket then reads it anew as
the person who listens, so each sees what `roles` lets them see and nothing is filtered here
a second time; only timeline events and `durable` come with their content.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from interview_ext.access.login import owner_name
from interview_ext.api import messages as m
from interview_ext.api import schemas, views
from interview_ext.api.sockets import EventsSocket
from interview_ext.errors import Forbidden, NotFound, RoomNotLive, SeatClosed
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import Role, RoomState, SeatClosing, SeatState
from interview_ext.rooms.ports import Message, host_topic, people_topic, room_topic
from interview_ext.rooms.roles import Action
from interview_ext.rooms.timeline import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel

    from interview_ext.api.services import Services

_REREAD = frozenset({"room", "people", "sandbox", "admitted", "rooms"})
"""Messages without content of their own: one that waits stands for all of its kind."""

_write = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

_OVER = frozenset({RoomState.ENDED, RoomState.ARCHIVED})

_NOT_FOR_THEM = (Forbidden, NotFound, RoomNotLive)


class OwnRooms:
    """Hears when people come, go or are admitted in any of an owner's rooms."""

    def __init__(self, services: Services, owner: str, changed: Callable[[], None]) -> None:
        self._services = services
        self._owner = owner
        self._changed = changed
        self._followed: dict[str, Callable[[], None]] = {}
        self._stopped = False

    async def follow(self) -> None:
        """Listen to rooms that are new and no more to those that are gone or over."""
        rooms = await self._services.rooms.owned_by(self._owner)
        current = {room.id for room in rooms if room.state not in _OVER}
        if self._stopped:
            return
        for room_id in self._followed.keys() - current:
            self._followed.pop(room_id)()
        for room_id in current - self._followed.keys():
            bus = self._services.bus
            self._followed[room_id] = bus.subscribe(people_topic(room_id), self._hear)

    def stop(self) -> None:
        """Listen no more."""
        self._stopped = True
        while self._followed:
            self._followed.popitem()[1]()

    def _hear(self, message: Message) -> None:
        if message["type"] in ("people", "gap"):
            self._changed()


async def waiting(
    services: Services, owner: str, *, elsewhere_than: str | None = None
) -> list[m.WaitingMessage]:
    """Return who waits in any of the owner's rooms, or with the page open in any other one."""
    found: list[m.WaitingMessage] = []
    for room in await services.rooms.owned_by(owner):
        if room.state in _OVER or room.id == elsewhere_than:
            continue
        host = await services.rooms.host_actor(room.id, owner=owner)
        found += [
            m.WaitingMessage(
                type="waiting",
                room_id=room.id,
                title=room.title,
                participant_id=person.participant.id,
                name=person.participant.name,
                since=person.waiting_since,
            )
            for person in await services.admission.people(host)
            if person.waiting_since is not None and (person.present or elsewhere_than is None)
        ]
    return found


class HostEventsSocket(EventsSocket):
    """``/events``: who waits in any of the host's rooms, and that the list has changed."""

    async def begin(self) -> None:
        self._owner = owner_name(self)
        self._rooms = OwnRooms(self.services, self._owner, lambda: self._hear({"type": "rooms"}))
        self.enqueue({"type": "hello"})
        self.listen(lambda: self.services.bus.subscribe(host_topic(self._owner), self._hear))
        self.listen(lambda: self._rooms.stop)

    def _hear(self, message: Message) -> None:
        kind = message["type"]
        self.enqueue(message, key=kind if kind in ("rooms", "gap") else None)

    async def shown(self, message: Message) -> list[BaseModel]:
        if message["type"] == "waiting":
            return [_waiting(message)]
        await self._rooms.follow()
        if message["type"] == "hello":
            return [*await waiting(self.services, self._owner)]
        if message["type"] == "gap":
            missed = await waiting(self.services, self._owner)
            return [m.RoomsMessage(type="rooms"), *missed]
        return [m.RoomsMessage(type="rooms")] if message["type"] == "rooms" else []


class RoomEventsSocket(EventsSocket):
    """``/rooms/{room}/events``: all that happens in the room and may be seen."""

    async def begin(self) -> None:
        self._who = self.actor
        room = await self.services.rooms.get(self._who.room_id)
        bus = self.services.bus
        self.enqueue({"type": "hello"})
        self.listen(lambda: bus.subscribe(room_topic(room.id), self._hear))
        if self._who.role is Role.HOST:
            self._owner = room.owner
            elsewhere: Message = {"type": "elsewhere"}
            self._rooms = OwnRooms(
                self.services, room.owner, lambda: self.enqueue(elsewhere, key="elsewhere")
            )
            self.listen(lambda: bus.subscribe(host_topic(room.owner), self._hear_elsewhere))
            self.listen(lambda: self._rooms.stop)
        # A host who looks from the dashboard is not in the room.
        if self._who.seat is not None:
            who, presence = self._who, self.services.presence
            presence.arrived(who, self)
            self.listen(lambda: lambda: presence.left(who, self))

    # -- hearing: at once, on the bus's own call

    def _hear(self, message: Message) -> None:
        kind = message["type"]
        if kind == "durable":
            # One for each keystroke, so it takes no detour where nothing is before it.
            mine = message["participant_id"] == self._who.id
            if mine and not self.send_at_once(durable_text(message)):
                self.enqueue(message)
        elif kind == "deleted":
            self._close_seat(str(SeatClosing.ROOM_DELETED))
        elif kind == "seat_closed":
            if self._who.seat is not None and message["seat_id"] == self._who.seat.id:
                self._close_seat(message["reason"])
        elif kind == "gap":
            # Whatever may have been missed, one's own seat's end too: all is read again.
            self.enqueue({"type": "hello"}, key="hello")
        elif kind in _REREAD:
            self.enqueue(message, key=kind)
        elif kind == "run":
            self.enqueue(message, key=("run", message["run"]["id"]))
        else:
            self.enqueue(message)

    def _hear_elsewhere(self, message: Message) -> None:
        if message["type"] == "waiting":
            self.enqueue(message)
        elif message["type"] in ("rooms", "gap"):
            self.enqueue({"type": "elsewhere"}, key="elsewhere")

    def _close_seat(self, reason: str) -> None:
        last = m.SeatClosedMessage(type="seat_closed", reason=reason)
        self.end(SeatClosed.close_code, reason, last=last)

    # -- rendering: in order, as the person who listens

    async def shown(self, message: Message) -> list[BaseModel]:
        ready: dict[str, Callable[[], Awaitable[list[BaseModel]]]] = {
            "hello": self._hello,
            "room": self._room,
            "admitted": self._room,
            "people": self._people,
            "sandbox": self._sandbox,
            "elsewhere": self._elsewhere,
        }
        carried = {
            "event": self._event,
            "run": self._run_message,
            "input_request": self._input,
            "input_done": self._input,
        }
        kind = message["type"]
        if kind in ready:
            return await ready[kind]()
        if kind in carried:
            return await carried[kind](message)
        plain = {"durable": _durable, "store": _store, "waiting": _waiting}
        return [plain[kind](message)] if kind in plain else []

    async def _hello(self) -> list[BaseModel]:
        services = self.services
        await self._refresh()
        room = await views.room(services, self._who)
        watches = Action.KERNEL_WATCH in room.me.actions
        reads = Action.DOCUMENT_READ in room.me.actions
        runs = await services.executions.runs(self._who) if reads else []
        pending = views.pending(services.executions.pending_input(room.id)) if watches else None
        hello = m.Hello(
            type="hello",
            room=room,
            participants=await views.participants(services, self._who),
            runs=views.last_runs(runs),
            sandbox=await self._status() if watches else None,
            input=pending,
            server_time=services.clock(),
        )
        greeting: list[BaseModel] = [hello]
        failing_since = services.documents.failing_since(room.id)
        if failing_since is not None:
            greeting.append(m.StoreMessage(type="store", ok=False, since=failing_since))
        if self._who.role is Role.HOST:
            greeting += await self._elsewhere()
        return greeting

    async def _elsewhere(self) -> list[BaseModel]:
        await self._rooms.follow()
        others = await waiting(self.services, self._owner, elsewhere_than=self._who.room_id)
        return [m.ElsewhereMessage(type="elsewhere", waiting=others)]

    async def _room(self) -> list[BaseModel]:
        await self._refresh()
        await self.services.rooms.check(self._who, Action.EVENTS)
        return [m.RoomMessage(type="room", room=await views.room(self.services, self._who))]

    async def _people(self) -> list[BaseModel]:
        await self._refresh()
        people = await views.participants(self.services, self._who)
        return [m.ParticipantsMessage(type="participants", participants=people)]

    async def _event(self, message: Message) -> list[BaseModel]:
        audience = message["event"]["audience"]
        # Who waits sees their own affairs only; "everyone" means who has been admitted.
        mine = audience == self._who.id
        if not (visible(audience, self._who.participant) if self._who.admitted else mine):
            return []
        event = schemas.Event.model_validate(message["event"])
        return [m.EventMessage(type="event", event=event)]

    async def _run(self, run_id: str) -> list[BaseModel]:
        try:
            await self.services.rooms.check(self._who, Action.DOCUMENT_READ)
            run = await self.services.executions.run(self._who, run_id)
            await self.services.rooms.document(self._who, run.document_id)
        except _NOT_FOR_THEM:
            return []
        return [m.RunMessage(type="run", run=views.run(run))]

    async def _run_message(self, message: Message) -> list[BaseModel]:
        return await self._run(message["run"]["id"])

    async def _input(self, message: Message) -> list[BaseModel]:
        if not await self._run(message["run_id"]):
            return []
        if message["type"] == "input_done":
            return [m.InputDoneMessage.model_validate(message)]
        return [m.InputRequestMessage.model_validate(message)]

    async def _sandbox(self) -> list[BaseModel]:
        try:
            await self.services.rooms.check(self._who, Action.KERNEL_WATCH)
        except _NOT_FOR_THEM:
            return []
        return [m.SandboxMessage(type="sandbox", sandbox=await self._status())]

    async def _status(self) -> schemas.Sandbox:
        return await views.sandbox(self.services, self._who)

    async def _refresh(self) -> None:
        """Read the seat and its person again: it may have been admitted, or closed unheard."""
        if self._who.seat is None:
            return
        store = self.services.store
        seat = await store.get_seat(self._who.seat.id)
        person = await store.get_participant(self._who.id)
        if seat is None or person is None:
            raise SeatClosed("Your seat was closed.")
        self._who = Actor(participant=person, seat=seat)
        if seat.state is SeatState.CLOSED:
            raise SeatClosed(f"Your seat was closed: {seat.closing}.")


def durable_text(message: Message) -> str:
    """Return the JSON of `_durable`, without a model for each keystroke."""
    said = ("document", "clients", "deletes")
    return _write({"type": "durable"} | {name: message[name] for name in said})


def _durable(message: Message) -> m.DurableMessage:
    return m.DurableMessage(
        type="durable",
        document=message["document"],
        clients={str(client): clock for client, clock in message["clients"].items()},
        deletes=tuple(tuple(one) for one in message["deletes"]),
    )


def _store(message: Message) -> m.StoreMessage:
    return m.StoreMessage.model_validate(message)


def _waiting(message: Message) -> m.WaitingMessage:
    return m.WaitingMessage.model_validate(message)
