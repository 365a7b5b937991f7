"""The bus between servers: what others hear, and what is said when something was missed."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from interview_ext.errors import BusUnavailable
from interview_ext.rooms.ports import GAP, Message
from interview_ext.storage import redis_bus, redis_listeners
from interview_ext.storage.redis_bus import RedisBus
from interview_ext.storage.redis_url import end
from tests.services.redis import RedisServer

WAIT_S = 20.0
SECRET = "s3cret"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis", password=SECRET)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@asynccontextmanager
async def bus_at(url: str) -> AsyncIterator[RedisBus]:
    bus = RedisBus(url)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


@pytest.fixture
async def two(redis: RedisServer) -> AsyncIterator[tuple[RedisBus, RedisBus]]:
    async with bus_at(redis.url) as one, bus_at(redis.url) as other:
        yield one, other


class Ear:
    """Listens to a topic; gaps are told apart from messages."""

    def __init__(self, bus: RedisBus, topic: str) -> None:
        self.heard: list[Message] = []
        self.gaps = 0
        self._changed = asyncio.Event()
        self.stop = bus.subscribe(topic, self._hear)

    @classmethod
    async def on(cls, bus: RedisBus, topic: str) -> Ear:
        """Return it once Redis sends the topic, which the first gap says."""
        ear = cls(bus, topic)
        await ear.until(lambda: ear.gaps == 1)
        return ear

    def _hear(self, message: Message) -> None:
        if message == GAP:
            self.gaps += 1
        else:
            self.heard.append(message)
        self._changed.set()

    async def until(self, predicate: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not predicate():
                self._changed.clear()
                await self._changed.wait()


async def test_each_server_hears_the_others_in_order_and_itself_once(
    two: tuple[RedisBus, RedisBus],
) -> None:
    one, other = two
    there, here = await Ear.on(other, "a"), await Ear.on(one, "a")
    for number in range(1000):
        one.publish("a", {"type": "n", "number": number})
        one.publish("b", {"type": "not listened to"})
    assert len(here.heard) == 1000, "listeners of the same server are called at once"
    await there.until(lambda: len(there.heard) == 1000)
    assert [m["number"] for m in there.heard] == list(range(1000))
    other.publish("a", {"type": "answer"})
    await here.until(lambda: len(here.heard) == 1001)
    assert len(there.heard) == 1001


async def test_redis_sends_only_what_somebody_listens_to(
    redis: RedisServer, two: tuple[RedisBus, RedisBus]
) -> None:
    one, _ = two
    ear = await Ear.on(one, "a")
    async with Redis.from_url(redis.url) as client:
        before = set(await client.pubsub_channels("*:a"))
        ear.stop()
        async with asyncio.timeout(WAIT_S):
            while await client.pubsub_channels("*:a"):  # noqa: ASYNC110 - Redis tells nobody of it
                await asyncio.sleep(0.01)
    assert len(before) == 1


async def test_databases_are_apart(redis: RedisServer) -> None:
    async with bus_at(redis.url) as one, bus_at(redis.url[:-1] + "1") as apart:
        own, foreign = await Ear.on(apart, "a"), await Ear.on(one, "a")
        one.publish("a", {"type": "of 0"})
        apart.publish("a", {"type": "of 1"})
        async with bus_at(redis.url) as third:
            third.publish("a", {"type": "last"})
            await foreign.until(lambda: foreign.heard[-1:] == [{"type": "last"}])
    assert foreign.heard == [{"type": "of 0"}, {"type": "last"}]
    assert own.heard == [{"type": "of 1"}]


async def test_after_a_kill_of_redis_all_learn_of_a_gap_and_go_on(
    redis: RedisServer, two: tuple[RedisBus, RedisBus], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = two
    there, here = await Ear.on(other, "a"), await Ear.on(one, "a")
    caplog.set_level(logging.INFO)
    await asyncio.to_thread(redis.kill)
    one.publish("a", {"type": "while it is down"})
    assert here.heard == [{"type": "while it is down"}]
    await asyncio.sleep(0.5)
    await asyncio.to_thread(redis.start)
    await there.until(lambda: there.gaps >= 2)
    await here.until(lambda: here.gaps >= 2)
    one.publish("a", {"type": "after"})
    await there.until(lambda: there.heard[-1:] == [{"type": "after"}])
    said = [r.getMessage() for r in caplog.records if r.name == redis_bus.__name__]
    lost = [line for line in said if "is lost" in line]
    assert len(lost) == 2, "each of the two servers says so once"
    assert SECRET not in caplog.text


async def test_a_connection_that_is_cut_is_a_gap_too(
    redis: RedisServer, two: tuple[RedisBus, RedisBus]
) -> None:
    one, other = two
    there = await Ear.on(other, "a")
    async with Redis.from_url(redis.url) as client:
        await client.client_kill_filter(_type="pubsub", skipme=True)
    await there.until(lambda: there.gaps == 2)
    one.publish("a", {"type": "after"})
    await there.until(lambda: there.heard == [{"type": "after"}])


async def test_what_is_too_much_is_dropped_and_said_to_be(
    two: tuple[RedisBus, RedisBus], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    there = await Ear.on(other, "a")
    monkeypatch.setattr(redis_bus, "MAX_WAITING_BYTES", 10_000)
    for number in range(1000):
        one.publish("a", {"type": "n", "number": number})
    await there.until(lambda: there.gaps == 2)
    one.publish("a", {"type": "after"})
    await there.until(lambda: there.heard[-1:] == [{"type": "after"}])
    assert len(there.heard) < 1000


async def test_what_no_other_server_listens_to_stays_here(
    redis: RedisServer, two: tuple[RedisBus, RedisBus]
) -> None:
    one, other = two
    here = await Ear.on(one, "a")
    await asyncio.sleep(redis_listeners.UNSURE_S + 0.5)
    async with Redis.from_url(redis.url) as client, client.pubsub() as spy:
        await spy.subscribe("interview:0:a", "interview:0:b")
        one.publish("a", {"type": "kept"})
        assert here.heard == [{"type": "kept"}]
        there = Ear(other, "a")
        # Its own gap for having begun to listen, and one for what it may have missed.
        await there.until(lambda: there.gaps == 2)
        one.publish("a", {"type": "told"})
        one.publish("b", {"type": "kept"})
        await there.until(lambda: there.heard == [{"type": "told"}])
        there.stop()
        spied = []
        while (message := await spy.get_message(timeout=0.5)) is not None:
            if message["type"] == "message":
                spied.append(json.loads(message["data"].partition(b" ")[2])["type"])
        assert spied == ["gap", "told"]
        while other._own._topics:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        one.publish("a", {"type": "kept again"})
        assert await spy.get_message(timeout=0.5) is None


async def test_who_listens_to_what_was_not_even_made_for_want_of_listeners_hears_of_a_gap(
    two: tuple[RedisBus, RedisBus],
) -> None:
    one, other = two
    await asyncio.sleep(redis_listeners.UNSURE_S + 0.5)
    assert not one.heard_elsewhere("a")
    there = Ear(other, "a")
    await there.until(lambda: there.gaps == 2)
    assert one.heard_elsewhere("a")


async def test_a_server_that_comes_later_is_told_all_that_is_said_from_then_on(
    redis: RedisServer, two: tuple[RedisBus, RedisBus]
) -> None:
    one, _ = two
    await asyncio.sleep(redis_listeners.UNSURE_S + 0.5)
    one.publish("a", {"type": "before"})
    async with bus_at(redis.url) as late:
        there = Ear(late, "a")
        await there.until(lambda: there.gaps >= 2)
        one.publish("a", {"type": "after"})
        await there.until(lambda: there.heard == [{"type": "after"}])


@pytest.mark.parametrize("seed", range(3))
async def test_whoever_listens_hears_each_message_or_of_a_gap(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Listeners come and go, and connections are cut, while all talk."""
    monkeypatch.setattr(redis_listeners, "UNSURE_S", 0.05)
    chance = random.Random(seed)
    async with AsyncExitStack() as stack:
        buses = [await stack.enter_async_context(bus_at(redis.url)) for _ in range(3)]
        client = await stack.enter_async_context(Redis.from_url(redis.url))
        said: list[Said] = []
        ears: list[CheckedEar] = []
        for step in range(600):
            bus, topic = chance.choice(buses), chance.choice("abc")
            what = chance.random()
            if what < 0.1:
                ears.append(CheckedEar(bus, topic, said))
            elif what < 0.18 and ears:
                chance.choice(ears).stop()
            elif what < 0.19:
                await client.client_kill_filter(_type="pubsub", skipme=True)
            elif what < 0.2:
                await client.client_kill_filter(_type="normal", skipme=True)
            else:
                said.append(Said(step, topic))
                bus.publish(topic, {"type": "n", "number": step})
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() * 0.02)
        async with asyncio.timeout(WAIT_S):
            while any(ear.lacks() for ear in ears):  # noqa: ASYNC110 - three servers' news
                await asyncio.sleep(0.02)
        assert sum(len(ear.heard) for ear in ears) > 100, "nothing was tried"


