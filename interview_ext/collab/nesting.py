"""How deep types lie in types, so that nobody can nest them without end.

Both engines delete what lies in a deleted type recursively: one update of 700 kB that nests
100,000 arrays, then one that deletes the outermost, ends the server's process by
stack overflow (tried with pycrdt 0.14.13). A notebook is five levels deep.

An update names a struct's parent only where it has no neighbour, so the depth of
everything that a type may lie beside is remembered; see `Place` for what is left out.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right

from interview_ext.collab.wire.update import Place, Span, UpdateHead
from interview_ext.collab.wire.varint import read_uint, write_uint

MAX_LEVELS = 32


Depths = list[tuple[Span, int]]


class Nesting:
    """The depths of one document, by client and clock."""

    def __init__(self) -> None:
        self._starts: dict[int, list[int]] = {}
        self._ends: dict[int, list[tuple[int, int]]] = {}

    def place(self, head: UpdateHead) -> Depths | None:
        """Return the depths of what an update brings; None if a type in it has no place.

        That is a type of unknown or too large depth.
        """
        fresh = Nesting()
        placed: Depths = []
        left = list(head.places)
        while left:
            later = []
            for place in left:
                depth = self._depth(place, fresh)
                if depth is None:
                    later.append(place)
                elif depth > MAX_LEVELS and place.is_type:
                    return None
                else:
                    placed.append((place.span, depth))
                    fresh.remember(placed[-1:])
            if len(later) == len(left):
                return None if any(place.is_type for place in left) else placed
            left = later
        return placed

    def remember(self, placed: Depths) -> None:
        """Add what is going to be committed."""
        for (client, clock, length), depth in placed:
            starts = self._starts.setdefault(client, [])
            at = bisect_right(starts, clock)
            starts.insert(at, clock)
            self._ends.setdefault(client, []).insert(at, (clock + length, depth))

    def forget(self, placed: Depths) -> None:
        """Undo a `remember`: it is not going to be committed as it was."""
        for (client, clock, length), depth in placed:
            starts, ends = self._starts[client], self._ends[client]
            found = (clock + length, depth)
            at = ends.index(found, bisect_left(starts, clock), bisect_right(starts, clock))
            del starts[at], ends[at]

    def add(self, head: UpdateHead) -> Depths:
        """Add an update that has been committed, or will be in any case; return what it brought."""
        placed = self.place(head) or []
        self.remember(placed)
        return placed

    def dump(self) -> bytes:
        """Return all of it as bytes: for each client its id, how many, starts, ends, depths.

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
                bytes(depth for _, depth in ends),
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

    def _depth(self, place: Place, fresh: Nesting) -> int | None:
        near = place.beside or place.inside
        if near is None:
            return 1
        depth = fresh._at(near) or self._at(near)
        if depth is None:
            return None
        return depth if place.beside else depth + 1

    def _at(self, where: tuple[int, int]) -> int | None:
        client, clock = where
        index = bisect_right(self._starts.get(client, ()), clock) - 1
        if index < 0:
            return None
        end, depth = self._ends[client][index]
        return depth if clock < end else None
