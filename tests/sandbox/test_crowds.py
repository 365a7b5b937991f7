"""A sandbox at its limit of processes has half the processor, until it has fewer."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast

import docker
import pytest
from jupyter_client.kernelspec import KernelSpecManager

from interview_ext.errors import EngineUnavailable
from interview_ext.sandbox.claims import server_id_of
from interview_ext.sandbox.crowds import Crowds
from interview_ext.sandbox.deaths import Death, Reason
from interview_ext.sandbox.docker_settings import CPU_PERIOD_US
from interview_ext.sandbox.profiles import PYTHON, Limits, Profile
from interview_ext.sandbox.provisioner import SandboxRequest
from interview_ext.sandbox.sandbox import Sandbox
from tests.containers import containers

from .broker_process import running_broker
from .conftest import PATIENCE_S, MakeKernel, start_kernel, stop_kernel

CROWD = """
import threading
threading.stack_size(256 * 1024)
enough = threading.Event()
more = [threading.Thread(target=enough.wait) for _ in range({count})]
for each in more:
    each.start()
"""


async def quota_becomes(container: str, cpus: float) -> None:
    client = docker.from_env()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = await asyncio.to_thread(client.api.inspect_container, container)
                if found["HostConfig"]["CpuQuota"] == cpus * CPU_PERIOD_US:
                    return
                await asyncio.sleep(0.2)
    finally:
        client.close()


async def test_it_has_half_the_processor_while_it_stands_there(make_kernel: MakeKernel) -> None:
    kernel = await make_kernel(limits={"pids": 64})
    crowd = await kernel.run(CROWD.format(count=45))
    assert crowd.status == "ok"
    await quota_becomes(kernel.sandbox.container, 0.5)
    assert (await kernel.run("enough.set(); [each.join() for each in more]")).status == "ok"
    await quota_becomes(kernel.sandbox.container, 1)
    assert (await kernel.run("1 + 1")).text == "2"


async def test_a_broker_that_was_killed_lets_it_go_on(
    sandbox_image: None, specs: KernelSpecManager
) -> None:
    async with running_broker() as broker:
        client = broker.client("one")
        kernel = await start_kernel(specs, SandboxRequest(sandboxes=client, room="room-1"))
        (container,) = containers(server_id_of(broker.folder / "claims"))
        assert (await kernel.run(CROWD.format(count=235))).status == "ok"
        await quota_becomes(container, 0.5)
        ending = "threading.Timer(3, enough.set).start()"
        assert (await kernel.run(ending)).status == "ok"
        await broker.kill()
        await asyncio.sleep(4)
        await broker.start()
        await quota_becomes(container, 1)
        assert (await kernel.run("[each.join() for each in more]")).status == "ok"
        await stop_kernel(kernel)
        await client.stop()


class Counted:
    """Stands for an engine: the test says how many processes there are, and what it refuses."""

    def __init__(self) -> None:
        self.count: int | None = 0
        self.refuses = False
        self.given: list[float] = []

    def processes(self, container: str) -> int | None:
        return self.count

    async def give_cpus(self, container: str, cpus: float) -> None:
        if self.refuses:
            raise EngineUnavailable("it does not answer")
        self.given.append(cpus)


@dataclass
class Listed:
    """Stands for a sandbox."""

    container: str = "c"
    profile: Profile = field(default_factory=lambda: replace(PYTHON, limits=Limits(pids=100)))
    death: Death | None = None


def listed(death: Death | None = None) -> Sandbox:
    return cast(Sandbox, Listed(death=death))


async def test_between_both_numbers_it_stays_as_it_was() -> None:
    engine, sandbox = Counted(), listed()
    crowds = Crowds(engine)
    for engine.count in (49, 89, 90, 89, 50, None, 49, 89):
        await crowds.look([sandbox])
    assert engine.given == [0.5, 1.0]


async def test_what_the_engine_refuses_is_asked_again_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine, sandbox = Counted(), listed()
    crowds = Crowds(engine)
    engine.count, engine.refuses = 100, True
    for _ in range(3):
        await crowds.look([sandbox])
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    engine.refuses = False
    await crowds.look([sandbox])
    assert engine.given == [0.5]
    engine.count, engine.refuses = 0, True
    await crowds.look([sandbox])
    assert len(caplog.records) == 2
    engine.refuses = False
    await crowds.look([sandbox])
    assert engine.given == [0.5, 1.0]


async def test_one_that_has_ended_meanwhile_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    engine = Counted()
    engine.count, engine.refuses = 100, True
    await Crowds(engine).look(
        [listed(death=Death(reason=Reason.CRASH, detail="", at=datetime.now(UTC)))]
    )
    assert not caplog.records
