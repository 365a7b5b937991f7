"""Half the processor for a sandbox that stands at its limit of processes.

So many that start and end without pause keep all cores' schedulers busy, and the cells of other
rooms wait for the processor although there is enough of it: p95 1.7 to 2.3 times as long as alone,
with half of it 1.5 to 1.7 times (``docs/explanation/benchmarks.md``). A notebook has no use for so
many, and whoever starts them all the same only waits longer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from interview_ext.errors import SandboxError

from .engine import Engine
from .profiles import Limits
from .sandbox import Sandbox

log = logging.getLogger(__name__)

CROWDED, CALM = 0.9, 0.5
"""Of the limit of processes: from where on a sandbox is slowed down, and below what no more."""
SLOWED = 0.5
"""Of the processor time that its profile gives it."""


class Crowds:
    """Slows sandboxes down, and lets them go on, as the number of their processes asks for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._slowed: dict[str, bool] = {}

    def take_over(self, container: str) -> None:
        """The process before may have slowed it down, so that it may have to be let go on."""
        self._slowed[container] = True

    async def look(self, sandboxes: Iterable[Sandbox]) -> None:
        """Look at these; of others nothing is remembered. A few microseconds each."""
        before, self._slowed = self._slowed, {}
        for sandbox in sandboxes:
            container, limits = sandbox.container, sandbox.profile.limits
            count = self._engine.processes(container) if container else None
            if count is None:
                continue
            was = before.get(container, False)
            self._slowed[container] = was
            now = _is_crowded(count, limits, was=was)
            if now is not was:
                await self._set(container, limits, slowed=now)

    async def _set(self, container: str, limits: Limits, *, slowed: bool) -> None:
        try:
            await self._engine.give_cpus(container, limits.cpus * (SLOWED if slowed else 1))
        except SandboxError as error:
            log.warning("a sandbox at its limit of processes has its old speed: %s", error)
            return
        self._slowed[container] = slowed


def _is_crowded(count: int, limits: Limits, *, was: bool) -> bool:
    return count >= limits.pids * (CALM if was else CROWDED)
