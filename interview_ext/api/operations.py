"""The contract of the HTTP API: every path and method, what goes in and out, who may.

Paths are relative to ``{base url}interview/api``; `SERVER` is the Jupyter server's own
base URL, behind the host's login, and `DOOR` a participant's, which knows one room.
Whatever does not stand here is refused by the base handler.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from interview_ext.api import replay as r
from interview_ext.api import schemas as s
from interview_ext.rooms.roles import Action

if TYPE_CHECKING:
    from pydantic import BaseModel

PREFIX = "interview/api"
"""Where the API lies under a base URL."""


class Where(StrEnum):
    """The two web applications that have the API."""

    SERVER = "server"
    DOOR = "door"


BOTH = frozenset({Where.SERVER, Where.DOOR})
OUTSIDE = frozenset({Where.SERVER})
INSIDE = frozenset({Where.DOOR})


@dataclass(frozen=True, kw_only=True)
class Query:
    """An integer in the query string."""

    name: str
    default: int
    minimum: int
    maximum: int
    description: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    Attributes
    ----------
    path:
        With ``{room}`` and the like for ids.
    action:
        What the asking person must be allowed to do in the room; None where no room
        is named: there the server's own login is all that is asked.
    request:
        Model of the body; None: there is none.
    response:
        Model of the answer; None: it is empty.
    socket:
        Whether it is a WebSocket.
    """

    id: str
    method: str
    path: str
    summary: str
    action: Action | None
    response: type[BaseModel] | None
    request: type[BaseModel] | None = None
    status: int = 200
    where: frozenset[Where] = BOTH
    query: tuple[Query, ...] = ()
    idempotency: bool = False
    media_type: str = "application/json"
    socket: bool = False


