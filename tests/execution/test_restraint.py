"""A room whose kernels end again and again waits for the next one, and is told why."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from interview_ext.execution.restraint import OFTEN_S, PAUSES_S, Restraint
from tests.execution.conftest import Bench

OFTEN = PAUSES_S.count(0)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_the_first_ends_cost_no_time_and_the_later_ones_ever_more() -> None:
    restraint = Restraint()
    pauses = []
    for second in range(6):
        at = NOON + timedelta(seconds=second)
        pauses.append(restraint.pause_s(at))
        restraint.ended(at)
    assert pauses == [0, 0, 5, 10, 20, 20]
    assert restraint.pause_s(NOON + timedelta(seconds=6)) == 20
    assert restraint.pause_s(NOON + timedelta(seconds=6 + OFTEN_S)) == 0


async def waits(bench: Bench) -> str:
    """Return what the room is told as soon as it is told to wait."""
    while True:
        seen = len(bench.heard)
        if notice := (await bench.executions.sandbox(bench.candidate)).notice:
            return notice
        await bench.message(lambda m: m["type"] == "sandbox", after=seen)


async def test_the_next_run_waits_says_why_and_then_runs(bench: Bench) -> None:
    bench.notebook(end="import os; os._exit(1)", after="print('here')")
    for _ in range(OFTEN):
        assert (await bench.run("end"))["state"] == "died"
    running = asyncio.ensure_future(bench.run("after"))
    notice = await waits(bench)
    assert "several times" in notice
    assert "5 s" in notice
    assert (await running)["state"] == "done"
    assert bench.text("after") == "here\n"
    assert not (await bench.executions.sandbox(bench.candidate)).notice


async def test_the_end_of_the_interview_does_not_wait(bench: Bench) -> None:
    bench.notebook(end="import os; os._exit(1)", after="print('here')")
    for _ in range(OFTEN):
        await bench.run("end")
    running = asyncio.ensure_future(bench.run("after"))
    await waits(bench)
    async with asyncio.timeout(4):
        await bench.executions.close_room(bench.room.id)
    assert (await running)["state"] != "done"
