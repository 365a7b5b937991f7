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
from collections.abc import Iterable, Iterator

from interview_ext.collab.pairs import Pairs
from interview_ext.collab.wire.sets import Span
from interview_ext.collab.wire.update import Id, Letters, Place, Sort, UpdateHead
from interview_ext.collab.wire.varint import read_uint, write_uint

MAX_LEVELS = 32
TEXT_ROOT = "source"
"""The root that is a text: a text file's content."""

_LEVEL, _IN_TEXT, _IS_TEXT = 0x3F, 0x40, 0x80
"""A spot: the level, whether what it lies in is a text, and whether it is one."""
_GONE = _IN_TEXT | _IS_TEXT
"""Beside it and inside it all is gone, letters too."""

Spots = list[tuple[Span, int]]


class Nesting:
    """The spots of one document, by client and clock.

    Attributes
    ----------
    pairs:
        Where its letters are two clocks each.
    """

    def __init__(self) -> None:
        self.pairs = Pairs()
        self._starts: dict[int, list[int]] = {}
        self._ends: dict[int, list[tuple[int, int]]] = {}

    def place(self, head: UpdateHead) -> Spots | None:
        """Return the spots of what an update brings; None if something in it has no place.

        That is a type of unknown or too large depth, or letters outside a text.
        """
        letters = head.letters
        if letters is not None:
            left = letters.client, letters.behind
            near = (left, letters.right) if letters.right else (left,)
            return self.place_value(letters) if _take_letters(map(self._at, near)) else None
        arrivals = _Arrivals(head.places)
        for place in arrivals.in_order():
            spot = self._spot(place, arrivals)
            if spot is None:
                if place.sort is not Sort.VALUE:
                    return None
            elif not _may_lie(place.sort, spot):
                return None
            else:
                arrivals.spots[place.span] = spot
        for place in arrivals.letters:
            if not _take_letters(self._near(near, arrivals) for near in place.beside):
                return None
        return list(arrivals.spots.items())

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
        self.pairs.add(head)
        return placed

    def dump(self) -> bytes:
        """Return all of it as bytes: for each client its id, how many, starts, ends, spots; pairs.

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
        return b"".join([*parts, self.pairs.dump()])

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
        nesting.pairs = Pairs.load(data, at)
        return nesting

    def place_value(self, letters: Letters) -> Spots:
        """Return the spot of the value that came with letters: that of the one it replaced."""
        spot = None if letters.replaced is None else self._at(letters.replaced)
        if spot is None:
            return []
        value = Span(letters.client, letters.clock + letters.length, 1)
        return [(value, spot & (_LEVEL | _IN_TEXT))]

    def _spot(self, place: Place, arrivals: _Arrivals) -> int | None:
        """Return where something lies; None if that is not known.

        Of two neighbours that are not in one place an engine takes the left one, or if that is
        gone by now the right one. So the deeper one counts, and a text only if both are in one.
        """
        if place.sort is Sort.GONE:
            return _GONE
        if place.beside:
            found = [self._near(near, arrivals) for near in place.beside]
            known = [spot for spot in found if spot is not None]
            if not known or (len(known) < len(found) and place.sort is not Sort.VALUE):
                return None
            spot = max(spot & _LEVEL for spot in known)
            if all(spot & _IN_TEXT for spot in known):
                spot |= _IN_TEXT
        elif place.inside is not None:
            around = self._near(place.inside, arrivals)
            if around is None:
                return None
            spot = min((around & _LEVEL) + 1, _LEVEL)
            if around & _IS_TEXT:
                spot |= _IN_TEXT
        else:
            spot = 1 | (_IN_TEXT if place.root == TEXT_ROOT else 0)
        return spot | (_IS_TEXT if place.sort is Sort.TEXT else 0)

    def _near(self, where: Id, arrivals: _Arrivals) -> int | None:
        found = arrivals.find(where)
        return self._at(where) if found is None else arrivals.spots.get(found.span)

    def _at(self, where: Id) -> int | None:
        client, clock = where
        index = bisect_right(self._starts.get(client, ()), clock) - 1
        if index < 0:
            return None
        end, spot = self._ends[client][index]
        return spot if clock < end else None


class _Arrivals:
    """What one update brings; `spots` fills in the order in which one thing needs another."""

    def __init__(self, places: Iterable[Place]) -> None:
        self.letters: list[Place] = []
        self.spots: dict[Span, int] = {}
        self._starts: dict[int, list[int]] = {}
        self._places: dict[int, list[Place]] = {}
        for place in places:  # those of one client by their clocks
            if place.sort is Sort.LETTERS and place.beside:
                self.letters.append(place)
            else:
                self._starts.setdefault(place.span.client, []).append(place.span.clock)
                self._places.setdefault(place.span.client, []).append(place)

    def find(self, where: Id) -> Place | None:
        """Return what comes with the update and covers that clock."""
        client, clock = where
        index = bisect_right(self._starts.get(client, ()), clock) - 1
        if index < 0:
            return None
        place = self._places[client][index]
        return place if clock < place.span.end else None

    def in_order(self) -> Iterator[Place]:
        """Yield each once, after what it lies beside or in, whatever way they come."""
        seen: set[Span] = set()
        given: set[Span] = set()
        for of_one in self._places.values():
            for each in of_one:
                stack = [each]
                while stack:
                    place = stack[-1]
                    before = []
                    if place.span not in seen:
                        seen.add(place.span)
                        near = place.beside or ((place.inside,) if place.inside else ())
                        before = [p for p in map(self.find, near) if p and p.span not in seen]
                    if before:
                        stack += before
                    else:
                        stack.pop()
                        if place.span not in given:
                            given.add(place.span)
                            yield place


def _take_letters(neighbours: Iterable[int | None]) -> bool:
    """Whether letters may lie between these; what is not known are letters."""
    return all(spot is None or spot & _IN_TEXT for spot in neighbours)


def _may_lie(sort: Sort, spot: int) -> bool:
    if sort is Sort.LETTERS:
        return bool(spot & _IN_TEXT)
    return sort is Sort.VALUE or spot & _LEVEL <= MAX_LEVELS