_A = Action
_ROOM = "/rooms/{room}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="listRooms",
        method="GET",
        path="/rooms",
        summary="The rooms: the host's own, or in a door the one it leads to",
        action=None,
        response=s.RoomList,
    ),
    Operation(
        id="createRoom",
        method="POST",
        path="/rooms",
        summary="Make an interview, whole or not at all",
        action=None,
        request=s.NewRoom,
        response=s.Room,
        status=201,
        where=OUTSIDE,
        idempotency=True,
    ),
    Operation(
        id="listTemplates",
        method="GET",
        path="/templates",
        summary="What an interview can begin from",
        action=None,
        response=s.TemplateList,
        where=OUTSIDE,
    ),
    Operation(
        id="listProfiles",
        method="GET",
        path="/profiles",
        summary="Which languages an interview can be held in",
        action=None,
        response=s.ProfileList,
        where=OUTSIDE,
    ),
    Operation(
        id="hostEvents",
        method="GET",
        path="/events",
        summary="Live: who waits in any of the host's rooms",
        action=None,
        response=None,
        status=101,
        where=OUTSIDE,
        socket=True,
    ),
    Operation(
        id="getRoom",
        method="GET",
        path=_ROOM,
        summary="The room as one may see it",
        action=_A.ROOM_READ,
        response=s.Room,
    ),
    Operation(
        id="changeRoom",
        method="PATCH",
        path=_ROOM,
        summary="Change the plan of the interview",
        action=_A.ROOM_MANAGE,
        request=s.RoomPatch,
        response=s.Room,
    ),
    Operation(
        id="deleteRoom",
        method="DELETE",
        path=_ROOM,
        summary="Remove the room and all that belongs to it",
        action=_A.ROOM_MANAGE,
        response=None,
        status=204,
    ),
    Operation(
        id="setRoomState",
        method="POST",
        path=f"{_ROOM}/state",
        summary="Open, start, pause, resume or end the interview",
        action=_A.ROOM_MANAGE,
        request=s.StateChange,
        response=s.Room,
    ),
    Operation(
        id="prepareRoom",
        method="POST",
        path=f"{_ROOM}/preparation",
        summary="Try once more to install the room's packages, if that has failed",
        action=_A.ROOM_MANAGE,
        response=s.Room,
        status=202,
    ),
    Operation(
        id="enterRoom",
        method="POST",
        path=f"{_ROOM}/enter",
        summary="The host's way in",
        action=_A.ROOM_MANAGE,
        response=s.Entrance,
        where=OUTSIDE,
    ),
    Operation(
        id="listInvites",
        method="GET",
        path=f"{_ROOM}/invites",
        summary="The invites, without their links",
        action=_A.ROOM_MANAGE,
        response=s.InviteList,
    ),
    Operation(
        id="issueInvite",
        method="POST",
        path=f"{_ROOM}/invites",
        summary="Make a link for one person; it is shown only in this answer",
        action=_A.ROOM_MANAGE,
        request=s.NewInvite,
        response=s.IssuedInvite,
        status=201,
    ),
    Operation(
        id="revokeInvite",
        method="DELETE",
        path=f"{_ROOM}/invites/{{invite}}",
        summary="Make a link useless and close what was opened with it",
        action=_A.ROOM_MANAGE,
        response=None,
        status=204,
    ),
    Operation(
        id="listParticipants",
        method="GET",
        path=f"{_ROOM}/participants",
        summary="Who belongs to the room, waits, is here",
        action=_A.ROOM_READ,
        response=s.ParticipantList,
    ),
    Operation(
        id="admitParticipant",
        method="POST",
        path=f"{_ROOM}/participants/{{participant}}/admit",
        summary="Let somebody in who waits",
        action=_A.ROOM_MANAGE,
        response=s.Participant,
    ),
    Operation(
        id="removeParticipant",
        method="DELETE",
        path=f"{_ROOM}/participants/{{participant}}",
        summary="Decline somebody who waits, or remove somebody who is in",
        action=_A.ROOM_MANAGE,
        response=None,
        status=204,
    ),
    Operation(
        id="eraseParticipant",
        method="POST",
        path=f"{_ROOM}/participants/{{participant}}/erasure",
        summary="Erase a person from an interview that is over: text, outputs, files, name",
        action=_A.ROOM_MANAGE,
        response=s.Participant,
    ),
    Operation(
        id="holdRoom",
        method="POST",
        path=f"{_ROOM}/hold",
        summary="Set or lift a legal hold: while it stands, nothing of the room can be erased",
        action=_A.ROOM_MANAGE,
        request=s.Hold,
        response=s.Room,
    ),
    Operation(
        id="sendChat",
        method="POST",
        path=f"{_ROOM}/chat",
        summary="Send a line: from the lobby to the interviewers, from inside to all",
        action=_A.CHAT,
        request=s.NewChat,
        response=s.Event,
        status=201,
    ),
    Operation(
        id="listBranches",
        method="GET",
        path=f"{_ROOM}/branches",
        summary="One's own branch, if there is one",
        action=_A.DOCUMENT_READ,
        response=s.BranchList,
        where=INSIDE,
    ),
    Operation(
        id="beginBranch",
        method="POST",
        path=f"{_ROOM}/branches",
        summary="Fork a notebook, to think on it alone; cells do not run there",
        action=_A.BRANCH,
        request=s.NewBranch,
        response=s.Branch,
        status=201,
        where=INSIDE,
    ),
    Operation(
        id="discardBranch",
        method="DELETE",
        path=f"{_ROOM}/branches/{{branch}}",
        summary="Throw one's branch away, with the key to what is stored of it",
        action=_A.DOCUMENT_READ,
        response=None,
        status=204,
        where=INSIDE,
    ),
    Operation(
        id="mergeBranch",
        method="POST",
        path=f"{_ROOM}/branches/{{branch}}/merge",
        summary="Bring what one wrote on the branch into the notebook",
        action=_A.BRANCH,
        response=s.BranchChanges,
        where=INSIDE,
    ),
    Operation(
        id="listRuns",
        method="GET",
        path=f"{_ROOM}/executions",
        summary="The runs of the room",
        action=_A.DOCUMENT_READ,
        response=s.RunList,
    ),
    Operation(
        id="runCell",
        method="POST",
        path=f"{_ROOM}/executions",
        summary="Run a cell as the page shows it",
        action=_A.RUN,
        request=s.NewRun,
        response=s.Run,
        status=202,
    ),
    Operation(
        id="getRun",
        method="GET",
        path=f"{_ROOM}/executions/{{run}}",
        summary="One run",
        action=_A.DOCUMENT_READ,
        response=s.Run,
    ),
    Operation(
        id="interruptRun",
        method="DELETE",
        path=f"{_ROOM}/executions/{{run}}",
        summary="Interrupt a run and clear what is queued behind it",
        action=_A.RUN,
        response=None,
        status=204,
    ),
    Operation(
        id="extendRun",
        method="POST",
        path=f"{_ROOM}/executions/{{run}}/extend",
        summary="Give the running cell more time",
        action=_A.ROOM_MANAGE,
        request=s.MoreTime,
        response=s.Run,
    ),
    Operation(
        id="answerInput",
        method="POST",
        path=f"{_ROOM}/executions/{{run}}/input",
        summary="Answer the run's pending input()",
        action=_A.RUN,
        request=s.InputReply,
        response=None,
        status=204,
    ),
    Operation(
        id="getSandbox",
        method="GET",
        path=f"{_ROOM}/sandbox",
        summary="State, limits, usage, and why it last died",
        action=_A.KERNEL_WATCH,
        response=s.Sandbox,
    ),
    Operation(
        id="restartSandbox",
        method="POST",
        path=f"{_ROOM}/sandbox/restart",
        summary="Begin anew in a fresh container",
        action=_A.RUN,
        response=s.Sandbox,
        status=202,
    ),
    Operation(
        id="keepSandbox",
        method="POST",
        path=f"{_ROOM}/sandbox/keep",
        summary="Have it go on although nothing runs in it",
        action=_A.RUN,
        response=s.Sandbox,
    ),
    Operation(
        id="interruptSandbox",
        method="POST",
        path=f"{_ROOM}/sandbox/interrupt",
        summary="Interrupt whatever runs",
        action=_A.RUN,
        response=s.Sandbox,
        status=202,
    ),
    Operation(
        id="listFiles",
        method="GET",
        path=f"{_ROOM}/files",
        summary="The files that cells wrote; after the end those that were kept",
        action=_A.FILES_READ,
        response=s.FileList,
    ),
    Operation(
        id="getFile",
        method="GET",
        path=f"{_ROOM}/files/{{path}}",
        summary="One of those files, as a download",
        action=_A.FILES_READ,
        response=s.File,
        media_type="application/octet-stream",
    ),
    Operation(
        id="readTimeline",
        method="GET",
        path=f"{_ROOM}/timeline",
        summary="What happened, as far as one may see it",
        action=_A.TIMELINE_READ,
        response=s.EventList,
        query=(
            Query(
                name="after",
                default=0,
                minimum=0,
                maximum=2**53,
                description="Only events with a greater `seq`",
            ),
            Query(
                name="limit",
                default=500,
                minimum=1,
                maximum=s.MAX_TIMELINE_PAGE,
                description="At most so many",
            ),
        ),
    ),
    Operation(
        id="copyDocument",
        method="GET",
        path=f"{_ROOM}/documents/{{document}}/copy",
        summary="One's own copy of the notebook, as a file",
        action=_A.KEEP_COPY,
        response=s.Notebook,
        media_type="application/x-ipynb+json",
    ),
    Operation(
        id="reportOrigins",
        method="POST",
        path=f"{_ROOM}/documents/{{document}}/origins",
        summary="How one's own edits came about, as the page says",
        action=_A.DOCUMENT_WRITE,
        request=s.OriginReport,
        response=None,
        status=204,
    ),
    Operation(
        id="countOrigins",
        method="GET",
        path=f"{_ROOM}/origins",
        summary="How one's own text came about, as the page said, counted",
        action=_A.TIMELINE_READ,
        response=s.OriginCounts,
    ),
    Operation(
        id="documentAt",
        method="GET",
        path=f"{_ROOM}/documents/{{document}}/at",
        summary="The document as it was at a position of its log",
        action=_A.REPLAY,
        response=r.DocumentState,
        query=(
            Query(
                name="seq",
                default=0,
                minimum=0,
                maximum=2**53,
                description="Position; 0 is the empty document",
            ),
        ),
    ),
    Operation(
        id="documentChanges",
        method="GET",
        path=f"{_ROOM}/documents/{{document}}/changes",
        summary="Who changed what, page by page",
        action=_A.REPLAY,
        response=r.ChangeList,
        query=(
            Query(
                name="after",
                default=0,
                minimum=0,
                maximum=2**53,
                description="Only changes with a greater `seq`",
            ),
            Query(
                name="to",
                default=2**53,
                minimum=0,
                maximum=2**53,
                description="None with a greater `seq`",
            ),
            Query(
                name="limit",
                default=500,
                minimum=1,
                maximum=2000,
                description="At most so many",
            ),
        ),
    ),
    Operation(
        id="replayDocument",
        method="GET",
        path=f"{_ROOM}/documents/{{document}}/replay",
        summary="The whole of it in one answer: a line of JSON for the first state and each change",
        action=_A.REPLAY,
        response=r.ReplayLine,
        media_type="application/x-ndjson",
    ),
    Operation(
        id="roomEvents",
        method="GET",
        path=f"{_ROOM}/events",
        summary="Live: all that happens in the room and may be seen",
        action=_A.EVENTS,
        response=None,
        status=101,
        socket=True,
    ),
    Operation(
        id="openapi",
        method="GET",
        path="/openapi.json",
        summary="This document",
        action=None,
        response=None,
    ),
)
"""Every operation. A test asks each of them by every role in every state of a room."""
