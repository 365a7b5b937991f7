"""The values an interview is made of. All are frozen; a change is a new value.

Times are aware and in UTC, durations are in seconds, ids are opaque strings
of lower-case letters, digits and ``_`` (`ids`). Secrets never stand here, only
their SHA-256 digests in hexadecimal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class RoomState(StrEnum):
    """The states of a room's life, in order; `lifecycle` has the steps between them."""

    SCHEDULED = "scheduled"
    LOBBY = "lobby"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"
    ARCHIVED = "archived"

    @property
    def is_over(self) -> bool:
        """Whether the interview has ended; it never begins again."""
        return self in (RoomState.ENDED, RoomState.ARCHIVED)


class Role(StrEnum):
    """What a participant is in a room; `roles` says what each may do."""

    HOST = "host"
    INTERVIEWER = "interviewer"
    OBSERVER = "observer"
    CANDIDATE = "candidate"

    @property
    def is_staff(self) -> bool:
        """Whether this role sits on the interviewers' side of the table."""
        return self is not Role.CANDIDATE


class Trust(StrEnum):
    """How the server knows of an event."""

    OBSERVED = "observed"
    """The server itself did or saw it."""
    REPORTED = "reported"
    """A browser or a kernel said so; it could have been forged."""
    INFERRED = "inferred"
    """A conclusion drawn from other events."""


EVERYONE = "everyone"
"""Audience: all who were ever admitted to the room."""
STAFF = "staff"
"""Audience: host, interviewers and observers. Any other audience is the id of one
participant and means that person and the staff."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is allowed and recorded in a room; shown to the candidate before joining."""

    assistant: bool = False
    recording: bool = False
    signals: bool = False
    branch: bool = False


@dataclass(frozen=True, kw_only=True)
class Section:
    """A timed part of the interview; unrevealed sections exist for staff only."""

    id: str
    title: str
    duration_s: int
    revealed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Room:
    """One interview.

    Attributes
    ----------
    owner:
        User name of the host on the Jupyter server.
    starts_at, duration_s:
        What was planned; `live_at` and `ended_at` are what happened.
    ends_at:
        While a two-minute warning runs: when the room will end.
    profile:
        Name of the sandbox profile the room's cells run in.
    packages:
        What is installed there on top, each as a name with versions, in order.
    external_ids:
        Ids of other systems (applicant tracking), by system name.
    legal_hold:
        Whether nothing of it may be erased or deleted.
    version:
        Counts changes; a write names the version it was based on.
    """

    id: str
    title: str
    owner: str
    created_at: datetime
    starts_at: datetime
    duration_s: int
    state: RoomState = RoomState.SCHEDULED
    brief: str = ""
    profile: str = "python"
    packages: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)
    sections: tuple[Section, ...] = ()
    external_ids: dict[str, str] = field(default_factory=dict)
    live_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    legal_hold: bool = False
    version: int = 1

    @property
    def planned_end(self) -> datetime:
        """When the interview was planned to be over."""
        return self.starts_at + timedelta(seconds=self.duration_s)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A shared document of a room. Secrecy is a document's, never a cell's.

    Attributes
    ----------
    path:
        Name inside the room, such as ``interview.ipynb``; unique in the room.
    kind:
        ``notebook`` or ``file`` (plain text), as in the Jupyter contents API.
    readers, writers:
        Roles that may see it, and that may change it while the room's state
        allows changes. Writers are readers.
    section:
        Id of the section it belongs to; unrevealed sections hide it from candidates.
    branch_of:
        Of a participant's branch: id of the document it was forked from. It has no readers and
        no writers by role; `service.Rooms` gives it to its participant only.
    """

    id: str
    room_id: str
    path: str
    kind: str
    readers: frozenset[Role]
    writers: frozenset[Role]
    section: str | None = None
    branch_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One participant's private fork of a notebook; see `branching`.

    Its updates are stored encrypted. The key is made of two halves: `salt`, and a secret that
    only the participant's browser has, of which `secret_digest` is the SHA-256.
    """

    id: str
    room_id: str
    document_id: str
    participant_id: str
    path: str
    begun_at: datetime
    salt: str
    secret_digest: str


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A file the kernel finds under ``data/``; `digest` names the stored bytes.

    A `dataset` is too large for the store: its bytes stand in a folder of data sets.
    """

    room_id: str
    path: str
    size: int
    digest: str
    dataset: bool = False


@dataclass(frozen=True, kw_only=True)
class Participant:
    """A person in a room. `user` is the Jupyter server's user name of a host, else None."""

    id: str
    room_id: str
    role: Role
    name: str
    colour: str
    created_at: datetime
    user: str | None = None
    removed_at: datetime | None = None
    erased_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Invite:
    """A link for one participant. The token was shown once; only its digest is kept."""

    id: str
    room_id: str
    participant_id: str
    token_digest: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


