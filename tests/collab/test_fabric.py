"""Several servers on one store and one bus: one document, whoever types where, whatever is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from interview_ext.collab import snapshots
from interview_ext.collab.across import LOOK_EVERY_S
from interview_ext.collab.limits import Limits
from interview_ext.collab.wire.update import read_update
from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.erasure import Author
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import LogEntry, Role, RoomState
from interview_ext.rooms.ports import Store, room_topic
from interview_ext.rooms.service import Rooms, RoomSpec
from interview_ext.rooms.timeline import Timeline
from interview_ext.storage.mongo import MongoStore
from interview_ext.storage.redis_bus import RedisBus
from interview_ext.storage.sqlite import SqliteStore
from tests.collab.conftest import FailingLog, House
from tests.collab.identity import SeatIdentity
from tests.collab.pages import WAIT_S, Page
from tests.collab.test_snapshots import WatchedLog, check_kept
from tests.services.redis import RedisServer

SERVERS = 3
LOOKED_S = 10 * LOOK_EVERY_S


@pytest.fixture(params=["sqlite", "mongodb"])
async def common(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store: Store
    if request.param == "sqlite":  # of one process, which is enough to try the order in
        store = SqliteStore(tmp_path / "interviews.sqlite")
    else:
        store = MongoStore(request.getfixturevalue("mongodb").url(new_id("test")))
    await store.start()
    yield store
    await store.stop()


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.kill)


@pytest.fixture
async def servers(
    common: Store, own_redis: RedisServer, tmp_path: Path
) -> AsyncIterator[list[House]]:
    houses: list[House] = []
    identity = SeatIdentity()
    identity.actors = {}
    async with AsyncExitStack() as stack:
        for number in range(SERVERS):
            bus = RedisBus(own_redis.url)
            await bus.start()
            stack.push_async_callback(bus.stop)
            timeline = Timeline(common, bus)
            rooms = Rooms(store=common, bus=bus, timeline=timeline)
            stack.push_async_callback(rooms.stop)
            if not houses:
                plan = rooms.plan(RoomSpec(title="T", host_name="Host"), owner="owner")
                await rooms.create(plan)
            house = House(
                store=common,
                log=FailingLog(common),
                bus=bus,
                timeline=timeline,
                rooms=rooms,
                folder=tmp_path / f"export-{number}",
                limits=Limits(),
                plan=plan,
                identity=identity,
            )
            await house.start()
            stack.push_async_callback(house.stop)
            house.listen()
            houses.append(house)
        await houses[0].lead(RoomState.LIVE)
        yield houses


async def all_equal(servers: list[House], pages: list[Page]) -> str:
    """Wait until all pages, all servers and the log say the same; return it."""
    until = asyncio.get_running_loop().time() + LOOKED_S
    while True:
        texts = [page.text for page in pages]
        texts += [str((await s.shared()).ydoc.ydoc.get("source", type=Text)) for s in servers]
        log: Doc[Any] = Doc()
        entries = await servers[0].store.read(servers[0].notebook.id)
        for entry in entries:
            log.apply_update(entry.update)
        texts.append(str(log.get("source", type=Text)))
        if len(set(texts)) == 1 and len({(await s.shared()).log_seq for s in servers}) == 1:
            in_order(entries)
            return texts[0]
        assert asyncio.get_running_loop().time() < until, texts
        await asyncio.sleep(0.05)


def in_order(entries: list[LogEntry]) -> None:
    """Numbers without a gap, structs of each client once and in their order."""
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    clocks: dict[int, int] = {}
    for entry in entries:
        for span in read_update(entry.update).inserts:
            assert span.clock == clocks.get(span.client, 0)
            clocks[span.client] = span.end


def _shows(page: Page, text: str) -> bool:
    return page.text == text


async def test_what_is_typed_on_one_server_is_there_on_all(servers: list[House]) -> None:
    roles = (Role.CANDIDATE, Role.INTERVIEWER, Role.HOST)
    pages = [
        await house.page(await house.person(role)).connect()
        for house, role in zip(servers, roles, strict=True)
    ]
    pages[0].type("héllo 😀")
    for page in pages:
        await page.until(partial(_shows, page, "héllo 😀"))
    pages[2].delete(0, 1)
    for page in pages:
        await page.until(partial(_shows, page, "éllo 😀"))
    assert await all_equal(servers, pages) == "éllo 😀"


async def test_all_type_at_once_on_all_servers(servers: list[House]) -> None:
    pages = [
        await house.page(await house.person(Role.CANDIDATE)).connect()
        for house in servers
        for _ in range(2)
    ]
    shared = [await house.shared() for house in servers]

    async def type_on(page: Page, letter: str) -> None:
        for _ in range(60):
            page.type(letter)
            await asyncio.sleep(0.005)

    async def print_on(number: int) -> None:
        for _ in range(30):
            shared[number].ydoc.ydoc.get("source", type=Text).insert(0, "#")
            await asyncio.sleep(0.01)

    await asyncio.gather(
        *(type_on(page, letter) for page, letter in zip(pages, "abcdef", strict=True)),
        *(print_on(number) for number in range(SERVERS)),
    )
    for page in pages:
        await page.round_trip()
    text = await all_equal(servers, pages)
    assert {letter: text.count(letter) for letter in "abcdef#"} == {
        **dict.fromkeys("abcdef", 60),
        "#": 30 * SERVERS,
    }


async def test_what_is_erased_comes_back_from_no_server(
    servers: list[House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One could not save it before the log was replaced, another opens it just before that."""
    here, cut_off, reads = servers
    gone = await here.person(Role.CANDIDATE)
    page = await cut_off.page(gone).connect()
    other = await reads.page(await reads.person(Role.INTERVIEWER)).connect()
    page.type("ERASEME")
    await other.until(partial(_shows, other, "ERASEME"))
    other.type(", and what stays")
    await page.until(partial(_shows, page, other.text))
    cut_off.log.down = True
    page.type("ERASEME")
    await page.round_trip()
    late, early = await cut_off.shared(), await reads.shared()
    replace = here.log.replace

    async def slowly(document_id: str, written: list[LogEntry]) -> None:
        while (again := await reads.shared()) is early:  # noqa: ASYNC110 - of its end
            await asyncio.sleep(0.05)
        assert "ERASEME" in str(again.ydoc.ydoc.get("source", type=Text))
        await replace(document_id, written)
        committing = asyncio.create_task(late.committed())
        await asyncio.sleep(0)
        cut_off.log.down = False
        with pytest.raises(StoreUnavailable):  # it is given up, not committed
            await committing

    monkeypatch.setattr(here.log, "replace", slowly, raising=False)
    assert gone.seat is not None
    author = Author(participant_id=gone.id, seats=frozenset({gone.seat.id}))
    async with asyncio.timeout(LOOKED_S):
        await here.documents.erase(here.notebook, author)
    await page.leave()
    entries = await here.store.read(here.notebook.id)
    assert not any(b"ERASEME" in entry.update for entry in entries)
    assert await all_equal(servers, []) == ", and what stays"
    changes = here.documents.history(here.notebook).changes(after=0, to=None, notebook=False)
    seats = {entries[change.seq - 1].seat async for part in changes for change in part}
    assert seats
    assert None not in seats  # what ended the relays is nobody's change


