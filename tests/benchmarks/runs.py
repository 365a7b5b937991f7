"""Run-to-output: from the request to run a cell until its output is where somebody else sees it.

Ours: the candidate posts an execution; the host's copy of the document, another client with a
socket of its own, shows the output. In between lie the role check, the queue, the container, the
commit to the log, and the document's synchronisation.
Stock: ``execute_request`` over the kernel's WebSocket until the ``stream`` message is back at the
same client. It does less: nobody else sees that output, and nothing is kept.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from time import perf_counter
from typing import Any

import nbformat.v4

from .documents import Notebook
from .people import Host, Seat
from .report import Row
from .servers import Server
from .stock_kernel import StockKernel

SOURCE = 'turn = globals().get("turn", 0) + 1\nprint(f"turn {turn}\\n", end="")'
"""Prints something else each time, so that an old output is never taken for the new one; in one
piece, so that a busy machine does not send it as two messages."""
UNCOUNTED = 3
NOTEBOOK = "run-to-output.ipynb"


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
            )
        ]


@dataclass(frozen=True, kw_only=True)
class _Room:
    """A live room with two people in it."""

    candidate: Seat
    second: Notebook
    run_body: dict[str, Any]

    async def run(self, turn: int) -> float:
        expected = f"turn {turn}\n"
        began = perf_counter()
        request = asyncio.create_task(
            self.candidate.ask("POST", f"{self.candidate.api}/executions", self.run_body)
        )
        await self.second.until(lambda: _text(self.second.cell(0)) == expected)
        took = perf_counter() - began
        await request
        await self.second.until(lambda: self.second.cell(0)["execution_state"] == "idle")
        return took


async def measure(
    *, pooled: Server, peer: Server, times: int, say: Callable[[str], None]
) -> RunTimes:
    """Alternate between a run here and one there."""
    result = RunTimes()
    async with Host(pooled) as host, _room(host) as room:
        kernel = await StockKernel.start(peer)
        for turn in range(1, UNCOUNTED + times + 1):
            ours, stock = await room.run(turn), await _stock_run(kernel, turn)
            if turn > UNCOUNTED:
                result.ours.append(ours)
                result.stock.append(stock)
        await kernel.stop()
    say(f"run to output: {times} turns each")
    return result


async def _stock_run(kernel: StockKernel, turn: int) -> float:
    began = perf_counter()
    request = await kernel.execute(SOURCE)
    output = await kernel.hear("stream", request)
    took = perf_counter() - began
    if output["text"] != f"turn {turn}\n":
        raise RuntimeError(f"the stock kernel printed {output['text']!r} in turn {turn}")
    await kernel.idle(request)
    return took


@asynccontextmanager
async def _room(host: Host) -> AsyncIterator[_Room]:
    """Make a room of one cell, seat host and candidate, and start its kernel."""
    cell = nbformat.v4.new_code_cell(SOURCE)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    (host.server.contents / NOTEBOOK).write_text(json.dumps(notebook))
    room = await host.create_room(notebook_path=NOTEBOOK)
    entrance = await host.room("POST", room, "/enter")
    host_seat = await Seat.take(entrance["url"])
    invite = await host.room("POST", room, "/invites", {"role": "candidate", "name": "Candidate"})
    candidate = await Seat.take(invite["url"], name="Candidate")
    await host.room("POST", room, f"/participants/{candidate.participant}/admit")
    document = (await host.room("GET", room))["documents"][0]
    second = await Notebook.open(host_seat, document["path"])
    try:
        yield _Room(
            candidate=candidate,
            second=second,
            run_body={
                "document": document["id"],
                "cell_id": second.cell(0)["id"],
                "source_sha256": sha256(SOURCE.encode()).hexdigest(),
            },
        )
    finally:
        await second.close()
        await host_seat.leave()
        await candidate.leave()
        await host.close(room)


def _text(cell: dict[str, Any]) -> str:
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])
