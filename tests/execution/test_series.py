"""Many runs over many kernels: each line is there once and each run has its ``idle``; when the
rooms have ended, the server and the broker have what they had before.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from interview_ext.execution.incoming import Incoming
from interview_ext.rooms.model import RoomState
from interview_ext.sandbox.broker import Broker
from interview_ext.sandbox.claims import server_id_of
from interview_ext.sandbox.docker import MEASURE_THREADS, THREADS
from interview_ext.sandbox.profiles import PYTHON
from interview_ext.sandbox.sandbox import Sandbox
from interview_ext.sandbox.sandboxes import Sandboxes
from tests.containers import containers
from tests.descriptors import back_to, descriptors
from tests.execution.conftest import Bench, make_bench
from tests.execution.sandboxes import launcher
from tests.sandbox.broker_process import BrokerProcess
from tests.sandbox.hostile import site

SETTLED_S = 30
"""The far ends of connections learn of their end later, and a container is removed after it."""
SOURCE = """
import sys
turn = globals().get("turn", 0) + 1
for number in range(turn * 7 % 40 + 1):
    print(f"{turn}.{number}", flush=number % 3 == 0)
    if number % 10 == 0:
        print(f"{turn}:{number}", file=sys.stderr)
turn
"""
"""Prints more or less from turn to turn, in pieces of different sizes and on both streams."""


@dataclass
class Side:
    """Where the sandboxes are.

    Attributes
    ----------
    label:
        What the containers bear.
    process:
        A broker's process, if it is not this one.
    folders:
        Where nothing may lie that belongs to no sandbox.
    also:
        Other ways to the engine: a broker lets no client have all its connections.
    """

    sandboxes: Broker
    label: str
    process: int | str = "self"
    folders: list[Path] = field(default_factory=list)
    also: list[Broker] = field(default_factory=list)

    def containers(self) -> list[str]:
        return containers(self.label)

    def files(self) -> list[Path]:
        """Claims, and temporary files of whoever has the sandboxes; relays of this process."""
        relays = Path(tempfile.gettempdir()).glob("interview-*")
        found = [*relays, *(each for folder in self.folders for each in folder.glob("*"))]
        return [each for each in found if each.name != "server-id"]

    async def use_all_connections(self) -> None:
        """Have as many connections to the engine as there ever are: they stay open."""
        sandboxes = [await each.claim("python", room="b") for each in (self.sandboxes, *self.also)]
        calls: list[Coroutine[object, object, object]] = []
        for sandbox in sandboxes:
            assert isinstance(sandbox, Sandbox)
            calls += [sandbox._measure() for _ in range(THREADS)]
            calls += [sandbox.freeze() for _ in range(8 * THREADS)]
        await asyncio.gather(*calls)
        for sandbox in sandboxes:
            await sandbox.stop()


@asynccontextmanager
async def in_process(folder: Path) -> AsyncIterator[Side]:
    """The server owns the engine."""
    claims = folder / "claims"
    sandboxes = Sandboxes(server_id=f"test-{secrets.token_hex(6)}", pool_size=0, claims=claims)
    await sandboxes.start()
    try:
        yield Side(sandboxes, sandboxes.server_id, folders=[claims])
    finally:
        await sandboxes.stop()


@asynccontextmanager
async def broker_in_process(_: Path) -> AsyncIterator[Side]:
    """A broker, served here so that its tasks are counted."""
    server_id = f"test-{secrets.token_hex(6)}"
    async with site.through_the_broker(server_id, {"python": PYTHON}) as way:
        assert way.engine is not None
        yield Side(way.sandboxes, server_id, also=[way.engine])


@asynccontextmanager
async def broker_process(folder: Path) -> AsyncIterator[Side]:
    """A broker of its own, as ``jupyter interview broker`` runs it."""
    broker = BrokerProcess(folder / "broker")
    await broker.start()
    client = broker.client("series", max_sandboxes=100)
    other = broker.client("other")
    await client.start()
    await other.start()
    folders = [broker.folder / "claims", broker.temporary]
    try:
        label = server_id_of(broker.folder / "claims")
        yield Side(client, label, broker.pid, folders, also=[other])
        await client.stop()
        await other.stop()
        await asyncio.to_thread(_quiet, broker)
    finally:
        await broker.stop()


def _quiet(broker: BrokerProcess) -> None:
    assert "Traceback" not in (log := broker.log.read_text()), log[-4000:]


Way = Callable[[Path], AbstractAsyncContextManager[Side]]


@dataclass
class Ear:
    """Hears what the kernel says to a page, by the run that it says it of."""

    heard: Counter[tuple[str, str]] = field(default_factory=Counter)

    def kernel_message(self, message: Incoming) -> None:
        kind = str(message.content.get("execution_state", message.msg_type))
        self.heard[message.parent_id, kind] += 1

    def kernel_moved(self) -> None:
        """There is one server."""

    def kernel_ended(self) -> None:
        """Rooms end here only when all is done."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, in which temporary files lie: sockets' paths are bounded."""
    path = Path(tempfile.mkdtemp(prefix="series-"))
    (path / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(path / "tmp"))
        yield path
    shutil.rmtree(path)