async def test_one_client_says_different_things_to_two_servers(servers: list[House]) -> None:
    liar = await servers[0].person(Role.CANDIDATE)
    honest = await servers[2].page(await servers[2].person(Role.INTERVIEWER)).connect()
    one = await servers[0].page(liar, client_id=7).connect()
    other = await servers[1].page(liar, client_id=7).connect()
    for _ in range(20):
        one.type("1")
        other.type("2")
    honest.type("ok")
    await honest.until(lambda: "ok" in honest.text)
    # The liar's own pages contradict each other for good; everybody else's agree.
    text = await all_equal(servers, [honest])
    assert "ok" in text
    assert len(text) == 22


async def test_a_page_goes_on_on_another_server_with_what_was_not_sent(
    servers: list[House],
) -> None:
    ada = await servers[0].person(Role.CANDIDATE)
    page = await servers[0].page(ada).connect()
    bob = await servers[1].page(await servers[1].person(Role.INTERVIEWER)).connect()
    page.type("first ")
    await page.round_trip()
    await page.leave()
    page.type("second ")  # typed without a connection
    bob.type("!")
    page.url = servers[2].url(ada)
    await page.connect()
    page.type("third")
    text = await all_equal(servers, [page, bob])
    assert text.replace("!", "", 1) == "first second third"


