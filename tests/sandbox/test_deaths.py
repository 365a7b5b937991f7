"""A kernel never dies without a word: each end has its reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from interview_ext.errors import EngineUnavailable, SandboxGone
from interview_ext.sandbox.deaths import Reason
from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.sandbox import Sandbox
from interview_ext.sandbox.sandboxes import SERVER_LABEL, Sandboxes
from tests.descriptors import descriptors, left_since

from .conftest import (
    PATIENCE_S,
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


@dataclass
class Making:
    """A claim whose container the engine has made and not told of yet.

    Attributes
    ----------
    told:
        Lets the engine tell.
    started:
        Containers that were started.
    """

    sandboxes: Sandboxes
    claim: asyncio.Task[Sandbox]
    told: asyncio.Event
    started: list[str]

    async def containers(self) -> list[str]:
        return await self.sandboxes.engine.list({SERVER_LABEL: self.sandboxes.server_id})


@pytest.fixture
async def making(make_sandboxes: MakeSandboxes, monkeypatch: pytest.MonkeyPatch) -> Making:
    sandboxes = await make_sandboxes()
    create, start = sandboxes.engine.create, sandboxes.engine.start
    made, told = asyncio.Event(), asyncio.Event()
    started: list[str] = []

    async def create_slowly(*args: Any, **kwargs: Any) -> str:
        container = await create(*args, **kwargs)
        made.set()
        await told.wait()
        return container

    async def note_start(container: str) -> None:
        started.append(container)
        await start(container)

    monkeypatch.setattr(sandboxes.engine, "create", create_slowly)
    monkeypatch.setattr(sandboxes.engine, "start", note_start)
    claim = asyncio.create_task(sandboxes.claim("python", room="room"))
    async with asyncio.timeout(PATIENCE_S):
        await made.wait()
    return Making(sandboxes, claim, told, started)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_one_that_ends_while_its_container_is_made_leaves_none(
    making: Making, *, cancelled: bool
) -> None:
    (sandbox,) = making.sandboxes._all
    sandbox.engine_lost()
    if cancelled:
        making.claim.cancel()
    making.told.set()
    with pytest.raises(asyncio.CancelledError if cancelled else SandboxGone):
        await making.claim
    assert making.started == []
    assert await making.containers() == []


async def test_a_container_that_cannot_be_removed_after_such_an_end_is_told_as_left_over(
    making: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: str) -> None:
        raise EngineUnavailable("No container engine answers.")

    remove = making.sandboxes.engine.remove
    monkeypatch.setattr(making.sandboxes.engine, "remove", away)
    (sandbox,) = making.sandboxes._all
    sandbox.engine_lost()
    making.told.set()
    with pytest.raises(SandboxGone):
        await making.claim
    monkeypatch.setattr(making.sandboxes.engine, "remove", remove)
    assert making.sandboxes._unremoved == {sandbox.container}
    assert await making.containers() == [sandbox.container]


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
