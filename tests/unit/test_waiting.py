"""Who waits in an owner's rooms: right at all times, and read for the rooms that changed only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from interview_ext.api.waiting import Change, WaitingList, WaitingLists
from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.model import RoomState, Seat
from interview_ext.rooms.ports import host_topic, tell_people
from interview_ext.rooms.service import RoomChanges

from .conftest import House


@dataclass
class Page:
    """Somebody who listens to a list, and how often which room was read meanwhile."""

    house: House
    kept: WaitingList
    leave: Callable[[], None] = lambda: None
    told: list[Change] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    async def names(self) -> list[str]:
        return [one.message.name for one in await self.kept.now()]

    async def settled(self) -> list[Change]:
        """What the page has been told since it was last asked."""
        for _ in range(20):
            await asyncio.sleep(0.01)
        told, self.told[:] = self.told.copy(), []
        return told


@pytest.fixture
async def lists(house: House) -> WaitingLists:
    return WaitingLists(rooms=house.rooms, admission=house.admission, bus=house.bus)


@pytest.fixture
async def page(
    house: House, lists: WaitingLists, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Page]:
    page = Page(house, lists.of("owner"))
    page.leave = page.kept.listen(page.told.append)
    list_seats = house.store.list_seats

    async def counted(room_id: str) -> list[Seat]:
        page.read.append(room_id)
        return await list_seats(room_id)

    monkeypatch.setattr(house.store, "list_seats", counted)
    yield page
    page.leave()


async def test_one_who_comes_has_only_their_room_read(house: House, page: Page) -> None:
    hosts = [(await house.room())[2] for _ in range(5)]
    assert await page.names() == []
    assert sorted(page.read) == sorted(host.room_id for host in hosts)
    await page.settled()
    page.read.clear()
    _, guest, _ = await house.guest(hosts[2])
    assert Change.WAITING in await page.settled()
    assert set(page.read) - {hosts[2].room_id} == set()
    page.read.clear()
    (one,) = await page.kept.now()
    assert (one.message.room_id, one.message.participant_id) == (guest.room_id, guest.id)
    assert page.read == [], "what has not changed is not read again"
    await house.admission.decline(hosts[2], guest.id)
    assert Change.WAITING in await page.settled()
    assert await page.names() == []


async def test_pages_are_not_woken_where_nobody_waits_who_did_not(house: House, page: Page) -> None:
    _, _, host = await house.room()
    await house.guest(host)
    assert await page.names() == ["Guest"]
    await page.settled()
    tell_people(house.bus, host.room_id)
    assert await page.settled() == [Change.OTHER]


async def test_news_that_somebody_else_has_read_still_reaches_the_others(
    house: House, page: Page
) -> None:
    _, _, host = await house.room()
    await page.names()
    await page.settled()
    joining = asyncio.create_task(house.guest(host))
    while not joining.done():
        await page.kept.now()
        await asyncio.sleep(0)
    assert Change.WAITING in await page.settled()


async def test_somebody_present_is_told_from_one_who_went(house: House, page: Page) -> None:
    _, _, host = await house.room()
    _, guest, _ = await house.guest(host)
    assert [one.present for one in await page.kept.now()] == [False]
    connection = object()
    house.presence.arrived(guest, connection)
    assert Change.WAITING in await page.settled()
    assert [one.present for one in await page.kept.now()] == [True]
    house.presence.left(guest, connection)
    await asyncio.sleep(0.1)
    assert Change.WAITING in await page.settled()
    assert [one.present for one in await page.kept.now()] == [False]


async def test_rooms_that_are_new_renamed_or_over_are_followed(house: House, page: Page) -> None:
    assert await page.names() == []
    _, _, host = await house.room()
    await page.settled()
    _, guest, _ = await house.guest(host)
    await page.settled()
    assert await page.names() == ["Guest"]
    await house.rooms.change(host, RoomChanges(title="Renamed"))
    assert Change.WAITING in await page.settled()
    assert [one.message.title for one in await page.kept.now()] == ["Renamed"]
    await house.admission.admit(host, guest.id)
    await house.guest(host)
    await page.settled()
    assert await page.names() == ["Guest"]
    await house.rooms.set_state(host, RoomState.ENDED)
    assert Change.WAITING in await page.settled()
    assert await page.names() == []
    house.bus.publish(host_topic("owner"), {"type": "gap"})
    assert await page.settled() == [Change.OTHER]


async def test_what_could_not_be_read_is_read_again(
    house: House, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, host = await house.room()
    await page.names()
    await page.settled()
    working = house.store.list_seats

    async def failing(room_id: str) -> list[Seat]:
        raise StoreUnavailable("The store does not answer.")

    monkeypatch.setattr(house.store, "list_seats", failing)
    tell_people(house.bus, host.room_id)
    assert Change.WAITING in await page.settled(), "each page finds out"
    with pytest.raises(StoreUnavailable):
        await page.kept.now()
    monkeypatch.setattr(house.store, "list_seats", working)
    await house.guest(host)
    assert Change.WAITING in await page.settled()
    assert await page.names() == ["Guest"]


async def test_lists_are_kept_while_somebody_listens(house: House, lists: WaitingLists) -> None:
    _, _, host = await house.room()
    first = lists.of("owner")
    assert lists.of("somebody else") is not first
    leave, leave_too = first.listen(lambda _: None), lists.of("owner").listen(print)
    await first.now()
    leave()
    assert lists.of("owner") is first
    leave_too()
    leave_too()
    assert lists.of("owner") is not first
    tell_people(house.bus, host.room_id)
    assert await first.now() == []
