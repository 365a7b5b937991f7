"""The end of a sandbox that nobody uses, with notice: its memory is for rooms that do.

An interview has long conversations in it, and a sandbox that ends takes all variables along. So
the time is long, whoever may run cells can keep it at a press, and a pause holds the clock: then
the host has said that the interview goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from interview_ext.errors import InterviewError
from interview_ext.execution.ports import KernelDeath
from interview_ext.rooms.ids import Clock, now

log = logging.getLogger(__name__)

NOTICE_S = 300.0
"""How long before that the room is told, unless the whole time is shorter than twice this."""
LOOK_S = 30.0
LOOK_SOON_S = 1.0
"""Seconds between two looks, and while notice is out, which goes when somebody runs a cell."""


class Restable(Protocol):
    """A room's kernel and its queue; `runner.RoomRunner` is it."""

    @property
    def last_used(self) -> datetime | None:
        """When the kernel was last used; now if it is, or is frozen; None if there is none."""

    async def rest(self, death: KernelDeath) -> None:
        """End the kernel unless something has begun to use it."""

    def rest_changed(self) -> None:
        """Notice was given or taken back."""


class Rest:
    """Ends one room's sandbox when it has not been used for long. Made by `service`.

    Parameters
    ----------
    idle_s:
        Seconds without use after which it ends.
    before:
        Saves what would go with it.

    Attributes
    ----------
    ends_at:
        When it will end; None unless notice is out.
    """

    def __init__(
        self,
        room: Restable,
        *,
        idle_s: float,
        before: Callable[[], Awaitable[None]],
        clock: Clock = now,
    ) -> None:
        self.ends_at: datetime | None = None
        self._room = room
        self._idle = timedelta(seconds=idle_s)
        self._notice = timedelta(seconds=min(NOTICE_S, idle_s / 2))
        self._before = before
        self._clock = clock
        self._kept_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._watch(), name="rest")

    async def stop(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def keep(self) -> None:
        """Somebody wants it: count from now."""
        self._kept_at = self._clock()
        self._tell(None)

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except InterviewError as error:
                log.warning("a sandbox at rest was not ended: %s", error.message)
            soon = min(LOOK_SOON_S, self._notice.total_seconds() / 4)
            left = LOOK_S if self.ends_at is None else soon
            await asyncio.sleep(min(left, self._idle.total_seconds() / 8))

    async def _look(self) -> None:
        used = self._room.last_used
        if used is None:
            self._tell(None)
            return
        at = self._clock()
        since = max(used, self._kept_at or used)
        if at - since < self._idle - self._notice:
            self._tell(None)
        elif self.ends_at is None:  # counted from the notice: the machine may have slept
            self._tell(max(since + self._idle, at + self._notice))
        elif at >= self.ends_at:
            kept = self._kept_at
            await self._before()
            if (self._room.last_used, self._kept_at) == (used, kept):  # nobody came meanwhile
                await self._room.rest(KernelDeath(reason="idle", detail=self._why()))
            self._tell(None)

    def _why(self) -> str:
        seconds = round(self._idle.total_seconds())
        time = f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} s"
        return f"Nothing was run for {time}."

    def _tell(self, ends_at: datetime | None) -> None:
        if self.ends_at != ends_at:
            self.ends_at = ends_at
            self._room.rest_changed()
