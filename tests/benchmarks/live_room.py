"""A live room with a candidate who runs cells and, if wanted, the host as a second client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from time import perf_counter
from typing import Any

import nbformat.v4

from .documents import Notebook
from .patience import patience
from .people import Host, Seat

COUNTING = 'turn = globals().get("turn", 0) + 1\nprint(f"turn {turn}\\n", end="")'
"""Prints something else each time, so that an old output is never taken for the new one; in one
piece, so that a busy machine does not send it as two messages."""
ENDED = ("done", "error", "cleared", "interrupted", "died")
POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class LiveRoom:
    """A live room; its cells are known by their places."""

    id: str
    candidate: Seat
    document: str
    sources: Sequence[str]

    async def submit(self, index: int) -> str:
        """Ask for a run of a cell; return the run's id once it is accepted."""
        body = {
            "document": self.document,
            "cell_id": f"cell-{index}",
            "source_sha256": sha256(self.sources[index].encode()).hexdigest(),
        }
        run = await self.candidate.ask("POST", f"{self.candidate.api}/executions", body)
        return str(run["id"])

    async def ended(self, run: str) -> str:
        """Wait for a run's end; return how it ended."""
        async with patience("the end of a run"):
            while True:
                record = await self.candidate.ask("GET", f"{self.candidate.api}/executions/{run}")
                if record["state"] in ENDED:
                    return str(record["state"])
                await asyncio.sleep(POLL_S)


@dataclass(frozen=True, kw_only=True)
class WatchedRoom(LiveRoom):
    """One whose first cell is `COUNTING`, with a copy of its notebook at another client."""

    second: Notebook

    async def turn(self, number: int) -> float:
        """Run the cell; return the seconds until the second client has its output."""
        expected = f"turn {number}\n"
        began = perf_counter()
        request = asyncio.create_task(self.submit(0))
        await self.second.until(lambda: _text(self.second.cell(0)) == expected)
        took = perf_counter() - began
        await request
        await self.second.until(lambda: self.second.cell(0)["execution_state"] == "idle")
        return took


@asynccontextmanager
async def live_room(host: Host, sources: Sequence[str]) -> AsyncIterator[LiveRoom]:
    """Make a room of these cells, seat a candidate, and start its kernel."""
    path = "benchmark.ipynb"
    cells = [
        nbformat.v4.new_code_cell(source, id=f"cell-{index}")
        for index, source in enumerate(sources)
    ]
    (host.server.contents / path).write_text(json.dumps(nbformat.v4.new_notebook(cells=cells)))
    room = await host.create_room(notebook_path=path)
    invite = await host.room("POST", room, "/invites", {"role": "candidate", "name": "Candidate"})
    candidate = await Seat.take(invite["url"], name="Candidate")
    await host.room("POST", room, f"/participants/{candidate.participant}/admit")
    document = (await _notebook(host, room))["id"]
    try:
        yield LiveRoom(id=room, candidate=candidate, document=document, sources=sources)
    finally:
        await candidate.leave()
        await host.close(room)


@asynccontextmanager
async def watched_room(host: Host) -> AsyncIterator[WatchedRoom]:
    """Make a room of one cell that host and candidate have open."""
    async with live_room(host, [COUNTING]) as room:
        entrance = await host.room("POST", room.id, "/enter")
        seat = await Seat.take(entrance["url"])
        second = await Notebook.open(seat, (await _notebook(host, room.id))["path"])
        try:
            yield WatchedRoom(**vars(room), second=second)
        finally:
            await second.close()
            await seat.leave()


async def _notebook(host: Host, room: str) -> Any:
    return (await host.room("GET", room))["documents"][0]


def _text(cell: dict[str, Any]) -> str:
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])
