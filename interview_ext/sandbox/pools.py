"""All warm sandboxes of a server, and the line of claims that wait for a place.

A *place* is one of ``max_sandboxes``; whatever lives or starts holds one. A claim is served by a
warm sandbox of its profile, else by a free place in which one is started, else by the place of
another profile's warm one, which is ended for it. Only then does it wait. Of those who wait, the
owner (a broker's client) who holds least is served first, and each owner's claims in their order.

Refills are made ready one after another over all profiles together, in the background: each takes
a core for two seconds, which running cells must not feel.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from interview_ext.errors import EngineFull, EngineUnavailable, SandboxError, SandboxExhausted

from .broker import OnWait, PoolState, Schedule, unheard
from .deaths import Reason
from .forecast import Forecaster, Stock
from .kinds import parts
from .metrics import SandboxMetrics
from .pool import Pool
from .profiles import GIB, Profile
from .sandbox import Sandbox

log = logging.getLogger(__name__)

Make = Callable[[Profile], Awaitable[Sandbox]]

RETRY_S = 5.0
LONGEST_RETRY_S = 60.0
"""After a start that failed the next is tried so much later; at first, and at most."""

FORECAST_EVERY_S = 15.0
WAIT_S = 300.0
"""How long a claim waits for a place: as long as somebody may sit before a room and see why."""

KEPT_S = 3.0
"""How long a room whose sandbox has ended goes before those who wait."""

STARTS_AT_ONCE = 4
"""Claims that find none warm start theirs together, up to this: more on two cores all come late."""


@dataclass(eq=False)
class _Claim:
    """Somebody in the line; gets a warm sandbox, or None: a place to start one in.

    Attributes
    ----------
    most:
        How many the owner may hold; None: as many as there are.
    """

    profile: str
    owner: str
    most: int | None
    given: asyncio.Future[Sandbox | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Pools:
    """Keeps sandboxes warm and hands sandboxes out. Made by `Sandboxes`.

    Parameters
    ----------
    make:
        Makes and starts one; returns when its kernel answers. What it raises has left nothing.
    make_ready:
        Does so in the background, and has the kernel do what it may do before it is needed.
    places:
        Sandboxes that may exist at once.
    least:
        How many of a profile are kept warm whatever is expected. If all are 0, none are kept.
    budget_bytes:
        Memory that all that wait may take together; it also bounds `least`.
    wait_s:
        How long a claim waits for a place.
    clock:
        POSIX seconds, as planned starts are compared with.
    """

    def __init__(
        self,
        profiles: Mapping[str, Profile],
        *,
        make: Make,
        make_ready: Make,
        places: int,
        least: Mapping[str, int],
        budget_bytes: int = GIB,
        wait_s: float = WAIT_S,
        metrics: SandboxMetrics | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._make = make
        self._make_ready = make_ready
        self._places = places
        self._least = least
        self._budget_bytes = budget_bytes
        self._wait_s = wait_s
        self._metrics = metrics or SandboxMetrics()
        self._clock = clock
        self._pools = {name: Pool(profile) for name, profile in profiles.items()}
        self._forecaster = Forecaster()
        self._schedules: dict[str, Schedule] = {}
        self._line: list[_Claim] = []
        self._kept: dict[str, asyncio.TimerHandle] = {}
        self._taken = 0
        self._owners: dict[Sandbox, str] = {}
        self._held: Counter[str] = Counter()
        self._starts = asyncio.Semaphore(STARTS_AT_ONCE)
        self._stopped = False
        self._ending: set[asyncio.Task[None]] = set()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._show()

    # -- life

    def start(self) -> None:
        """Begin to fill, in the background."""
        if any(self._least.values()) and not self._tasks:
            self._set_targets()
            loop = asyncio.get_running_loop()
            self._tasks = [
                loop.create_task(self._keep_full()),
                loop.create_task(self._look_ahead()),
            ]

    async def stop(self) -> None:
        """End all that wait, sandboxes and claims."""
        self._stopped = True
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for kept in self._kept.values():
            kept.cancel()
        self._kept.clear()
        while self._line:
            stopping = EngineUnavailable("The server is stopping.")
            self._line.pop().given.set_exception(stopping)
        for pool in self._pools.values():
            pool.target = 0
            self._trim(pool)
        await asyncio.gather(*self._ending)

    # -- what is seen

    def of(self, profile: str) -> Pool:
        """The pool of a profile there is."""
        return self._pools[profile]

    def add(self, profile: Profile) -> None:
        """Make a pool for a profile whose packages are there now, unless there is one.

        It goes again when none of it is warm, wanted or planned.
        """
        if profile.name not in self._pools:
            pool = self._pools[profile.name] = Pool(profile)
            if self._tasks:
                pool.users += 1  # whoever asks for it is about to use it, planned or not
                self._set_targets()
                pool.users -= 1

    def state(self, profile: str) -> PoolState:
        """A profile's pool as of now; an empty one if there is none yet."""
        pool = self._pools.get(profile)
        if pool is None:
            return PoolState(warm=0, target=0, waiting=0, handed_out=0, cold_starts=0)
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
        """What is told of a profile: all of it, with whatever packages."""
        same = [each for each in self._pools if parts(each)[0] == profile]
        return float(sum(getattr(self.state(each), name) for each in same))

    # -- handing out

    async def claim(
        self,
        profile: str,
        *,
        room: str,
        on_wait: OnWait = unheard,
        owner: str = "",
        most: int | None = None,
    ) -> Sandbox:
        """A sandbox that is warm, or started now, at the latest when a place is free.

        Parameters
        ----------
        on_wait:
            See `Broker.claim`.
        most:
            How many `owner` may hold; None: as many as there are.

        Raises
        ------
        SandboxExhausted
            No place has become free.
        EngineUnavailable, ImageMissing, SandboxError
            None can be started.
        """
        began = time.perf_counter()
        kind = "failed"
        pool = self._pools[profile]
        pool.users += 1
        try:
            sandbox, kind = await self._claim(_Claim(profile, owner, most), room, on_wait)
        finally:
            pool.users -= 1
            # A claim that failed was one too: rooms ask again.
            self._learn(profile, room)
            base = parts(profile)[0]
            self._metrics.claims.labels(base, kind).inc()
            took_s = time.perf_counter() - began
            self._metrics.claim_seconds.labels(base, kind).observe(took_s)
        pool.handed_out += 1
        pool.cold_starts += kind != "warm"
        return sandbox

    def hold(self, sandbox: Sandbox) -> None:
        """Count one that an earlier process has handed out."""
        self._taken += 1
        self._give(sandbox, sandbox.owner)
        sandbox.on_death(lambda _: self._ended(sandbox))

    async def _claim(self, claim: _Claim, room: str, on_wait: OnWait) -> tuple[Sandbox, str]:
        kept = self._kept.pop(room, None)
        if kept is not None:
            kept.cancel()
            self._hand(claim, None)
        else:
            self._line.append(claim)
            self._serve()
        waits = not claim.given.done()
        warm = await (self._wait(claim, on_wait) if waits else claim.given)
        if warm is not None:
            return warm, "waited" if waits else "warm"
        try:
            sandbox = await self._start(self._pools[claim.profile].profile, claim.owner)
        except BaseException:
            self._take_back(claim.owner)
            raise
        return sandbox, "waited" if waits else "cold"

    async def _wait(self, claim: _Claim, on_wait: OnWait) -> Sandbox | None:
        on_wait(True)
        try:
            async with asyncio.timeout(self._wait_s):
                return await claim.given
        except TimeoutError:
            self._give_up(claim)
            raise self._exhausted(claim) from None
        except BaseException:
            self._give_up(claim)
            raise
        finally:
            on_wait(False)

    def _exhausted(self, claim: _Claim) -> SandboxExhausted:
        own = claim.most is not None and self._held[claim.owner] >= claim.most
        taken = f"All {claim.most if own else self._places} sandboxes"
        whose = " of this server" if own else ""
        return SandboxExhausted(
            f"{taken}{whose} are taken.", hint="End an interview that is over, then try again."
        )

    def _give_up(self, claim: _Claim) -> None:
        """Leave the line; what was given in the same moment goes to the next."""
        if claim in self._line:
            self._line.remove(claim)
        elif claim.given.done() and not claim.given.cancelled() and not claim.given.exception():
            warm = claim.given.result()
            self._held[claim.owner] -= 1
            if warm is None:
                self._taken -= 1
            else:
                del self._owners[warm]
                self._pools[claim.profile].add(warm)
        self._serve()

    def _serve(self) -> None:
        """Give the next in the line what there is, as long as there is somebody."""
        while (claim := self._next()) is not None:
            warm = self._pools[claim.profile].take()
            if warm is None:
                if self._taken >= self._places:
                    if not self._ending:
                        self._make_way()
                    break
                self._taken += 1
            self._line.remove(claim)
            self._hand(claim, warm)
        self._wanted.set()

    def _next(self) -> _Claim | None:
        """The first claim of whoever holds least, among those who may have another."""
        may = (
            each for each in self._line if each.most is None or self._held[each.owner] < each.most
        )
        return min(may, key=lambda each: self._held[each.owner], default=None)

    def _hand(self, claim: _Claim, warm: Sandbox | None) -> None:
        if warm is None:
            self._held[claim.owner] += 1
        else:
            self._give(warm, claim.owner)
        claim.given.set_result(warm)

    def _give(self, sandbox: Sandbox, owner: str) -> None:
        self._held[owner] += 1
        self._owners[sandbox] = owner

    def _make_way(self) -> None:
        """End a warm sandbox that the next in the line cannot use, if there is one."""
        fullest = max(self._pools.values(), key=lambda pool: pool.ready)
        sandbox = fullest.take()
        if sandbox is not None:
            self._end(sandbox, "Its place was needed.")

    async def _start(self, profile: Profile, owner: str) -> Sandbox:
        """Start one in a place that has been taken for it, and counted as its owner's."""
        sandbox = await self._into_place(self._one_of_few(profile))
        self._owners[sandbox] = owner
        return sandbox

    async def _one_of_few(self, profile: Profile) -> Sandbox:
        async with self._starts:
            return await self._make(profile)

    async def _into_place(self, making: Awaitable[Sandbox]) -> Sandbox:
        """Await one for a place that has been taken; the place is free again when it has ended."""
        try:
            sandbox = await making
        except BaseException:
            self._free()
            raise
        sandbox.on_death(lambda _: self._ended(sandbox))
        if any(isinstance(pool.problem, EngineFull) for pool in self._pools.values()):
            self.try_again()
        return sandbox

    def _ended(self, sandbox: Sandbox) -> None:
        """A restart ends the room's sandbox before it claims the next: keep its place for it."""
        owner = self._owners.pop(sandbox, None)
        if owner is not None:
            self._held[owner] -= 1
        full = self._taken >= self._places
        if full and sandbox.room and sandbox.room not in self._kept and not self._stopped:
            loop = asyncio.get_running_loop()
            self._kept[sandbox.room] = loop.call_later(KEPT_S, self._keep_no_longer, sandbox.room)
        else:
            self._free()

    def _take_back(self, owner: str) -> None:
        """An owner's place had nothing started in it."""
        self._held[owner] -= 1
        self._serve()

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
                pool.users += 1
                try:
                    await self._refill(pool)
                finally:
                    pool.users -= 1

    def _emptiest(self) -> Pool | None:
        """The pool that lacks most; None if none does, or places are for those who wait."""
        if self._line or self._taken >= self._places:
            return None
        now = time.monotonic()
        lacking = [p for p in self._pools.values() if p.ready < p.target and p.retry_at <= now]
        return max(lacking, key=lambda pool: pool.target - pool.ready, default=None)

    async def _refill(self, pool: Pool) -> None:
        try:
            sandbox = await self._into_place(self._make_ready(pool.profile))
        except SandboxError as error:
            if pool.problem is None:
                log.warning("no %s sandbox can be kept warm: %s", pool.profile.name, error)
            wait_s = min(RETRY_S * 2**pool.failures, LONGEST_RETRY_S)
            pool.problem = error
            pool.failures += 1
            pool.retry_at = time.monotonic() + wait_s
            asyncio.get_running_loop().call_later(wait_s, self._wanted.set)
            return
        pool.problem = None
        pool.failures = 0
        pool.add(sandbox)
        self._serve()

    def try_again(self) -> None:
        """Fill at once what could not be filled: the engine is well again."""
        for pool in self._pools.values():
            pool.problem = None
            pool.failures = 0
            pool.retry_at = 0.0
        self._wanted.set()

    def plan(self, schedule: Schedule, *, owner: str) -> None:
        """Learn what an owner has planned; it replaces what was known of it."""
        self._schedules[owner] = schedule
        if self._tasks:
            self._set_targets()

    async def _look_ahead(self) -> None:
        while True:
            self._set_targets()
            await asyncio.sleep(FORECAST_EVERY_S)

    def _planned(self, profile: str) -> dict[str, float]:
        """Planned starts of a profile's rooms, in POSIX seconds."""
        return {
            room: at.timestamp()
            for schedule in self._schedules.values()
            for room, at in schedule.get(profile, {}).items()
        }

    def _learn(self, profile: str, room: str) -> None:
        planned = self._planned(profile).get(room)
        self._forecaster.claimed(profile, self._clock(), starts_at=planned)
        if self._tasks:
            self._set_targets()

    def _set_targets(self) -> None:
        warm = sum(pool.ready for pool in self._pools.values())
        targets = self._forecaster.targets(
            self._clock(),
            {name: list(self._planned(name).values()) for name in self._pools},
            {
                name: Stock(
                    waiting_bytes=pool.profile.waiting_bytes, least=self._least.get(name, 0)
                )
                for name, pool in self._pools.items()
            },
            budget_bytes=self._budget_bytes,
            places=self._places - self._taken + warm,
        )
        for name, pool in self._pools.items():
            pool.target = targets[name]
            self._trim(pool)
        self._forget_unused()
        self._wanted.set()

    def _forget_unused(self) -> None:
        """Drop pools of packages that no room is expected to ask for any more."""
        for name, pool in list(self._pools.items()):
            used = pool.ready or pool.target or pool.users or self._planned(name)
            if pool.profile.packages and not used:
                del self._pools[name]
                self._forecaster.forget(name)

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
