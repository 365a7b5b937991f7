"""Links, seats, the lobby and the host's ticket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from interview_ext.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    InviteInvalid,
    NotFound,
    SeatClosed,
    SeatRequired,
)
from interview_ext.rooms.admission import MAX_WAITING_SEATS, clean_name
from interview_ext.rooms.model import Role, RoomState, SeatState
from interview_ext.rooms.ports import Message, host_topic, room_topic
from interview_ext.rooms.roles import Action

from .conftest import House


async def test_looking_at_a_link_changes_nothing(house: House) -> None:
    room, _, host = await house.room()
    _, _, token = await house.admission.invite(
        host, role=Role.CANDIDATE, name="Ada", expires_in_s=3600
    )
    before = await house.store.list_events(room.id)
    for _ in range(3):
        look = await house.admission.look(room.id, token, secrets=[])
    assert (look.participant.name, look.hosts, look.seated) == ("Ada", ("Host",), False)
    assert await house.store.list_events(room.id) == before
    assert await house.store.list_seats(room.id) == []


async def test_one_link_is_one_person_who_waits_until_admitted(house: House) -> None:
    room, _, host = await house.room()
    heard: list[Message] = []
    house.bus.subscribe(host_topic("owner"), heard.append)
    token, guest, secret = await house.guest(host)
    assert not guest.admitted
    waiting = [m for m in heard if m["type"] == "waiting"]
    assert [m["participant_id"] for m in waiting] == [guest.id]

    again, same = await house.admission.join(room.id, token=token, name=None, secrets=[secret])
    assert (again.id, same) == (guest.id, secret)

    await house.admission.admit(host, guest.id)
    seated = await house.admission.seated(room.id, guest.id, secret)
    assert seated.admitted
    assert (await house.rooms.get(room.id)).state is RoomState.LIVE


async def test_a_second_device_takes_over_at_its_admission_and_not_before(house: House) -> None:
    room, _, host = await house.room()
    heard: list[Message] = []
    house.bus.subscribe(room_topic(room.id), heard.append)
    token, guest, laptop = await house.guest(host)
    await house.admission.admit(host, guest.id)

    _, phone = await house.admission.join(room.id, token=token, name="Other", secrets=[])
    assert (await house.admission.seated(room.id, guest.id, laptop)).admitted
    assert not (await house.admission.seated(room.id, guest.id, phone)).admitted
    person = await house.store.get_participant(guest.id)
    assert person is not None
    assert person.name == "Guest", "a leaked link must not rename who is in"

    await house.admission.admit(host, guest.id)
    with pytest.raises(SeatClosed, match="another device"):
        await house.admission.seated(room.id, guest.id, laptop)
    assert (await house.admission.seated(room.id, guest.id, phone)).admitted
    assert [m["reason"] for m in heard if m["type"] == "seat_closed"] == ["moved to another device"]


async def test_declining_a_second_device_leaves_the_first_in(house: House) -> None:
    room, _, host = await house.room()
    token, guest, laptop = await house.guest(host)
    await house.admission.admit(host, guest.id)
    _, phone = await house.admission.join(room.id, token=token, name=None, secrets=[])
    await house.admission.decline(host, guest.id)
    assert (await house.admission.seated(room.id, guest.id, laptop)).admitted
    with pytest.raises(SeatClosed, match="declined"):
        await house.admission.seated(room.id, guest.id, phone)


async def test_revoking_closes_the_seats_that_came_by_the_link(house: House) -> None:
    room, _, host = await house.room()
    token, guest, secret = await house.guest(host)
    await house.admission.admit(host, guest.id)
    ((invite, _),) = await house.admission.invites(host)
    await house.admission.revoke(host, invite.id)
    with pytest.raises(SeatClosed, match="revoked"):
        await house.admission.seated(room.id, guest.id, secret)
    with pytest.raises(InviteInvalid, match="withdrawn"):
        await house.admission.look(room.id, token, secrets=[])


async def test_a_removed_person_cannot_come_back(house: House) -> None:
    room, _, host = await house.room()
    token, guest, secret = await house.guest(host)
    await house.admission.remove(host, guest.id)
    with pytest.raises(SeatClosed, match="removed"):
        await house.admission.seated(room.id, guest.id, secret)
    with pytest.raises(InviteInvalid):
        await house.admission.join(room.id, token=token, name="G", secrets=[])


async def test_links_expire_and_belong_to_one_room(house: House) -> None:
    room, _, host = await house.room()
    other, _, _ = await house.room()
    _, _, token = await house.admission.invite(host, role=Role.CANDIDATE, name="", expires_in_s=60)
    with pytest.raises(InviteInvalid, match="not valid"):
        await house.admission.look(other.id, token, secrets=[])
    house.clock.move(60)
    with pytest.raises(InviteInvalid, match="expired"):
        await house.admission.join(room.id, token=token, name="G", secrets=[])


async def test_a_seat_is_worth_nothing_elsewhere(house: House) -> None:
    room, _, host = await house.room()
    other, _, other_host = await house.room()
    _, guest, secret = await house.guest(host)
    _, second, _ = await house.guest(host)
    for room_id, participant_id, given in (
        (other.id, guest.id, secret),
        (room.id, second.id, secret),
        (other.id, other_host.id, secret),
        (room.id, guest.id, "guessed"),
        (room.id, guest.id, None),
    ):
        with pytest.raises(SeatRequired):
            await house.admission.seated(room_id, participant_id, given)


async def test_a_ticket_is_good_once_for_thirty_seconds(house: House) -> None:
    room, _, host = await house.room()
    other, _, _ = await house.room()
    ticket = await house.admission.ticket(host)
    with pytest.raises(InviteInvalid):
        await house.admission.redeem_ticket(other.id, ticket)
    with pytest.raises(InviteInvalid):
        await house.admission.redeem_ticket(room.id, ticket)
    ticket = await house.admission.ticket(host)
    actor, secret = await house.admission.redeem_ticket(room.id, ticket)
    assert actor.role is Role.HOST
    assert actor.admitted
    assert (await house.admission.seated(room.id, actor.id, secret)).id == host.id
    assert (await house.rooms.get(room.id)).state is RoomState.LOBBY
    late = await house.admission.ticket(host)
    house.clock.move(30)
    with pytest.raises(InviteInvalid):
        await house.admission.redeem_ticket(room.id, late)


async def test_guests_may_not_manage(house: House) -> None:
    room, _, host = await house.room()
    _, guest, secret = await house.guest(host)
    for work in (
        house.admission.admit(guest, guest.id),
        house.admission.remove(guest, host.id),
        house.admission.invite(guest, role=Role.HOST, name="", expires_in_s=3600),
        house.admission.ticket(guest),
    ):
        with pytest.raises(Forbidden):
            await work
    await house.admission.admit(host, guest.id)
    inside = await house.admission.seated(room.id, guest.id, secret)
    with pytest.raises(Forbidden):
        await house.admission.remove(inside, host.id)
    with pytest.raises(Conflict):
        await house.admission.remove(host, host.id)
    with pytest.raises(BadRequest):
        await house.admission.invite(host, role=Role.HOST, name="", expires_in_s=3600)


async def test_people_of_other_rooms_are_unknown(house: House) -> None:
    _, _, host = await house.room()
    _, _, other_host = await house.room()
    _, guest, _ = await house.guest(host)
    with pytest.raises(NotFound):
        await house.admission.admit(other_host, guest.id)


async def test_a_leaked_link_cannot_fill_the_lobby(house: House) -> None:
    room, _, host = await house.room()
    token, guest, secret = await house.guest(host)
    seated = await house.admission.seated(room.id, guest.id, secret)
    house.presence.arrived(seated, "page")
    for _ in range(3 * MAX_WAITING_SEATS):
        house.clock.move(1)
        await house.admission.join(room.id, token=token, name=None, secrets=[])
    open_seats = [s for s in await house.store.list_seats(room.id) if s.state == "waiting"]
    assert len(open_seats) <= MAX_WAITING_SEATS
    assert not (await house.admission.seated(room.id, guest.id, secret)).admitted
    await house.admission.admit(host, guest.id)
    assert (await house.admission.seated(room.id, guest.id, secret)).admitted


async def test_a_seat_closed_while_it_is_looked_up_is_not_remembered(house: House) -> None:
    room, _, host = await house.room()
    _, guest, secret = await house.guest(host)
    await house.admission.admit(host, guest.id)
    looked, _ = await asyncio.gather(
        house.admission.seated(room.id, guest.id, secret),
        house.admission.remove(host, guest.id),
        return_exceptions=True,
    )
    assert looked is not None
    with pytest.raises(SeatClosed):
        await house.admission.seated(room.id, guest.id, secret)


async def test_who_sees_whom(house: House) -> None:
    room, _, host = await house.room()
    _, first, first_secret = await house.guest(host)
    _, second, _ = await house.guest(host)
    await house.guest(host, Role.OBSERVER)
    assert len(await house.admission.people(host)) == 4
    assert {p.participant.role for p in await house.admission.people(first)} == {
        Role.HOST,
        Role.OBSERVER,
        Role.CANDIDATE,
    }
    assert second.id not in {p.participant.id for p in await house.admission.people(first)}
    await house.admission.admit(host, first.id)
    inside = await house.admission.seated(room.id, first.id, first_secret)
    assert {p.state for p in await house.admission.people(inside)} == {"admitted", "waiting"}


@pytest.mark.parametrize("name", ["", "   ", "\u202e\u200b", "x" * 81])
def test_names_that_cannot_be_shown_are_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        clean_name(name)


def test_names_are_one_printable_line() -> None:
    assert clean_name("  Ada\n\tLove\u202elace ") == "Ada Love lace"
    assert clean_name("李 小龙 🙂") == "李 小龙 🙂"


class Meanwhile:
    """Does something once, right before one method of a store begins."""

    def __init__(self, house: House, method: str) -> None:
        self.do: Callable[[], Awaitable[object]] | None = None
        original = getattr(house.store, method)

        async def late(*args: Any, **kwargs: Any) -> Any:
            do, self.do = self.do, None
            if do is not None:
                await do()
            return await original(*args, **kwargs)

        setattr(house.store, method, late)


async def test_a_link_that_is_withdrawn_during_the_admission_lets_nobody_in(house: House) -> None:
    room, _, host = await house.room()
    _, guest, secret = await house.guest(host)
    ((invite, _),) = await house.admission.invites(host)
    meanwhile = Meanwhile(house, "update_seats")
    meanwhile.do = lambda: house.admission.revoke(host, invite.id)
    with pytest.raises(Conflict):
        await house.admission.admit(host, guest.id)
    with pytest.raises(SeatClosed):
        await house.admission.seated(room.id, guest.id, secret)
    kinds = [event.kind for event in await house.store.list_events(room.id)]
    assert "participant.admitted" not in kinds


async def test_a_link_that_is_withdrawn_while_it_is_redeemed_leaves_no_seat(house: House) -> None:
    room, _, host = await house.room()
    invite, _, token = await house.admission.invite(
        host, role=Role.CANDIDATE, name="Ada", expires_in_s=3600
    )
    meanwhile = Meanwhile(house, "add_seat")
    meanwhile.do = lambda: house.admission.revoke(host, invite.id)
    with pytest.raises(InviteInvalid):
        await house.admission.join(room.id, token=token, name=None, secrets=[])
    (seat,) = await house.store.list_seats(room.id)
    assert seat.state is SeatState.CLOSED


async def test_two_who_are_let_in_at_once_both_are(house: House) -> None:
    room, _, host = await house.room()
    guests = [await house.guest(host) for _ in range(2)]
    heard: list[Message] = []
    house.bus.subscribe(room_topic(room.id), heard.append)
    await asyncio.gather(*(house.admission.admit(host, guest.id) for _, guest, _ in guests))
    told = {m["participant_id"] for m in heard if m["type"] == "admitted"}
    assert told == {guest.id for _, guest, _ in guests}
    assert (await house.rooms.get(room.id)).state is RoomState.LIVE


async def test_who_was_removed_may_do_nothing_more(house: House) -> None:
    """Whatever was asked before is asked again with the seat as it was."""
    room, _, host = await house.room()
    _, guest, secret = await house.guest(host)
    await house.admission.admit(host, guest.id)
    seated = await house.admission.seated(room.id, guest.id, secret)
    await house.rooms.check(seated, Action.ROOM_READ)
    await house.admission.remove(host, guest.id)
    with pytest.raises(SeatClosed):
        await house.rooms.check(seated, Action.ROOM_READ)
