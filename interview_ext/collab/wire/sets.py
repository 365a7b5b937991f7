"""State vectors and delete sets: what somebody has of each client, and what is gone of it.

The format is that of Yjs 13 (``writeStateVector``, ``writeDeleteSet``).
"""

from __future__ import annotations

from typing import NamedTuple

from interview_ext.collab.wire.varint import read_uint, write_uint
from interview_ext.errors import WireError

MAX_CLOCK = 2**31
"""Clocks are 32-bit in yrs; half of that is 2 billion keystrokes of one page."""
MAX_DELETES = 200_000
"""Ranges in one update; an answer to sync step 1 repeats all there ever were."""


class Span(NamedTuple):
    """`length` structs of one client from `clock` on. A tuple: one is made a keystroke."""

    client: int
    clock: int
    length: int

    @property
    def end(self) -> int:
        """The clock after the last."""
        return self.clock + self.length


def read_state(data: bytes) -> dict[int, int]:
    """Return a state vector: by client, the next clock. Raises `WireError`."""
    try:
        count, at = read_uint(data, 0)
        state: dict[int, int] = {}
        for _ in range(count):
            client, at = read_uint(data, at)
            clock, at = read_uint(data, at)
            state[client] = clock
    except IndexError as error:
        raise WireError("A state vector ends too early.") from error
    if at != len(data):
        raise WireError("A state vector has bytes behind its end.")
    return state


def write_state(state: dict[int, int]) -> bytes:
    """Encode a state vector."""
    parts = [write_uint(len(state))]
    for client, clock in state.items():
        parts += (write_uint(client), write_uint(clock))
    return b"".join(parts)


def write_deletes(deletes: tuple[Span, ...]) -> bytes:
    """Encode an update that only deletes."""
    clients: dict[int, list[Span]] = {}
    for span in deletes:
        clients.setdefault(span.client, []).append(span)
    parts = [b"\x00", write_uint(len(clients))]
    for client, spans in clients.items():
        parts += (write_uint(client), write_uint(len(spans)))
        for span in spans:
            parts += (write_uint(span.clock), write_uint(span.length))
    return b"".join(parts)


def read_deletes(data: bytes, at: int, *, most: int = MAX_DELETES) -> tuple[tuple[Span, ...], int]:
    """Read the delete set that closes an update."""
    count, at = read_uint(data, at)
    if not count:
        return (), at
    spans: list[Span] = []
    for _ in range(count):
        client, at = read_uint(data, at)
        ranges, at = read_uint(data, at)
        for _ in range(ranges):
            clock, at = read_uint(data, at)
            length, at = read_uint(data, at)
            if not length or clock + length > MAX_CLOCK or len(spans) >= most:
                raise WireError("A deletion is out of bounds.")
            spans.append(Span(client, clock, length))
    return tuple(spans), at
