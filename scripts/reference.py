"""Tables of the documentation that the code itself gives: settings, roles, limits, HTTP API, and
the hostile programs of the tests.

    python -m scripts.reference            says which files are stale; exit status 1 if any is
    python -m scripts.reference --write    brings them up to date

A table stands in a Markdown file between ``<!-- generated: NAME -->`` and
``<!-- end of generated -->``; NAME is a key of `TABLES`.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from traitlets import HasTraits

import interview_ext
from interview_ext.api.operations import OPERATIONS
from interview_ext.rooms.model import Role, RoomState
from interview_ext.rooms.roles import TABLE, Action
from interview_ext.sandbox.profiles import Limits
from tests.sandbox.hostile import report

ROOT = Path(__file__).resolve().parent.parent

_MARKED = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[a-z-]+) -->\n).*?(?P<end><!-- end of generated -->)",
    re.DOTALL,
)


def modules() -> list[str]:
    """Every module of the package, by name, but those that are programs."""
    found = pkgutil.walk_packages(interview_ext.__path__, "interview_ext.")
    return [module.name for module in found if not module.name.endswith(".__main__")]


def configurable_classes() -> list[type[HasTraits]]:
    """Every class of the package that has settings, by name."""
    found: set[type[HasTraits]] = set()
    for name in modules():
        for value in vars(importlib.import_module(name)).values():
            if (
                inspect.isclass(value)
                and issubclass(value, HasTraits)
                and value.__module__ == name
                and value.class_own_traits(config=True)
            ):
                found.add(value)
    return sorted(found, key=lambda value: value.__name__)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    names = list(head)
    return "\n".join([line(names), line("---" for _ in names), *map(line, rows)]) + "\n"


def _one_line(text: str) -> str:
    """A docstring's or a help's text; ``…`` becomes the Markdown for code."""
    return " ".join(text.split()).replace("``", "`")


def _settings_rows() -> Iterator[tuple[str, str, str]]:
    for owner in configurable_classes():
        computed = {
            handler.trait_name
            for handler in vars(owner).values()
            if type(handler).__name__ == "DefaultHandler"
        }
        for name, trait in sorted(owner.class_own_traits(config=True).items()):
            default = "worked out" if name in computed else f"`{trait.default_value_repr()}`"
            yield f"`{owner.__name__}.{name}`", default, _one_line(trait.help)


def settings() -> str:
    """Every trait that may be configured."""
    return _table(["setting", "default", "what it does"], _settings_rows())


def roles() -> str:
    """Which role may do what in which state of a room."""
    states = list(RoomState)
    rows = []
    for action in Action:
        for role in Role:
            may = [state.value for state in states if action in TABLE[role][state]]
            if may:
                rows.append(
                    [
                        f"`{action}`",
                        role.value,
                        "always" if len(may) == len(states) else ", ".join(may),
                    ]
                )
    return _table(["action", "role", "while the room is"], rows)


def limits() -> str:
    """The limits of a sandbox, with default, range and unit."""
    rows = []
    for limit in dataclasses.fields(Limits):
        low, high = limit.metadata["range"]
        rows.append(
            [
                f"`{limit.name}`",
                f"{limit.default:g}",
                f"{low:g} to {high:g}",
                limit.metadata["unit"],
            ]
        )
    return _table(["limit", "default", "range", "unit"], rows)


def http_api() -> str:
    """Every operation of the HTTP API."""
    rows = []
    for operation in OPERATIONS:
        method = "WebSocket" if operation.socket else operation.method
        where = ", ".join(sorted(place.value for place in operation.where))
        action = f"`{operation.action}`" if operation.action else ""
        rows.append([method, f"`{operation.path}`", operation.summary, where, action])
    return _table(["method", "path", "what it does", "where", "action asked for"], rows)


def hostile_programs() -> str:
    """Every hostile program of the tests, and what came of it in the run that is kept."""
    headings = ["program", "kind", "what it tries", "what came of it", "why that is safe"]
    return _table(headings, report.documented())


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "roles": roles,
    "limits": limits,
    "http-api": http_api,
    "hostile-programs": hostile_programs,
}


def pages() -> list[Path]:
    """The files that may hold generated tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def updated(text: str) -> str:
    """`text` with its generated tables made anew."""

    def replacement(marked: re.Match[str]) -> str:
        return f"{marked['begin']}{TABLES[marked['name']]()}{marked['end']}"

    return _MARKED.sub(replacement, text)


def main(arguments: list[str]) -> int:
    """Check or write; the return value is the exit status."""
    stale = [page for page in pages() if updated(page.read_text()) != page.read_text()]
    for page in stale:
        if "--write" in arguments:
            page.write_text(updated(page.read_text()))
        print(f"{page.relative_to(ROOT)}: {'written' if '--write' in arguments else 'stale'}")
    return 1 if stale and "--write" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
