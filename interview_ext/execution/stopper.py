"""Gets a running cell to end: by interrupts, and where it must by a fresh kernel."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from interview_ext.errors import InterviewError
from interview_ext.execution.intake import Intake
from interview_ext.execution.items import QUIET_S, Item
from interview_ext.execution.kernels import RoomKernel
from interview_ext.execution.ports import KernelDeath

log = logging.getLogger(__name__)

TIME_LIMIT = "time limit"
INSIST_S = (0.0, 3.0, 3.0)
"""Pauses before each interrupt: libraries swallow one now and then."""
GIVE_UP_S = 4.0

_NOT_REACTING = (
    "\n[This cell does not react to being interrupted. Restart the kernel to stop it; "
    "all variables will be gone.]\n"
)


class Stopper:
    """Made by `runner` for its room's kernel."""

    def __init__(self, kernel: RoomKernel, intake: Intake) -> None:
        self._kernel = kernel
        self._intake = intake
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Try no longer."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def interrupt(self, item: Item) -> None:
        """Somebody wants it to end. If it does not react, the kernel stays theirs to restart."""
        item.interrupted = True
        self._spawn(self._insist(item, None))

    def overdue(self, item: Item, limit_s: float) -> None:
        """Its time is up. If it does not react, a fresh kernel takes the place of this one."""
        item.interrupted, item.cause = True, TIME_LIMIT
        self._intake.remark(
            item, f"\n[{TIME_LIMIT.capitalize()}: this cell was interrupted after {limit_s:g} s.]\n"
        )
        detail = f"A cell ran longer than {limit_s:g} s and did not react to being interrupted."
        self._spawn(self._insist(item, KernelDeath(reason=TIME_LIMIT, detail=detail)))

    async def _insist(self, item: Item, death: KernelDeath | None) -> None:
        for pause_s in INSIST_S:
            await asyncio.sleep(pause_s)
            await self._kernel.thawed()
            if not await self._runs(item):
                return
            await self._kernel.interrupt()
        await asyncio.sleep(GIVE_UP_S)
        await self._kernel.thawed()
        if not await self._runs(item):
            return
        if death is None:
            self._intake.remark(item, _NOT_REACTING)
            return
        try:
            await self._kernel.restart(death)
        except InterviewError as error:
            log.warning("no fresh kernel after the time limit: %s", error.message)

    async def _runs(self, item: Item) -> bool:
        """Whether it still does. A reply is no proof of the end: a cell can send one itself."""
        if item.replied.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S):
                    await item.idle.wait()
        return self._intake.current is item and not item.idle.is_set()

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
