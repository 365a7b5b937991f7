"""A kernel never dies without a word: each end has its reason."""

from __future__ import annotations

import asyncio

import pytest

from interview_ext.errors import EngineUnavailable, SandboxGone
from interview_ext.sandbox.deaths import Reason
from interview_ext.sandbox.docker import DockerEngine
from tests.descriptors import descriptors, left_since

from .conftest import (
    EngineProxy,
    Kernel,
    MakeKernel,
    MakeSandboxes,
    failed_connects_linger,
)


@pytest.mark.parametrize(
    ("code", "reason", "detail"),
    [
        ("import os; os._exit(3)", Reason.CRASH, "exit status 3"),
        ("import ctypes; ctypes.string_at(0)", Reason.CRASH, "exit status 139"),
        ("import os; os.kill(os.getpid(), 9)", Reason.CRASH, "exit status 137"),
        ("exit()", Reason.STOPPED, "ended itself"),
    ],
)
async def test_ends_of_a_kernel(kernel: Kernel, code: str, reason: Reason, detail: str) -> None:
    kernel.client.execute(code)
    death = await kernel.death()
    assert death.reason is reason
    assert detail in death.detail
    assert death.at.tzinfo is not None
    assert kernel.provisioner.death == death
    assert not await kernel.manager.is_alive()


async def test_a_dead_kernel_is_replaced_behind_the_same_endpoints(kernel: Kernel) -> None:
    """As jupyter_client's restarter does it, and with the reason still to be read."""
    kernel.client.execute("import os; os._exit(1)")
    await kernel.death()
    await kernel.manager.restart_kernel(now=True)
    await kernel.ready()
    assert (await kernel.run("'fresh'")).text == "'fresh'"
    assert kernel.provisioner.death is not None
    assert kernel.provisioner.death.reason is Reason.CRASH


async def test_a_cell_that_runs_too_long(make_kernel: MakeKernel) -> None:
    kernel = await make_kernel(limits={"run_s": 1})
    await kernel.run("1")
    await asyncio.sleep(1.2)
    assert kernel.deaths.empty(), "only a running cell counts"
    kernel.client.execute("while True: pass")
    death = await kernel.death()
    assert death.reason is Reason.TIME_LIMIT
    assert death.detail == "A cell ran longer than 1 s."


async def test_stopping_says_so(kernel: Kernel) -> None:
    await kernel.manager.shutdown_kernel()
    assert (await kernel.death()).reason is Reason.STOPPED


@failed_connects_linger
async def test_an_error_that_is_kept_keeps_no_connection_open(
    proxy: EngineProxy, nothing_left: str
) -> None:
    engine = DockerEngine(proxy.url)
    assert await engine.inspect("no-such-container") is None
    await proxy.stop()
    kept = [await _refused(engine)]  # it ends the connection of before
    before = descriptors()
    kept += [await _refused(engine) for _ in range(3)]
    assert left_since(before) == []
    await engine.close()


async def _refused(engine: DockerEngine) -> EngineUnavailable:
    with pytest.raises(EngineUnavailable) as caught:
        await engine.inspect("no-such-container")
    return caught.value


@failed_connects_linger
async def test_the_engine_goes_away(
    proxy: EngineProxy, make_sandboxes: MakeSandboxes, make_kernel: MakeKernel
) -> None:
    sandboxes = await make_sandboxes(engine=DockerEngine(proxy.url))
    kernel = await make_kernel(sandboxes)
    sandbox = kernel.provisioner.sandbox
    assert sandbox is not None
    await proxy.stop()
    assert (await kernel.death()).reason is Reason.ENGINE_LOST
    with pytest.raises(SandboxGone) as caught:
        await sandbox.stats()
    assert caught.value.reason == "engine lost"
    await proxy.start()
    await sandboxes.remove_left_over()
