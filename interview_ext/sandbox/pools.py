"""All warm sandboxes of a server, and the line of claims that wait for a place.

A *place* is one of the server's ``max_sandboxes``; whatever lives or starts holds one. Claims are
served in their order: by a warm sandbox of their profile, else by a free place in which one is
started, else by the place of another profile's warm one, which is ended for it. Only then do
they wait.

Refills are started one after another over all profiles together: each takes a core for two
seconds, which running cells must not feel.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from interview_ext.errors import (
    EngineUnavailable,
    InterviewError,
    SandboxError,
    SandboxExhausted,
)

from .deaths import Reason
from .forecast import Forecaster, Stock
from .metrics import SandboxMetrics
from .pool import Pool, PoolState
from .profiles import GIB, Profile
from .sandbox import Sandbox
from .warmup import warm_up

log = logging.getLogger(__name__)

RETRY_S = 5.0
FORECAST_EVERY_S = 15.0
WAIT_S = 300.0
"""How long a claim waits for a place: as long as somebody may sit before a room and see why."""

KEPT_S = 3.0
"""How long a room whose sandbox has ended goes before those who wait."""

Schedule = Mapping[str, Mapping[str, datetime]]
"""By profile and room, the planned starts of rooms that have no sandbox yet."""
Demand = Callable[[], Awaitable[Schedule]]


async def no_demand() -> Schedule:
    """Nothing is planned."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Stocking:
    """What is kept warm.

    Attributes
    ----------
    least:
        Of each profile. 0: none is kept at all, whatever is expected.
    budget_bytes:
        Memory that all that wait may take together; it also bounds `least`.
    demand:
        Tells what is planned.
    """

    least: int = 1
    budget_bytes: int = GIB
    demand: Demand = no_demand


