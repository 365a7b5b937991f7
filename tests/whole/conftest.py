"""Servers of their own for these tests, and a count of what is left of them."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.descriptors import back_to, descriptors
from tests.sandbox.broker_process import BrokerProcess
from tests.whole.server import Server

MakeServer = Callable[..., Server]
MakeBroker = Callable[[], Awaitable[BrokerProcess]]
PATIENCE_S = 20
OWN_FAULT = re.compile(r'File "[^"]*/interview_ext/.*')
"""A line of a traceback that leads through this package."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a short name: paths of Unix sockets have 107 bytes at most."""
    path = Path(tempfile.mkdtemp(prefix="whole-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def make_server(sandbox_image: None, folder: Path) -> AsyncIterator[MakeServer]:
    """Makes servers, not yet started. In the end they are stopped, and nothing is left."""
    made: list[Server] = []
    before = descriptors()

    def make(settings: Mapping[str, str] | None = None) -> Server:
        home = folder / str(len(list(folder.iterdir())))
        home.mkdir()
        server = Server(home, settings)
        made.append(server)
        return server

    yield make
    for server in made:
        await server.close()
    for server in made:
        assert server.leaks() == [], "secrets stand in the log"
        assert not (own := OWN_FAULT.findall(server.log)), own
        assert server.containers() == set(), "containers are left"
        assert server.temporary() == [], "temporary files are left"
    await back_to(before, PATIENCE_S)


@pytest.fixture
async def make_broker(sandbox_image: None, folder: Path) -> AsyncIterator[MakeBroker]:
    """Starts brokers. In the end they are stopped, after the servers."""
    made: list[BrokerProcess] = []

    async def make() -> BrokerProcess:
        broker = BrokerProcess(folder / f"broker-{len(made)}", pool_size=1)
        made.append(broker)
        await broker.start()
        return broker

    yield make
    for broker in made:
        await broker.stop()
