"""Two servers with folders of their own, that share MongoDB, Redis and nothing else."""

from __future__ import annotations

import asyncio
import copy
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest_asyncio

from interview_ext.rooms.ids import new_id
from tests.services.mongodb import ReplicaSet
from tests.services.redis import RedisServer
from tests.whole.people import Person
from tests.whole.server import Server

WAIT_S = 30.0
CELLS = {
    "quick": "x = 6 * 7\nprint('it is', x)",
    "reads": "print('again', globals().get('x'))",
    "slow": "import time\nfor n in range(600):\n"
    "    print('line', n, flush=True)\n    time.sleep(0.1)",
}


class Fabric:
    """The servers. What a test does to one, it makes good."""

    def __init__(self, folder: Path, *, store_url: str, bus_url: str) -> None:
        self.servers: list[Server] = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            server = Server(folder / name)
            server._settings = {
                "InterviewApp.store_url": store_url,
                "InterviewApp.bus_url": bus_url,
                "InterviewApp.server_url": f"http://127.0.0.1:{server.port}",
                "InterviewApp.sandbox_pool_size": "0",
            }
            self.servers.append(server)

    @property
    def a(self) -> Server:
        return self.servers[0]

    @property
    def b(self) -> Server:
        return self.servers[1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fabric(
    sandbox_image: None, mongodb: ReplicaSet, redis_server: RedisServer
) -> AsyncIterator[Fabric]:
    folder = Path(tempfile.mkdtemp(prefix="fabric-"))
    made = Fabric(folder, store_url=mongodb.url(new_id("test")), bus_url=redis_server.url)
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in made.servers))
        yield made
    finally:
        for server in made.servers:
            await server.close()
        for server in made.servers:
            await asyncio.to_thread(server.remove_containers)
        shutil.rmtree(folder)


def at(person: Person, server: Server) -> Person:
    """The same browser, led to another server by the load balancer."""
    other = copy.copy(person)
    parts = urlsplit(person.door)
    other.door = parts._replace(netloc=f"127.0.0.1:{server.port}").geturl()
    other.server = server
    other.tabs = []
    server.guests.append(other)
    other.client = httpx.AsyncClient(timeout=30, cookies=person.client.cookies)
    return other


async def until(true: Callable[[], bool], what: str, *, wait_s: float = WAIT_S) -> None:
    """Wait for what only another process can bring about."""
    try:
        async with asyncio.timeout(wait_s):
            while not true():  # noqa: ASYNC110  (of another process)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None
