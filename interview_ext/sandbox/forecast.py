"""How many sandboxes of each profile should wait: arithmetic only, no clock, no engine.

A claim comes either from a room whose start is known, or from nowhere: a room made on the spot, a
restart, a death. The first kind is expected by how early or late rooms have been opened before;
the second by a rate that forgets. Both give the mean number of claims until `HORIZON_S` from
now, and as many sandboxes are kept as are enough for a Poisson number of that mean, but for `RISK`.

All times are seconds of one clock; the server uses POSIX time.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

HORIZON_S = 300.0
RISK = 0.05
"""Both fitted on the training half of the benchmark's arrivals (``tests/benchmarks/arrivals.py``):
the fewest cold claims, and of those that have no more of them, the least memory."""
RATE_MEMORY_S = 1800.0
"""Claims without a schedule are forgotten by a factor e in this time."""
OFFSETS = 200
"""Openings remembered: a week or two of a busy server."""
FIRST_OFFSETS_S = tuple(range(-900, 301, 60))
"""Before any was seen: hosts open a room between 15 minutes before its start and 5 after."""
SHOWN = 0.9
"""Part of the scheduled rooms that are opened at all."""
MOST_EXPECTED = 500.0
"""Claims within the horizon beyond which the arithmetic need not go."""


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What is known of one profile's pool.

    Attributes
    ----------
    waiting_bytes:
        Memory that one takes while it waits.
    least:
        How many are kept without any reason to expect a claim.
    """

    waiting_bytes: int
    least: int = 0


@dataclass
class _Rate:
    """Claims a second, as an exponentially weighted mean."""

    value: float = 0.0
    at: float = -math.inf

    def add(self, at: float) -> None:
        self.value = self.now(at) + 1 / RATE_MEMORY_S
        self.at = max(self.at, at)

    def now(self, at: float) -> float:
        if self.value == 0.0:
            return 0.0
        return self.value * math.exp(-max(0.0, at - self.at) / RATE_MEMORY_S)


@dataclass
class Forecaster:
    """Learns from claims; says what to expect. One per server.

    Parameters
    ----------
    horizon_s:
        How far it looks ahead.
    risk:
        How likely it may be that a claim within the horizon finds none.
    """

    horizon_s: float = HORIZON_S
    risk: float = RISK
    _rates: dict[str, _Rate] = field(default_factory=dict)
    _recent: deque[float] = field(default_factory=lambda: deque(FIRST_OFFSETS_S, OFFSETS))
    _sorted: list[float] = field(default_factory=lambda: sorted(FIRST_OFFSETS_S))

    def claimed(self, profile: str, at: float, *, starts_at: float | None = None) -> None:
        """Learn of a claim; `starts_at` is the planned start of its room, if it had one."""
        if starts_at is None:
            self._rates.setdefault(profile, _Rate()).add(at)
            return
        if len(self._recent) == OFFSETS:
            self._sorted.remove(self._recent[0])
        self._recent.append(at - starts_at)
        insort(self._sorted, at - starts_at)

    def forget(self, profile: str) -> None:
        """Drop what was learned of a profile that is no more."""
        self._rates.pop(profile, None)

    def expected(self, profile: str, at: float, starts: Iterable[float]) -> float:
        """The mean number of claims from now until the horizon.

        Parameters
        ----------
        starts:
            Planned starts of this profile's rooms that have no sandbox yet.
        """
        rate = self._rates.get(profile, _Rate()).now(at)
        mean = rate * self.horizon_s + sum(self._opens(at - start) for start in starts)
        return min(mean, MOST_EXPECTED)

    def _opens(self, offset: float) -> float:
        """How likely a room is opened until the horizon that is not open `offset` after its start.

        It may also be one of those that never are: the longer it has been due, the likelier.
        """
        total = len(self._sorted)
        before = SHOWN * bisect_right(self._sorted, offset) / total
        until = SHOWN * bisect_right(self._sorted, offset + self.horizon_s) / total
        return (until - before) / (1 - before)

    def targets(
        self,
        at: float,
        schedule: Mapping[str, Iterable[float]],
        stocks: Mapping[str, Stock],
        *,
        budget_bytes: int,
        places: int,
    ) -> dict[str, int]:
        """How many of each profile should wait.

        Parameters
        ----------
        budget_bytes:
            What all that wait may take together.
        places:
            How many may wait together.
        """
        means = {name: self.expected(name, at, schedule.get(name, ())) for name in stocks}
        targets = dict.fromkeys(stocks, 0)
        left = budget_bytes
        while sum(targets.values()) < places:
            wanted = [
                (self._worth(means[name], targets[name], stock), name)
                for name, stock in stocks.items()
                if stock.waiting_bytes <= left
            ]
            worth, name = max(wanted, default=(0.0, ""), key=lambda each: each[0])
            if worth <= 0:
                break
            targets[name] += 1
            left -= stocks[name].waiting_bytes
        return targets

    def _worth(self, mean: float, have: int, stock: Stock) -> float:
        """What one more is worth; 0 if it is not wanted. What must be kept goes before all else."""
        if have < stock.least:
            return 2.0
        needed = above(mean, have)
        return needed if needed > self.risk else 0.0


def above(mean: float, count: int) -> float:
    """How likely a Poisson number of that mean is greater than `count`."""
    term = total = math.exp(-mean)
    for k in range(1, count + 1):
        term *= mean / k
        total += term
    return max(0.0, 1.0 - total)
