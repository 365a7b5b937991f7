"""A sandbox at its limit of processes has half the processor, until it has fewer."""

from __future__ import annotations

import asyncio

import docker
from jupyter_client.kernelspec import KernelSpecManager

from interview_ext.sandbox.claims import server_id_of
from interview_ext.sandbox.docker_settings import CPU_PERIOD_US
from interview_ext.sandbox.provisioner import SandboxRequest
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
