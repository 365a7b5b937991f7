"""Malformed and hostile frames on the real socket: the sender is closed, others notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClosedError

from interview_ext.collab.limits import Limits
from interview_ext.collab.nesting import MAX_LEVELS
from interview_ext.collab.wire.framing import (
    AwarenessEntry,
    write_awareness,
    write_step_1,
    write_step_2,
    write_update,
)
from interview_ext.collab.wire.sets import Span, read_state, write_deletes
from interview_ext.collab.wire.varint import write_text, write_uint
from interview_ext.rooms.model import Role
from tests.collab.conftest import House
from tests.collab.pages import Page
from tests.collab.updates import letters, nested
from tests.sockets import hang_up, open_socket

MIB = 1024 * 1024
RESUMABLE = {1001, 1008, 1009, 1013}
"""Close codes after which stock clients come back with all they have."""
KEYSTROKE_EVERY = 50
FRAMES_OF_ONE = 500
"""Frames after which the next person attacks: ids of one participant have a bound."""
ANSWER_S = 10.0
WORST_S = 5.0
"""The most of a processor's time that server and pages may take, with a keystroke of somebody
else, for a hostile frame: on an idle machine the longest that the keystroke waits."""
WORST_BYTES = 200 * MIB


@pytest.fixture
def limits() -> Limits:
    """Nobody is slowed down here, so that all the frames are taken in time."""
    without = float("inf")
    return replace(
        Limits(),
        messages_per_s=without,
        bytes_per_s=without,
        work_per_s=without,
        opens_per_minute=10**6,
    )


@pytest.fixture(autouse=True)
async def _faults(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """No exception reaches the loop, and none is logged as one."""
    reached: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reached.append(context))
    yield
    assert not reached
    assert not [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


class Attacker:
    """Sends one made-up frame after the other, and comes back whenever it is closed."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self.house = house
        self.chance = chance
        self.codes: list[int | None] = []
        self.taken = 0
        self._url = ""
        self._socket: Any = None
        self._doc: Doc[Any] = Doc()
        self._updates: list[bytes] = []

    async def attack(self) -> None:
        """Send one frame; return when it has been taken or the socket was closed."""
        if self.taken % FRAMES_OF_ONE == 0:
            await self._end()
            self._url = self.house.url(await self.house.person(Role.CANDIDATE))
        if self._socket is None:
            await self._begin()
        self.taken += 1
        frame = self._frame()
        try:
            if self.chance.random() > 0.01:
                await self._socket.write_message(frame, binary=True)
            else:
                await self._socket.write_message(frame.decode("latin-1"))
            # What is answered has been read behind it.
            await self._socket.write_message(b"\x03", binary=True)
            async with asyncio.timeout(ANSWER_S):
                while (answer := await self._socket.read_message()) is not None:
                    if answer[:1] == b"\x01":
                        return
        except WebSocketClosedError:
            while await self._socket.read_message() is not None:
                pass
        self.codes.append(self._socket.close_code)
        hang_up(self._socket)
        self._socket = None

    async def _begin(self) -> None:
        self._socket = await open_socket(HTTPRequest(self._url))
        self._doc = Doc()
        self._doc.get("source", type=Text)
        self._doc.get("cells", type=Array)
        self._doc.observe(lambda event: self._updates.append(event.update))

    async def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
            while await self._socket.read_message() is not None:
                pass
            self._socket = None

    # -- frames

    def _frame(self) -> bytes:
        make = self.chance.choice(
            [self._noise, self._edit, self._broken, self._broken, self._cut, self._presence]
        )
        return make()

    def _noise(self) -> bytes:
        kind = self.chance.choice([b"\x00\x00", b"\x00\x01", b"\x00\x02", b"\x01", b"\x02", b""])
        return kind + self.chance.randbytes(self.chance.randrange(60))

    def _edit(self) -> bytes:
        """What a page may send: the fuzz reaches behind the first look, too."""
        write = self.chance.choice([write_update, write_step_2])
        return write(self._update())

    def _broken(self) -> bytes:
        data = bytearray(self._edit())
        for _ in range(self.chance.randint(1, 4)):
            place = self.chance.randrange(min(2, len(data) - 1), len(data))
            data[place] = self.chance.choice([0, 1, 4, 7, 8, 0x28, 0x84, 0xC4, 255])
        return bytes(data)

    def _cut(self) -> bytes:
        data = self._edit()
        return data[: self.chance.randrange(len(data))]

    def _presence(self) -> bytes:
        state = self.chance.choice(["{}", "null", "[", '{"user": 7}', "7", '{"cursors": [[]]}'])
        clock = self.chance.choice([0, 1, 2**31, 2**53])
        client = self.chance.choice([self._doc.client_id, 0, 2**32 - 1, 2**53 - 1])
        return write_awareness([AwarenessEntry(client, clock, state)])

    def _update(self) -> bytes:
        self._updates.clear()
        source = self._doc.get("source", type=Text)
        cells = self._doc.get("cells", type=Array)
        what = self.chance.randrange(4)
        if what == 0 or not len(source):
            source.insert(0, self.chance.choice(["a", "bc", "x" * 300]))
        elif what == 1:
            del source[self.chance.randrange(len(source)) :]
        elif what == 2:
            cells.append(
                Map({"id": "c", "source": Text("é😀"), "outputs": Array([{"a": [1, None]}])})
            )
        else:
            self._doc.get("meta", type=Map)["k"] = self.chance.choice([1, "x", [1.5], {"a": True}])
        return self._updates[-1] if self._updates else b"\x00\x00"


