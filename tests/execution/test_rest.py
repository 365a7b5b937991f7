"""A sandbox that nobody uses ends, with notice; whoever uses or wants it keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from interview_ext.errors import Forbidden
from interview_ext.execution.ports import KernelDeath
from interview_ext.execution.records import SandboxStatus
from interview_ext.execution.rest import Rest
from interview_ext.rooms.model import Role, RoomState
from tests.execution.conftest import PATIENCE_S, Bench, guest, make_bench
from tests.execution.kernels import LocalLauncher

IDLE_S = 4.0


@pytest.fixture
async def idle_bench(tmp_path: Path, launcher: LocalLauncher) -> AsyncIterator[Bench]:
    launcher.idle_s = IDLE_S
    async for made in make_bench(tmp_path, launcher):
        yield made


async def status(bench: Bench) -> SandboxStatus:
    return await bench.executions.sandbox(bench.candidate)


async def until(bench: Bench, test: Callable[[SandboxStatus], bool]) -> SandboxStatus:
    while True:
        seen = len(bench.heard)
        found = await status(bench)
        if test(found):
            return found
        await bench.message(lambda m: m["type"] == "sandbox", after=seen)


async def until_notice(bench: Bench) -> None:
    found = await until(bench, lambda s: s.rests_at is not None or s.state == "dead")
    assert found.state in ("ready", "busy"), "ended without notice"


async def test_it_ends_after_notice_says_why_and_the_next_run_begins_anew(
    idle_bench: Bench,
) -> None:
    bench = idle_bench
    bench.notebook(a="x = 1", b="print('x' in dir())")
    await bench.run("a")
    await until_notice(bench)
    ended = await until(bench, lambda s: s.state == "dead")
    assert ended.death is not None
    assert ended.death["reason"] == "idle"
    await until(bench, lambda s: s.rests_at is None)
    assert "sandbox.ended" in await bench.kinds()
    assert (await bench.run("b"))["state"] == "done"
    assert bench.text("b") == "False\n"
    assert (await status(bench)).death is None


async def test_whoever_may_run_cells_keeps_it_at_a_press(idle_bench: Bench) -> None:
    bench = idle_bench
    bench.notebook(a="x = 1", b="print(x)")
    await bench.run("a")
    await until_notice(bench)
    watcher = await guest(bench.admission, bench.host, Role.OBSERVER)
    with pytest.raises(Forbidden):
        await bench.executions.keep(watcher)
    assert (await status(bench)).rests_at is not None
    await bench.executions.keep(bench.candidate)
    assert (await status(bench)).rests_at is None
    await until_notice(bench)  # counted anew
    assert (await bench.run("b"))["state"] == "done"
    assert bench.text("b") == "1\n"
    assert (await until(bench, lambda s: s.rests_at is None)).death is None


async def test_neither_a_silent_run_nor_a_pause_is_rest(idle_bench: Bench) -> None:
    bench = idle_bench
    bench.notebook(
        a=f"import time; time.sleep({2 * IDLE_S}); x = 1", b="print(x)", c="print('again')"
    )
    assert (await bench.run("a"))["state"] == "done"
    assert (await bench.run("b"))["state"] == "done"
    assert bench.text("b") == "1\n"
    await bench.set_state(RoomState.PAUSED)
    await bench.executions.freeze(bench.room.id)
    await asyncio.sleep(1.5 * IDLE_S)
    assert (await status(bench)).state == "ready"
    assert (await status(bench)).rests_at is None
    await bench.set_state(RoomState.LIVE)
    await bench.executions.thaw(bench.room.id)
    await until_notice(bench)


async def test_it_can_still_be_kept_while_its_files_are_being_saved() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    saving, kept = asyncio.Event(), asyncio.Event()

    class Unused:
        last_used = at
        ended = False

        async def rest(self, death: KernelDeath) -> None:
            self.ended = True

        def rest_changed(self) -> None:
            pass

    async def save() -> None:
        saving.set()
        await kept.wait()

    room = Unused()
    later = at + timedelta(seconds=10)
    rest = Rest(room, idle_s=0.4, before=save, clock=lambda: later)
    rest.ends_at = later
    rest.start()
    async with asyncio.timeout(PATIENCE_S):
        await saving.wait()
    rest.keep()
    kept.set()
    await asyncio.sleep(0.3)  # longer than until the next look
    await rest.stop()
    assert not room.ended
