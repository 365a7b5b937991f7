"""Neighbours: run-to-output of an honest room while another room runs a hostile program.

Of each kind of `tests/sandbox/hostile/programs` those that `make test` samples run, one after
another and each over and over, in a room of the same server. Beside it stands the same room while
nobody else does anything, measured before each program.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx

from tests.sandbox.hostile.program import HERE, KINDS, programs

from .live_room import LiveRoom, WatchedRoom, live_room, watched_room
from .people import Host
from .report import Row
from .servers import Server

MOST_P95_RATIO = 2.0
UNCOUNTED = 5
PAUSE_S = 0.05
"""Between two runs of the honest room: somebody who does nothing else."""
ONSET_S = 1.0
REST_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """Seconds from the request to the output, by kind of program."""

    idle: dict[str, list[float]] = field(default_factory=dict)
    beside: dict[str, list[float]] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        return [
            Row(
                name=f"neighbour of a hostile room: {kind}",
                unit="ms",
                ours=self.beside[kind],
                peer=self.idle[kind],
                peer_name="idle",
                most_p95_ratio=MOST_P95_RATIO,
            )
            for kind in KINDS
            if kind in self.beside
        ]


async def measure(*, pooled: Server, times: int, say: Callable[[str], None]) -> Neighbour:
    """Run the honest room's cell `times` times beside each program, and as often without."""
    result = Neighbour()
    chosen = [program for program in programs() if program.sample]
    prelude = (HERE / "prelude.py").read_text()
    sources = [f"{prelude}\n{program.code}" for program in chosen]
    async with (
        Host(pooled) as host,
        watched_room(host) as honest,
        live_room(host, sources) as hostile,
    ):
        turn = await _turns(honest, 0, UNCOUNTED, [])
        for index, program in enumerate(chosen):
            turn = await _turns(honest, turn, times, result.idle.setdefault(program.kind, []))
            async with _over_and_over(hostile, index):
                await asyncio.sleep(ONSET_S)
                taken = result.beside.setdefault(program.kind, [])
                turn = await _turns(honest, turn, times, taken)
            await hostile.candidate.ask("POST", f"{hostile.candidate.api}/sandbox/restart")
            await asyncio.sleep(REST_S)
            say(f"neighbour of {program.kind}: {program.name}, {times} turns")
    return result


async def _turns(room: WatchedRoom, turn: int, times: int, into: list[float]) -> int:
    """Add that many figures; return the number of the last turn."""
    for number in range(turn + 1, turn + times + 1):
        into.append(await room.turn(number))
        await asyncio.sleep(PAUSE_S)
    return turn + times


@asynccontextmanager
async def _over_and_over(room: LiveRoom, index: int) -> AsyncIterator[None]:
    """Run a cell again whenever it has ended."""

    async def work() -> None:
        while True:
            # A kernel that is just being replaced may refuse.
            with suppress(httpx.HTTPStatusError):
                await room.ended(await room.submit(index))

    task = asyncio.create_task(work())
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
