"""What people send to the kernel beside cells, on the timeline: types, sizes, digests.

A slider's drag sends 50 messages a second. One event each would bury the timeline, and
each would be written durably; so one event tells of all that one person sent within
`WINDOW_S`: how many of each type, how many bytes, and one digest over all in their order.
At most 12 events a minute and person, and whoever has the messages can still prove them.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from interview_ext.errors import InterviewError
from interview_ext.execution.guard import Asked
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import Clock, now
from interview_ext.rooms.model import EVERYONE
from interview_ext.rooms.ports import Recorder

log = logging.getLogger(__name__)

WINDOW_S = 5.0


@dataclass(eq=False)
class _Sum:
    count: int = 0
    size: int = 0
    hash: Any = field(default_factory=hashlib.sha256)

    def add(self, parts: list[bytes]) -> None:
        """Add a message: its content and its buffers, each with its length before it."""
        self.count += 1
        for part in parts[3:]:
            self.size += len(part)
            self.hash.update(len(part).to_bytes(8, "big") + part)

    def as_json(self) -> dict[str, Any]:
        return {"count": self.count, "bytes": self.size, "digest": self.hash.hexdigest()}


@dataclass(eq=False)
class _Window:
    actor: Actor
    since: datetime
    sums: dict[str, _Sum] = field(default_factory=dict)


class Ledger:
    """Collects and records. Made once for all kernel sockets."""

    def __init__(
        self, timeline: Recorder, *, clock: Clock = now, window_s: float = WINDOW_S
    ) -> None:
        self._timeline = timeline
        self._clock = clock
        self._window_s = window_s
        self._open: dict[str, _Window] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, actor: Actor, asked: Asked) -> None:
        """Add a message to its sender's window."""
        if actor.id not in self._open:
            self._open[actor.id] = _Window(actor=actor, since=self._clock())
            task = asyncio.create_task(self._record_later(actor.id), name="kernel messages")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        sums = self._open[actor.id].sums
        sums.setdefault(asked.msg_type, _Sum()).add(asked.parts)

    async def stop(self) -> None:
        """Record what is still open."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for actor_id in list(self._open):
            await self._record(actor_id)

    async def _record_later(self, actor_id: str) -> None:
        await asyncio.sleep(self._window_s)
        await self._record(actor_id)

    async def _record(self, actor_id: str) -> None:
        window = self._open.pop(actor_id)
        try:
            await self._timeline.record(
                window.actor.room_id,
                "kernel.messages",
                actor=actor_id,
                audience=EVERYONE,
                payload={
                    "since": window.since.isoformat(),
                    "until": self._clock().isoformat(),
                    "messages": {kind: total.as_json() for kind, total in window.sums.items()},
                },
            )
        except InterviewError as error:
            log.warning("messages to a kernel were not recorded: %s", error.message)