@dataclass(eq=False)
class _Claim:
    """Somebody in the line; gets a warm sandbox, or None: a place to start one in."""

    profile: str
    given: asyncio.Future[Sandbox | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Pools:
    """Keeps sandboxes warm and hands sandboxes out. Made by `Sandboxes`.

    Parameters
    ----------
    make:
        Makes and starts one; returns when its kernel answers. What it raises has left nothing.
    places:
        Sandboxes that may exist at once.
    wait_s:
        How long a claim waits for a place.
    clock:
        POSIX seconds, as planned starts are compared with.
    """

    def __init__(
        self,
        profiles: Mapping[str, Profile],
        *,
        make: Callable[[Profile], Awaitable[Sandbox]],
        places: int,
        stocking: Stocking | None = None,
        wait_s: float = WAIT_S,
        metrics: SandboxMetrics | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._make = make
        self._places = places
        self._stocking = stocking or Stocking()
        self._wait_s = wait_s
        self._metrics = metrics or SandboxMetrics()
        self._clock = clock
        self._pools = {name: Pool(profile) for name, profile in profiles.items()}
        self._forecaster = Forecaster()
        self._schedule: Schedule = {}
        self._line: deque[_Claim] = deque()
        self._kept: dict[str, asyncio.TimerHandle] = {}
        self._taken = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._show()

    # -- life

    def start(self) -> None:
        """Begin to fill, in the background."""
        if self._stocking.least and not self._tasks:
            self._set_targets()
            loop = asyncio.get_running_loop()
            self._tasks = [
                loop.create_task(self._keep_full()),
                loop.create_task(self._look_ahead()),
            ]

    async def stop(self) -> None:
        """End all that wait, sandboxes and claims."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for kept in self._kept.values():
            kept.cancel()
        self._kept.clear()
        while self._line:
            stopping = EngineUnavailable("The server is stopping.")
            self._line.popleft().given.set_exception(stopping)
        for pool in self._pools.values():
            pool.target = 0
            self._trim(pool)
        await asyncio.gather(*self._ending)

    # -- what is seen

    def of(self, profile: str) -> Pool:
        """The pool of a profile there is."""
        return self._pools[profile]

    def state(self, profile: str) -> PoolState:
        """A profile's pool as of now."""
        pool = self._pools[profile]
        return PoolState(
            warm=pool.ready,
            target=pool.target,
            waiting=self._waiting(profile),
            handed_out=pool.handed_out,
            cold_starts=pool.cold_starts,
        )

    def _waiting(self, profile: str) -> int:
        return sum(1 for claim in self._line if claim.profile == profile)

    def _show(self) -> None:
        """Let the metrics read what is so when they are asked."""
        self._metrics.live.set_function(lambda: self._taken)
        for name in self._pools:
            self._metrics.warm.labels(name).set_function(partial(self._figure, name, "warm"))
            self._metrics.target.labels(name).set_function(partial(self._figure, name, "target"))
            self._metrics.waiting.labels(name).set_function(partial(self._figure, name, "waiting"))

    def _figure(self, profile: str, name: str) -> float:
        return float(getattr(self.state(profile), name))

    # -- handing out

    async def claim(
        self,
        profile: str,
        *,
        room: str,
        on_wait: Callable[[bool], None] = lambda _: None,
    ) -> Sandbox:
        """A sandbox that is warm, or started now, at the latest when a place is free.

        Parameters
        ----------
        on_wait:
            Called with True when all places are taken, and with False when the wait is over.

        Raises
        ------
        SandboxExhausted
            No place has become free.
        EngineUnavailable, ImageMissing, SandboxError
            None can be started.
        """
        began = time.perf_counter()
        kind = "failed"
        try:
            sandbox, kind = await self._claim(profile, room, on_wait)
        finally:
            # A claim that failed was one too: rooms ask again.
            self._learn(profile, room)
            self._metrics.claims.labels(profile, kind).inc()
            took_s = time.perf_counter() - began
            self._metrics.claim_seconds.labels(profile, kind).observe(took_s)
        pool = self._pools[profile]
        pool.handed_out += 1
        pool.cold_starts += kind != "warm"
        return sandbox

    async def _claim(
        self, profile: str, room: str, on_wait: Callable[[bool], None]
    ) -> tuple[Sandbox, str]:
        claim = _Claim(profile)
        if room in self._kept:
            self._kept.pop(room).cancel()
            self._line.appendleft(claim)
            self._free()
        else:
            self._line.append(claim)
            self._serve()
        waits = not claim.given.done()
        warm = await (self._wait(claim, on_wait) if waits else claim.given)
        sandbox = warm or await self._start(self._pools[profile].profile)
        return sandbox, "waited" if waits else "cold" if warm is None else "warm"

    async def _wait(self, claim: _Claim, on_wait: Callable[[bool], None]) -> Sandbox | None:
        on_wait(True)
        try:
            async with asyncio.timeout(self._wait_s):
                return await claim.given
        except TimeoutError:
            self._give_up(claim)
            raise SandboxExhausted(f"All {self._places} sandboxes are taken.") from None
        except BaseException:
            self._give_up(claim)
            raise
        finally:
            on_wait(False)

    def _give_up(self, claim: _Claim) -> None:
        """Leave the line; what was given in the same moment goes to the next."""
        if claim in self._line:
            self._line.remove(claim)
        elif claim.given.done() and not claim.given.cancelled() and not claim.given.exception():
            warm = claim.given.result()
            if warm is None:
                self._taken -= 1
            else:
                self._pools[claim.profile].add(warm)
        self._serve()

    def _serve(self) -> None:
        """Give the first in the line what there is, then the next."""
        while self._line:
            claim = self._line[0]
            warm = self._pools[claim.profile].take()
            if warm is None:
                if self._taken >= self._places:
                    if not self._ending:
                        self._make_way()
                    break
                self._taken += 1
            self._line.popleft()
            claim.given.set_result(warm)
        self._wanted.set()

    def _make_way(self) -> None:
        """End a warm sandbox that the first in the line cannot use, if there is one."""
        fullest = max(self._pools.values(), key=lambda pool: pool.ready)
        sandbox = fullest.take()
        if sandbox is not None:
            self._end(sandbox, "Its place was needed.")

    async def _start(self, profile: Profile) -> Sandbox:
        """Start one in a place that has been taken for it."""
        try:
            sandbox = await self._make(profile)
        except BaseException:
            self._free()
            raise
        sandbox.on_death(lambda _: self._ended(sandbox))
        return sandbox

    def _ended(self, sandbox: Sandbox) -> None:
        """A restart ends the room's sandbox before it claims the next: keep its place for it."""
        full = self._taken >= self._places
        if full and sandbox.room and sandbox.room not in self._kept:
            loop = asyncio.get_running_loop()
            self._kept[sandbox.room] = loop.call_later(KEPT_S, self._keep_no_longer, sandbox.room)
        else:
            self._free()

    def _keep_no_longer(self, room: str) -> None:
        del self._kept[room]
        self._free()

    def _free(self) -> None:
        self._taken -= 1
        self._serve()

    # -- keeping warm

    async def _keep_full(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while (pool := self._emptiest()) is not None:
                self._taken += 1
                await self._refill(pool)

    def _emptiest(self) -> Pool | None:
        """The pool that lacks most; None if none does, or places are for those who wait."""
        if self._line or self._taken >= self._places:
            return None
        now = time.monotonic()
        lacking = [p for p in self._pools.values() if p.ready < p.target and p.retry_at <= now]
        return max(lacking, key=lambda pool: pool.target - pool.ready, default=None)

    async def _refill(self, pool: Pool) -> None:
        try:
            sandbox = await self._start(pool.profile)
            await warm_up(sandbox)
        except SandboxError as error:
            if pool.problem is None:
                log.warning("no %s sandbox can be kept warm: %s", pool.profile.name, error)
            pool.problem = error
            pool.retry_at = time.monotonic() + RETRY_S
            asyncio.get_running_loop().call_later(RETRY_S, self._wanted.set)
            return
        pool.problem = None
        pool.add(sandbox)
        self._serve()

    async def _look_ahead(self) -> None:
        while True:
            try:
                self._schedule = await self._stocking.demand()
            except InterviewError as error:
                log.warning("what is planned could not be read: %s", error.message)
            except Exception:  # one fault must not end the looking ahead for good
                log.exception("what is planned could not be read")
            self._set_targets()
            await asyncio.sleep(FORECAST_EVERY_S)

    def _learn(self, profile: str, room: str) -> None:
        starts_at = self._schedule.get(profile, {}).get(room)
        planned = None if starts_at is None else starts_at.timestamp()
        self._forecaster.claimed(profile, self._clock(), starts_at=planned)
        if self._tasks:
            self._set_targets()

    def _set_targets(self) -> None:
        warm = sum(pool.ready for pool in self._pools.values())
        least = self._stocking.least
        targets = self._forecaster.targets(
            self._clock(),
            {
                name: [at.timestamp() for at in rooms.values()]
                for name, rooms in self._schedule.items()
            },
            {
                name: Stock(waiting_bytes=pool.profile.waiting_bytes, least=least)
                for name, pool in self._pools.items()
            },
            budget_bytes=self._stocking.budget_bytes,
            places=self._places - self._taken + warm,
        )
        for name, pool in self._pools.items():
            pool.target = targets[name]
            self._trim(pool)
        self._wanted.set()

    def _trim(self, pool: Pool) -> None:
        while pool.ready > pool.target:
            sandbox = pool.take()
            if sandbox is not None:
                self._end(sandbox, "It was not needed any more.")

    def _end(self, sandbox: Sandbox, detail: str) -> None:
        self._own(sandbox.stop(Reason.STOPPED, detail))

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
