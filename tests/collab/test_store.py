"""The store fails: nothing is shown that is not committed, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pycrdt import Text

from interview_ext.collab.limits import Limits
from interview_ext.rooms.model import Role
from tests.collab.conftest import House


async def test_what_waits_for_the_store_is_shown_to_nobody_and_then_to_all(house: House) -> None:
    ada = await house.page(await house.person(Role.CANDIDATE)).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    house.log.down = True
    ada.type("abc")
    failing = await house.hear(lambda m: m["type"] == "store")
    assert failing["ok"] is False
    assert failing["since"]
    await bob.round_trip()
    assert bob.text == ""
    late = await house.page(await house.person(Role.OBSERVER)).connect()
    assert late.text == ""
    house.log.down = False
    await house.hear(lambda m: m["type"] == "store" and m["ok"])
    await bob.until(lambda: bob.text == "abc")
    await late.until(lambda: late.text == "abc")
    durable = [m["clients"] for m in house.heard if m["type"] == "durable"]
    assert durable[-1] == {str(ada.client): 3}
    assert [m["ok"] for m in house.heard if m["type"] == "store"] == [False, True]
    assert not ada.closed.is_set()


async def test_an_uncommitted_output_is_in_no_answer_to_a_sync(house: House) -> None:
    """A page that had it would, after a crash, hold structs that nobody can give back."""
    shared = await house.shared()
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    house.log.down = True
    shared.ydoc.ydoc.get("source", type=Text).insert(0, "out")
    late = await house.page(await house.person(Role.INTERVIEWER)).connect(sync=False)
    late.send(b"\x00\x00\x01\x00")
    late.send(b"\x03")
    await late.until(lambda: sum(frame[0] == 1 for frame in late.frames) == 2)
    assert not late.synced.is_set(), "what came after the step 1 has been answered before it"
    assert late.text == ""
    house.log.down = False
    await late.until(lambda: late.text == "out")
    await late.until(late.synced.is_set)
    await page.until(lambda: page.text == "out")


async def test_a_new_client_id_waits_for_the_store_too(house: House) -> None:
    ada = await house.page(await house.person(Role.CANDIDATE)).connect()
    house.log.down = True
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    await house.hear(lambda m: m["type"] == "store" and not m["ok"])
    assert bob.client not in ada.presence
    house.log.down = False
    await ada.until(lambda: bob.client in ada.presence)


class TestQueue:
    """With room for a few frames only."""

    @pytest.fixture
    def limits(self) -> Limits:
        return replace(Limits(), max_waiting=4000)

    async def test_a_full_queue_stops_the_reading_and_loses_nothing(self, house: House) -> None:
        page = await house.page(await house.person(Role.CANDIDATE)).connect()
        relay = (await house.shared()).relay
        house.log.down = True
        page.type("x" * 200)
        await house.hear(lambda m: m["type"] == "store" and not m["ok"])
        for _ in range(20):
            await (await house.page(await house.person(Role.OBSERVER)).connect()).leave()
        assert relay._inbox.bytes <= 2 * house.limits.max_waiting, "it reads on"
        house.log.down = False
        other = await house.page(await house.person(Role.INTERVIEWER)).connect()
        await other.until(lambda: other.text == "x" * 200)
        assert not page.closed.is_set()


class TestClosing:
    """While the store fails."""

    @pytest.fixture
    def limits(self) -> Limits:
        return replace(Limits(), close_wait_s=0.05)

    async def test_a_document_closes_and_the_page_brings_its_work_back(self, house: House) -> None:
        page = await house.page(await house.person(Role.CANDIDATE)).connect()
        house.log.down = True
        page.type("abc")
        await house.hear(lambda m: m["type"] == "store" and not m["ok"])
        await house.documents.close_room(house.plan.room.id)
        await page.until(page.closed.is_set)
        assert page.close_code == 1001
        house.log.down = False
        await page.connect()
        other = await house.page(await house.person(Role.INTERVIEWER)).connect()
        await other.until(lambda: other.text == "abc")
