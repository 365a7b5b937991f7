"""Joins what pages reported about their edits to the entries of the log."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from interview_ext.collab.wire.sets import Span
from interview_ext.collab.wire.update import read_update
from interview_ext.errors import WireError
from interview_ext.rooms.model import EditOrigin, LogEntry

_Key = tuple[str, bool, int]
"""Participant, whether it is about deletions, Yjs client."""


class Reports:
    """All reports about one document.

    Parameters
    ----------
    origins:
        In the order in which they were stored.
    seats:
        By seat, the participant. An entry has the reports of its own participant only.
    """

    def __init__(self, origins: Iterable[EditOrigin], seats: Mapping[str, str]) -> None:
        self._seats = seats
        self._pieces: dict[_Key, list[tuple[int, int, str]]] = {}
        for one in origins:
            key = one.participant_id, one.deleted, one.client
            _add(self._pieces.setdefault(key, []), one.start, one.end, one.origin)

    def of(self, entry: LogEntry) -> str | None:
        """Return how an entry came about: what it inserts decides, else what it deletes."""
        if entry.origin is not None or not self._pieces or entry.seat is None:
            return entry.origin
        person = self._seats.get(entry.seat)
        if person is None:
            return None
        try:
            head = read_update(entry.update)
        except WireError:
            return None
        inserted = self._one(person, head.inserts, deleted=False)
        return inserted or self._one(person, head.deletes, deleted=True)

    def _one(self, person: str, spans: Sequence[Span], *, deleted: bool) -> str | None:
        for span in spans:
            pieces = self._pieces.get((person, deleted, span.client), [])
            place = bisect_right(pieces, span.clock, key=lambda piece: piece[0]) - 1
            if place >= 0 and span.clock < pieces[place][1]:
                return pieces[place][2]
        return None


def _add(pieces: list[tuple[int, int, str]], start: int, end: int, origin: str) -> None:
    """Insert a piece where nothing is said yet; pieces stay sorted and apart."""
    while start < end:
        place = bisect_right(pieces, start, key=lambda piece: piece[0])
        if place > 0 and start < pieces[place - 1][1]:
            start = pieces[place - 1][1]
            continue
        free = min(end, pieces[place][0]) if place < len(pieces) else end
        pieces.insert(place, (start, free, origin))
        start = free