def clock_of(page: Page, client: int) -> int:
    return read_state(page.doc.get_state()).get(client, 0)


async def types_on(house: House, victim: Page, others: list[Page]) -> float:
    """Have the victim type a letter; return what it took of the processor until all have it."""
    began = time.process_time()
    victim.type("v", at=0)
    mine = clock_of(victim, victim.client)
    for page in others:
        await page.until(lambda page=page: clock_of(page, victim.client) == mine, "the keystroke")  # type: ignore[misc]
    await victim.round_trip()
    shared = await house.shared()
    await shared.committed()
    assert read_state(shared.ydoc.ydoc.get_state())[victim.client] == mine
    return time.process_time() - began


async def same_everywhere(house: House, pages: list[Page]) -> None:
    """What pages, server and log hold is one document."""
    shared = await house.shared()
    await shared.committed()  # what is in the log and about to be applied, too
    server: Doc[Any] = shared.ydoc.ydoc
    again: Doc[Any] = Doc()
    for entry in await house.store.read(house.notebook.id):
        again.apply_update(entry.update)
    for root, kind in (("source", Text), ("cells", Array), ("meta", Map)):
        found = [_plain(doc.get(root, type=kind)) for doc in (server, again)]
        found += [_plain(page.doc.get(root, type=kind)) for page in pages]
        assert found == [found[0]] * len(found), root


def _plain(shared: Any) -> str:
    return str(shared) if isinstance(shared, Text) else json.dumps(shared.to_py(), sort_keys=True)


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(5_000, marks=pytest.mark.timeout(300)),
        pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
