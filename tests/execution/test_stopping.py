"""What a kernel must not be able to get round, and what a broker must not lose: ends and pauses."""

from __future__ import annotations

import asyncio

import pytest

from interview_ext.errors import EngineUnavailable
from interview_ext.rooms.model import RoomState
from tests.execution.conftest import Bench
from tests.execution.kernels import LocalKernel, LocalLauncher

FORGED = """
import time
kernel = get_ipython().kernel
print("on", flush=True)
kernel.session.send(
    kernel.shell_stream or kernel.shell_socket,
    "execute_reply",
    {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []},
    parent=kernel.get_parent(),
    ident=kernel._parent_ident["shell"],
)
while True:
    print(".", flush=True)
    time.sleep(0.5)
"""


@pytest.mark.parametrize("by", ["time limit", "interrupt"])
async def test_a_reply_that_the_cell_forges_is_no_way_round(
    bench: Bench, launcher: LocalLauncher, by: str
) -> None:
    if by == "time limit":
        launcher.run_s = 2
    notebook = bench.notebook(a=FORGED, b="1 + 1")
    run = await bench.submit("a")
    await notebook.becomes("a", lambda c: "on" in str(c["outputs"]))
    if by == "interrupt":
        await asyncio.sleep(1)
        await bench.executions.interrupt(bench.candidate, run.id)
    record = await bench.ended(run)
    assert record["ended_at"] is not None
    assert (await bench.run("b"))["state"] == "done"


class Away:
    """An engine that does not answer for a while."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        self.times = 0
        usual = getattr(LocalKernel, method)

        async def late(kernel: LocalKernel) -> None:
            if self.times:
                self.times -= 1
                raise EngineUnavailable("The sandbox broker does not answer.")
            await usual(kernel)

        monkeypatch.setattr(LocalKernel, method, late)


COUNTING = """
import time
for number in range(20):
    print(number, flush=True)
    time.sleep(0.3)
"""


async def test_a_sandbox_that_could_not_go_on_does_so_later(
    bench: Bench, launcher: LocalLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Away(monkeypatch, "thaw")
    launcher.run_s = 60
    notebook = bench.notebook(a=COUNTING)
    run = await bench.submit("a")
    await notebook.becomes("a", lambda c: "1" in str(c["outputs"]))
    await bench.set_state(RoomState.PAUSED)
    await bench.executions.freeze(bench.room.id)
    away.times = 2
    await bench.set_state(RoomState.LIVE)
    await bench.executions.thaw(bench.room.id)
    assert (await bench.ended(run))["state"] == "done"
    assert bench.text("a").split() == [str(number) for number in range(20)]


async def test_a_sandbox_that_could_not_be_frozen_is_so_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Away(monkeypatch, "freeze")
    notebook = bench.notebook(a=COUNTING)
    await bench.submit("a")
    await notebook.becomes("a", lambda c: "1" in str(c["outputs"]))
    away.times = 1
    await bench.executions.freeze(bench.room.id)
    await asyncio.sleep(2.5)
    said = bench.text("a")
    await asyncio.sleep(1)
    assert bench.text("a") == said
    assert "19" not in said
    await bench.executions.thaw(bench.room.id)
