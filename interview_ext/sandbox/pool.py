"""Sandboxes started ahead of need, so that a room's first cell does not wait for a container."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from interview_ext.errors import SandboxError

from .deaths import Reason
from .sandbox import Sandbox

log = logging.getLogger(__name__)

RETRY_S = 5.0


class Pool:
    """Warm sandboxes of one profile: each handed out once, never taken back.

    Parameters
    ----------
    size:
        How many wait at most. 0 starts each when it is asked for.
    make:
        Makes and starts one; returns when its kernel answers.
    """

    def __init__(self, size: int, make: Callable[[], Awaitable[Sandbox]]) -> None:
        self._size = size
        self._make = make
        self._warm: deque[Sandbox] = deque()
        self._wanted = asyncio.Event()
        self._changed = asyncio.Condition()
        self._refill: asyncio.Task[None] | None = None
        self.problem: SandboxError | None = None

    def start(self) -> None:
        """Begin to fill, in the background."""
        if self._size and self._refill is None:
            self._wanted.set()
            self._refill = asyncio.get_running_loop().create_task(self._keep_full())

    async def stop(self) -> None:
        """End all that wait."""
        if self._refill is not None:
            self._refill.cancel()
            with suppress(asyncio.CancelledError):
                await self._refill
            self._refill = None
        while self._warm:
            await self._warm.popleft().stop(Reason.STOPPED, "It was not needed any more.")

    @property
    def ready(self) -> int:
        """How many wait and live."""
        return sum(1 for sandbox in self._warm if sandbox.death is None)

    async def filled(self) -> None:
        """Wait until as many wait as should."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.ready >= self._size)

    async def claim(self) -> Sandbox:
        """A sandbox whose kernel answers: a warm one, or one started now.

        Raises
        ------
        EngineUnavailable, ImageMissing, SandboxError
            None can be started.
        """
        while self._warm:
            sandbox = self._warm.popleft()
            self._wanted.set()
            if sandbox.death is None:
                return sandbox
        return await self._make()

    async def _keep_full(self) -> None:
        """One at a time: several cold starts at once slow down every running cell."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self.ready < self._size:
                try:
                    sandbox = await self._make()
                except SandboxError as error:
                    if self.problem is None:
                        log.warning("no sandbox can be kept warm: %s", error)
                    self.problem = error
                    await asyncio.sleep(RETRY_S)
                    continue
                self.problem = None
                self._warm = deque(each for each in self._warm if each.death is None)
                self._warm.append(sandbox)
                sandbox.on_death(lambda _: self._wanted.set())
                async with self._changed:
                    self._changed.notify_all()
