"""What pages reported, joined to the entries of a log."""

from __future__ import annotations

from datetime import UTC, datetime

from interview_ext.collab.reports import Reports
from interview_ext.collab.wire.sets import Span, write_deletes
from interview_ext.rooms.model import EditOrigin, LogEntry
from tests.collab.updates import letters

SEATS = {"seat_a": "person_a", "seat_b": "person_b", "seat_a2": "person_a"}


def entry(update: bytes, seat: str | None = "seat_a") -> LogEntry:
    return LogEntry(
        document_id="doc_a",
        seq=1,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        client=0,
        seat=seat,
        update=update,
    )


def said(
    origin: str, start: int, end: int, *, person: str = "person_a", deleted: bool = False
) -> EditOrigin:
    return EditOrigin(
        participant_id=person, client=5, start=start, end=end, deleted=deleted, origin=origin
    )


def test_an_entry_has_what_was_said_of_its_clocks() -> None:
    reports = Reports([said("typed", 0, 3), said("paste", 3, 9)], SEATS)
    assert reports.of(entry(letters("abc", client=5))) == "typed"
    assert reports.of(entry(letters("d", client=5, clock=3))) == "paste"
    assert reports.of(entry(letters("d", client=5, clock=3), seat="seat_a2")) == "paste"
    assert reports.of(entry(letters("e", client=5, clock=9))) is None
    assert reports.of(entry(letters("e", client=6))) is None


def test_nobody_reports_about_anothers_edits() -> None:
    reports = Reports([said("paste", 0, 9, person="person_b")], SEATS)
    assert reports.of(entry(letters("abc", client=5))) is None
    assert reports.of(entry(letters("abc", client=5), seat=None)) is None
    assert reports.of(entry(letters("abc", client=5), seat="seat_unknown")) is None


def test_deletions_are_told_by_what_they_delete_whoever_wrote_it() -> None:
    deletion = entry(write_deletes((Span(5, 2, 2),)))
    assert Reports([said("typed", 0, 9)], SEATS).of(deletion) is None
    assert Reports([said("undo", 0, 9, deleted=True)], SEATS).of(deletion) == "undo"


def test_the_first_report_about_a_piece_stays() -> None:
    reports = Reports(
        [said("paste", 2, 4), said("typed", 0, 9), said("drop", 3, 5), said("drop", 8, 10)], SEATS
    )
    origins = [reports.of(entry(letters("x", client=5, clock=clock))) for clock in range(10)]
    assert origins == ["typed"] * 2 + ["paste"] * 2 + ["typed"] * 5 + ["drop"]