@dataclass(frozen=True)
class Said:
    """A message, by its number."""

    number: int
    topic: str


class CheckedEar:
    """Knows what of all that was said while it listened it has neither heard nor been warned of."""

    def __init__(self, bus: RedisBus, topic: str, said: list[Said]) -> None:
        self.topic, self.said = topic, said
        self.begins = len(said)
        self.ends: int | None = None
        self.heard: list[int] = []
        self.warned = 0
        self._unsubscribe = bus.subscribe(topic, self._hear)

    def _hear(self, message: Message) -> None:
        if message == GAP:
            self.warned = len(self.said)
        else:
            self.heard.append(message["number"])

    def stop(self) -> None:
        self._unsubscribe()
        self.ends = self.begins

    def lacks(self) -> list[Said]:
        assert len(set(self.heard)) == len(self.heard), "something came twice"
        mine = self.said[max(self.begins, self.warned) : self.ends]
        return [s for s in mine if s.topic == self.topic and s.number not in self.heard]


@pytest.mark.parametrize("wrong", ["nobody listens", "wrong password"])
async def test_a_start_without_redis_says_why(redis: RedisServer, wrong: str) -> None:
    if wrong == "nobody listens":
        redis.kill()
        url = redis.url
    else:
        url = redis.url.replace(SECRET, "oth3r")
    bus = RedisBus(url)
    with pytest.raises(BusUnavailable) as caught:
        await bus.start()
    said = f"{caught.value.message} {caught.value.hint}"
    assert f"127.0.0.1:{redis.port}" in said
    assert SECRET not in said
    assert "oth3r" not in said
    await bus.stop()


async def test_what_is_no_message_of_ours_is_ignored(
    redis: RedisServer, two: tuple[RedisBus, RedisBus]
) -> None:
    one, other = two
    there = await Ear.on(other, "a")
    async with Redis.from_url(redis.url) as client:
        for rubbish in (b"\xff", b"{}", b"server [1]", b'server {"message": "x"}'):
            await client.publish("interview:0:a", rubbish)
    one.publish("a", {"type": "after"})
    await there.until(lambda: there.heard == [{"type": "after"}])


async def test_what_a_task_fails_with_while_it_is_ended_is_not_told() -> None:
    """As redis-py's `wait_for` does when its connection is closed in the same moment."""
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def stubborn() -> None:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        raise AttributeError("no writer")

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end([task])
    del task
    gc.collect()
    assert told == []
