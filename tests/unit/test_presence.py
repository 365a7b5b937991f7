"""Who is here, where several servers share the rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from interview_ext.rooms import presence as module
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import new_id, now
from interview_ext.rooms.model import Event, Participant, Role, Seat, SeatState
from interview_ext.rooms.ports import Listener, Message, Recorder
from interview_ext.rooms.presence import Presence
from interview_ext.storage.memory_bus import MemoryBus


class Wire(MemoryBus):
    """A bus that several servers hear."""

    shared = True


class Cut:
    """One server's end of it, which can be cut."""

    shared = True
    from_elsewhere = False
    about = "a test's"

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.cut = False

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def publish(self, topic: str, message: Message) -> None:
        if not self.cut:
            self.wire.publish(topic, message)

    def heard_elsewhere(self, topic: str) -> bool:
        return self.wire.heard_elsewhere(topic)

    def subscribe(self, topic: str, listener: Listener) -> Callable[[], None]:
        return self.wire.subscribe(topic, lambda m: None if self.cut else listener(m))


class Noted:
    """A timeline that remembers kinds and people."""

    def __init__(self) -> None:
        self.kinds: list[tuple[str, str]] = []

    async def record(self, _room_id: str, kind: str, *, actor: str, **_: Any) -> Event:
        self.kinds.append((kind, actor))
        return cast(Event, None)


def somebody() -> Actor:
    person = Participant(
        id=new_id("person"),
        room_id="room",
        role=Role.CANDIDATE,
        name="Carla",
        colour="#000",
        created_at=now(),
    )
    seat = Seat(
        id=new_id("seat"),
        room_id="room",
        participant_id=person.id,
        secret_digest="",
        created_at=now(),
        state=SeatState.ADMITTED,
    )
    return Actor(participant=person, seat=seat)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not so quick that a moment in which the machine stands still looks like a server gone."""
    monkeypatch.setattr(module, "SAY_EVERY_S", 0.3)
    monkeypatch.setattr(module, "GONE_AFTER_S", 2.0)
    monkeypatch.setattr(module, "AGREE_S", 0.5)


class Servers:
    """Some servers on one wire, with one timeline."""

    def __init__(self, count: int) -> None:
        self.timeline = Noted()
        wire = Wire()
        self.ends = [Cut(wire) for _ in range(count)]
        recorder = cast(Recorder, self.timeline)
        self.presences = [Presence(bus=end, timeline=recorder, grace_s=0.05) for end in self.ends]

    async def __aenter__(self) -> list[Presence]:
        for presence in self.presences:
            await presence.start()
        return self.presences

    async def __aexit__(self, *_: object) -> None:
        for presence in self.presences:
            await presence.stop()


async def test_pages_on_two_servers_are_one_person_who_comes_and_goes_once() -> None:
    servers, who = Servers(3), somebody()
    async with servers as (a, b, c):
        for server, page in ((a, 1), (b, 2)):  # both at the same moment
            server.arrived(who, page)
        await asyncio.sleep(1.5)
        assert all(server.is_here(who.id) for server in (a, b, c))
        assert who.seat is not None
        assert all(server.seat_is_here(who.id, who.seat.id) for server in (a, b, c))
        assert servers.timeline.kinds == [("participant.arrived", who.id)]
        a.left(who, 1)
        await asyncio.sleep(1.5)
        assert all(server.is_here(who.id) for server in (a, b, c))
        a.arrived(who, 3)
        a.left(who, 3)
        b.left(who, 2)
        await asyncio.sleep(1.5)
        assert not any(server.is_here(who.id) for server in (a, b, c))
    assert servers.timeline.kinds == [
        ("participant.arrived", who.id),
        ("participant.left", who.id),
    ]


async def test_the_people_of_a_server_that_is_gone_leave_with_it_unless_they_are_elsewhere() -> (
    None
):
    servers, gone, stays = Servers(3), somebody(), somebody()
    async with servers as (a, b, c):
        for who in (gone, stays):
            a.arrived(who, who.id)
        await asyncio.sleep(0.5)
        servers.ends[0].cut = True
        b.arrived(stays, 1)
        await asyncio.sleep(4)
        assert not b.is_here(gone.id)
        assert not c.is_here(gone.id)
        assert c.is_here(stays.id)
        told = [kind for kind in servers.timeline.kinds if kind[0] == "participant.left"]
        assert told.count(("participant.left", stays.id)) == 0
        # One of the two that are left; the one that is cut off thinks itself alone.
        assert told.count(("participant.left", gone.id)) == 1
