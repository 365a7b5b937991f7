"""How long the running cell may still run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum


class Hold(StrEnum):
    """Why the time of a run stands still."""

    PAUSED = "paused"
    """The room is: its sandbox is frozen."""
    DOUBT = "doubt"
    """It is not certain that this server still runs the room's cells."""
    INPUT = "input"
    """The cell waits for a person, not a person for the cell."""


class TimeLimit:
    """The clock of one room's running cell; at most one runs.

    Parameters
    ----------
    overdue:
        Called once the time is up.
    """

    def __init__(self, overdue: Callable[[], None]) -> None:
        self._overdue = overdue
        self._loop = asyncio.get_running_loop()
        self._left_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._holds: set[Hold] = set()

    @property
    def left_s(self) -> float | None:
        """Seconds left; None if nothing runs."""
        if self._timer is not None:
            return max(0.0, self._timer.when() - self._loop.time())
        return self._left_s

    @property
    def held(self) -> bool:
        """Whether the time stands still."""
        return bool(self._holds)

    def begin(self, seconds: float) -> None:
        """A cell begins to run. It asks nothing yet."""
        self._holds.discard(Hold.INPUT)
        self._set(seconds)

    def end(self) -> None:
        """It has ended."""
        self._holds.discard(Hold.INPUT)
        self._set(None)

    def extend(self, seconds: float) -> None:
        """Give it more time; nothing if nothing runs."""
        left_s = self.left_s
        if left_s is not None:
            self._set(left_s + seconds)

    def hold(self, why: Hold) -> None:
        """Stop the clock, until `go_on` has been called for each reason."""
        left_s = self.left_s
        self._holds.add(why)
        self._set(left_s)

    def go_on(self, why: Hold) -> None:
        """Take a reason back."""
        left_s = self.left_s
        self._holds.discard(why)
        self._set(left_s)

    def _set(self, left_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._left_s = left_s
        if left_s is not None and not self._holds:
            self._timer = self._loop.call_later(left_s, self._ring)

    def _ring(self) -> None:
        self._timer, self._left_s = None, None
        self._overdue()
