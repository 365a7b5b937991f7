"""Claims that wait in the line when all sandboxes are taken."""

from __future__ import annotations

import asyncio

import pytest

from interview_ext.errors import SandboxExhausted

from .conftest import PATIENCE_S, MakeSandboxes


async def test_when_all_are_taken_a_claim_waits_and_is_served(
    make_sandboxes: MakeSandboxes,
) -> None:
    sandboxes = await make_sandboxes(pool_size=0, max_sandboxes=1)
    first = await sandboxes.claim("python", room="room-1")
    told: list[bool] = []
    second = asyncio.create_task(sandboxes.claim("python", room="room-2", on_wait=told.append))
    await asyncio.sleep(0)
    assert told == [True]
    assert sandboxes.pool_state("python").waiting == 1
    await first.stop()
    async with asyncio.timeout(PATIENCE_S):
        assert (await second).room == "room-2"
    assert told == [True, False]


async def test_a_wait_ends_with_a_clear_error(make_sandboxes: MakeSandboxes) -> None:
    sandboxes = await make_sandboxes(pool_size=0, max_sandboxes=1, wait_s=0.1)
    await sandboxes.claim("python", room="room-1")
    with pytest.raises(SandboxExhausted, match="taken"):
        await sandboxes.claim("python", room="room-2")
    assert sandboxes.pool_state("python").waiting == 0


async def test_a_restart_keeps_its_place_before_those_who_wait(
    make_sandboxes: MakeSandboxes,
) -> None:
    sandboxes = await make_sandboxes(pool_size=0, max_sandboxes=1)
    first = await sandboxes.claim("python", room="room-1")
    waits = asyncio.create_task(sandboxes.claim("python", room="room-2"))
    await asyncio.sleep(0)
    await first.stop()
    again = await sandboxes.claim("python", room="room-1")
    assert not waits.done()
    await again.stop()
    async with asyncio.timeout(PATIENCE_S):
        assert (await waits).room == "room-2"


async def test_whoever_holds_least_is_served_first_and_nobody_more_than_allowed(
    make_sandboxes: MakeSandboxes,
) -> None:
    sandboxes = await make_sandboxes(pool_size=0, max_sandboxes=3)
    greedy = [
        asyncio.create_task(sandboxes.claim("python", room=f"g{i}", owner="greedy", most=2))
        for i in range(4)
    ]
    async with asyncio.timeout(PATIENCE_S):
        done, _ = await asyncio.wait(greedy[:2])
    assert len(done) == 2
    assert not greedy[2].done()  # it may have two, though a third place is free
    modest = await sandboxes.claim("python", room="m1", owner="modest", most=2)
    later = asyncio.create_task(sandboxes.claim("python", room="m2", owner="modest", most=2))
    await asyncio.sleep(0)
    await modest.stop()  # its room keeps the place for a moment, for a restart
    async with asyncio.timeout(PATIENCE_S):
        assert (await later).owner == "modest"
    assert not greedy[2].done()
    for each in greedy[2:]:
        each.cancel()
    await asyncio.gather(*greedy[2:], return_exceptions=True)
