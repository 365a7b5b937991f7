"""What honest pages do when the network or the room is not as they think."""

from __future__ import annotations

from interview_ext.collab.wire.framing import write_step_2, write_update
from interview_ext.rooms.model import Role, RoomState
from tests.collab.conftest import House
from tests.collab.updates import typed


async def test_typing_while_the_first_sync_is_in_flight_loses_nothing(house: House) -> None:
    """The page has typed offline; it sends the next letter before it answers step 1."""
    page = house.page(await house.person(Role.CANDIDATE), answers=False)
    page.type("offline")
    await page.connect(sync=False)
    page.type("!")
    await page.until(lambda: page.asked, "sync step 1")
    page.type("?")
    page.send(write_step_2(page.doc.get_update()))
    page.type(" on")
    other = await house.page(await house.person(Role.INTERVIEWER)).connect()
    await other.until(lambda: other.text == "offline!? on")
    assert not page.closed.is_set()


async def test_a_gap_is_dropped_and_asked_for_not_closed(house: House) -> None:
    page = await house.page(await house.person(Role.CANDIDATE), answers=False).connect()
    updates = typed(page.client, "abc")
    page.send(write_step_2(b"\x00\x00"))
    await page.round_trip()
    asked = page.asked
    page.send(write_update(updates[2]))
    await page.until(lambda: page.asked == asked + 1, "a second sync step 1")
    page.send(write_update(updates[2]))
    await page.round_trip()
    assert page.asked == asked + 1, "asking again while the answer is on its way helps nobody"
    assert await house.store.last_seq(house.notebook.id) == 0
    assert not page.closed.is_set()


async def test_of_an_overlap_the_new_part_is_taken(house: House) -> None:
    page = await house.page(await house.person(Role.CANDIDATE), answers=False).connect()
    updates = typed(page.client, "abcd")
    page.send(write_update(updates[0]))
    page._apply(updates[0])
    for update in updates[1:]:
        page._apply(update)
    page.send(write_step_2(page.doc.get_update()))
    other = await house.page(await house.person(Role.INTERVIEWER)).connect()
    await other.until(lambda: other.text == "abcd")
    entries = await house.store.read(house.notebook.id)
    assert sum(len(entry.update) for entry in entries) < 60, "nothing stands in the log twice"


async def test_what_is_known_already_is_acknowledged_and_not_committed_again(house: House) -> None:
    page = await house.page(await house.person(Role.CANDIDATE), answers=False).connect()
    page.type("abc")
    page.delete(0, 1)
    await page.round_trip()
    await house.hear(lambda m: m["type"] == "durable" and m["deletes"])
    committed = await house.store.last_seq(house.notebook.id)
    house.heard.clear()
    page.send(write_step_2(page.doc.get_update()))
    heard = await house.hear(lambda m: m["type"] == "durable")
    assert heard["clients"] == {str(page.client): 3}
    assert heard["deletes"] == [[page.client, 0, 1]]
    assert await house.store.last_seq(house.notebook.id) == committed


async def test_edits_and_deletions_made_offline_arrive_once(house: House) -> None:
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    other = await house.page(await house.person(Role.INTERVIEWER)).connect()
    page.type("one two")
    await other.until(lambda: other.text == "one two")
    await page.leave()
    page.delete(0, 4)
    page.type("!")
    other.type("?", at=0)
    for _ in range(3):
        await page.connect()
        await page.leave()
    await page.connect()
    await other.until(lambda: other.text == page.text == "?two!")


async def test_letters_typed_read_only_arrive_once_the_seat_may_write(house: House) -> None:
    """A stock page writes `document_id` even when it only looks; later letters build on it."""
    await house.lead(RoomState.PAUSED)
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    page.type("first ")
    await page.round_trip()
    assert await house.store.last_seq(house.notebook.id) == 0
    assert page.asked == 0, "a read-only page is not asked for what it may not give"
    await house.lead(RoomState.LIVE)
    await page.until(lambda: page.asked == 1, "sync step 1")
    page.type("second")
    other = await house.page(await house.person(Role.INTERVIEWER)).connect()
    await other.until(lambda: other.text == "first second")


async def test_pausing_holds_edits_back_and_resuming_brings_them(house: House) -> None:
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    other = await house.page(await house.person(Role.INTERVIEWER)).connect()
    page.type("a")
    await other.until(lambda: other.text == "a")
    await house.lead(RoomState.PAUSED)
    await page.round_trip()
    page.type("b")
    page.delete(0, 1)
    await page.round_trip()
    other.type("c", at=0)
    await page.until(lambda: page.text == "cb")
    assert other.text == "ca"
    await house.lead(RoomState.LIVE)
    await other.until(lambda: other.text == "cb")


async def test_two_tabs_of_one_person_work(house: House) -> None:
    actor = await house.person(Role.CANDIDATE)
    one, two = await house.page(actor).connect(), await house.page(actor).connect()
    one.type("a")
    await two.until(lambda: two.text == "a")
    two.type("b")
    await one.until(lambda: one.text == "ab")
    assert not one.closed.is_set()
    assert not two.closed.is_set()


async def test_save_is_answered_after_the_commit(house: House) -> None:
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    house.log.down = True
    page.type("a")
    page.save(7)
    await house.hear(lambda m: m["type"] == "store" and not m["ok"])
    assert page.replies == []
    house.log.down = False
    await page.until(lambda: page.replies)
    assert page.replies == [{"type": "save", "responseTo": 7, "status": "success"}]
    assert await house.store.last_seq(house.notebook.id) == 1
