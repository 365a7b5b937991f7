"""How long a room waits for its next kernel when its kernels end again and again.

A start takes about half a second of CPU and the engine's attention. A cell that ends its kernel,
run over and over, would have the machine start containers without a pause, which every other
room on it feels (`make bench` measures that).
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

OFTEN = 3
"""Ends within `OFTEN_S` after which the next kernel has to wait: people run a cell that was too
much for the memory once more, seldom twice more."""
OFTEN_S = 60
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5, 20


class Restraint:
    """Of one room. It counts what ended by itself, not what somebody restarted."""

    def __init__(self) -> None:
        self._ends: deque[datetime] = deque(maxlen=OFTEN + 2)

    def ended(self, at: datetime) -> None:
        """A kernel has ended."""
        self._ends.append(at)

    def pause_s(self, at: datetime) -> float:
        """Return how long a start at `at` has to wait, in seconds: 0, 5, 10 or 20."""
        recent = sum((at - end).total_seconds() < OFTEN_S for end in self._ends)
        if recent < OFTEN:
            return 0
        return min(FIRST_PAUSE_S << (recent - OFTEN), LONGEST_PAUSE_S)
