"""A whole set of room services on a real store, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from interview_ext.rooms.actor import Actor
from interview_ext.rooms.admission import Admission
from interview_ext.rooms.model import Role, Room
from interview_ext.rooms.ports import Message
from interview_ext.rooms.presence import Presence
from interview_ext.rooms.service import RoomPlan, Rooms, RoomSpec
from interview_ext.rooms.timeline import Timeline
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.sqlite import SqliteStore


@dataclass
class MovableClock:
    """A clock that stands still until it is moved."""

    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class House:
    """The services of `interview_ext.rooms`, put together as ``house.py`` does."""

    store: SqliteStore
    bus: MemoryBus
    clock: MovableClock
    timeline: Timeline
    rooms: Rooms
    presence: Presence
    admission: Admission
    heard: list[Message] = field(default_factory=list)

    async def room(self) -> tuple[Room, RoomPlan, Actor]:
        """A new room with its host, who comes by the server's own login."""
        plan = self.rooms.plan(RoomSpec(title="T", host_name="Host"), owner="owner")
        room = await self.rooms.create(plan)
        return room, plan, await self.rooms.host_actor(room.id, owner="owner")

    async def guest(self, host: Actor, role: Role = Role.CANDIDATE) -> tuple[str, Actor, str]:
        """Somebody who has opened their link: the link's token, the actor, the seat's secret."""
        _, _, token = await self.admission.invite(host, role=role, name="", expires_in_s=3600)
        actor, secret = await self.admission.join(
            host.room_id, token=token, name="Guest", secrets=[]
        )
        return token, actor, secret


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store, bus, clock = SqliteStore(tmp_path / "s.sqlite"), MemoryBus(), MovableClock()
    await store.start()
    timeline = Timeline(store, bus, clock=clock)
    rooms = Rooms(store=store, bus=bus, timeline=timeline, clock=clock)
    presence = Presence(bus=bus, timeline=timeline, grace_s=0.05)
    admission = Admission(
        rooms=rooms, store=store, bus=bus, timeline=timeline, presence=presence, clock=clock
    )
    yield House(store, bus, clock, timeline, rooms, presence, admission)
    await presence.stop()
    await rooms.stop()
    await store.stop()
