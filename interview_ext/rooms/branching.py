"""Branches: a participant's own fork of the room's notebook, on which nobody else looks.

A branch is no document of the room: no list of documents has it, so nothing that goes through
those lists (pages, replay, exports, copies, runs) can ever come upon one. `service.Rooms` gives
it, by its id or its path, to the participant whose it is and to nobody else.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from interview_ext.rooms.model import Branch, Document

PREFIX = "branch"
"""Of the ids of branches (`ids.new_id`). Whatever is stored under such an id is encrypted."""
_MARK = ".only-you"


def is_branch(document_id: str) -> bool:
    """Whether an id is, or was, a branch's."""
    return document_id.startswith(f"{PREFIX}_")


def branch_path(path: str) -> str:
    """Return the name of a document's branch: ``interview.only-you.ipynb``."""
    name = PurePosixPath(path)
    return str(name.with_name(f"{name.stem}{_MARK}{name.suffix}"))


def is_branch_path(path: str) -> bool:
    """Whether a name is one that branches have."""
    return PurePosixPath(path).stem.endswith(_MARK)


def document_of(branch: Branch, origin: Document) -> Document:
    """Return the document that a branch of `origin` is: nobody's by role."""
    return Document(
        id=branch.id,
        room_id=branch.room_id,
        path=branch.path,
        kind=origin.kind,
        readers=frozenset(),
        writers=frozenset(),
        section=origin.section,
        branch_of=origin.id,
    )