async def test_without_redis_it_takes_longer_and_nothing_is_lost(
    servers: list[House], own_redis: RedisServer
) -> None:
    ada = await servers[0].page(await servers[0].person(Role.CANDIDATE)).connect()
    bob = await servers[1].page(await servers[1].person(Role.INTERVIEWER)).connect()
    await asyncio.to_thread(own_redis.kill)
    ada.type("abc")
    await bob.until(partial(_shows, bob, "abc"), "by looking into the log", wait_s=LOOKED_S)
    bob.type("d")
    await ada.until(partial(_shows, ada, "abcd"), wait_s=LOOKED_S)
    ada.type("efg")
    bob.type("xyz")
    await ada.until(lambda: len(ada.text) == 10, wait_s=LOOKED_S)
    await bob.until(lambda: len(bob.text) == 10, wait_s=LOOKED_S)
    await asyncio.to_thread(own_redis.start)
    ada.type("hij")
    await bob.until(lambda: "hij" in bob.text, wait_s=LOOKED_S)
    assert len(await all_equal(servers, [ada, bob])) == 13


async def test_a_page_that_comes_to_another_server_finds_what_that_one_has_not_heard(
    servers: list[House], own_redis: RedisServer
) -> None:
    """It has the document open, and reads the log before it answers."""
    bob = await servers[1].page(await servers[1].person(Role.INTERVIEWER)).connect()
    actor = await servers[0].person(Role.CANDIDATE)
    ada = await servers[0].page(actor).connect()
    await asyncio.to_thread(own_redis.kill)
    ada.type("abc")
    await ada.round_trip()
    await servers[0].hear(lambda m: m["type"] == "durable" and 3 in m["clients"].values())
    fresh = await servers[1].page(actor).connect()
    assert fresh.text == "abc"
    await bob.until(partial(_shows, bob, "abc"))


async def test_one_client_id_on_two_servers_that_do_not_hear_each_other_is_committed_once(
    servers: list[House], own_redis: RedisServer
) -> None:
    liar = await servers[0].person(Role.CANDIDATE)
    one = await servers[0].page(liar, client_id=77).connect()
    other = await servers[1].page(liar, client_id=77).connect()
    await asyncio.to_thread(own_redis.kill)
    one.type("abc")
    other.type("xyz")
    watching = [
        await house.page(await house.person(Role.OBSERVER)).connect() for house in servers[:2]
    ]
    text = await all_equal(servers, watching)
    assert text in ("abc", "xyz", "ayz", "xbc", "abz", "xyc")


async def test_who_is_on_another_server_is_seen_and_seen_to_go(servers: list[House]) -> None:
    ada = await servers[0].page(await servers[0].person(Role.CANDIDATE, "Ada")).connect()
    bob = await servers[1].page(await servers[1].person(Role.INTERVIEWER, "Bob")).connect()

    def name(page: Page, client: int) -> str | None:
        state = page.presence.get(client, (0, None))[1]
        return None if state is None else str(state["user"]["name"])

    await ada.until(lambda: name(ada, bob.client) == "Bob", "Bob at Ada's")
    await bob.until(lambda: name(bob, ada.client) == "Ada", "Ada at Bob's")
    late = await servers[2].page(await servers[2].person(Role.HOST, "Hanna")).connect()
    await late.until(lambda: name(late, ada.client) == "Ada" and name(late, bob.client) == "Bob")
    await ada.leave()
    await bob.until(lambda: name(bob, ada.client) is None, "Ada's going")


async def test_two_tabs_of_one_person_on_two_servers_are_one_participant(
    servers: list[House],
) -> None:
    actor = await servers[0].person(Role.CANDIDATE, "Ada")
    one = await servers[0].page(actor).connect()
    two = await servers[1].page(await servers[0].sit(actor.participant)).connect()
    watching = [
        await house.page(await house.person(Role.INTERVIEWER, "Bob")).connect() for house in servers
    ]

    def tabs(page: Page) -> dict[int, str]:
        shown = {client: state for client, (_, state) in page.presence.items() if state}
        return {c: shown[c]["user"]["username"] for c in (one.client, two.client) if c in shown}

    for page in watching:
        await page.until(lambda page=page: len(tabs(page)) == 2, "both tabs")  # type: ignore[misc]
        assert set(tabs(page).values()) == {actor.id}
    await one.leave()
    for page in watching:
        await page.until(lambda page=page: tabs(page) == {two.client: actor.id}, "one tab")  # type: ignore[misc]


