"""Rates, held by token buckets, and turns."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from interview_ext.errors import TooManyRequests
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


class Turns:
    """Lets each key do one thing at a time, in the order of asking.

    Parameters
    ----------
    waiting:
        How many more of a key may wait; further ones are refused.
    """

    def __init__(self, *, waiting: int) -> None:
        self._waiting = waiting
        self._asked: Counter[str] = Counter()
        self._locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncGenerator[None]:
        """Wait for the key's turn, and hold it.

        Raises
        ------
        TooManyRequests
        """
        if self._asked[key] > self._waiting:
            raise TooManyRequests("Your earlier requests of this kind are still being answered.")
        self._asked[key] += 1
        try:
            async with self._locks.setdefault(key, asyncio.Lock()):
                yield
        finally:
            self._asked[key] -= 1
            if not self._asked[key]:
                del self._asked[key], self._locks[key]
