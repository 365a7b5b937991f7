"""What fails around a room: no run hangs, each says why it ended, and nothing stays ``[*]``."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from interview_ext.sandbox.broker import Broker
from interview_ext.sandbox.claims import server_id_of
from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.profiles import PYTHON
from interview_ext.sandbox.sandboxes import SERVER_LABEL, Sandboxes
from tests.execution.faults import Fault, running
from tests.execution.sandboxes import house
from tests.sandbox.broker_process import BrokerProcess, running_broker
from tests.sandbox.conftest import EngineProxy

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def broker(sandbox_image: None) -> AsyncIterator[BrokerProcess]:
    """A broker, running."""
    async with running_broker() as broker:
        yield broker


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[EngineProxy]:
    """A way to the engine that can be cut."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    proxy = EngineProxy(folder / "engine.sock")
    await proxy.start()
    yield proxy
    await proxy.stop()
    shutil.rmtree(folder)


def own(**settings: Any) -> Sandboxes:
    return Sandboxes(server_id=f"test-{secrets.token_hex(6)}", pool_size=0, **settings)


def containers(label: str, *, and_remove: bool = False) -> list[str]:
    """A server's containers; by hand they are removed."""
    client = docker.from_env()
    try:
        rows = client.api.containers(all=True, filters={"label": f"{SERVER_LABEL}={label}"})
        for row in rows if and_remove else ():
            client.api.remove_container(row["Id"], force=True)
        return [row["Id"] for row in rows]
    finally:
        client.close()


Way = Callable[[BrokerProcess], tuple[Broker, str]]


def in_process(_: BrokerProcess) -> tuple[Broker, str]:
    sandboxes = own()
    return sandboxes, sandboxes.server_id


def through_the_broker(broker: BrokerProcess) -> tuple[Broker, str]:
    return broker.client("one"), server_id_of(broker.folder / "claims")


@pytest.mark.parametrize("way", [in_process, through_the_broker])
async def test_a_container_removed_by_hand(way: Way, broker: BrokerProcess, tmp_path: Path) -> None:
    sandboxes, label = way(broker)
    async with running(tmp_path, sandboxes) as fault:
        assert containers(label, and_remove=True)
        await fault.ends("died", "crash")
        await fault.goes_on()


async def test_the_engine_goes_away_and_comes_back(
    sandbox_image: None, proxy: EngineProxy, tmp_path: Path
) -> None:
    sandboxes = own(engine=DockerEngine(proxy.url))
    async with running(tmp_path, sandboxes) as fault:
        await proxy.stop()
        await fault.ends_without_engine()
        await proxy.start()
        await fault.goes_on()


async def test_what_could_not_be_removed_is_removed_when_the_engine_is_back(
    sandbox_image: None, proxy: EngineProxy
) -> None:
    """A frozen container would stay for ever: its shim cannot see that nobody is there."""
    sandboxes = own(engine=DockerEngine(proxy.url))
    await sandboxes.start()
    try:
        sandbox = await sandboxes.claim("python", room="r")
        await sandbox.freeze()
        await proxy.stop()
        async with asyncio.timeout(30):
            await sandbox.ended.wait()
        await sandbox.stop()
        assert await asyncio.to_thread(containers, sandboxes.server_id) == [sandbox.container]
        await proxy.start()
        until = time.monotonic() + 30
        while await asyncio.to_thread(containers, sandboxes.server_id):
            assert time.monotonic() < until
            await asyncio.sleep(0.2)
    finally:
        await sandboxes.stop()


async def test_the_broker_is_killed_and_stays_away(broker: BrokerProcess, tmp_path: Path) -> None:
    async with running(tmp_path, broker.client("one", patience_s=2)) as fault:
        await broker.kill()
        await fault.ends_without_engine()
        await broker.start()
        await fault.goes_on()


async def test_the_broker_is_killed_and_comes_back(broker: BrokerProcess, tmp_path: Path) -> None:
    async with running(tmp_path, broker.client("one")) as fault:
        await broker.kill()
        await broker.start()
        await fault.bench.executions.interrupt(fault.bench.candidate)
        assert (await fault.bench.ended(fault.runs[0]))["state"] == "interrupted"
        assert (await fault.bench.ended(fault.runs[1]))["state"] == "cleared"
        fault.idle()
        await fault.goes_on()


async def test_every_place_is_taken_and_then_one_is_free(
    sandbox_image: None, tmp_path: Path
) -> None:
    sandboxes = own(max_sandboxes=1)
    async with house(tmp_path, sandboxes) as bench:
        notebook = bench.notebook(a="print('a')", c="print('again')")
        other = await sandboxes.claim("python", room="another")
        run = await bench.submit("a")
        await bench.message(lambda m: m["type"] == "sandbox" and m["state"] == "starting")
        while not (status := await bench.executions.sandbox(bench.candidate)).notice:
            await bench.message(lambda m: m["type"] == "sandbox", after=len(bench.heard))
        assert "taken" in status.notice
        await other.stop()
        assert (await bench.ended(run))["state"] == "done"
        assert not (await bench.executions.sandbox(bench.candidate)).notice
        await Fault(bench, notebook, []).goes_on()


async def test_every_place_stays_taken(sandbox_image: None, tmp_path: Path) -> None:
    sandboxes = own(max_sandboxes=1, wait_s=5)  # longer than a place is kept
    async with house(tmp_path, sandboxes) as bench:
        notebook = bench.notebook(a="1", b="2", c="print('again')")
        other = await sandboxes.claim("python", room="another")
        record = await bench.run("a")
        assert (record["state"], record["death"]) == ("error", "sandbox_exhausted")
        assert "taken" in bench.outputs("a")[-1]["evalue"]
        fault = Fault(bench, notebook, [])
        fault.idle()
        await other.stop()
        await fault.goes_on()


async def test_what_waits_for_a_place_can_be_interrupted_and_its_room_ended(
    sandbox_image: None, tmp_path: Path
) -> None:
    sandboxes = own(max_sandboxes=1)
    async with house(tmp_path, sandboxes) as bench:
        bench.notebook(a="1", b="2")
        other = await sandboxes.claim("python", room="another")
        runs = [await bench.submit("a"), await bench.submit("b")]
        await bench.message(lambda m: m["type"] == "sandbox" and m["state"] == "starting")
        await bench.executions.interrupt(bench.candidate)
        assert (await bench.ended(runs[0]))["state"] == "interrupted"
        assert (await bench.ended(runs[1]))["state"] == "cleared"
        await bench.executions.close_room(bench.room.id)
        assert sandboxes.pool_state("python").waiting == 0
        await other.stop()


async def test_the_image_is_missing(sandbox_image: None, tmp_path: Path) -> None:
    sandboxes = own(profiles={"python": replace(PYTHON, image="not-built:1")})
    async with house(tmp_path, sandboxes) as bench:
        notebook = bench.notebook(a="1", b="2")
        record = await bench.run("a")
        assert (record["state"], record["death"]) == ("error", "image_missing")
        assert "make images" in str(bench.outputs("a")[-1])
        Fault(bench, notebook, []).idle()
