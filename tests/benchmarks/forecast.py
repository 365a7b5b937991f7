"""The pools' forecast beside constant targets, on days of arrivals that it has not learned from.

A simulation (see `arrivals`): nothing is started, and the figures are the same everywhere. One peer
keeps as many warm on average as the forecast does; the other as many as it needs to be cold no more
often.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from interview_ext.sandbox.forecast import Forecaster
from interview_ext.sandbox.profiles import PYTHON

from .arrivals import Outcome, constant, forecast, trace
from .report import Row

DAYS = 14
LEARNED_SEED, HELD_OUT_SEED = 1, 2
MOST_WARM = 20


def measure(say: Callable[[str], None]) -> list[Row]:
    """Let the days pass: some seconds of arithmetic."""
    learned = trace(days=DAYS, seed=LEARNED_SEED)
    held_out = trace(days=DAYS, seed=HELD_OUT_SEED)
    ours = forecast(held_out, Forecaster(), least=1, budget=MOST_WARM, before=learned)
    same = constant(held_out, ours.mean_target)
    enough = next(
        outcome
        for size in count(1)
        if (outcome := constant(held_out, size)).cold <= ours.cold or size == MOST_WARM
    )
    say(
        f"forecast: {ours.cold} of {len(ours.waits_s)} claims cold; constant, as many warm: "
        f"{same.cold}; constant of {enough.mean_target:.0f}: {enough.cold}"
    )
    return [
        Row(
            name="wait for a sandbox, forecast",
            unit="ms",
            ours=ours.waits_s,
            peer=same.waits_s,
            peer_name="constant target of the same mean",
            most_p95_ratio=1,
        ),
        Row(
            name="memory that waits, forecast",
            unit="MB",
            ours=[_bytes(ours)],
            peer=[_bytes(enough)],
            peer_name="constant target, as seldom cold",
            most_ratio=1,
        ),
    ]


def _bytes(outcome: Outcome) -> float:
    """Memory of those that waited, on average."""
    return outcome.idle_s / outcome.length_s * PYTHON.waiting_bytes
