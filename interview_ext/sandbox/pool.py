"""Sandboxes of one profile that are started ahead of need, so that a first cell waits for none."""

from __future__ import annotations

import asyncio
from collections import deque

from interview_ext.errors import SandboxError

from .profiles import Profile
from .sandbox import Sandbox


class Pool:
    """Warm sandboxes of one profile: each handed out once, never taken back. See `Pools`.

    Attributes
    ----------
    target:
        How many should wait.
    problem:
        Why the last one could not be started; None once one could.
    failures:
        How many could not be started since the last one that could.
    retry_at:
        Monotonic time before which no further one is tried.
    users:
        Claims and refills under way.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.target = 0
        self.problem: SandboxError | None = None
        self.failures = 0
        self.retry_at = 0.0
        self.users = 0
        self.handed_out = 0
        self.cold_starts = 0
        self._warm: deque[Sandbox] = deque()
        self._changed = asyncio.Event()

    @property
    def ready(self) -> int:
        """How many wait and live."""
        return sum(1 for sandbox in self._warm if sandbox.death is None)

    def add(self, sandbox: Sandbox) -> None:
        """Let one wait."""
        self._warm = deque(each for each in self._warm if each.death is None)
        self._warm.append(sandbox)
        self._changed.set()

    def take(self) -> Sandbox | None:
        """The one that has waited longest; None if none does."""
        while self._warm:
            sandbox = self._warm.popleft()
            if sandbox.death is None:
                return sandbox
        return None

    async def filled(self) -> None:
        """Wait until as many wait as should."""
        while self.ready < self.target:
            self._changed.clear()
            await self._changed.wait()
