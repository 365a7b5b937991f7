"""The engine itself fails: killed, stopped, its disk full. A real one, of the tests' own.

No run hangs, each says why it ended, nothing stays ``[*]``; when the engine is well again, rooms
and pools are so by themselves, and nothing is left over.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from interview_ext.cli import doctor
from interview_ext.cli.doctor import Verdict
from interview_ext.sandbox import pools
from interview_ext.sandbox.broker import Broker
from interview_ext.sandbox.claims import server_id_of
from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.images import reference
from interview_ext.sandbox.profiles import PROFILES
from interview_ext.sandbox.sandboxes import Sandboxes
from tests.descriptors import back_to, descriptors
from tests.execution.conftest import Bench
from tests.execution.documents import Notebook
from tests.execution.faults import WAITING, Fault, at_work, notebook_of
from tests.execution.sandboxes import house
from tests.sandbox import own_engine
from tests.sandbox.broker_process import BrokerProcess
from tests.sandbox.own_engine import OwnEngine

pytestmark = pytest.mark.timeout(180)
PROFILE = PROFILES["javascript"]
"""Its image is the smallest."""
PATIENCE_S = 30
ENDS_S = 9
"""A broker gives up its engine after three seconds, and a shim's greeting is waited for ten."""


@pytest.fixture(scope="module")
def engine_of_all(sandbox_image: None) -> Iterator[OwnEngine]:
    """An engine to be hurt, for all tests of this file."""
    if lack := own_engine.lack():
        pytest.skip(lack)
    with own_engine.own_engine(reference(PROFILE.image)) as engine:
        yield engine


@pytest.fixture
def engine(engine_of_all: OwnEngine) -> OwnEngine:
    """It, running, whatever has become of it in the test before."""
    if not engine_of_all.pid:
        engine_of_all.start()
    return engine_of_all


@dataclass
class Side:
    """Where the sandboxes are. `label` is what their containers bear."""

    sandboxes: Broker
    label: str
    process: int | str = "self"


@asynccontextmanager
async def in_process(engine: OwnEngine, folder: Path, **settings: Any) -> AsyncIterator[Side]:
    """The server owns the engine."""
    sandboxes = Sandboxes(
        server_id=f"test-{secrets.token_hex(6)}",
        engine=DockerEngine(engine.url),
        profiles={PROFILE.name: PROFILE},
        pool_bytes=PROFILE.waiting_bytes,
        **settings,
    )
    yield Side(sandboxes, sandboxes.server_id)


@asynccontextmanager
async def through_the_broker(
    engine: OwnEngine, folder: Path, **settings: Any
) -> AsyncIterator[Side]:
    """A broker's process does."""
    broker = BrokerProcess(
        folder / "broker",
        warm_profiles=PROFILE.name,
        pool_memory_bytes=PROFILE.waiting_bytes,
        **settings,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.url)
        await broker.start()
    try:
        label = server_id_of(broker.folder / "claims")
        yield Side(broker.client("one"), label, broker.pid)
    finally:
        await broker.stop()
    assert "Traceback" not in (log := await asyncio.to_thread(broker.log.read_text)), log[-4000:]


Way = Callable[..., AbstractAsyncContextManager[Side]]


@pytest.fixture
def folder(caplog: pytest.LogCaptureFixture) -> Iterator[Path]:
    """A folder with a short name; in the end nothing has been logged as an error."""
    path = Path(tempfile.mkdtemp(prefix="faults-"))
    yield path
    shutil.rmtree(path)
    for when in ("setup", "call"):
        errors = [r for r in caplog.get_records(when) if r.levelno >= logging.ERROR or r.exc_info]
        assert not errors


async def until(what: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await what():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.1)


async def holds(engine: OwnEngine, side: Side, count: int) -> None:
    """Wait until so many containers are there, for the engine and for the machine."""

    async def found() -> bool:
        known = await asyncio.to_thread(engine.containers, side.label)
        return len(known) == count == len(engine.shims())

    await until(found, f"there should be {count} containers")


async def answers(side: Side) -> None:
    """Wait until cells can run again."""

    async def found() -> bool:
        return (await side.sandboxes.engine_status()).available

    await until(found, "the engine does not answer")


async def is_filled(side: Side) -> None:
    """Wait until the pool is; its memory is enough for one."""

    async def filled() -> bool:
        await side.sandboxes.engine_status()  # by which a broker tells
        state = side.sandboxes.pool_state(PROFILE.name)
        return state is not None and state.warm == state.target == 1

    await until(filled, "the pool was not filled")


@pytest.fixture
def lively(engine: OwnEngine) -> Iterator[OwnEngine]:
    """The engine, set to let containers outlive it."""
    engine.terminate()
    engine.start(keep_containers=True)
    yield engine
    engine.terminate()
    engine.start(keep_containers=False)


@pytest.mark.parametrize("way", [in_process, through_the_broker])
async def test_the_engine_is_killed_and_started_again(
    engine: OwnEngine, way: Way, folder: Path
) -> None:
    await ends_and_comes_back(engine, way, folder, OwnEngine.kill)


@pytest.mark.soak
@pytest.mark.parametrize("way", [in_process, through_the_broker])
async def test_the_engine_is_stopped_and_started_again(
    engine: OwnEngine, way: Way, folder: Path
) -> None:
    """It ends its containers itself, and may say so of one before it goes."""
    await ends_and_comes_back(engine, way, folder, OwnEngine.terminate, "crash")


