"""What a branch brings to the document it was forked from, made from the branch's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pycrdt import Doc

from interview_ext.collab.content import notebook_json
from interview_ext.collab.deletions import deleted, without
from interview_ext.collab.rehearsal import apply_guarded
from interview_ext.collab.wire.update import UpdateHead, read_update
from interview_ext.errors import Conflict, InterviewError
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import LogEntry


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many cells a branch has added, removed, and written in."""

    added: int
    removed: int
    changed: int


@dataclass(frozen=True, kw_only=True)
class Thought:
    """The difference between a branch and the state it began with.

    `update` has the structs that were inserted since, under the ids they have in the branch, and
    what is deleted. It is made from the document and not from the log: what was written on the
    branch and taken back there is in it as a length only, nobody gets its text.
    """

    update: bytes
    head: UpdateHead
    counts: Counts

    @property
    def empty(self) -> bool:
        return not self.head.inserts and not self.head.deletes


def thought(entries: Sequence[LogEntry]) -> Thought:
    """Return what a branch brings; its first entry is what it began with. Called in a thread."""
    base, branch = _replayed(entries[:1]), _replayed(entries)
    update = branch.get_update(base.get_state())
    head = read_update(update)
    new = without(head.deletes, deleted(base))
    return Thought(
        update=update,
        head=head._replace(deletes=new),
        counts=_counts(notebook_json(base), notebook_json(branch)),
    )


class Merging:
    """Stands for the page in the relay that takes the update; see `relay.Peer`."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.refusal: InterviewError | None = None

    def send(self, frames: bytes, *, counted: bool = True) -> None:
        """Nobody listens here."""

    def refuse(self, error: InterviewError) -> None:
        self.refusal = error

    def go_away(self) -> None:
        self.refusal = Conflict("The notebook was closed meanwhile.", hint="Try again.")


def _replayed(entries: Sequence[LogEntry]) -> Doc[Any]:
    doc: Doc[Any] = Doc()
    for entry in entries:
        apply_guarded(doc, entry.update)
    return doc


def _counts(before: dict[str, Any], after: dict[str, Any]) -> Counts:
    old = {cell["id"]: (cell["cell_type"], cell["source"]) for cell in before["cells"]}
    new = {cell["id"]: (cell["cell_type"], cell["source"]) for cell in after["cells"]}
    return Counts(
        added=len(new.keys() - old.keys()),
        removed=len(old.keys() - new.keys()),
        changed=sum(new[cell] != old[cell] for cell in new.keys() & old.keys()),
    )
