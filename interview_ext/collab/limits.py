"""How much one socket and one document may ask of the server, and where the figures come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of document sockets. Sizes in bytes, times in seconds.

    Attributes
    ----------
    max_message:
        One frame. A pasted screenshot is the largest honest one; PNGs of a 4K screen have up
        to 10 MB.
    max_document:
        All updates of clients of one document together; then it takes no more of them.
    max_backlog:
        What waits for one slow browser; then it is closed and comes back by itself.
    max_waiting:
        What waits for the store in one document; then its sockets are not read.
    messages_per_s, messages_burst:
        A fast typist makes 15 updates and 15 cursors a second, and a stock page repeats
        every cursor of the others: 100 with six people typing at once. The burst is a
        replacement in 2,000 cells. Above it the socket is read more slowly, never closed.
    bytes_per_s, bytes_burst:
        The same for sizes: two or three screenshots at once, then one in ten seconds.
    work_per_s, work_burst:
        Seconds of the server's time for reading one socket's frames. A frame of 16 MB can be
        made to take half a second, and a sync step 1 makes the server write out the document.
    opens_per_minute:
        Handshakes of one participant for one document. Above it the answer is 429, upon which
        y-websocket waits longer each time, while it would come back after 0.1 s
        from a socket that was opened and closed.
    ping_interval_s:
        Under the 30 s after which proxies and laptops drop silent connections.
    close_wait_s:
        How long a document that is being closed waits for a store that fails.
    """

    max_message: int = 16 * 1024 * 1024
    max_document: int = 128 * 1024 * 1024
    max_backlog: int = 8 * 1024 * 1024
    max_waiting: int = 8 * 1024 * 1024
    messages_per_s: float = 300.0
    messages_burst: float = 3000.0
    bytes_per_s: float = 1024 * 1024
    bytes_burst: float = 32 * 1024 * 1024
    work_per_s: float = 0.1
    work_burst: float = 2.0
    opens_per_minute: int = 60
    ping_interval_s: float = 25.0
    close_wait_s: float = 5.0


class Pace:
    """A token bucket that may go into debt and says how long to wait until it is paid.

    Parameters
    ----------
    monotonic:
        Returns seconds that never go back.
    """

    def __init__(self, *, rate: float, burst: float, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._monotonic = monotonic
        self._tokens = burst
        self._at = monotonic()

    def spend(self, amount: float, *, at: float | None = None) -> float:
        """Take `amount`; return the seconds to wait before the next, 0 mostly.

        Parameters
        ----------
        at:
            What `monotonic` returns now, if the caller has asked already.
        """
        if at is None:
            at = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (at - self._at) * self._rate)
        self._at = at
        self._tokens -= amount
        return 0.0 if self._tokens >= 0 else -self._tokens / self._rate


class Paces:
    """The three of one socket: messages, bytes, and seconds of work."""

    def __init__(self, limits: Limits, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._messages = Pace(
            rate=limits.messages_per_s, burst=limits.messages_burst, monotonic=monotonic
        )
        self._bytes = Pace(rate=limits.bytes_per_s, burst=limits.bytes_burst, monotonic=monotonic)
        self._work = Pace(rate=limits.work_per_s, burst=limits.work_burst, monotonic=monotonic)

    def spend(self, *, size: int, began: float) -> float:
        """Take one message of that size, worked on since `began`; return the seconds to wait."""
        at = self._monotonic()
        return max(
            self._messages.spend(1, at=at),
            self._bytes.spend(size, at=at),
            self._work.spend(at - began, at=at),
        )
