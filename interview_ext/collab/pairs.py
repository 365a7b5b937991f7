"""Where two clocks of a document are one character.

Yjs counts texts in UTF-16: a character outside the Basic Multilingual Plane, such as an emoji, is
a pair of clocks. A page of Yjs itself that parts one puts U+FFFD for each half; yrs keeps the
character whole and counts wrongly from then on, so that letters are lost, and what is behind that
place can be read no more (tried with pycrdt 0.14.13). So nobody can part one. No editor does.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping

from interview_ext.collab.wire.update import UpdateHead
from interview_ext.collab.wire.varint import read_uint, write_uint

NUMBER = "I"
"""Clocks as they are kept: 4 bytes each, for a document may consist of such characters."""


class Pairs:
    """The first clock of each pair of one document, by client."""

    def __init__(self) -> None:
        self._first: dict[int, array[int]] = {}

    def part_of(self, head: UpdateHead) -> bool:
        """Whether an update parts a pair: by what it puts between, or by half of a deletion."""
        if not self._first and not head.pairs:
            return False
        letters = head.letters
        if letters is not None and (
            self._begins(head, letters.client, letters.behind)
            or (letters.right is not None and self._begins_before(head, *letters.right))
        ):
            return True
        return any(self._begins_before(head, client, clock) for client, clock in head.cuts) or any(
            self._begins_before(head, span.client, edge)
            for span in head.deletes
            for edge in (span.clock, span.end)
        )

    def add(self, head: UpdateHead) -> None:
        """Take what an update brings, the part of it that is new."""
        for client, clocks in head.pairs.items():
            known = self._first.setdefault(client, array(NUMBER))
            known.extend(clocks[bisect_left(clocks, known[-1] + 1) if known else 0 :])

    def keep_below(self, state: Mapping[int, int]) -> None:
        """Forget what is not in a document of this state: it is going to be examined anew."""
        for client, clocks in list(self._first.items()):
            del clocks[bisect_left(clocks, state.get(client, 0)) :]
            if not clocks:
                del self._first[client]

    def dump(self) -> bytes:
        """Return all of it as bytes: for each client its id, how many, and the clocks."""
        parts = [write_uint(len(self._first))]
        for client, clocks in self._first.items():
            parts += (write_uint(client), write_uint(len(clocks)), clocks.tobytes())
        return b"".join(parts)

    @classmethod
    def load(cls, data: bytes, at: int) -> Pairs:
        """Return what `dump` was called of. Raises `IndexError` or `ValueError`."""
        pairs = cls()
        clients, at = read_uint(data, at)
        for _ in range(clients):
            client, at = read_uint(data, at)
            count, at = read_uint(data, at)
            clocks = array(NUMBER)
            end = at + count * clocks.itemsize
            if end > len(data):
                raise IndexError("the clocks end too early")
            clocks.frombytes(data[at:end])
            pairs._first[client], at = clocks, end
        return pairs

    def _begins_before(self, head: UpdateHead, client: int, clock: int) -> bool:
        return clock > 0 and self._begins(head, client, clock - 1)

    def _begins(self, head: UpdateHead, client: int, clock: int) -> bool:
        return _has(self._first.get(client), clock) or _has(head.pairs.get(client), clock)


def _has(clocks: array[int] | None, clock: int) -> bool:
    if not clocks:
        return False
    at = bisect_left(clocks, clock)
    return at < len(clocks) and clocks[at] == clock
