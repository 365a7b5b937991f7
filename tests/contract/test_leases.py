"""What every kind of leases keeps to, and what only several servers can show."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interview_ext.errors import OwnerUnknown
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.ports import Lease, Leases
from interview_ext.storage.memory_leases import MemoryLeases
from interview_ext.storage.redis_leases import (
    RELEASE,
    TTL_S,
    RedisLeases,
    RedisTickets,
    uninterrupted,
)
from interview_ext.storage.redis_url import end
from tests.services.redis import RedisServer


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def doubtful(self, room_id: str) -> None:
        self.told.append(("doubtful", room_id))

    def regained(self, room_id: str) -> None:
        self.told.append(("regained", room_id))

    def lost(self, room_id: str) -> None:
        self.told.append(("lost", room_id))


async def until(true: Callable[[], bool], *, wait_s: float = 10) -> None:
    async with asyncio.timeout(wait_s):
        while not true():  # noqa: ASYNC110  (nothing tells of a clock but the clock)
            await asyncio.sleep(0.01)


async def remembers_long(leases: RedisLeases) -> None:
    """Spare the test the wait of a Redis that has just been started."""
    await leases._redis.set(f"{leases._prefix}since", 1)


async def forgotten(leases: RedisLeases) -> None:
    """Return once a claim was refused by a Redis that remembers nothing."""
    with contextlib.suppress(OwnerUnknown):
        while True:
            assert not leases.is_own(await leases.claim("r"))
            await leases._redis.flushall()


async def claimed(leases: Leases, room_id: str) -> Lease:
    """Claim as soon as that can be done."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await leases.claim(room_id)
            except OwnerUnknown:
                await asyncio.sleep(0.05)


@pytest.fixture(params=["memory", "redis"])
async def leases(request: pytest.FixtureRequest) -> AsyncIterator[Leases]:
    made: Leases
    if request.param == "memory":
        made = MemoryLeases()
    else:
        server = request.getfixturevalue("redis_server")
        made = RedisLeases(server.url, address="http://a:1", prefix=new_id("test"))
    await made.start(Heard())
    if isinstance(made, RedisLeases):
        await remembers_long(made)
    yield made
    await made.stop()


