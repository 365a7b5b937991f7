"""One table: role x state -> actions. Everything that is not in it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from interview_ext.errors import Forbidden, NotFound, RoomNotLive
from interview_ext.rooms.model import Document, Role, Room, RoomState


class Action(StrEnum):
    """What somebody in a room may ask the server to do."""

    ROOM_READ = "room:read"
    ROOM_MANAGE = "room:manage"
    """Change title, time, state; issue and revoke invites; admit and remove people."""
    EVENTS = "events"
    """Listen to the room's live events that one may see."""
    CHAT = "chat"
    DOCUMENT_READ = "document:read"
    DOCUMENT_WRITE = "document:write"
    BRANCH = "branch"
    """Think on a branch of one's own, and merge it; where the room's policy allows branches."""
    RUN = "run"
    """Run cells, interrupt and restart the kernel, answer its `input()`."""
    KERNEL_ASK = "kernel:ask"
    """Complete, inspect, talk to widgets."""
    KERNEL_WATCH = "kernel:watch"
    """See the kernel's messages and the sandbox's usage."""
    FILES_READ = "files:read"
    """See and download the files that cells wrote; after the end those that were kept.

    Candidates too: whoever may run a cell can print any of these files anyway.
    """
    TIMELINE_READ = "timeline:read"
    REPLAY = "replay"
    """See earlier states of documents, and who changed what. Those who are not staff see them
    from the moment the interview began: before it, solutions may have stood there."""
    KEEP_COPY = "copy:keep"
    """Fetch one's own copy of the notebook, and the list of what was recorded, at the end."""


A, R, S = Action, Role, RoomState

_BEFORE = frozenset({A.ROOM_READ, A.EVENTS, A.CHAT})
_WATCH = _BEFORE | {A.DOCUMENT_READ, A.KERNEL_WATCH}
_WORK = _WATCH | {A.DOCUMENT_WRITE, A.RUN, A.KERNEL_ASK}
_STAFF = frozenset({A.ROOM_MANAGE, A.FILES_READ, A.TIMELINE_READ, A.REPLAY, A.KEEP_COPY})
_AFTER = frozenset({A.ROOM_READ, A.EVENTS, A.KEEP_COPY, A.REPLAY})

_HOST: dict[RoomState, frozenset[Action]] = {
    S.SCHEDULED: _WORK | _STAFF,
    S.LOBBY: _WORK | _STAFF,
    S.LIVE: _WORK | _STAFF | {A.BRANCH},
    # The sandbox is frozen for everybody.
    S.PAUSED: _WATCH | {A.DOCUMENT_WRITE} | _STAFF,
    S.ENDED: _AFTER | _STAFF | {A.DOCUMENT_READ},
    S.ARCHIVED: _AFTER | _STAFF | {A.DOCUMENT_READ},
}

TABLE: Mapping[Role, Mapping[RoomState, frozenset[Action]]] = MappingProxyType(
    {
        R.HOST: _HOST,
        R.INTERVIEWER: _HOST,
        R.OBSERVER: {
            S.SCHEDULED: _BEFORE,
            S.LOBBY: _WATCH,
            S.LIVE: _WATCH | {A.TIMELINE_READ},
            S.PAUSED: _WATCH | {A.TIMELINE_READ},
            S.ENDED: frozenset({A.ROOM_READ, A.EVENTS, A.DOCUMENT_READ, A.TIMELINE_READ, A.REPLAY}),
            S.ARCHIVED: frozenset(),
        },
        R.CANDIDATE: {
            S.SCHEDULED: _BEFORE,
            S.LOBBY: _BEFORE,
            S.LIVE: _WORK | {A.FILES_READ, A.TIMELINE_READ, A.BRANCH},
            S.PAUSED: _WATCH | {A.FILES_READ, A.TIMELINE_READ},
            S.ENDED: _AFTER | {A.FILES_READ, A.TIMELINE_READ},
            S.ARCHIVED: frozenset(),
        },
    }
)

LOBBY_ACTIONS = _BEFORE
"""All that a seat which still waits may do, whatever its role."""


def allowed(role: Role, state: RoomState, *, admitted: bool = True) -> frozenset[Action]:
    """Return what `role` may do in a room that is in `state`."""
    actions = TABLE[role][state]
    return actions if admitted else actions & LOBBY_ACTIONS


def check(role: Role, room: Room, action: Action, *, admitted: bool = True) -> None:
    """Raise unless the table allows it.

    Raises
    ------
    RoomNotLive
        This role may do it, but not in the room's present state.
    Forbidden
        This role may never do it.
    """
    if action in allowed(role, room.state, admitted=admitted):
        return
    if admitted and any(action in actions for actions in TABLE[role].values()):
        raise RoomNotLive(
            f"This interview is {room.state}; right now you cannot {_verb(action)}.",
            hint=_STATE_HINTS[room.state],
        )
    raise Forbidden(f"As {role} you cannot {_verb(action)} in this interview.")


def may_read(role: Role, room: Room, document: Document) -> bool:
    """Whether `role` may see `document` now, its section's reveal included."""
    if Action.DOCUMENT_READ not in allowed(role, room.state):
        return False
    if role not in document.readers | document.writers:
        return False
    if role in (Role.HOST, Role.INTERVIEWER) or document.section is None:
        return True
    return any(s.id == document.section and s.revealed_at for s in room.sections)


def may_write(role: Role, room: Room, document: Document) -> bool:
    """Whether `role` may change `document` now."""
    return (
        may_read(role, room, document)
        and role in document.writers
        and Action.DOCUMENT_WRITE in allowed(role, room.state)
    )


def check_read(role: Role, room: Room, document: Document) -> None:
    """Raise `NotFound` for a document that does not exist for `role`."""
    if not may_read(role, room, document):
        raise NotFound("There is no such document in this interview.")


_STATE_HINTS = {
    S.SCHEDULED: "It has not begun; the host starts it.",
    S.LOBBY: "It has not begun; the host starts it.",
    S.LIVE: "",
    S.PAUSED: "Wait until the host resumes it; nothing you wrote is lost.",
    S.ENDED: "It is over; everything that was saved has been kept.",
    S.ARCHIVED: "It is over and has been put away.",
}

_VERBS = {
    A.ROOM_READ: "see it",
    A.ROOM_MANAGE: "change the interview",
    A.EVENTS: "listen to it",
    A.CHAT: "write messages",
    A.DOCUMENT_READ: "read the notebook",
    A.DOCUMENT_WRITE: "edit the notebook",
    A.BRANCH: "think on a branch",
    A.RUN: "run cells",
    A.KERNEL_ASK: "ask the kernel",
    A.KERNEL_WATCH: "watch the kernel",
    A.FILES_READ: "see the files",
    A.TIMELINE_READ: "read the timeline",
    A.REPLAY: "see earlier states",
    A.KEEP_COPY: "fetch a copy",
}


def _verb(action: Action) -> str:
    return _VERBS[action]
