"""How many sandboxes should wait: arithmetic."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interview_ext.sandbox.forecast import HORIZON_S, Forecaster, Stock, above
from interview_ext.sandbox.profiles import MIB
from tests.benchmarks.arrivals import constant, forecast, trace

NOW = 1_000_000.0
STOCK = Stock(waiting_bytes=100 * MIB, least=1)


def target(forecaster: Forecaster, starts: list[float], *, budget: int = 100) -> int:
    return forecaster.targets(
        NOW, {"p": starts}, {"p": STOCK}, budget_bytes=budget * STOCK.waiting_bytes, places=1000
    )["p"]


def test_without_a_reason_the_least_waits() -> None:
    assert target(Forecaster(), []) == 1


def test_planned_rooms_are_expected_about_their_time_and_not_long_before_or_after() -> None:
    soon = [NOW + 300] * 5
    assert target(Forecaster(), soon) >= 3
    assert target(Forecaster(), [NOW + 6 * 3600] * 5) == 1
    assert target(Forecaster(), [NOW - 6 * 3600] * 5) == 1


def test_it_learns_when_rooms_are_opened() -> None:
    late = Forecaster()
    for _ in range(300):  # always ten minutes after the hour
        late.claimed("p", NOW, starts_at=NOW - 600)
    assert late.expected("p", NOW, [NOW]) == 0
    assert late.expected("p", NOW + 400, [NOW]) == pytest.approx(0.9)


def test_claims_without_a_plan_are_expected_again_and_forgotten() -> None:
    forecaster = Forecaster()
    for second in range(20):
        forecaster.claimed("p", NOW - second)
    busy = target(forecaster, [])
    assert busy > 3
    later = forecaster.targets(NOW + 4 * 3600, {}, {"p": STOCK}, budget_bytes=2**40, places=1000)
    assert later == {"p": 1}


@given(
    means=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 30), min_size=1),
    least=st.integers(0, 3),
    budget=st.integers(0, 40),
    places=st.integers(0, 40),
)
def test_never_beyond_memory_or_places(
    means: dict[str, int], least: int, budget: int, places: int
) -> None:
    stocks = {name: Stock(waiting_bytes=(1 + i) * MIB, least=least) for i, name in enumerate(means)}
    schedule = {name: [NOW + HORIZON_S] * number for name, number in means.items()}
    targets = Forecaster().targets(NOW, schedule, stocks, budget_bytes=budget * MIB, places=places)
    assert set(targets) == set(stocks)
    assert sum(targets.values()) <= places
    assert sum(targets[n] * stocks[n].waiting_bytes for n in stocks) <= budget * MIB


@given(mean=st.floats(0, 200), count=st.integers(0, 300))
def test_poissons_tail(mean: float, count: int) -> None:
    terms = [
        math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) if mean else float(k == 0)
        for k in range(count + 1)
    ]
    assert above(mean, count) == pytest.approx(max(0.0, 1 - math.fsum(terms)), abs=1e-9)


def test_fewer_wait_than_with_a_constant_target_of_the_same_mean() -> None:
    """A week that it has not seen; the benchmark shows the figures of a fortnight."""
    learned, week = trace(days=7, seed=11), trace(days=7, seed=12)
    ours = forecast(week, Forecaster(), least=1, budget=20, before=learned)
    peer = constant(week, ours.mean_target)
    assert ours.cold < peer.cold / 4
    assert ours.idle_s <= 1.02 * peer.idle_s
