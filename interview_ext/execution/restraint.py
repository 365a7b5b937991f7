"""How long a room waits for its next kernel when its kernels end again and again.

A start takes about half a second of CPU and the engine's attention. A cell that ends its kernel,
run over and over, would have the machine start containers without a pause, which every other
room on it feels (`make bench` measures that).
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

OFTEN_S = 60
PAUSES_S = (0, 0, 5, 10, 20)
"""By the number of ends within `OFTEN_S`: people run a cell that was too much for the memory once
more, seldom twice more."""


class Restraint:
    """Of one room. It counts what ended by itself, not what somebody restarted."""

    def __init__(self) -> None:
        self._ends: deque[datetime] = deque(maxlen=len(PAUSES_S) - 1)

    def ended(self, at: datetime) -> None:
        """A kernel has ended."""
        self._ends.append(at)

    def pause_s(self, at: datetime) -> float:
        """Return how long a start at `at` has to wait, in seconds."""
        return PAUSES_S[sum((at - end).total_seconds() < OFTEN_S for end in self._ends)]
