"""Who is where: under one's own name only, gone with the socket."""

from __future__ import annotations

import asyncio
import json

import pytest

from interview_ext.collab import audience
from interview_ext.collab.awareness import MAX_STATE_CHARACTERS, initials
from interview_ext.collab.wire.framing import AwarenessEntry, write_awareness
from interview_ext.rooms.model import Role
from tests.collab.conftest import House
from tests.collab.pages import Page


async def pair(house: House) -> tuple[Page, Page]:
    ada = await house.page(await house.person(Role.CANDIDATE, "Ada King Lovelace")).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER, "Bob")).connect()
    await ada.until(lambda: bob.client in ada.presence)
    await bob.until(lambda: ada.client in bob.presence)
    return ada, bob


async def test_the_name_is_the_participants_whatever_the_page_says(house: House) -> None:
    ada, bob = await pair(house)
    ada.show({"user": {"name": "Bob", "color": "red"}, "cursors": [1]})
    await bob.until(lambda: bob.presence[ada.client][1]["cursors"] == [1])
    assert bob.presence[ada.client][1]["user"] == {
        "username": (await house.store.list_participants(house.plan.room.id))[1].id,
        "name": "Ada King Lovelace",
        "display_name": "Ada King Lovelace",
        "initials": "AL",
        "avatar_url": None,
        "color": "#0072b2",
    }


async def test_ones_own_entry_comes_back_unchanged_to_a_page_that_hears_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """y-websocket reconnects when it hears nothing for 30 s: alone in a room it hears this."""
    ada, _ = await pair(house)
    entries = [
        AwarenessEntry(ada.client, clock, json.dumps({"cursors": [2]})) for clock in (98, 99)
    ]
    ada.send(write_awareness(entries[:1]))
    await ada.round_trip()
    assert write_awareness(entries[:1]) not in ada.frames
    monkeypatch.setattr(audience, "SILENCE_S", 0.2)
    await asyncio.sleep(0.3)
    ada.send(write_awareness(entries[1:]))
    await ada.until(lambda: write_awareness(entries[1:]) in ada.frames, "the echo")


async def test_anothers_entry_is_dropped_silently(house: House) -> None:
    """A stock page sends the others' entries back; neither harm nor reconnect comes of it."""
    ada, bob = await pair(house)
    before = ada.presence[bob.client]
    ada.show({"user": {"name": "not Bob"}}, client=bob.client)
    ada.show(None, client=bob.client)
    ada.show({"cursors": [3]})
    await bob.until(lambda: bob.presence[ada.client][1].get("cursors") == [3])
    late = await house.page(await house.person(Role.OBSERVER)).connect()
    await late.until(lambda: bob.client in late.presence)
    assert late.presence[bob.client][1]["user"]["name"] == "Bob"
    assert ada.presence[bob.client] == before
    assert not ada.closed.is_set()
    assert await house.refusals() == []


async def test_leaving_removes_and_coming_back_shows_again(house: House) -> None:
    """After a reconnect the page goes on with its old clock: the others must not ignore it."""
    ada, bob = await pair(house)
    await ada.leave()
    await bob.until(lambda: bob.presence[ada.client][1] is None, "the removal")
    ada._clock = 0
    await ada.connect()
    await bob.until(lambda: bob.presence[ada.client][1] is not None, "the return")


async def test_presence_is_shown_again_after_a_restart_of_the_server(house: House) -> None:
    ada, bob = await pair(house)
    await house.restart()
    ada.url, bob.url = (house.url(house.identity.actors[p.url.split("/")[4]]) for p in (ada, bob))
    clock = bob.presence[ada.client][0]
    await bob.connect()
    await ada.connect()
    await bob.until(lambda: bob.presence[ada.client][0] > clock, "the return")


async def test_the_old_socket_of_a_page_does_not_take_the_new_one_along(house: House) -> None:
    actor = await house.person(Role.CANDIDATE)
    old, new = house.page(actor, client_id=4711), house.page(actor, client_id=4711)
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    await old.connect()
    await new.connect()
    await bob.until(lambda: 4711 in bob.presence)
    await old.leave()
    await bob.round_trip()
    assert bob.presence[4711][1] is not None


@pytest.mark.parametrize(
    "state",
    [
        "[" * 10_000,
        '"text"',
        "7",
        "{",
        '{"a": "' + "x" * MAX_STATE_CHARACTERS + '"}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
    ],
)
async def test_a_state_that_is_none_reaches_nobody(house: House, state: str) -> None:
    ada, bob = await pair(house)
    before = bob.presence[ada.client]
    ada.send(write_awareness([AwarenessEntry(ada.client, 50, state)]))
    await ada.round_trip()
    await bob.round_trip()
    assert bob.presence[ada.client] == before
    assert not ada.closed.is_set()


@pytest.mark.parametrize(
    ("name", "letters"), [("Ada King Lovelace", "AL"), ("bob", "B"), (" ", ""), ("", "")]
)
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters


async def test_two_tabs_of_one_person_do_not_hand_presence_to_and_fro(house: House) -> None:
    """Each sends back what it hears, as y-websocket does; to the server it is no news."""
    actor = await house.person(Role.CANDIDATE, "Ada King Lovelace")
    one = await house.page(actor).connect()
    two = await house.page(await house.sit(actor.participant)).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    await two.until(lambda: one.client in two.presence)
    await bob.until(lambda: one.client in bob.presence)
    clock, state = two.presence[one.client]
    await bob.round_trip()
    heard = bob.presence[one.client], len(one.frames)
    for _ in range(3):
        two.send(write_awareness([AwarenessEntry(one.client, clock, json.dumps(state))]))
    await two.round_trip()
    await bob.round_trip()
    assert (bob.presence[one.client], len(one.frames)) == heard
    # The other tab's end takes nobody away, and its own presence is still its own.
    two.send(write_awareness([AwarenessEntry(two.client, 99, json.dumps({"cursors": [7]}))]))
    await bob.until(lambda: (bob.presence[two.client][1] or {}).get("cursors") == [7])
    await two.leave()
    await bob.until(lambda: bob.presence[two.client][1] is None)
    assert bob.presence[one.client][1] is not None
