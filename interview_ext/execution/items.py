"""One accepted run on its way through its room's queue."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from interview_ext.execution.cells import Cell
from interview_ext.execution.clean import counted
from interview_ext.execution.records import InputRequest, audience
from interview_ext.rooms.model import Run, RunState

QUIET_S = 5.0
"""After the reply, a run ends without its ``idle`` once it has been silent this long. The reply
goes ahead of output that waits, and a room that floods is not heard for up to two seconds."""


@dataclass(eq=False)
class Item:
    """A run with all that is needed until it has ended.

    Attributes
    ----------
    source:
        What runs: the cell's source as it was accepted.
    sent:
        Whether the kernel has got it.
    cause:
        Why it was interrupted, if nobody asked for it.
    ending:
        State and reason, when it ends without a reply from the kernel.
    replied, idle:
        The kernel has replied, has said ``idle``, or `ending` says why it will not.
    heard:
        Output messages so far.
    resumed:
        Whether an earlier process of the server has begun it, and its kernel may have it.
    asked:
        The question it waits for, and the header of the kernel's message.
    """

    run: Run
    cell: Cell
    source: str
    audience: str
    sent: bool = False
    interrupted: bool = False
    cause: str | None = None
    ending: tuple[RunState, str | None] | None = None
    reply: dict[str, Any] = field(default_factory=dict)
    replied: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    heard: int = 0
    resumed: bool = False
    asked: tuple[InputRequest, dict[str, Any]] | None = None

    @classmethod
    def of(cls, run: Run, cell: Cell, source: str) -> Item:
        """Make the item of a run that is about to be accepted."""
        return cls(run=run, cell=cell, source=source, audience=audience(cell.document.document))

    @classmethod
    def going_on(cls, run: Run, cell: Cell) -> Item:
        """Make the item of a run that an earlier process of the server had begun."""
        item = cls.of(run, cell, source="")
        item.sent = item.resumed = True
        return item

    def end(self, state: RunState, death: str | None = None) -> None:
        """End it without a reply from the kernel."""
        if self.ending is None:
            self.ending = (state, death)
        self.replied.set()
        self.idle.set()

    def outcome(self) -> tuple[RunState, str | None]:
        """Return how it ended, and why if not by itself."""
        if self.ending is not None:
            return self.ending
        status = self.reply.get("status")
        if status == "ok":
            return RunState.DONE, None
        if self.interrupted:
            return RunState.INTERRUPTED, self.cause
        return (RunState.ERROR if status == "error" else RunState.CLEARED), None

    def execution_count(self) -> int | None:
        """Return the number the kernel gave it, if it came to its end there."""
        return counted(self.reply.get("execution_count")) if self.ending is None else None