async def run_all(room: Bench, turns: int) -> None:
    """Run a cell so many times; see that each run has said all, once."""
    room.notebook(a=SOURCE)
    ear = Ear()
    kernel = await room.executions.kernel(room.candidate)
    kernel.listen(ear)
    for turn in range(1, turns + 1):
        room.heard.clear()
        run = await room.submit("a")
        record = await room.ended(run)
        assert (record["state"], record["execution_count"]) == ("done", turn)
        count = range(turn * 7 % 40 + 1)
        assert room.text("a") == "".join(f"{turn}.{n}\n" for n in count)
        assert room.text("a", "stderr") == "".join(f"{turn}:{n}\n" for n in count[::10])
        results = [o["data"] for o in room.outputs("a") if o["output_type"] == "execute_result"]
        assert results == [{"text/plain": str(turn)}]
        for kind in ("busy", "idle", "execute_reply"):
            assert ear.heard[run.id, kind] == 1, f"{kind} in turn {turn}"
    kernel.leave(ear)


async def settled(side: Side, tasks: set[asyncio.Task[object]]) -> None:
    """Wait until no container, file and task is left but those of before."""
    until = time.monotonic() + SETTLED_S
    while left := [
        *await asyncio.to_thread(side.containers),
        *side.files(),
        *(asyncio.all_tasks() - tasks),
    ]:
        assert time.monotonic() < until, f"left behind: {left}"
        await asyncio.sleep(0.1)


async def series(way: Way, folder: Path, *, runs: int, kernels: int) -> None:
    first = set(asyncio.all_tasks())
    opened = descriptors()
    async with way(folder) as side:
        starter = launcher(side.sandboxes, {PYTHON.name: PYTHON})
        async with asynccontextmanager(make_bench)(folder, starter) as room:
            most = descriptors(side.process).total() + THREADS + MEASURE_THREADS
            await side.use_all_connections()
            await run_all(room, 1)
            await end(room)
            await settled(side, first_and_own := set(asyncio.all_tasks()))
            here = descriptors()
            # A busy machine may not have used all connections to the engine at once until now.
            most = max(descriptors(side.process).total(), most)
            rooms = [await room.another() for _ in range(kernels)]
            for each in rooms:  # as interviews begin: not all at once
                await each.executions.warm(each.room)
            assert len(await asyncio.to_thread(side.containers)) == kernels
            await asyncio.gather(*(run_all(each, runs // kernels) for each in rooms))
            await asyncio.gather(*(end(each) for each in rooms))
            await settled(side, first_and_own)
            await back_to(here, SETTLED_S)
            await no_more_than(most, side.process)
    assert await asyncio.to_thread(side.containers) == []
    assert not asyncio.all_tasks() - first
    await back_to(opened, SETTLED_S)


async def no_more_than(most: int, process: int | str) -> None:
    """Wait until a process has no more descriptors than that."""
    until = time.monotonic() + SETTLED_S
    while (now := descriptors(process)).total() > most:
        assert time.monotonic() < until, f"{now.total()} are open, at most {most} may be: {now}"
        await asyncio.sleep(0.1)


async def end(room: Bench) -> None:
    """End an interview, as the API does."""
    await room.set_state(RoomState.ENDED)
    await room.executions.close_room(room.room.id)


@pytest.mark.parametrize("way", [in_process, broker_process])
async def test_a_thousand_runs(way: Way, sandbox_image: None, folder: Path) -> None:
    await series(way, folder, runs=1_000, kernels=5)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", [in_process, broker_in_process, broker_process])
async def test_ten_thousand_runs(way: Way, sandbox_image: None, folder: Path) -> None:
    await series(way, folder, runs=10_000, kernels=50)
