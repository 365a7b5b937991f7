"""How much a sandbox may send to the server in a second: a token bucket."""

from __future__ import annotations

ORDINARY_BYTES = 8 * 1024
ORDINARY_COMMAS = 100
"""About as many values cost whoever parses them as much as a message by itself."""
MOST_COMMAS = 100_000
"""Nobody parses more values than these."""


def cost(payload: bytes) -> int:
    """For how many ordinary messages one counts: by its bytes, and by what there is to parse."""
    commas = min(payload.count(b","), MOST_COMMAS)
    return 1 + len(payload) // ORDINARY_BYTES + commas // ORDINARY_COMMAS


class Budget:
    """So much at once, and then so much a second. `now` is monotonic, in seconds.

    What was sent is taken even where there is not enough: it has arrived. The sender then waits
    until the debt is paid.
    """

    def __init__(self, *, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._at = now

    def spend(self, amount: float, now: float) -> float:
        """Take an amount; return for how many seconds nothing more may be taken."""
        earned = (now - self._at) * self._per_s
        self._tokens = min(self._burst, self._tokens + earned) - amount
        self._at = now
        return max(0.0, -self._tokens / self._per_s)
