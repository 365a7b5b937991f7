"""Rates, held by token buckets."""

from __future__ import annotations

from collections import OrderedDict

from interview_ext.rooms.ids import Clock, now

_MAX_KEYS = 10_000
"""Buckets kept at most; the longest unused goes first, so keys cannot fill the memory."""


class RateLimit:
    """Allows each key so many takes a minute, all at once or spread.

    Parameters
    ----------
    per_minute:
        Size of a key's bucket, which refills within one minute.
    """

    def __init__(self, *, per_minute: int, clock: Clock = now) -> None:
        self._size = float(per_minute)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> bool:
        """Return whether the key had one left, and take it."""
        at = self._clock().timestamp()
        tokens, since = self._buckets.pop(key, (self._size, at))
        tokens = min(self._size, tokens + (at - since) * self._size / 60)
        granted = tokens >= 1
        self._buckets[key] = (tokens - 1 if granted else tokens, at)
        if len(self._buckets) > _MAX_KEYS:
            self._buckets.popitem(last=False)
        return granted
