"""Fifty rooms: all live with a kernel each, on one server, and each runs a cell every ten seconds.

The time of a run is that of `runs`: from the candidate's request until the output is at another
client, the host. The memory is what the engine says of each container when all have run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import monotonic

from .kernels import docker
from .live_room import WatchedRoom, watched_room
from .people import Host
from .report import Row
from .servers import Server

EVERY_S = 10.0
MOST_P95_S = 0.3
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Seconds of each run, and bytes of each container."""

    rooms: int
    runs: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def rows(self) -> list[Row]:
        return [
            Row(
                name=f"run to output, {self.rooms} rooms live",
                unit="ms",
                ours=self.runs,
                most_p95=MOST_P95_S,
            ),
            Row(name="memory of a room's container", unit="MB", ours=self.memory),
        ]


async def measure(*, pooled: Server, rooms: int, turns: int, say: Callable[[str], None]) -> Crowd:
    """Open the rooms one after another; then each runs its cell `turns` times. A failure raises."""
    result = Crowd(rooms=rooms)
    async with Host(pooled) as host, AsyncExitStack() as stack:
        open_rooms: list[WatchedRoom] = []
        for _ in range(rooms):
            room = await stack.enter_async_context(watched_room(host))
            await room.turn(1)
            open_rooms.append(room)
        say(f"{rooms} rooms are live")
        began = monotonic()
        each = await asyncio.gather(
            *(
                _every_ten_seconds(room, began + EVERY_S * index / rooms, turns)
                for index, room in enumerate(open_rooms)
            )
        )
        result.runs.extend(took for taken in each for took in taken)
        result.memory.extend(await _memory(pooled))
    say(f"{rooms} rooms: {turns} runs each")
    return result


async def _every_ten_seconds(room: WatchedRoom, begin: float, turns: int) -> list[float]:
    taken = []
    for number in range(turns):
        await asyncio.sleep(max(0.0, begin + number * EVERY_S - monotonic()))
        taken.append(await room.turn(number + 2))
    return taken


async def _memory(server: Server) -> list[float]:
    """What each of the server's containers has, the warm one included, in bytes."""
    ids = (await docker("ps", "-q", "--filter", f"label={server.sandbox_label}")).split()
    lines = await docker("stats", "--no-stream", "--format", "{{.MemUsage}}", *ids)
    return [_bytes(line.split("/")[0].strip()) for line in lines.splitlines() if "iB" in line]


def _bytes(text: str) -> float:
    return float(text[:-3]) * UNITS[text[-3:]]
