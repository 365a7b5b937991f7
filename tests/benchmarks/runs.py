"""Run-to-output: from the request to run a cell until its output is where somebody else sees it.

Ours: the candidate posts an execution; the host's copy of the document, another client with a
socket of its own, shows the output. In between lie the role check, the queue, the container, the
commit to the log, and the document's synchronisation.
Stock: ``execute_request`` over the kernel's WebSocket until the ``stream`` message is back at the
same client. It does less: nobody else sees that output, and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from .live_room import COUNTING, watched_room
from .people import Host
from .report import Row
from .servers import Server
from .stock_kernel import StockKernel

UNCOUNTED = 3
MOST_RATIO = 1.5


@dataclass(frozen=True, kw_only=True)
class RunTimes:
    """Seconds from the request to the output."""

    ours: list[float] = field(default_factory=list)
    stock: list[float] = field(default_factory=list)

    def rows(self) -> list[Row]:
        return [
            Row(
                name="run to output",
                unit="ms",
                ours=self.ours,
                peer=self.stock,
                peer_name="stock ipykernel over its WebSocket",
                most_ratio=MOST_RATIO,
            )
        ]


async def measure(
    *, pooled: Server, peer: Server, times: int, say: Callable[[str], None]
) -> RunTimes:
    """Alternate between a run here and one there."""
    result = RunTimes()
    async with Host(pooled) as host, watched_room(host) as room:
        kernel = await StockKernel.start(peer)
        for turn in range(1, UNCOUNTED + times + 1):
            ours, stock = await room.turn(turn), await _stock_run(kernel, turn)
            if turn > UNCOUNTED:
                result.ours.append(ours)
                result.stock.append(stock)
        await kernel.stop()
    say(f"run to output: {times} turns each")
    return result


async def _stock_run(kernel: StockKernel, turn: int) -> float:
    began = perf_counter()
    request = await kernel.execute(COUNTING)
    output = await kernel.hear("stream", request)
    took = perf_counter() - began
    if output["text"] != f"turn {turn}\n":
        raise RuntimeError(f"the stock kernel printed {output['text']!r} in turn {turn}")
    await kernel.idle(request)
    return took
