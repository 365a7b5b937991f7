"""A server that may have lost a room computes and writes nothing, until it knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interview_ext.errors import OwnerUnknown
from interview_ext.rooms.model import RunState
from interview_ext.rooms.ports import Lease
from interview_ext.storage.memory_leases import MemoryLeases
from tests.execution.conftest import Bench, make_bench
from tests.execution.kernels import LocalLauncher

LINES = 60
PRINTS = f"import time\nfor n in range({LINES}):\n    print(n, flush=True)\n    time.sleep(0.03)"


class Shaky(MemoryLeases):
    """Leases that are not always certain."""

    sure = True

    async def claim(self, room_id: str) -> Lease:
        if not self.sure:
            raise OwnerUnknown("Nobody can say.")
        return await super().claim(room_id)

    def owns(self, room_id: str) -> bool:
        return self.sure and super().owns(room_id)


@pytest.fixture
def leases() -> Shaky:
    return Shaky()


@pytest.fixture
async def shaky(tmp_path: Path, launcher: LocalLauncher, leases: Shaky) -> AsyncIterator[Bench]:
    async for made in make_bench(tmp_path, launcher, leases=leases):
        yield made


async def in_doubt(bench: Bench, leases: Shaky) -> tuple[str, str]:
    """Let a printing cell's server lose its certainty; return the run's id and what stands there.

    The callback comes after the clock has run out, as after a stop of the process.
    """
    bench.notebook(a=PRINTS, b="print('b')")
    run = await bench.submit("a")
    async with asyncio.timeout(30):
        while "3\n" not in bench.text("a"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    leases.sure = False
    shown = bench.text("a")
    await asyncio.sleep(0.3)
    bench.executions.doubtful(bench.room.id)
    await asyncio.sleep(0.3)
    assert bench.text("a") == shown
    with pytest.raises(OwnerUnknown):
        await bench.submit("b")
    return run.id, shown


async def test_in_doubt_nothing_is_written_and_then_nothing_is_missing(
    shaky: Bench, leases: Shaky
) -> None:
    run_id, _ = await in_doubt(shaky, leases)
    leases.sure = True
    shaky.executions.regained(shaky.room.id)
    run = await shaky.store.get_run(run_id)
    assert run is not None
    assert (await shaky.ended(run))["state"] == "done"
    assert shaky.text("a") == "".join(f"{n}\n" for n in range(LINES))
    assert (await shaky.run("b"))["state"] == "done"


async def test_a_room_that_is_lost_gets_no_word_any_more(shaky: Bench, leases: Shaky) -> None:
    run_id, shown = await in_doubt(shaky, leases)
    events = await shaky.kinds()
    shaky.executions.lost(shaky.room.id)
    leases._held.clear()
    leases.sure = True  # even if the lease is its own again, later
    await leases.claim(shaky.room.id)
    await asyncio.sleep(1)
    run = await shaky.store.get_run(run_id)
    assert run is not None
    assert run.state is RunState.RUNNING  # whoever took over says what has become of it
    assert shaky.text("a") == shown
    assert await shaky.kinds() == events
    # A new claim begins by clearing up, and with a fresh kernel.
    shaky.executions.ownership.forget(shaky.room.id)
    assert (await shaky.run("b"))["state"] == "done"
    ended = await shaky.store.get_run(run_id)
    assert ended is not None
    assert (ended.state, ended.death) == (RunState.INTERRUPTED, "the server was lost")
