"""A room's life, its end foreseen and called off, its documents and its messages."""

from __future__ import annotations

import asyncio

import pytest

from interview_ext.errors import (
    BadRequest,
    BadTransition,
    Conflict,
    NotFound,
    RoomNotLive,
    TooManyRequests,
)
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import Role, RoomState
from interview_ext.rooms.ports import ROOMS_TOPIC, Message, room_topic
from interview_ext.rooms.service import (
    CHAT_LINES_PER_MINUTE,
    REFUSALS_PER_MINUTE,
    RoomChanges,
    RoomPlan,
    RoomSpec,
)
from interview_ext.rooms.timeline import verify

from .conftest import House


async def reached(house: House, room_id: str, state: RoomState) -> None:
    """Wait until the room is in that state."""
    done = asyncio.Event()
    stop = house.bus.subscribe(
        ROOMS_TOPIC,
        lambda m: done.set() if (m["room_id"], m["state"]) == (room_id, state) else None,
    )
    if (await house.rooms.get(room_id)).state is not state:
        await asyncio.wait_for(done.wait(), 10)
    stop()


async def test_a_life_from_start_to_end(house: House) -> None:
    room, _, host = await house.room()
    for state in ("lobby", "live", "paused", "live", "ended", "archived"):
        room = await house.rooms.set_state(host, RoomState(state))
        assert room.state == state
    with pytest.raises(BadTransition, match="archived"):
        await house.rooms.set_state(host, RoomState.LIVE)
    events = await house.store.list_events(room.id)
    verify(events)
    assert [e.payload["to"] for e in events if e.kind == "room.state" and e.payload] == [
        "lobby",
        "live",
        "paused",
        "live",
        "ended",
        "archived",
    ]


async def test_an_announced_end_comes_and_can_be_called_off(house: House) -> None:
    room, _, host = await house.room()
    await house.rooms.set_state(host, RoomState.LIVE)
    announced = await house.rooms.set_state(host, RoomState.ENDED, in_s=120)
    assert announced.state is RoomState.LIVE
    assert announced.ends_at is not None
    called_off = await house.rooms.set_state(host, RoomState.LIVE)
    assert called_off.ends_at is None
    await house.rooms.set_state(host, RoomState.ENDED, in_s=1)
    house.clock.move(1)
    await reached(house, room.id, RoomState.ENDED)


async def test_an_announced_end_survives_a_restart(house: House) -> None:
    room, _, host = await house.room()
    await house.rooms.set_state(host, RoomState.LIVE)
    await house.rooms.set_state(host, RoomState.ENDED, in_s=60)
    await house.rooms.stop()
    house.clock.move(61)
    await house.rooms.start()
    await reached(house, room.id, RoomState.ENDED)


async def test_only_an_end_is_announced(house: House) -> None:
    _, _, host = await house.room()
    with pytest.raises(BadRequest):
        await house.rooms.set_state(host, RoomState.LIVE, in_s=5)
    with pytest.raises(BadRequest):
        await house.rooms.set_state(host, RoomState.ENDED, in_s=-1)


async def test_a_change_from_an_old_version_is_refused(house: House) -> None:
    room, _, host = await house.room()
    changed = await house.rooms.change(host, RoomChanges(version=room.version, title="New"))
    assert (changed.title, changed.version) == ("New", room.version + 1)
    with pytest.raises(Conflict):
        await house.rooms.change(host, RoomChanges(version=room.version, title="Old"))
    assert await house.rooms.change(host, RoomChanges()) == changed


async def test_the_same_key_is_the_same_room(house: House) -> None:
    _, plan, _ = await house.room()
    first = await house.rooms.create(plan_again(house, "A"), idempotency_key="k")
    second = await house.rooms.create(plan_again(house, "B"), idempotency_key="k")
    assert first == second == await house.rooms.find_created("owner", "k")
    assert plan.room.id != first.id


def plan_again(house: House, title: str) -> RoomPlan:
    return house.rooms.plan(RoomSpec(title=title, host_name="H"), owner="owner")


async def test_rooms_are_their_owners(house: House) -> None:
    room, _, _ = await house.room()
    with pytest.raises(NotFound):
        await house.rooms.host_actor(room.id, owner="another")
    assert await house.rooms.owned_by("another") == []


