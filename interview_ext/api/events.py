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
from interview_ext.api.waiting import Change
from interview_ext.errors import Forbidden, NotFound, RoomNotLive, SeatClosed
from interview_ext.execution.records import lasting
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import Role, SeatClosing, SeatState
from interview_ext.rooms.ports import Message, host_topic, room_topic
from interview_ext.rooms.roles import Action
from interview_ext.rooms.timeline import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel


_REREAD = frozenset({"room", "people", "sandbox", "admitted", "rooms"})
"""Messages without content of their own: one that waits stands for all of its kind."""

_FEW_DELETES = 100
"""Of an edit. What a page that comes again repeats has more, in several messages."""

_write = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

_NOT_FOR_THEM = (Forbidden, NotFound, RoomNotLive)


class HostEventsSocket(EventsSocket):
    """``/events``: who waits in any of the host's rooms, and that the list has changed."""

    async def begin(self) -> None:
        owner = owner_name(self)
        self._waiting = self.services.waiting.of(owner)
        self.enqueue({"type": "hello"})
        self.listen(lambda: self.services.bus.subscribe(host_topic(owner), self._hear))
        self.listen(lambda: self._waiting.listen(self._changed))

    def _hear(self, message: Message) -> None:
        if message["type"] == "waiting":
            self.enqueue(message)
        elif message["type"] == "gap":
            self.enqueue({"type": "hello"}, key="hello")

    def _changed(self, _: Change) -> None:
        self.enqueue({"type": "rooms"}, key="rooms")

    async def shown(self, message: Message) -> list[BaseModel]:
        if message["type"] == "waiting":
            return [_waiting(message)]
        if message["type"] == "hello":
            hello = m.HostHello(type="hello", server_time=self.services.clock())
            return [hello, *(one.message for one in await self._waiting.now())]
        return [m.RoomsMessage(type="rooms")]


class RoomEventsSocket(EventsSocket):
    """``/rooms/{room}/events``: all that happens in the room and may be seen."""

    async def begin(self) -> None:
        self._who = self.actor
        room = await self.services.rooms.get(self._who.room_id)
        bus = self.services.bus
        self.enqueue({"type": "hello"})
        self.listen(lambda: bus.subscribe(room_topic(room.id), self._hear))
        if self._who.role is Role.HOST:
            self._waiting = self.services.waiting.of(room.owner)
            self.listen(lambda: bus.subscribe(host_topic(room.owner), self._hear_waiting))
            self.listen(lambda: self._waiting.listen(self._changed_elsewhere))
        # A host who looks from the dashboard is not in the room.
        if self._who.seat is not None:
            who, presence = self._who, self.services.presence
            presence.arrived(who, self)
            self.listen(lambda: lambda: presence.left(who, self))

    # -- hearing: at once, on the bus's own call

    def _hear(self, message: Message) -> None:
        kind = message["type"]
        if kind == "durable":
            if message["participant_id"] != self._who.id:
                return
            # One for each keystroke, so it takes no detour where nothing is before it. Many
            # large ones in a row would, unread, count as a page that does not read.
            small = len(message["deletes"]) <= _FEW_DELETES
            if not small or not self.send_at_once(durable_text(message)):
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

    def _hear_waiting(self, message: Message) -> None:
        if message["type"] == "waiting":
            self.enqueue(message)

    def _changed_elsewhere(self, change: Change) -> None:
        if change is Change.WAITING:
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
        others = [
            one.message
            for one in await self._waiting.now()
            if one.present and one.message.room_id != self._who.room_id
        ]
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
        now = await views.sandbox(self.services, self._who)
        return now.model_copy(update={"state": lasting(now.state)})

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