async def test_frames_made_at_random_close_their_sender_and_touch_nobody_else(
    house: House, count: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    victim = await house.page(await house.person(Role.INTERVIEWER)).connect()
    watcher = await house.page(await house.person(Role.OBSERVER)).connect()
    attacker = Attacker(house, random.Random(seed))
    for number in range(count):
        await attacker.attack()
        if number % KEYSTROKE_EVERY == 0:
            await types_on(house, victim, [watcher])
    assert len(attacker.codes) > count / 10, "hardly a frame was refused"
    assert len(attacker.codes) < count * 0.9, "hardly a frame was taken"
    assert set(attacker.codes) <= RESUMABLE
    assert not victim.closed.is_set()
    assert not watcher.closed.is_set()
    await victim.round_trip()
    await watcher.round_trip()
    await same_everywhere(house, [victim, watcher])


# -- cases with a name


def next_clock(victim: Page, at: int, mallory: Page) -> bytes:
    return write_update(letters("EVIL", client=victim.client, clock=at))


def earlier_clock(victim: Page, at: int, mallory: Page) -> bytes:
    return write_update(letters("E" * (at + 3), client=victim.client, clock=0))


def much_later_clock(victim: Page, at: int, mallory: Page) -> bytes:
    return write_update(letters("EVIL", client=victim.client, clock=at + 2**30))


def a_hundred_megabytes(victim: Page, at: int, mallory: Page) -> bytes:
    return write_update(letters("x" * 100 * MIB, client=mallory.client))


def a_million_structs(victim: Page, at: int, mallory: Page) -> bytes:
    head = b"".join(map(write_uint, (1, 1_000_000, mallory.client, 0)))
    first = b"\x04\x01" + write_text("source") + b"\x01x"
    follow = b"\x84" + write_uint(mallory.client) + b"\x00\x01x"
    return write_update(head + first + follow * 999_999 + b"\x00")


def as_many_structs_as_are_read(victim: Page, at: int, mallory: Page) -> bytes:
    head = b"".join(map(write_uint, (1, 50_000, mallory.client, 0)))
    first = b"\x04\x01" + write_text("source") + b"\x01x"
    follow = b"\x84" + write_uint(mallory.client) + b"\x00\x01x"
    return write_update(head + first + follow * 49_999 + b"\x00")


def nested_deeply(victim: Page, at: int, mallory: Page) -> bytes:
    return write_update(nested(40_000, client=mallory.client))


def nested_as_deeply_as_may_be(victim: Page, at: int, mallory: Page) -> bytes:
    return write_update(nested(MAX_LEVELS, client=mallory.client))


def deletes_all(victim: Page, at: int, mallory: Page) -> bytes:
    return write_update(write_deletes((Span(victim.client, 0, at),)))


def deletes_all_there_will_be(victim: Page, at: int, mallory: Page) -> bytes:
    return write_update(write_deletes((Span(victim.client, 0, 2**31 - 1),)))


def deletes_in_two_hundred_thousand_ranges(victim: Page, at: int, mallory: Page) -> bytes:
    return write_update(write_deletes(tuple(Span(victim.client, 0, 1) for _ in range(200_000))))


@pytest.mark.parametrize(
    ("case", "closed"),
    [
        (next_clock, True),
        (earlier_clock, True),
        (much_later_clock, True),
        (a_hundred_megabytes, True),
        (a_million_structs, True),
        (as_many_structs_as_are_read, None),
        (nested_deeply, True),
        (nested_as_deeply_as_may_be, False),
        (deletes_all, False),
        (deletes_all_there_will_be, False),
        (deletes_in_two_hundred_thousand_ranges, None),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_a_hostile_update_costs_little_and_the_victim_types_on(
    house: House, case: Callable[[Page, int, Page], bytes], closed: bool | None
) -> None:
    victim = await house.page(await house.person(Role.INTERVIEWER)).connect()
    watcher = await house.page(await house.person(Role.OBSERVER)).connect()
    mallory = await house.page(await house.person(Role.CANDIDATE), answers=False).connect()
    for _ in range(3):
        await types_on(house, victim, [watcher])
    frame = case(victim, clock_of(victim, victim.client), mallory)
    before = resident()
    mallory.send(frame)
    assert await types_on(house, victim, [watcher]) < WORST_S
    if closed:
        await mallory.until(mallory.closed.is_set, "the end of the sender")
    elif closed is False:
        await mallory.round_trip()
    assert await types_on(house, victim, [watcher]) < WORST_S
    assert resident() - before < WORST_BYTES
    if mallory.closed.is_set():
        assert mallory.close_code in RESUMABLE
    assert not victim.closed.is_set()
    assert not watcher.closed.is_set()
    assert "E" not in watcher.text
    await same_everywhere(house, [victim, watcher])


async def test_an_id_first_seen_after_a_restart_belongs_to_who_had_it(house: House) -> None:
    """The server has forgotten what it kept in memory; the log has not."""
    person = await house.person(Role.INTERVIEWER)
    victim = await house.page(person).connect()
    await types_on(house, victim, [])
    await victim.leave()
    await house.restart()
    mallory = await house.page(await house.person(Role.CANDIDATE), answers=False).connect()
    mallory.show({"user": {}}, client=victim.client)
    mallory.send(write_update(letters("EVIL", client=victim.client, clock=1)))
    await mallory.until(mallory.closed.is_set, "the end of the sender")
    assert mallory.close_code in RESUMABLE
    victim.url = house.url(person)  # a restart takes another port
    await victim.connect()
    watcher = await house.page(await house.person(Role.OBSERVER)).connect()
    await types_on(house, victim, [watcher])
    await same_everywhere(house, [victim, watcher])


async def test_an_id_seen_in_a_read_only_seats_awareness_is_that_seats(house: House) -> None:
    """An observer who becomes a writer must find the id unused."""
    observer = await house.page(await house.person(Role.OBSERVER)).connect()
    mallory = await house.page(await house.person(Role.CANDIDATE), answers=False).connect()
    await mallory.until(lambda: observer.client in mallory.presence, "the observer")
    mallory.send(write_update(letters("EVIL", client=observer.client)))
    await mallory.until(mallory.closed.is_set, "the end of the sender")
    assert mallory.close_code in RESUMABLE
    victim = await house.page(await house.person(Role.INTERVIEWER)).connect()
    await types_on(house, victim, [observer])
    assert clock_of(observer, observer.client) == 0


async def test_sync_step_1_again_and_again_costs_the_asker_only(house: House) -> None:
    victim = await house.page(await house.person(Role.INTERVIEWER)).connect()
    mallory = await house.page(await house.person(Role.CANDIDATE)).connect()
    for _ in range(200):
        mallory.send(write_step_1(b"\x00"))
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.sleep(0)
    assert await types_on(house, victim, [mallory]) < WORST_S


def resident() -> int:
    """Bytes of memory that this process has."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")
