"""The table of hostile programs: printed with what came of each, and kept in the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from _pytest.reports import TestReport

from .outcome import Came
from .program import Program, programs

PROPERTY = "hostile program"
HEADINGS = ("program", "kind", "what it tried", "outcome")


def row(program: Program, path: str, came: Came, problem: str) -> str:
    """What the end of the run prints of a program, as a test's property."""
    outcome = f"NOT CONTAINED: {problem[:200]}" if problem else str(came)
    return json.dumps([f"{program.name} ({path})", program.kind, program.tries, outcome])


def printed(reports: Iterable[TestReport]) -> Iterator[str]:
    """The lines of the table."""
    rows = [json.loads(str(v)) for r in reports for k, v in r.user_properties if k == PROPERTY]
    if not rows:
        return
    lines = [HEADINGS, *sorted(rows, key=lambda cells: (cells[1], cells[0]))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).strip()


def documented() -> Iterator[tuple[str, str, str, str]]:
    """The rows of the documentation's table; the tests hold each program to its outcome."""
    for program in programs():
        yield f"`{program.name}`", program.kind, program.tries, f"{program.outcome}. {program.why}"
