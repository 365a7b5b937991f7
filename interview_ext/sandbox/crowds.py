"""Half the processor for a sandbox that stands at its limit of processes.

So many that start and end without pause keep all cores' schedulers busy, and the cells of other
rooms wait for the processor although there is enough of it: p95 1.7 to 2.3 times as long as alone,
with half of it 1.5 to 1.7 times (``docs/explanation/benchmarks.md``). A notebook has no use for so
many, and whoever starts them all the same only waits longer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

from interview_ext.errors import SandboxError

from .profiles import Limits
from .sandbox import Sandbox

log = logging.getLogger(__name__)

CROWDED, CALM = 0.9, 0.5
"""Of the limit of processes: from where on a sandbox is slowed down, and below what no more."""
SLOWED = 0.5
"""Of the processor time that its profile gives it."""


class Counting(Protocol):
    """What is needed of an :class:`~.engine.Engine`."""

    def processes(self, container: str) -> int | None:
        """See :class:`~.engine.Engine`."""

    async def give_cpus(self, container: str, cpus: float) -> None:
        """See :class:`~.engine.Engine`."""


class Crowds:
    """Slows sandboxes down, and lets them go on, as the number of their processes asks for."""

    def __init__(self, engine: Counting) -> None:
        self._engine = engine
        self._slowed: dict[str, bool] = {}
        self._refused: set[str] = set()

    def take_over(self, container: str) -> None:
        """The process before may have slowed it down, so that it may have to be let go on."""
        self._slowed[container] = True

    async def look(self, sandboxes: Iterable[Sandbox]) -> None:
        """Look at these; of others nothing is remembered. A few microseconds each."""
        before, self._slowed = self._slowed, {}
        for sandbox in sandboxes:
            container, limits = sandbox.container, sandbox.profile.limits
            if not container:
                continue
            self._slowed[container] = was = before.get(container, False)
            count = self._engine.processes(container)
            if count is not None and _is_crowded(count, limits, was=was) is not was:
                await self._set(sandbox, slowed=not was)
        self._refused &= set(self._slowed)

    async def _set(self, sandbox: Sandbox, *, slowed: bool) -> None:
        container, limits = sandbox.container, sandbox.profile.limits
        try:
            await self._engine.give_cpus(container, limits.cpus * (SLOWED if slowed else 1))
        except SandboxError as error:  # tried again at the next look, but said once
            if sandbox.death is None and container not in self._refused:
                self._refused.add(container)
                log.warning("a sandbox at its limit of processes keeps its speed: %s", error)
            return
        self._slowed[container] = slowed
        self._refused.discard(container)


def _is_crowded(count: int, limits: Limits, *, was: bool) -> bool:
    return count >= limits.pids * (CALM if was else CROWDED)
