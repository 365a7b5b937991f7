"""The faults: each hits something real, proves that it did, and is mended again."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

import redis
from pymongo.errors import PyMongoError

from tests.collab.chaos.scene import Scene
from tests.services.mongodb import ReplicaSet

SERVER, REDIS, PRIMARY, CUT, DELAY = (
    "server killed",
    "Redis killed",
    "primary killed",
    "sockets cut",
    "messages delayed",
)
KINDS = SERVER, REDIS, PRIMARY, CUT, DELAY
DELAY_UP_TO_S = 0.4
DELAY_FOR_S = 2.5
MEND_S = 120.0


class Faults:
    """Every kind once in each round, at times of the seed's.

    Attributes
    ----------
    hits:
        How often each kind has been proven to have hit.
    """

    def __init__(self, scene: Scene, random: Random) -> None:
        self.hits: Counter[str] = Counter()
        self._scene = scene
        self._random = random
        self._do: dict[str, Callable[[Random], Awaitable[None]]] = {
            SERVER: self._kill_server,
            REDIS: self._kill_redis,
            PRIMARY: self._kill_primary,
            CUT: self._cut,
            DELAY: self._delay,
        }

    async def run(self, rounds: int, round_s: float) -> None:
        """Go through the rounds; return when everything runs again."""
        for _ in range(rounds):
            ends = time.monotonic() + round_s
            async with asyncio.TaskGroup() as group:
                for kind in KINDS:
                    random = Random(self._random.random())
                    group.create_task(self._once(kind, random.uniform(0, round_s / 2), random))
            self._scene.check()
            await asyncio.sleep(max(0, ends - time.monotonic()))

    async def _once(self, kind: str, wait_s: float, random: Random) -> None:
        await asyncio.sleep(wait_s)
        self._scene.say(kind)
        await self._do[kind](random)
        self.hits[kind] += 1
        self._scene.say(f"{kind}: over")

    async def _kill_server(self, random: Random) -> None:
        server = random.choice(self._scene.servers)
        before = server.pid
        assert await asyncio.to_thread(server.kill) == -9
        assert not _lives(before), "the server is gone"
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scene.reload_some(Random(random.random())))
            await asyncio.sleep(random.uniform(0.2, 2))
            await asyncio.to_thread(server.start)
        assert server.pid != before

    async def _kill_redis(self, random: Random) -> None:
        service = self._scene.redis
        before = _run_id(service.port)
        service.kill()
        assert not service.service.running
        await asyncio.sleep(random.uniform(0.5, 2.5))
        await asyncio.to_thread(service.start)
        assert _run_id(service.port) != before, "another Redis, which knows nothing"

    async def _kill_primary(self, random: Random) -> None:
        database = self._scene.database
        before = await asyncio.to_thread(database.primary)
        member = database.members[before]
        member.kill()
        assert not member.running
        assert await asyncio.to_thread(database.primary) != before, "another primary"
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scene.reload_some(Random(random.random())))
            await asyncio.to_thread(member.start)
            await asyncio.to_thread(_follows, database, before)

    async def _cut(self, random: Random) -> None:
        before = self._scene.returns
        cut = self._scene.front.cut(random.uniform(0.3, 1.0))
        assert cut > 0, "there was something to cut"
        self._scene.bus_wire.cut(1.0)
        async with asyncio.timeout(MEND_S):
            while self._scene.returns == before:  # noqa: ASYNC110 - of any of many tabs
                await asyncio.sleep(0.05)

    async def _delay(self, random: Random) -> None:
        wires = self._scene.front, self._scene.bus_wire
        before = [wire.delayed for wire in wires]
        for wire in wires:
            wire.hold(DELAY_UP_TO_S * random.uniform(0.5, 1))
        await asyncio.sleep(DELAY_FOR_S)
        for wire in wires:
            wire.hold(0)
        assert self._scene.front.delayed > before[0], "some messages came late"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _run_id(port: int) -> str:
    with redis.Redis(port=port) as client:
        return str(client.info("server")["run_id"])


def _follows(database: ReplicaSet, port: int) -> None:
    """Return when a member that came back has caught up, so that the next primary may die."""
    deadline = time.monotonic() + MEND_S
    while time.monotonic() < deadline:
        try:
            with database.client(port) as client:
                hello = client.admin.command("hello")
                if hello.get("secondary") or hello.get("isWritablePrimary"):
                    return
        except PyMongoError:
            pass
        time.sleep(0.1)
    raise AssertionError("a member of the replica set did not come back")
