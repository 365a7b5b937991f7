"""A room in which cells run and wait while something around it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from interview_ext.errors import EngineUnavailable
from interview_ext.sandbox.broker import Broker
from interview_ext.sandbox.profiles import PYTHON, Profile
from tests.execution.conftest import Bench
from tests.execution.documents import Notebook
from tests.execution.sandboxes import house

WAITING = ("b", "b2")
ENDLESS = {
    "python": "import time; print('on', flush=True); time.sleep(600)",
    "javascript": (
        "console.log('on');\n"
        "for (let i = 0; ; i++) { console.log(i); await new Promise((r) => setTimeout(r, 20)); }"
    ),
}
AGAIN = {"python": "print('again')", "javascript": "console.log('again')"}


@dataclass
class Fault:
    """A room with a cell that runs for ever, and two behind it."""

    bench: Bench
    notebook: Notebook
    runs: list[Any]

    async def ends(self, state: str, *deaths: str) -> None:
        """See that the first has ended so, for one of these reasons, and the others are cleared."""
        first, *behind = [await self.bench.ended(run) for run in self.runs]
        assert first["state"] == state
        assert first["death"] in deaths
        assert {each["state"] for each in behind} == {"cleared"}
        error = self.bench.outputs("a")[-1]
        assert error["output_type"] == "error"
        self.idle()

    async def ends_without_engine(self, *deaths: str) -> None:
        """See that it ended for want of an engine, and that a new run is refused for that."""
        await self.ends("died", "engine lost", *deaths)
        with pytest.raises(EngineUnavailable):
            await self.bench.submit("b")
        self.idle()

    def idle(self) -> None:
        """See that no cell shows ``[*]``."""
        shown = [cell for page in self.notebook.pages for cell in page.notebook.ycells]
        assert shown
        assert "running" not in {cell.get("execution_state") for cell in shown}

    async def goes_on(self) -> None:
        """See that the next run succeeds."""
        assert (await self.bench.run("c"))["state"] == "done"
        assert self.bench.text("c") == "again\n"


def notebook_of(bench: Bench) -> Notebook:
    """The room's notebook: a cell that runs for ever, two to wait behind it, one for later."""
    profile = bench.room.profile
    return bench.notebook(a=ENDLESS[profile], b="1", b2="2", c=AGAIN[profile])


@asynccontextmanager
async def running(
    folder: Path, sandboxes: Broker, profile: Profile = PYTHON
) -> AsyncIterator[Fault]:
    """A room at work."""
    async with house(folder, sandboxes, profile) as bench:
        yield await at_work(bench)


async def at_work(bench: Bench) -> Fault:
    """Let a room's kernel run a cell for ever and others wait behind it."""
    notebook = notebook_of(bench)
    runs = [await bench.submit(cell) for cell in ("a", *WAITING)]
    await notebook.becomes("a", lambda cell: "on" in str(cell["outputs"]))
    return Fault(bench, notebook, runs)
