"""The hostile programs: each a file of `programs/`, described by its own docstring.

The first line says what it tries. Below stand fields, one a line:

    kind     one of `KINDS`
    outcome  what has to come of it, as `outcome.judge` reads it
    why      why that is safe
    limits   limits that differ from the profile's, such as ``run_s=3 pids=64``; may be left out
    sample   ``yes`` if `make test` runs it too; all are run by `make soak`
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / "programs"
KINDS = (
    "cpu",
    "memory",
    "pids and descriptors",
    "disk and inodes",
    "output",
    "network",
    "file system",
    "kernel surface",
    "information",
    "cross-room",
    "jupyter protocol",
)
FIELDS = {"kind", "outcome", "why", "limits", "sample"}


@dataclass(frozen=True, kw_only=True)
class Program:
    """One file of `programs/`.

    Attributes
    ----------
    tries:
        What it tries, in one sentence.
    how, what:
        The outcome's first word, and the rest.
    """

    name: str
    kind: str
    tries: str
    how: str
    what: str
    why: str
    limits: dict[str, float]
    sample: bool
    code: str

    @property
    def outcome(self) -> str:
        return f"{self.how} {self.what}".strip()

    @property
    def digest(self) -> str:
        """Changes with all that a run depends on, and with nothing else."""
        _, _, code = self.code.split('"""', 2)
        told = f"{code}\0{self.outcome}\0{sorted(self.limits.items())}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def read(path: Path) -> Program:
    """Parse one file. Raises ValueError for a header that is not as it must be."""
    code = path.read_text()
    docstring = ast.get_docstring(ast.parse(code)) or ""
    tries, _, rest = docstring.partition("\n\n")
    fields: dict[str, str] = {}
    name = ""
    for line in rest.splitlines():
        key, colon, value = line.partition(": ")
        if colon and key in FIELDS:
            name = key
            fields[name] = value.strip()
        elif name:
            fields[name] += " " + line.strip()
    lack = {"kind", "outcome", "why"} - fields.keys()
    if lack or fields["kind"] not in KINDS:
        raise ValueError(f"{path.name}: its header lacks {sorted(lack)}, or is of no known kind")
    how, _, what = fields["outcome"].partition(" ")
    return Program(
        name=path.stem,
        kind=fields["kind"],
        tries=" ".join(tries.split()),
        how=how,
        what=what,
        why=fields["why"],
        limits=dict(_limit(each) for each in fields.get("limits", "").split()),
        sample=fields.get("sample") == "yes",
        code=code,
    )


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value) if "." in value else int(value)


def programs() -> list[Program]:
    """All of them, by kind and name."""
    found = [read(path) for path in sorted(FOLDER.glob("*.py"))]
    return sorted(found, key=lambda program: (KINDS.index(program.kind), program.name))