async def test_a_free_room_is_ones_own_until_it_is_given_back(leases: Leases) -> None:
    assert not leases.owns("r")
    assert await leases.holder("r") is None
    lease = await leases.claim("r")
    assert leases.is_own(lease)
    assert leases.owns("r")
    assert await leases.claim("r") == await leases.holder("r") == lease
    await leases.release("r")
    assert not leases.owns("r")
    assert await leases.holder("r") is None
    assert (await leases.claim("r")).fence > lease.fence
    assert not leases.owns("other")


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One that a test may stop."""
    server = RedisServer(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.kill()


Pair = tuple[RedisLeases, Heard, RedisLeases, Heard]


@pytest.fixture
async def two(own_redis: RedisServer) -> AsyncIterator[Pair]:
    a, b = (RedisLeases(own_redis.url, address=f"http://{name}:1") for name in "ab")
    heard_a, heard_b = Heard(), Heard()
    await a.start(heard_a)
    await b.start(heard_b)
    await remembers_long(a)
    yield a, heard_a, b, heard_b
    await a.stop()
    await b.stop()


async def test_one_server_has_a_room_and_the_others_know_where(two: Pair) -> None:
    a, _, b, _ = two
    claims: list[Awaitable[object]] = [s.claim(f"r{n}") for n in range(20) for s in (a, b)]
    await asyncio.gather(*claims)
    for n in range(20):
        assert a.owns(f"r{n}") != b.owns(f"r{n}")
    lease = await a.claim("r")
    assert await b.claim("r") == await b.holder("r") == lease
    assert lease.address == "http://a:1"
    await asyncio.sleep(TTL_S + 0.5)  # it lives on by being renewed
    assert a.owns("r")
    await b.release("r")
    assert await b.holder("r") == lease
    await a.release("r")
    taken = await b.claim("r")
    assert b.owns("r")
    assert taken.fence > lease.fence


async def test_who_stood_still_knows_it_before_another_can_have_the_room(two: Pair) -> None:
    a, heard, b, _ = two
    lease = await a.claim("r")
    await end(a._tasks)  # as a process that was stopped: no code of its own runs
    began = time.monotonic()
    async with asyncio.timeout(10):
        while not b.owns("r"):
            await b.claim("r")
            assert not (a.owns("r") and b.owns("r"))
            await asyncio.sleep(0.005)
    assert TTL_S - 1.5 < time.monotonic() - began < TTL_S + 1
    assert not a.owns("r")
    with pytest.raises(OwnerUnknown):
        await a.claim("r")
    await a._renew("r")  # it goes on
    assert [what for what, _ in heard.told] in (["lost"], ["doubtful", "lost"])
    assert b.owns("r")
    assert (await a.claim("r")).fence > lease.fence


async def test_a_claim_whose_answer_was_lost_counts_from_the_next(
    two: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _, b, _ = two
    await end(a._tasks)  # so that it renews nothing
    asked = a._eval

    async def lost(*args: Any) -> None:
        await asked(*args)
        raise OwnerUnknown("It was claimed, but the answer was lost.")

    with monkeypatch.context() as patch:
        patch.setattr(a, "_eval", lost)
        with pytest.raises(OwnerUnknown):
            await a.claim("r")
    await asyncio.sleep(TTL_S / 2)
    assert a.is_own(await a.claim("r"))
    async with asyncio.timeout(10):
        while not b.owns("r"):
            await b.claim("r")
            assert not (a.owns("r") and b.owns("r"))
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("given_up", [False, True])
async def test_a_release_that_comes_late_ends_no_later_claim(
    two: Pair, monkeypatch: pytest.MonkeyPatch, given_up: bool
) -> None:
    """It is on its way, or was given up, when the same server claims the room again."""
    a, _, b, _ = two
    asked = a._eval
    held_up, may_go = asyncio.Event(), asyncio.Event()
    late: list[asyncio.Task[Any]] = []

    async def slowly(script: str, *args: Any) -> Any:
        if script != RELEASE:
            return await asked(script, *args)

        async def arrives() -> Any:
            await may_go.wait()
            return await asked(script, *args)

        late.append(asyncio.create_task(arrives()))
        held_up.set()
        if given_up:
            raise OwnerUnknown("Nobody knows what has become of it.")
        return await late[0]

    monkeypatch.setattr(a, "_eval", slowly)
    first = await a.claim("r")
    releasing = asyncio.create_task(a.release("r"))
    await held_up.wait()
    again = await a.claim("r")
    may_go.set()
    await asyncio.gather(releasing, *late)
    assert a.owns("r")
    assert await b.claim("r") == again
    assert again.fence > first.fence
    assert not b.owns("r")


async def test_a_claim_that_was_asked_for_before_a_release_is_asked_for_again(
    two: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _, b, _ = two
    asked = a._eval
    answered, may_go = asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any) -> Any:
        answer = await asked(*args)
        answered.set()
        await may_go.wait()
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(a, "_eval", slowly)
        claiming = asyncio.create_task(a.claim("r"))
        await answered.wait()
    await a.claim("r")
    await a.release("r")
    may_go.set()
    lease = await claiming
    assert a.owns("r")
    assert await b.claim("r") == lease
    assert not b.owns("r")


async def test_without_redis_nobody_is_sure_and_afterwards_all_is_as_it_was(
    two: Pair, own_redis: RedisServer
) -> None:
    a, heard, b, _ = two
    lease = await a.claim("r")
    own_redis.service.signal(signal.SIGSTOP)
    try:
        await until(lambda: heard.told == [("doubtful", "r")])
        assert not a.owns("r")
        with pytest.raises(OwnerUnknown):
            await b.claim("r")
        with pytest.raises(OwnerUnknown):
            await b.holder("r")
    finally:
        own_redis.service.signal(signal.SIGCONT)
    await until(lambda: a.owns("r") or "lost" in dict(heard.told))
    assert heard.told == [("doubtful", "r"), ("regained", "r")]
    assert await b.claim("r") == lease


async def test_a_redis_that_lost_everything_has_one_owner_again(
    two: Pair, own_redis: RedisServer
) -> None:
    a, heard, b, _ = two
    lease = await a.claim("r")
    own_redis.kill()
    await asyncio.to_thread(own_redis.start)
    await forgotten(b)  # `a` still has it, and Redis does not know
    assert await claimed(b, "r") == lease
    await until(lambda: a.owns("r"))
    assert ("lost", "r") not in heard.told
    assert await claimed(b, "r") == lease


def test_the_clock_runs_while_nothing_else_does() -> None:
    assert abs(uninterrupted() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1


async def test_a_ticket_is_taken_once_by_whichever_server(redis_server: RedisServer) -> None:
    servers = [RedisTickets(redis_server.url) for _ in range(5)]
    await servers[0].put("t", "worth", life_s=30)
    taken = await asyncio.gather(*(server.take("t") for server in servers))
    assert sorted(taken, key=str) == [None, None, None, None, "worth"]
    await servers[0].put("short", "worth", life_s=0.05)
    await asyncio.sleep(0.1)
    assert await servers[1].take("short") is None
    for server in servers:
        await server.stop()
