"""Made-up claims of sandboxes as interviews make them, and a pool that serves them, in numbers.

Nothing runs here: days pass in seconds, the same each time. A server's day: interviews
planned for full and half hours, most of them opened some minutes before by their own host; panels,
whose rooms a coordinator or a program opens one right after another; rooms never opened; rooms
made on the spot; kernels that are restarted or die; and now and then a class all at once.

A warm claim takes `WARM_S`. A cold one takes `COLD_S`, more if several start at once; one
refill after another takes `REFILL_S`. The three are measured (``docs/explanation/benchmarks.md``).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from interview_ext.sandbox.forecast import Forecaster, Stock

PROFILE = "python"
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
STEP_S = 15.0
"""How often targets are set, besides at each claim."""
WARM_S = 0.02
COLD_S = 0.9
REFILL_S = 2.5
CORES = 2
PLANNED_AHEAD_S = 12 * HOUR_S


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Somebody needs a sandbox."""

    at: float
    starts_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What happens within some days: claims in their order, and all planned starts."""

    days: int
    claims: Sequence[Claim]
    no_shows: Sequence[float]

    @property
    def length_s(self) -> float:
        return self.days * DAY_S


def trace(*, days: int, seed: int) -> Trace:
    """Days of one server; the same for the same seed."""
    dice = random.Random(seed)
    claims: list[Claim] = []
    no_shows: list[float] = []
    for day in range(days):
        if day % 7 >= 5:
            continue
        for planned in _day(dice, day * DAY_S):
            if planned.at < 0:
                no_shows.append(planned.starts_at or 0.0)
            else:
                claims.append(planned)
        claims += _unplanned(dice, day * DAY_S)
    return Trace(days=days, claims=sorted(claims, key=lambda c: c.at), no_shows=no_shows)


def _day(dice: random.Random, midnight: float) -> Iterator[Claim]:
    """The planned rooms of a day; those never opened are at -1."""
    for half_hour in range(18, 36):
        starts_at = midnight + half_hour * HOUR_S / 2
        full = half_hour % 2 == 0
        for _ in range(_poisson(dice, 1.5 if full else 0.6)):
            early = min(max(dice.gauss(-300, 240), -1200), 900)
            at = -1 if dice.random() < 0.12 else starts_at + early
            yield Claim(at=at, starts_at=starts_at)
        if full and dice.random() < 0.25:
            at = starts_at - dice.uniform(480, 720)
            gap_s = dice.choice((0.5, 8.0))  # a program; a person
            for _ in range(dice.randint(3, 7)):
                at += dice.uniform(0.1, 1) * gap_s
                yield Claim(at=at, starts_at=starts_at)


def _unplanned(dice: random.Random, midnight: float) -> Iterator[Claim]:
    """Rooms made on the spot, restarts and deaths, and a class once a week or so."""
    at = midnight
    while (at := at + dice.expovariate(2.5 / HOUR_S)) < midnight + DAY_S:
        awake = 9 * HOUR_S <= at - midnight <= 18.5 * HOUR_S
        if awake or dice.random() < 0.03:
            yield Claim(at=at)
    if dice.random() < 0.2:
        at = midnight + dice.uniform(9, 17) * HOUR_S
        for _ in range(dice.randint(4, 8)):
            at += dice.uniform(0.5, 20)
            yield Claim(at=at)


def _poisson(dice: random.Random, mean: float) -> int:
    count, at = 0, dice.expovariate(1)
    while at < mean:
        count, at = count + 1, at + dice.expovariate(1)
    return count


@dataclass(kw_only=True)
class Outcome:
    """What came of a trace."""

    waits_s: list[float] = field(default_factory=list)
    cold: int = 0
    started: int = 0
    idle_s: float = 0.0
    target_s: float = 0.0
    length_s: float = 0.0

    @property
    def mean_target(self) -> float:
        return self.target_s / self.length_s


Target = Callable[[float, Sequence[float]], int]
"""At a time, given the planned starts of rooms that are not open yet: how many should wait."""
Learn = Callable[[Claim], None]


class Simulation:
    """One profile's pool through a trace."""

    def __init__(self, trace: Trace, target: Target, learn: Learn = lambda _: None) -> None:
        self._trace = trace
        self._target_of = target
        self._learn = learn
        self._planned = sorted(
            [c.starts_at for c in trace.claims if c.starts_at is not None] + list(trace.no_shows)
        )
        self._warm = 0
        self._target = 0
        self._refill_ends = float("inf")
        self._starting: list[float] = []
        self._now = 0.0
        self.outcome = Outcome(length_s=trace.length_s)

    def run(self) -> Outcome:
        """Let it all happen."""
        claims = [(claim.at, claim) for claim in self._trace.claims]
        steps = int(self._trace.length_s / STEP_S)
        events = heapq.merge(
            claims, ((i * STEP_S, None) for i in range(steps)), key=lambda event: event[0]
        )
        for at, claim in events:
            self._refill_until(at)
            self._pass_to(at)
            if claim is not None:
                self._serve(claim)
            self._retarget()
        self._pass_to(self._trace.length_s)
        return self.outcome

    def _serve(self, claim: Claim) -> None:
        if claim.starts_at is not None:
            self._planned.remove(claim.starts_at)
        self._learn(claim)
        if self._warm:
            self._warm -= 1
            self.outcome.waits_s.append(WARM_S)
            return
        self._starting = [end for end in self._starting if end > self._now]
        busy = len(self._starting) + 1 + (self._refill_ends < float("inf"))
        wait_s = COLD_S * max(1.0, busy / CORES)
        self._starting.append(self._now + wait_s)
        self.outcome.waits_s.append(wait_s)
        self.outcome.cold += 1
        self.outcome.started += 1

    def _retarget(self) -> None:
        near = [s for s in self._planned if -PLANNED_AHEAD_S < s - self._now <= PLANNED_AHEAD_S]
        self._target = self._target_of(self._now, near)
        self._warm = min(self._warm, self._target)
        self._begin_refill()

    def _begin_refill(self) -> None:
        if self._refill_ends == float("inf") and self._warm < self._target:
            self._refill_ends = self._now + REFILL_S
            self.outcome.started += 1

    def _refill_until(self, at: float) -> None:
        while self._refill_ends <= at:
            self._pass_to(self._refill_ends)
            self._refill_ends = float("inf")
            self._warm += 1
            self._begin_refill()

    def _pass_to(self, at: float) -> None:
        self.outcome.idle_s += self._warm * (at - self._now)
        self.outcome.target_s += self._target * (at - self._now)
        self._now = at


def constant(trace: Trace, mean: float) -> Outcome:
    """A target that never learns; with a fraction, each ten minutes one or the other."""

    def target(at: float, _: Sequence[float]) -> int:
        slot = int(at // 600)
        return int((slot + 1) * mean) - int(slot * mean)

    return Simulation(trace, target).run()


def forecast(
    trace: Trace, forecaster: Forecaster, *, least: int, budget: int, before: Trace | None = None
) -> Outcome:
    """The product's forecaster, having seen the claims of another trace before."""
    stocks = {PROFILE: Stock(waiting_bytes=1, least=least)}
    for claim in before.claims if before is not None else ():
        at = claim.at - (before.length_s if before else 0)
        starts_at = None if claim.starts_at is None else claim.starts_at - claim.at + at
        forecaster.claimed(PROFILE, at, starts_at=starts_at)

    def target(at: float, starts: Sequence[float]) -> int:
        return forecaster.targets(
            at, {PROFILE: starts}, stocks, budget_bytes=budget, places=budget
        )[PROFILE]

    def learn(claim: Claim) -> None:
        forecaster.claimed(PROFILE, claim.at, starts_at=claim.starts_at)

    return Simulation(trace, target, learn).run()
