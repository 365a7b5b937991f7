"""What a kernel says that a cell tried to reach."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from interview_ext.execution.network import MAX_TARGET, MAX_TARGETS, reported
from interview_ext.rooms.model import Run

RUN = Run(
    id="run_1",
    room_id="room_1",
    document_id="doc_1",
    cell_id="a",
    source_digest="",
    log_seq=1,
    by="p",
    accepted_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def test_each_target_is_noted_once_and_no_more_than_a_handful() -> None:
    run = RUN
    for number in (0, 0, *range(MAX_TARGETS + 5)):
        run = reported(run, {"target": f"host-{number}.example:443"}) or run
    assert run.network_reported == tuple(f"host-{n}.example:443" for n in range(MAX_TARGETS))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"target": None},
        {"target": ["a"]},
        {"target": ""},
        {"target": "  "},
        {"target": "a\nb"},
        {"target": "\u202egpj.exe"},
        {"target": "\x1b[31m"},
    ],
)
def test_what_is_no_name_is_not_noted(content: dict[str, object]) -> None:
    assert reported(RUN, content) is None


def test_a_long_or_broken_name_is_cut_and_mended() -> None:
    run = reported(RUN, {"target": "x" * 10_000})
    assert run is not None
    assert run.network_reported == ("x" * MAX_TARGET,)
    mended = reported(RUN, {"target": "a\ud800b"})
    assert mended is None or mended.network_reported[0].encode()
