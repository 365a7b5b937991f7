"""Documents that are closed: together, twice at once, and while the store cannot be written."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic
from typing import Any, cast

import pytest
from pycrdt import Text

from interview_ext.collab.branches import Branches
from interview_ext.collab.limits import Limits
from interview_ext.collab.sealing import BranchKeys, SealedLog
from interview_ext.collab.shared import SharedDocument
from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.branching import document_of
from interview_ext.rooms.erasure import Author
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import Policy, Role
from tests.collab.conftest import FailingLog, House
from tests.collab.pages import WAIT_S

CLOSE_WAIT_S = 1.0


@pytest.fixture
def limits() -> Limits:
    return Limits(close_wait_s=CLOSE_WAIT_S)


def source_of(shared: SharedDocument) -> Text:
    text: Text = shared.ydoc.ydoc.get("source", type=Text)
    return text


async def test_closing_a_room_twice_leaves_what_has_been_opened_in_between(house: House) -> None:
    """The second call finds a page's new document in the place of the one that it wanted."""
    room_id = house.plan.room.id
    old = await house.shared()
    async with house.documents._opening[house.notebook.id]:
        closing = [asyncio.create_task(house.documents.close_room(room_id))]
        await asyncio.sleep(0)  # it waits for its turn
        opening = asyncio.create_task(house.shared())
        await asyncio.sleep(0)
        closing.append(asyncio.create_task(house.documents.close_room(room_id)))
        await asyncio.sleep(0)
    await asyncio.gather(*closing)
    new = await opening
    assert old.relay._stopped
    assert not new.relay._stopped
    assert await house.shared() is new


async def test_many_that_cannot_be_saved_are_given_up_in_the_time_of_one(house: House) -> None:
    others = [replace(house.notes, id=new_id("doc"), path=f"{n}.md") for n in range(4)]
    elsewhere = [replace(each, id=new_id("doc"), room_id=new_id("room")) for each in others]
    opened = [await house.shared(document) for document in (*others, *elsewhere)]
    house.log.down = True
    for shared in opened:
        source_of(shared).insert(0, "x")
    began = monotonic()
    await house.documents.stop()
    assert monotonic() - began < len(opened) * CLOSE_WAIT_S / 2
    assert all(shared.relay._stopped for shared in opened)
    assert house.documents.rooms == set()


async def test_who_waits_for_a_document_that_is_closed_hears_so(house: House) -> None:
    shared = await house.shared()
    await house.documents.close_room(house.plan.room.id)
    source_of(shared).insert(0, "x")
    with pytest.raises(StoreUnavailable):
        async with asyncio.timeout(WAIT_S):
            await shared.committed()


async def test_who_waits_for_a_document_that_broke_hears_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = await house.shared()

    def fails(*_: object) -> None:
        raise RuntimeError("A fault of ours.")

    monkeypatch.setattr(shared.relay._judge, "judge", fails)
    source_of(shared).insert(0, "x")
    for _ in range(2):  # the one who has noticed, and one who comes later
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(WAIT_S):
                await shared.committed()


async def test_a_branch_that_is_not_saved_is_not_merged_but_later(house: House) -> None:
    keys = BranchKeys(house.store)
    sealed = SealedLog(house.store, keys)
    house.log = FailingLog(cast(Any, sealed))
    await house.restart()
    branches = Branches(
        rooms=house.rooms,
        documents=house.documents,
        store=house.store,
        keys=keys,
        update_log=sealed,
        bus=house.bus,
        timeline=house.timeline,
    )
    room = await house.rooms.get(house.plan.room.id)
    await house.store.update_room(replace(room, policy=Policy(branch=True)))
    actor = await house.person(Role.CANDIDATE)
    branch = await branches.begin(actor, house.notebook.id)
    page = await house.page(actor, document_of(branch, house.notebook)).connect()
    page.type("saved")
    page.save(1)
    await page.until(lambda: page.replies)
    house.log.down = True
    page.type(", and not yet")
    await page.round_trip()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(WAIT_S):
                await branches.merge(actor, branch.id)
    assert await branches.own(actor) == branch
    assert not page.closed.is_set()
    house.log.down = False
    page.save(2)
    await page.until(lambda: len(page.replies) == 2)
    await branches.merge(actor, branch.id)
    assert await branches.own(actor) is None
    assert str(source_of(await house.shared())) == "saved, and not yet"


async def test_nobody_is_erased_while_something_is_not_saved_but_later(house: House) -> None:
    gone, stays = await house.person(Role.CANDIDATE), await house.person(Role.INTERVIEWER)
    theirs, others = await house.page(gone).connect(), await house.page(stays).connect()
    theirs.type("ERASEME")
    await others.until(lambda: others.text == "ERASEME")
    house.log.down = True
    theirs.type("ERASEME")
    others.type(", and what stays")
    await theirs.round_trip()
    await others.round_trip()
    assert gone.seat is not None
    author = Author(participant_id=gone.id, seats=frozenset({gone.seat.id}))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await house.documents.erase(house.notebook, author)
    house.log.down = False
    async with asyncio.timeout(WAIT_S):
        await (await house.shared()).committed()
    await house.documents.erase(house.notebook, author)
    assert str(source_of(await house.shared())) == ", and what stays"
    assert not any(b"ERASEME" in e.update for e in await house.store.read(house.notebook.id))
