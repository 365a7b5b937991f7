"""The table of hostile programs: printed with what came of each, and kept in the documentation.

Each run of them leaves what came in ``build/hostile-programs.json``. A complete run (`make soak`)
gets into the documentation by

    python -m tests.sandbox.hostile.report
    python -m scripts.reference --write

of which the first refuses a run that was not complete, or in which something was not contained.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from _pytest.reports import TestReport

from .outcome import Came
from .program import HERE, Program, programs

PROPERTY = "hostile program"
HEADINGS = ("program", "kind", "what it tried", "outcome")
LAST = HERE.parents[2] / "build" / "hostile-programs.json"
"""What the last run left, of whichever programs it ran."""
KEPT = HERE / "ran.json"
"""The complete run that the documentation shows."""


def row(program: Program, path: str, came: Came, problem: str) -> str:
    """What came of a program, as a test's property."""
    outcome = f"NOT CONTAINED: {problem[:200]}" if problem else str(came)
    if not problem and program.how in ("held", "truncated"):
        outcome = f"{program.how}: it said “{program.what}”"
    found = {
        "program": program.name,
        "path": path,
        "kind": program.kind,
        "tries": program.tries,
        "came": outcome,
        "contained": not problem,
        "digest": program.digest,
    }
    return json.dumps(found)


def rows(reports: Iterable[TestReport]) -> list[dict[str, Any]]:
    """What came of all the programs that ran."""
    found = [
        # A program that left something behind, or hurt a neighbour, has failed all the same.
        json.loads(str(value)) | {"passed": report.passed}
        for report in reports
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    return sorted(found, key=lambda each: (each["kind"], each["program"], each["path"]))


def printed(found: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of the table."""
    lines = [HEADINGS]
    lines += [(f"{f['program']} ({f['path']})", f["kind"], f["tries"], f["came"]) for f in found]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).strip()


def keep_last(found: list[dict[str, Any]]) -> None:
    """Leave what came for `main`."""
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(json.dumps({"at": f"{datetime.now(UTC):%Y-%m-%d}", "ran": found}, indent=1))


def documented() -> Iterator[tuple[str, str, str, str, str]]:
    """The rows of the documentation's table."""
    ran = {each["program"]: each for each in json.loads(KEPT.read_text())["ran"]}
    for program in programs():
        found = ran.get(program.name, {})
        came = found.get("came") if found.get("digest") == program.digest else None
        yield (
            f"`{program.name}`",
            program.kind,
            program.tries,
            came or "not run since it was changed",
            program.why,
        )


def lacking(run: dict[str, Any]) -> list[str]:
    """The programs that a run has not run as they are, or that were not contained."""
    held = {(f["program"], f["digest"]) for f in run["ran"] if f["contained"] and f["passed"]}
    return [p.name for p in programs() if (p.name, p.digest) not in held]


def main() -> int:
    """Take the last run into the documentation, if it may stand there."""
    run = json.loads(LAST.read_text())
    lack = lacking(run)
    if lack:
        sys.stderr.write(f"not run, or not contained: {', '.join(lack)}\n")
        return 1
    KEPT.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