async def test_documents_follow_role_and_state(house: House) -> None:
    room, plan, host = await house.room()
    _, guest, secret = await house.guest(host)
    assert await house.rooms.documents(guest) == []
    await house.admission.admit(host, guest.id)
    inside = await house.admission.seated(room.id, guest.id, secret)
    assert [(d.path, w) for d, w in await house.rooms.documents(inside)] == [
        ("interview.ipynb", True)
    ]
    with pytest.raises(NotFound):
        await house.rooms.document(inside, plan.notes.id)
    await house.rooms.set_state(host, RoomState.PAUSED)
    assert [w for _, w in await house.rooms.documents(inside)] == [False]
    await house.rooms.set_state(host, RoomState.ENDED)
    with pytest.raises(RoomNotLive):
        await house.rooms.document_by_path(inside, "interview.ipynb")
    assert {d.path for d, _ in await house.rooms.documents(host)} == {
        "interview.ipynb",
        "notes.md",
    }


async def test_lines_from_the_lobby_reach_the_staff_only(house: House) -> None:
    room, _, host = await house.room()
    _, first, first_secret = await house.guest(host)
    _, second, second_secret = await house.guest(host)
    await house.rooms.chat(first, " hello ")
    await house.admission.admit(host, first.id)
    await house.admission.admit(host, second.id)
    inside = await house.admission.seated(room.id, first.id, first_secret)
    other = await house.admission.seated(room.id, second.id, second_secret)

    async def lines(actor: Actor) -> list[str]:
        events = await house.rooms.timeline(actor)
        return [e.payload["text"] for e in events if e.kind == "chat" and e.payload]

    await house.rooms.chat(inside, "inside")
    assert await lines(host) == await lines(inside) == ["hello", "inside"]
    assert await lines(other) == ["inside"]
    for bad in ("", "  ", "x" * 2001):
        with pytest.raises(BadRequest):
            await house.rooms.chat(inside, bad)
    for _ in range(CHAT_LINES_PER_MINUTE - 2):
        await house.rooms.chat(inside, "again")
    with pytest.raises(TooManyRequests):
        await house.rooms.chat(inside, "one too many")


async def test_refusals_are_shown_to_whom_they_concern_and_limited(house: House) -> None:
    room, _, host = await house.room()
    _, guest, secret = await house.guest(host)
    await house.admission.admit(host, guest.id)
    inside = await house.admission.seated(room.id, guest.id, secret)
    for number in range(REFUSALS_PER_MINUTE * 3):
        await house.rooms.refused(inside, f"attempt {number}")
    mine = [e for e in await house.rooms.timeline(inside) if e.kind == "access.refused"]
    assert len(mine) == REFUSALS_PER_MINUTE
    house.clock.move(60)
    await house.rooms.refused(inside, "later")
    assert (await house.rooms.timeline(host))[-1].payload == {"what": "later"}


async def test_a_running_room_is_not_deleted(house: House) -> None:
    room, _, host = await house.room()
    await house.rooms.set_state(host, RoomState.LIVE)
    with pytest.raises(Conflict):
        await house.rooms.delete(host)
    await house.rooms.set_state(host, RoomState.ENDED)
    heard: list[Message] = []
    house.bus.subscribe(room_topic(room.id), heard.append)
    await house.rooms.delete(host)
    assert heard == [{"type": "deleted"}]
    with pytest.raises(NotFound):
        await house.rooms.get(room.id)


async def test_a_reload_is_not_a_leaving(house: House) -> None:
    room, _, host = await house.room()
    _, guest, _ = await house.guest(host, Role.OBSERVER)
    left = asyncio.Event()
    house.bus.subscribe(
        room_topic(room.id),
        lambda m: (
            left.set()
            if m["type"] == "event" and m["event"]["kind"] == "participant.left"
            else None
        ),
    )
    house.presence.arrived(guest, "one")
    house.presence.left(guest, "one")
    house.presence.arrived(guest, "two")
    assert house.presence.is_here(guest.id)
    house.presence.left(guest, "two")
    await asyncio.wait_for(left.wait(), 10)
    assert not house.presence.is_here(guest.id)
    kinds = [e.kind for e in await house.store.list_events(room.id)]
    assert kinds.count("participant.arrived") == kinds.count("participant.left") == 1
