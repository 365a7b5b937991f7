"""How deep types lie in types, so that nobody can nest them without end.

Both engines delete what lies in a deleted type recursively: one update of 700 kB that nests
100,000 arrays, then one that deletes the outermost, ends the server's process by
stack overflow (tried with pycrdt 0.14.13). A notebook is five levels deep.

An update names a struct's parent only where it has no neighbour, so the depth of
everything that a type may lie beside is remembered; see `Place` for what is left out.
"""

from __future__ import annotations

from bisect import bisect_right

from interview_ext.collab.wire.update import Place, Span, UpdateHead

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

    def add(self, head: UpdateHead) -> None:
        """Add an update that has been committed, or will be in any case."""
        self.remember(self.place(head) or [])

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
