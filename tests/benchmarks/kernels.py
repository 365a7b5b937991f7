"""Kernel ready: from the request until it has answered; warm and cold, beside a local ipykernel.

Ours: the host opens the lobby of a new room (``POST …/state``), which claims the room's
sandbox; ready is what the room's event socket says once the kernel has answered. Warm: a
sandbox waits in the pool. Cold: a second server keeps none.
Stock: ``POST /api/kernels``, then the kernel's socket until its first ``kernel_info_reply``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic, perf_counter

from .patience import InVain, patience
from .people import Events, Host
from .report import Row
from .servers import Server
from .stock_kernel import StockKernel

WARM_AFTER = 3
"""A pool's container counts as warm when it has been up for this many cold starts."""
LEAST_AGE_S = 2.0
MOST_AGE_S = 8.0
POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class KernelTimes:
    """Seconds until ready."""

    warm: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    stock: list[float] = field(default_factory=list)

    def rows(self) -> list[Row]:
        return [
            Row(
                name=f"kernel ready, {kind}",
                unit="ms",
                ours=ours,
                peer=self.stock,
                peer_name="stock ipykernel",
            )
            for kind, ours in (("warm", self.warm), ("cold", self.cold))
        ]


async def measure(
    *,
    pooled: Server,
    unpooled: Server,
    peer: Server,
    times: int,
    until: float,
    say: Callable[[str], None],
) -> KernelTimes:
    """Alternate between cold, stock and warm, `times` each, or fewer: none begins after `until`.

    Parameters
    ----------
    until:
        On the clock of `time.monotonic`.
    """
    result = KernelTimes()
    used: set[str] = set()
    async with Host(pooled) as warm, Host(unpooled) as cold:
        for number in range(times):
            result.cold.append(await _room_kernel(cold))
            await _gone(unpooled)
            result.stock.append(await _stock_kernel(peer))
            used.add(await _warm_container(pooled, WARM_AFTER * max(result.cold), used))
            result.warm.append(await _room_kernel(warm))
            say(
                f"kernel ready {number + 1}/{times}: warm {result.warm[-1] * 1000:.0f} ms, "
                f"cold {result.cold[-1] * 1000:.0f} ms, stock {result.stock[-1] * 1000:.0f} ms"
            )
            if monotonic() > until:
                break
    return result


async def _room_kernel(host: Host) -> float:
    room = await host.create_room(template="blank")
    events = await host.events(room)
    began = perf_counter()
    request = asyncio.create_task(host.room("POST", room, "/state", {"to": "lobby"}))
    try:
        async with patience("a room's kernel"):
            await _ready(events)
            took = perf_counter() - began
            await request
    finally:
        request.cancel()
        events.close()
        await host.close(room)
    return took


async def _ready(events: Events) -> None:
    started = False
    # Busy with the question whether it is ready, it has answered before.
    while (state := (await events.next("sandbox"))["sandbox"]["state"]) not in ("ready", "busy"):
        if started and state != "starting":
            raise InVain(f"a room's kernel: it is {state}")
        started = state == "starting"


async def _stock_kernel(server: Server) -> float:
    began = perf_counter()
    kernel = await StockKernel.start(server)
    took = perf_counter() - began
    await kernel.stop()
    return took


async def _warm_container(server: Server, age_s: float, used: set[str]) -> str:
    """Wait until one container is left, unused and up for long enough: the pool's. Return it.

    The product does not tell whether its pool is full; the engine tells how old a container is.
    """
    least = min(max(age_s, LEAST_AGE_S), MOST_AGE_S)
    ages = await _containers(
        server, lambda ages: len(ages) == 1 and not used & set(ages) and max(ages.values()) >= least
    )
    return next(iter(ages))


async def _gone(server: Server) -> None:
    await _containers(server, lambda ages: not ages)


async def _containers(
    server: Server, wanted: Callable[[dict[str, float]], bool]
) -> dict[str, float]:
    """Wait until a server's containers are as wanted; return their ages in seconds."""
    async with patience("the containers of a server"):
        while not wanted(ages := await _ages_s(server)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(POLL_S)
    return ages


async def _ages_s(server: Server) -> dict[str, float]:
    ids = (await docker("ps", "-q", "--filter", f"label={server.sandbox_label}")).split()
    if not ids:
        return {}
    lines = await docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", *ids)
    # One may be gone between the two questions: its line is empty.
    found = (line.split() for line in lines.splitlines() if line.strip())
    now = datetime.now(UTC)
    return {id_: (now - datetime.fromisoformat(started)).total_seconds() for id_, started in found}


async def docker(*arguments: str) -> str:
    """What the command line says."""
    process = await asyncio.create_subprocess_exec(
        "docker", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    return output.decode()