class SeatState(StrEnum):
    """Where a seat stands between the link and the room."""

    WAITING = "waiting"
    ADMITTED = "admitted"
    CLOSED = "closed"


class SeatClosing(StrEnum):
    """Why a seat was closed; its holder reads the sentence that goes with it."""

    MOVED = "moved to another device"
    DECLINED = "declined by the host"
    REMOVED = "removed by the host"
    REVOKED = "invite revoked"
    LEFT = "left"
    ROOM_DELETED = "room deleted"


@dataclass(frozen=True, kw_only=True)
class Seat:
    """One browser holding one participant's place."""

    id: str
    room_id: str
    participant_id: str
    secret_digest: str
    created_at: datetime
    invite_id: str | None = None
    state: SeatState = SeatState.WAITING
    admitted_at: datetime | None = None
    closed_at: datetime | None = None
    closing: SeatClosing | None = None


class RunState(StrEnum):
    """The life of one run of a cell."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"
    CLEARED = "cleared"
    """Never started: what stood before it in the queue failed or was interrupted."""
    INTERRUPTED = "interrupted"
    DIED = "died"
    """The kernel ended in mid-run; `death` says why."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a cell, as it was accepted.

    `log_seq` is the document's log position at which the source was frozen;
    digests are SHA-256 in hexadecimal. `time_limit_s` is how long it may run, extensions
    included; `deadline_at` when that is over, None while nothing runs or its clock stands still.
    `network_reported` is what it tried to reach in vain, as the kernel says, which may be wrong.
    """

    id: str
    room_id: str
    document_id: str
    cell_id: str
    source_digest: str
    log_seq: int
    by: str
    accepted_at: datetime
    state: RunState = RunState.QUEUED
    execution_count: int | None = None
    output_digest: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    time_limit_s: float | None = None
    deadline_at: datetime | None = None
    death: str | None = None
    network_reported: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Event:
    """One entry of a room's timeline; see `timeline` for the chain of digests.

    `payload` and `salt` are None once erased; `payload_digest` stays, so the
    chain remains verifiable.
    """

    room_id: str
    seq: int
    at: datetime
    actor: str
    kind: str
    audience: str
    trust: Trust
    payload: dict[str, Any] | None
    salt: str | None
    payload_digest: str
    previous: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """One committed update of a document, in the Yjs v1 update encoding.

    `seq` counts from 1 without holes in each document. `client` is the Yjs client
    id whose structs it holds (0: only deletions, or several), `seat` the seat it came
    through (None: the server itself), `origin` what the page says how it was made.
    """

    document_id: str
    seq: int
    at: datetime
    client: int
    seat: str | None
    update: bytes
    origin: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewLogEntry:
    """A `LogEntry` before the log has numbered it."""

    at: datetime
    client: int
    seat: str | None
    update: bytes
    origin: str | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a document opens from, instead of its log up to and with `seq`.

    `data` is `collab.snapshots`' own; to a store it is bytes.
    """

    seq: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class EditOrigin:
    """How a piece of a document came about, as a page reports it (`Trust.REPORTED`).

    The piece is what `client` inserted at the clocks from `start` up to, not including, `end`;
    or, with `deleted`, the deletion of that by the participant.
    """

    participant_id: str
    client: int
    start: int
    end: int
    deleted: bool
    origin: str
