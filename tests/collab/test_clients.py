"""A Yjs client id belongs to who first showed it, for good."""

from __future__ import annotations

from tornado.httpclient import HTTPClientError

from interview_ext.collab.seed import SEED_CLIENT
from interview_ext.collab.wire.framing import write_step_2, write_update
from interview_ext.rooms.model import Role
from tests.collab.conftest import House
from tests.collab.pages import Page
from tests.collab.updates import letters


async def refused(house: House, thief: Page) -> None:
    """The thief's socket was closed, with a code that loses no work, and it is on record."""
    await thief.until(thief.closed.is_set, "the close")
    assert thief.close_code == 1008
    await house.hear(lambda m: m["type"] == "event" and m["event"]["kind"] == "access.refused")
    assert await house.refusals() == [{"what": "document.foreign_client"}]


async def test_anothers_next_clock_is_refused_and_the_victim_types_on(house: House) -> None:
    victim = await house.page(await house.person(Role.CANDIDATE)).connect()
    thief = await house.page(await house.person(Role.INTERVIEWER)).connect()
    victim.type("abc")
    await thief.until(lambda: thief.text == "abc")
    thief.send(write_update(letters("STOLEN", client=victim.client, clock=3)))
    await refused(house, thief)
    victim.type("def")
    await thief.connect()
    await thief.until(lambda: thief.text == "abcdef")


async def test_an_id_shown_in_awareness_alone_is_taken(house: House) -> None:
    """Also on a read-only seat, and its first letters are safe when it may write one day."""
    victim = await house.page(await house.person(Role.OBSERVER)).connect()
    thief = await house.page(await house.person(Role.CANDIDATE)).connect()
    await thief.until(lambda: victim.client in thief.presence)
    thief.send(write_update(letters("STOLEN", client=victim.client)))
    await refused(house, thief)
    assert await house.store.last_seq(house.notebook.id) == 0


async def test_ownership_outlives_the_server(house: House) -> None:
    victim = await house.page(await house.person(Role.CANDIDATE)).connect()
    other = await house.person(Role.INTERVIEWER)
    victim.type("abc")
    await victim.round_trip()
    await house.restart()
    thief = await house.page(other).connect()
    thief.send(write_update(letters("STOLEN", client=victim.client, clock=3)))
    await refused(house, thief)


async def test_the_servers_own_ids_are_taken(house: House) -> None:
    shared = await house.shared()
    for client in (SEED_CLIENT, shared.ydoc.ydoc.client_id):
        thief = await house.page(await house.person(Role.CANDIDATE)).connect()
        thief.send(write_update(letters("STOLEN", client=client)))
        await thief.until(thief.closed.is_set, "the close")
    assert await house.store.last_seq(house.notebook.id) == 0


async def test_an_id_of_the_same_person_in_another_tab_is_their_own(house: House) -> None:
    actor = await house.person(Role.CANDIDATE)
    one = await house.page(actor).connect()
    two = await house.page(actor).connect()
    one.type("a")
    await two.until(lambda: two.text == "a")
    two.send(write_update(letters("b", client=one.client, clock=1)))
    await one.until(lambda: one.text == "ba")
    assert not two.closed.is_set()


async def test_repeating_what_others_typed_is_no_theft(house: House) -> None:
    """An answer to step 1 may hold what others typed while it was on its way."""
    one = await house.page(await house.person(Role.CANDIDATE)).connect()
    two = await house.page(await house.person(Role.INTERVIEWER), answers=False).connect()
    one.type("abc")
    await two.until(lambda: two.text == "abc")
    two.type("d")
    two.send(write_step_2(two.doc.get_update()))
    await one.until(lambda: one.text == "abcd")
    await two.round_trip()
    assert not two.closed.is_set()
    assert await house.refusals() == []


async def test_a_page_that_comes_back_at_once_too_often_waits(house: House) -> None:
    actor = await house.person(Role.CANDIDATE)
    statuses = []
    for _ in range(house.limits.opens_per_minute + 15):
        page = house.page(actor)
        try:
            await page.connect(sync=False)
        except HTTPClientError as error:
            statuses.append(error.code)
        else:
            await page.leave()
    assert statuses
    assert set(statuses) == {429}