@pytest.mark.soak
@pytest.mark.parametrize("way", [in_process, through_the_broker])
async def test_an_engine_that_lets_containers_live_is_killed_and_started_again(
    lively: OwnEngine, way: Way, folder: Path
) -> None:
    await ends_and_comes_back(lively, way, folder, OwnEngine.kill)


async def ends_and_comes_back(
    engine: OwnEngine, way: Way, folder: Path, end: Callable[[OwnEngine], None], *deaths: str
) -> None:
    """Twice: what was learnt from the first time must not be in the way."""
    opened = descriptors()
    tasks = set(asyncio.all_tasks())
    async with way(engine, folder, pool_size=1) as side:
        async with house(folder / "room", side.sandboxes, PROFILE) as bench:
            for _ in range(2):
                fault = await at_work(bench)
                await is_filled(side)
                await holds(engine, side, 2)
                await asyncio.to_thread(end, engine)
                async with asyncio.timeout(ENDS_S):
                    await fault.ends_without_engine(*deaths)
                status = await bench.executions.sandbox(bench.candidate)
                assert not status.engine["available"]
                assert "make services" in status.engine["hint"]
                await asyncio.to_thread(engine.start)
                await answers(side)
                await fault.goes_on()
                await is_filled(side)
                await holds(engine, side, 2)
        await holds(engine, side, 1 if way is through_the_broker else 0)
    await holds(engine, side, 0)
    assert not asyncio.all_tasks() - tasks
    await back_to(opened, PATIENCE_S)


@pytest.fixture
def full(engine: OwnEngine) -> Iterator[OwnEngine]:
    """The engine; what a test fills its disk with is gone in the end."""
    yield engine
    engine.free()


@pytest.mark.parametrize(
    "way", [in_process, pytest.param(through_the_broker, marks=pytest.mark.soak)]
)
async def test_the_engines_disk_is_full(
    full: OwnEngine, way: Way, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = full
    opened = descriptors()
    tasks = set(asyncio.all_tasks())
    monkeypatch.setattr(pools, "RETRY_S", 0.5)
    async with way(engine, folder, pool_size=1, max_sandboxes=2) as side:
        async with house(folder / "room", side.sandboxes, PROFILE) as room:
            notebook_of(room)
            await is_filled(side)
            await succeeds(room)
            await is_filled(side)
            engine.fill()
            began, refused = time.monotonic(), engine.refused()

            second = await another(room)
            await succeeds(second)  # by the one that was warm
            third = await another(room)
            runs = [await third.submit(cell) for cell in ("c", *WAITING)]
            await waits(third)
            await close(second)
            await ends_for_want_of_space(Fault(third, notebook_of_it(third), runs))
            assert str(engine.folder) not in str(third.outputs("c"))
            await says(room, "disk is full")
            assert await doctor_says(engine) is Verdict.MISSING
            await succeeds(room)  # its kernel goes on

            await asyncio.sleep(max(0, began + 7 - time.monotonic()))
            assert 2 <= engine.refused() - refused <= 8, "the pool spins"
            engine.free()
            await is_filled(side)
            await says(room, "")
            assert await doctor_says(engine) is Verdict.OK
            await succeeds(third)

            engine.fill()
            fourth = await another(room)
            run = await fourth.submit("c")
            await waits(fourth)
            engine.free()
            await close(third)
            assert (await fourth.ended(run))["state"] == "done"
            await holds(engine, side, 2)
        await holds(engine, side, 1 if way is through_the_broker else 0)
    await holds(engine, side, 0)
    assert not asyncio.all_tasks() - tasks
    await back_to(opened, PATIENCE_S)


async def doctor_says(engine: OwnEngine) -> Verdict:
    """Of the engine's disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.url)
        [check] = await asyncio.to_thread(doctor._disk)
    return check.verdict


async def ends_for_want_of_space(fault: Fault) -> None:
    """See that the first run has ended so, with advice, and those behind it are cleared."""
    first, *behind = [await fault.bench.ended(run) for run in fault.runs]
    assert (first["state"], first["death"]) == ("error", "engine_full")
    assert {each["state"] for each in behind} == {"cleared"}
    said = str(fault.bench.outputs("c"))
    assert "disk is full" in said
    assert "docker system prune" in said
    fault.idle()


async def another(room: Bench) -> Bench:
    """A further room on the same server, with cells."""
    made = await room.another()
    notebook_of(made)
    return made


def notebook_of_it(room: Bench) -> Notebook:
    return room.notebooks.by_id[room.document.id]


async def succeeds(room: Bench) -> None:
    assert (await room.run("c"))["state"] == "done", room.outputs("c")


async def close(room: Bench) -> None:
    await room.executions.close_room(room.room.id)


async def waits(room: Bench) -> None:
    """Wait until the room says that it waits for a place."""

    async def told() -> bool:
        return "taken" in (await room.executions.sandbox(room.candidate)).notice

    await until(told, "nothing is said of the wait")


async def says(room: Bench, message: str) -> None:
    """Wait until the room is told this of an engine that answers."""

    async def told() -> bool:
        engine = (await room.executions.sandbox(room.candidate)).engine
        assert engine["available"]
        return message in engine["message"] and bool(message) == bool(engine["message"])

    await until(told, f"the room does not say {message!r}")
