"""Where things lie: how deep types lie in types, and that letters lie in texts.

Nobody can nest types without end. Both engines delete what lies in a deleted type recursively:
one update of 700 kB that nests 100,000 arrays, then one that deletes the outermost, ends the
server's process by stack overflow (tried with pycrdt 0.14.13). A notebook is five levels deep.

Nobody can put letters elsewhere than into a text. Where a list has letters outside the Basic
Multilingual Plane, yrs reads it for ever: they are two of a struct's clocks, but one character
(tried with pycrdt 0.14.13: `str(array)` does not return).

An update names a struct's parent only where it has no neighbour, so it is remembered where
everything lies but letters beside others: what is not known lies beside letters, in a text.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right

from interview_ext.collab.wire.update import Place, Sort, Span, UpdateHead
from interview_ext.collab.wire.varint import read_uint, write_uint

MAX_LEVELS = 32
TEXT_ROOT = "source"
"""The root that is a text: a text file's content."""

_LEVEL, _IN_TEXT, _IS_TEXT = 0x3F, 0x40, 0x80
"""A spot: the level, whether what it lies in is a text, and whether it is one."""

Spots = list[tuple[Span, int]]


class Nesting:
    """The spots of one document, by client and clock."""

    def __init__(self) -> None:
        self._starts: dict[int, list[int]] = {}
        self._ends: dict[int, list[tuple[int, int]]] = {}

    def place(self, head: UpdateHead) -> Spots | None:
        """Return the spots of what an update brings; None if something in it has no place.

        That is a type of unknown or too large depth, or letters outside a text.
        """
        if head.letters is not None:
            near = head.letters.client, head.letters.clock - 1
            return [] if _takes_letters(self._at(near)) else None
        fresh = Nesting()
        placed: Spots = []
        beside = [p.beside for p in head.places if p.sort is Sort.LETTERS and p.beside]
        left = [p for p in head.places if p.sort is not Sort.LETTERS or not p.beside]
        while left:
            later = []
            for place in left:
                spot = self._spot(place, fresh)
                if spot is None:
                    later.append(place)
                elif not _may_lie(place.sort, spot):
                    return None
                else:
                    placed.append((place.span, spot))
                    fresh.remember(placed[-1:])
            if len(later) == len(left):
                if any(place.sort is not Sort.VALUE for place in left):
                    return None
                break
            left = later
        if all(_takes_letters(fresh._at(near) or self._at(near)) for near in beside):
            return placed
        return None

    def remember(self, placed: Spots) -> None:
        """Add what is going to be committed."""
        for (client, clock, length), spot in placed:
            starts = self._starts.setdefault(client, [])
            at = bisect_right(starts, clock)
            starts.insert(at, clock)
            self._ends.setdefault(client, []).insert(at, (clock + length, spot))

    def forget(self, placed: Spots) -> None:
        """Undo a `remember`: it is not going to be committed as it was."""
        for (client, clock, length), spot in placed:
            starts, ends = self._starts[client], self._ends[client]
            found = (clock + length, spot)
            at = ends.index(found, bisect_left(starts, clock), bisect_right(starts, clock))
            del starts[at], ends[at]

    def add(self, head: UpdateHead) -> Spots:
        """Add an update that has been committed, or will be in any case; return what it brought."""
        placed = self.place(head) or []
        self.remember(placed)
        return placed

    def dump(self) -> bytes:
        """Return all of it as bytes: for each client its id, how many, starts, ends, spots.

        9 bytes a place; 6,500 places, those of 500 cells with outputs, take 1 ms.
        """
        parts = [write_uint(len(self._starts))]
        for client, starts in self._starts.items():
            ends = self._ends[client]
            count = len(starts)
            parts += (
                write_uint(client),
                write_uint(count),
                struct.pack(f"<{count}I", *starts),
                struct.pack(f"<{count}I", *(end for end, _ in ends)),
                bytes(spot for _, spot in ends),
            )
        return b"".join(parts)

    @classmethod
    def load(cls, data: bytes) -> Nesting:
        """Return what `dump` was called of. Raises `IndexError` or `struct.error`."""
        nesting = cls()
        clients, at = read_uint(data, 0)
        for _ in range(clients):
            client, at = read_uint(data, at)
            count, at = read_uint(data, at)
            numbers = struct.unpack_from(f"<{2 * count}I{count}B", data, at)
            at += 9 * count
            nesting._starts[client] = list(numbers[:count])
            nesting._ends[client] = list(
                zip(numbers[count : 2 * count], numbers[2 * count :], strict=True)
            )
        return nesting

    def _spot(self, place: Place, fresh: Nesting) -> int | None:
        if place.sort is Sort.GONE:
            return 1 | _IN_TEXT | _IS_TEXT  # beside it and inside it all is gone, letters too
        near = place.beside or place.inside
        if near is None:
            spot = 1 | (_IN_TEXT if place.root == TEXT_ROOT else 0)
        else:
            found = fresh._at(near) or self._at(near)
            if found is None:
                return None
            if place.beside:
                spot = found & (_LEVEL | _IN_TEXT)
            else:
                level = min((found & _LEVEL) + 1, _LEVEL)
                spot = level | (_IN_TEXT if found & _IS_TEXT else 0)
        return spot | (_IS_TEXT if place.sort is Sort.TEXT else 0)

    def _at(self, where: tuple[int, int]) -> int | None:
        client, clock = where
        index = bisect_right(self._starts.get(client, ()), clock) - 1
        if index < 0:
            return None
        end, spot = self._ends[client][index]
        return spot if clock < end else None


def _takes_letters(neighbour: int | None) -> bool:
    return neighbour is None or bool(neighbour & _IN_TEXT)


def _may_lie(sort: Sort, spot: int) -> bool:
    if sort is Sort.LETTERS:
        return bool(spot & _IN_TEXT)
    return sort in (Sort.VALUE, Sort.GONE) or spot & _LEVEL <= MAX_LEVELS