async def test_an_old_socket_that_ends_late_takes_nobody_away(servers: list[House]) -> None:
    """The page has come to another server before the first one noticed that it had gone."""
    actor = await servers[0].person(Role.CANDIDATE, "Ada")
    old = await servers[0].page(actor, client_id=7).connect()
    watching = [
        await house.page(await house.person(Role.INTERVIEWER, "Bob")).connect() for house in servers
    ]
    for page in watching:
        await page.until(lambda page=page: 7 in page.presence, "Ada")  # type: ignore[misc]
    new = await servers[1].page(actor, client_id=7).connect()
    new.show({"at": "the other"})

    def state(page: Page) -> Any:
        return page.presence[7][1]

    for page in watching:
        await page.until(lambda page=page: "at" in (state(page) or ()), "her news")  # type: ignore[misc]
    await old.leave()
    late = await servers[0].page(await servers[0].person(Role.HOST, "Hanna")).connect()
    for page in watching:  # what is told of Hanna is behind what would be told of the old socket
        await page.until(lambda page=page: late.client in page.presence, "Hanna")  # type: ignore[misc]
        assert "at" in (state(page) or ())
    assert "at" in (state(late) or ())
    await new.leave()
    for page in watching:
        await page.until(lambda page=page: state(page) is None, "her going")  # type: ignore[misc]


async def test_durable_reaches_the_page_wherever_its_events_socket_is(
    servers: list[House],
) -> None:
    ada = await servers[0].page(await servers[0].person(Role.CANDIDATE)).connect()
    ada.type("abc")
    async with asyncio.timeout(WAIT_S):
        await servers[2].hear(
            lambda m: m["type"] == "durable" and m["clients"].get(str(ada.client)) == 3
        )


async def test_durable_that_went_with_redis_is_told_to_who_comes_again(
    servers: list[House], own_redis: RedisServer
) -> None:
    """What a page does whose events socket has heard of a gap: it connects its document anew."""
    ada = await servers[0].page(await servers[0].person(Role.CANDIDATE)).connect()
    await asyncio.to_thread(own_redis.kill)
    ada.type("abc")
    ada.delete(0, 1)
    await servers[0].hear(lambda m: m["type"] == "durable" and m["deletes"])
    servers[2].heard.clear()
    await asyncio.to_thread(own_redis.start)
    await servers[2].hear(lambda m: m["type"] == "gap")
    topic = room_topic(servers[0].plan.room.id)
    servers[0].bus.publish(topic, {"type": "last"})  # behind all that waited for Redis
    await servers[2].hear(lambda m: m["type"] == "last")
    await ada.leave()
    servers[2].heard.clear()
    await ada.connect()
    await servers[2].hear(lambda m: m["type"] == "durable" and m["clients"] == {str(ada.client): 3})
    await servers[2].hear(lambda m: m["type"] == "durable" and m["deletes"] == [[ada.client, 0, 1]])


async def test_snapshots_of_every_server_hold_what_the_log_says(
    servers: list[House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one was about to commit what it had to judge again, behind another's."""
    monkeypatch.setattr(snapshots, "EVERY", 1)
    logs = [WatchedLog(house.store) for house in servers]
    pages = []
    for house, log in zip(servers, logs, strict=True):
        house.log = log
        await house.restart()
        pages.append(await house.page(await house.person(Role.CANDIDATE)).connect())
    cells = [page.doc.get("cells", type=Array) for page in pages]
    for _ in range(25):
        for each in cells:
            each.append(Map({"cell_type": "code", "source": Text("🙂"), "outputs": Array([])}))
        await asyncio.sleep(0.002)
    for page, its_cells in zip(pages, cells, strict=True):
        await page.until(partial(_has, its_cells, 25 * SERVERS))
    for house in servers:
        await (await house.shared()).committed()
    for log in logs:
        await log.until_kept(1)
        await check_kept(log)


def _has(cells: Array[Any], count: int) -> bool:
    return len(cells) == count
