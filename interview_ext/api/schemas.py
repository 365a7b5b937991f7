"""What goes over the wire, both ways: the one source of the OpenAPI document.

Every model is frozen and forbids extra fields. Answers have no defaults, so that a
forgotten field is a failed test and not a hole in a page. Times are ISO 8601 with an
offset, durations are seconds, sizes bytes; a digest is a SHA-256 in hexadecimal.
The messages of the sockets stand in `messages`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    RootModel,
    Strict,
    StrictBool,
    StringConstraints,
    model_validator,
)

from interview_ext.rooms.model import Role, RoomState, RunState, Trust
from interview_ext.rooms.roles import Action
from interview_ext.sandbox.kinds import MAX_PACKAGE_CHARS, MAX_PACKAGES, PACKAGE_PATTERN

MAX_DATA_FILES = 32
"""Data files a new room may name."""
MAX_INVITE_S = 90 * 24 * 3600
MIN_INVITE_S = 60
MAX_DURATION_S = 24 * 3600
MAX_WARNING_S = 3600
MAX_TIMELINE_PAGE = 1000
ID_PATTERN = r"^[A-Za-z0-9_]{1,64}$"
DIGEST_PATTERN = r"^[0-9a-f]{64}$"
IDEMPOTENCY_PATTERN = r"^[!-~]{1,128}$"


def _in_our_time(at: datetime) -> datetime:
    """Keep to years that survive every change of time zone."""
    if not 2000 <= at.year < 2200:
        raise ValueError("must lie between the years 2000 and 2200")
    return at


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]
"""One line of text without control characters: a title, a name."""
Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]
Path = Annotated[
    str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")
]
DurationS = Annotated[int, Field(strict=True, ge=60, le=MAX_DURATION_S)]
Instant = Annotated[AwareDatetime, Strict(), AfterValidator(_in_our_time)]
"""A time given by a client: text with an offset, no number."""
Count = Annotated[int, Field(ge=0)]
Clock = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""Of a Yjs client, or the client itself: whole numbers as JavaScript has them."""


Package = Annotated[
    str,
    StringConstraints(max_length=MAX_PACKAGE_CHARS),
    Field(json_schema_extra={"pattern": PACKAGE_PATTERN}),
]
"""A name with extras and versions, such as ``pandas[excel]>=2``; nothing else. It is checked by
`kinds.wanted`, which says what is wrong in words for a host; the pattern is for programs."""
Packages = Annotated[tuple[Package, ...], Field(max_length=MAX_PACKAGES)]


class Model(BaseModel):
    """Base of all models of the API."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


# -- errors


class ErrorDetail(Model):
    """What went wrong, for a program and for a person."""

    code: str
    message: str
    hint: str
    """What the reader can do about it; empty if nothing."""


class ErrorBody(Model):
    """The body of every answer with a status of 400 and above."""

    error: ErrorDetail


# -- rooms


class Policy(Model):
    """What is allowed and recorded in a room. It is always stated whole."""

    assistant: StrictBool
    recording: StrictBool
    signals: StrictBool
    branch: StrictBool


class Section(Model):
    """A timed part of the interview; candidates see it once it is revealed."""

    id: str
    title: str
    duration_s: int
    revealed_at: AwareDatetime | None


class Document(Model):
    """A shared document that the asking person may read."""

    id: str
    path: str
    kind: Literal["notebook", "file"]
    writable: bool
    """Whether the asking person may change it now."""
    branch_of: str | None
    """Of the asking person's own branch: the document it was forked from."""


class DataFile(Model):
    """A file that cells find under ``data/``."""

    path: str
    size: Count


class Me(Model):
    """Who the asking person is in the room, and what they may do now."""

    participant_id: str
    name: str
    role: Role
    admitted: bool
    actions: tuple[Action, ...]


class Preparation(Model):
    """How far a room's packages are. Cells that are run before they are ready wait for them."""

    state: Literal["building", "ready", "failed"]
    line: str
    """What is being done; for those who manage the room."""
    problem: str
    """Why it failed, in the installer's words; for those who manage the room."""


class Room(Model):
    """One interview, as the asking person may see it."""

    id: str
    title: str
    owner: str
    host_name: str
    state: RoomState
    brief: str
    """For interviewers; empty for a candidate."""
    starts_at: AwareDatetime
    duration_s: int
    created_at: AwareDatetime
    live_at: AwareDatetime | None
    ends_at: AwareDatetime | None
    """While a warning runs: when the room will end."""
    ended_at: AwareDatetime | None
    profile: str
    packages: tuple[str, ...]
    """What its sandbox has on top of the profile."""
    preparation: Preparation | None
    """Null if it has no packages, or is over."""
    policy: Policy
    sections: tuple[Section, ...]
    external_ids: dict[str, str]
    legal_hold: bool
    """Whether nothing of it may be erased or deleted; false for who may not erase."""
    version: int
    documents: tuple[Document, ...]
    data_files: tuple[DataFile, ...]
    me: Me


class RoomList(Model):
    """The asking host's rooms, newest start first."""

    rooms: tuple[Room, ...]


class NewRoom(Model):
    """An interview to be made: from a template, or from the host's own notebook and data.

    Paths are those of the host's own Jupyter contents.
    """

    title: Line
    starts_at: Instant | None = None
    """None: now."""
    duration_s: DurationS = 3600
    brief: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    """None: the template's own."""
    profile: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")] = "python"
    packages: Packages = ()
    """What its sandbox is to have on top of the profile; the profile has to take packages."""
    host_name: Name | None = None
    policy: Policy | None = None
    template: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")] | None = None
    notebook_path: Path | None = None
    data_paths: Annotated[tuple[Path, ...], Field(max_length=MAX_DATA_FILES)] = ()

    @model_validator(mode="after")
    def _one_source(self) -> NewRoom:
        if self.template is not None and self.notebook_path is not None:
            raise ValueError("give either `template` or `notebook_path`, not both")
        return self


class RoomPatch(Model):
    """New values for some of a room's fields; what is left out or null stays."""

    version: Annotated[int, Field(strict=True, ge=1, le=2**53)] | None = None
    """The version that the change was made from; without it, the newest."""
    title: Line | None = None
    starts_at: Instant | None = None
    duration_s: DurationS | None = None
    brief: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    policy: Policy | None = None
    packages: Packages | None = None
    """Others instead of those it has; only before the interview begins."""


class StateChange(Model):
    """Where to lead the room. ``ended`` with `in_s` starts a warning; ``live`` calls it off."""

    to: RoomState
    in_s: Annotated[int, Field(strict=True, ge=0, le=MAX_WARNING_S)] = 0


class Hold(Model):
    """Whether the room has to be kept as it is."""

    held: StrictBool


class Entrance(Model):
    """Where to go: a page that takes the person in, valid once and for a short time."""

    url: str


class Template(Model):
    """Something to begin an interview from."""

    id: str
    title: str
    description: str
    language: str | None
    """What its cells are written in: the profile's has to be the same. None: any."""


class TemplateList(Model):
    """All templates of this server."""

    templates: tuple[Template, ...]


class Profile(Model):
    """A kind of sandbox that an interview can have."""

    id: str
    title: str
    language: str
    packages: Literal["pip"] | None
    """What installs a room's packages; null: this profile takes none."""


class ProfileList(Model):
    """All sandbox profiles of this server, the default one first."""

    profiles: tuple[Profile, ...]


# -- people


class NewInvite(Model):
    """A link for one person."""

    role: Literal[Role.INTERVIEWER, Role.OBSERVER, Role.CANDIDATE]
    name: Name | None = None
    """None: they say it themselves when they join."""
    expires_in: Annotated[int, Field(strict=True, ge=MIN_INVITE_S, le=MAX_INVITE_S)] = 604_800
    """Seconds."""


class Invite(Model):
    """An invite as it is listed: without its link."""

    id: str
    participant_id: str
    role: Role
    name: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
    revoked_at: AwareDatetime | None


class IssuedInvite(Invite):
    """A new invite. `url` holds the secret and is shown only here, once."""

    url: str


class InviteList(Model):
    """All invites of a room."""

    invites: tuple[Invite, ...]


class Participant(Model):
    """Somebody of the room, as its other people see them."""

    id: str
    role: Role
    name: str
    colour: str
    """CSS colour of their cursor and avatar."""
    state: Literal["invited", "waiting", "admitted", "removed"]
    present: bool
    """Whether a page of theirs is open."""
    waiting_since: AwareDatetime | None
    focusing: bool
    """Whether they are thinking on a private branch. What stands there nobody else is told."""
    erased: bool
    """Whether their text and name were erased."""
    you: bool


class ParticipantList(Model):
    """The people of a room whom the asking person may see."""

    participants: tuple[Participant, ...]


class LookRequest(Model):
    """The landing page asks what a link leads to. Has no effect."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Look(Model):
    """What a link leads to, for the person it is meant for."""

    title: str
    starts_at: AwareDatetime
    duration_s: int
    role: Role
    name: str
    hosts: tuple[str, ...]
    policy: Policy
    server_time: AwareDatetime
    url: str | None
    """Not null: this browser has a seat already, go straight there."""


class JoinRequest(Model):
    """Redeem an invite's token (with a name), or a host's one-time ticket."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    ticket: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _one_secret(self) -> JoinRequest:
        if (self.token is None) == (self.ticket is None):
            raise ValueError("give either `token` or `ticket`")
        return self


class Joined(Model):
    """Where the new seat's door is."""

    url: str


# -- chat and timeline


class NewChat(Model):
    """A line of chat."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Event(Model):
    """One entry of the timeline. `payload` is null once it was erased."""

    room_id: str
    seq: int
    at: AwareDatetime
    actor: str
    """Id of a participant, or ``server``."""
    kind: str
    audience: str
    """``everyone``, ``staff``, or the id of the one participant who sees it beside the staff."""
    trust: Trust
    payload: dict[str, JsonValue] | None
    payload_digest: str
    previous: str
    digest: str


class EventList(Model):
    """Events in order, oldest first."""

    events: tuple[Event, ...]


# -- private branches


class NewBranch(Model):
    """Which notebook to fork."""

    document: Id


class BranchChanges(Model):
    """How many cells a branch has added, removed, and written in."""

    added: Count
    removed: Count
    changed: Count


class Branch(Model):
    """The asking person's own branch. Others are told only that there is one."""

    id: str
    document: str
    path: str
    """Its name in this person's door."""
    begun_at: AwareDatetime
    readable: bool
    """False: it was begun in another browser, which has its key."""
    changes: BranchChanges | None
    """Null if it is not readable."""


class BranchList(Model):
    """The asking person's branch, if there is one."""

    branches: tuple[Branch, ...]


# -- documents


class ReportedOrigin(Model):
    """How a piece of a document came about.

    The piece is what the Yjs client inserted at the clocks from `start` up to, not including,
    `end`; or, with `deleted`, the deletion of that.
    """

    client: Clock
    start: Clock
    end: Clock
    deleted: bool = False
    origin: Literal["typed", "paste", "completion", "drop", "undo", "assistant"]


class OriginReport(Model):
    """What a page says about its own edits; about others' it has no effect."""

    origins: Annotated[tuple[ReportedOrigin, ...], Field(min_length=1, max_length=200)]


class OriginCounts(Model):
    """What one's own page has said about one's own edits, counted."""

    pieces: dict[str, int]
    """By kind, the pieces of what was inserted; what is typed on is one piece in two seconds.

    Deletions are kept in the same way, and not counted.
    """


# -- running cells


class NewRun(Model):
    """Run the cell whose source, as the page shows it, has this digest."""

    document: Id
    cell_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    source_sha256: Digest


class Run(Model):
    """One run of a cell."""

    id: str
    document: str
    cell_id: str
    source_digest: str
    log_seq: int
    by: str
    accepted_at: AwareDatetime
    state: RunState
    execution_count: int | None
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    time_limit_s: float | None
    """How long it may run, extensions included, in seconds."""
    deadline_at: AwareDatetime | None
    """When that is over; null while it does not run, or its clock stands still."""
    death: str | None
    """Why the server or the kernel ended it."""
    output_digest: str | None
    network_reported: tuple[str, ...]
    """What it tried to reach in vain, as its kernel reported: help, and no evidence."""


class RunList(Model):
    """The runs of a room, in the order of acceptance."""

    runs: tuple[Run, ...]


class MoreTime(Model):
    """How much longer the running cell may take."""

    seconds: Annotated[int, Field(ge=1, le=3600)]


class InputReply(Model):
    """The answer to a pending ``input()``."""

    value: Annotated[str, StringConstraints(max_length=10_000)]


class SandboxLimits(Model):
    """What the container may use at most."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]

    cpus: float
    memory_bytes: int
    pids: int


class SandboxUsage(Model):
    """What the container uses now. `cpu` 1.0 is one core, busy."""

    memory_bytes: int
    cpu: float
    pids: int


class SandboxDeath(Model):
    """Why and when the last container or kernel ended."""

    reason: str
    detail: str
    at: AwareDatetime


class Engine(Model):
    """Whether a container engine answers; if not, what to do."""

    available: bool
    message: str
    hint: str


class SandboxPool(Model):
    """The warm sandboxes of the room's profile, on the whole server."""

    warm: Count
    target: Count
    """How many should be warm, by what is planned and what was asked for lately."""
    waiting: Count
    """Rooms that wait because all sandboxes are taken."""
    handed_out: Count
    """Since the server started."""
    cold_starts: Count
    """Those of them for which none was warm."""


class Sandbox(Model):
    """The room's sandbox and kernel. `isolation` is what stands between cells and the server."""

    state: Literal["off", "starting", "ready", "busy", "dead"]
    notice: str
    """What people in the room should know now, such as why it has to wait; mostly empty."""
    rests_at: AwareDatetime | None
    """When it ends because nobody uses it; null unless that is near."""
    profile: str
    isolation: Literal["container", "webassembly", "none"]
    kernel_id: str | None
    limits: SandboxLimits
    usage: SandboxUsage | None
    death: SandboxDeath | None
    engine: Engine
    pool: SandboxPool | None
    """For those who manage the room."""


class WorkFile(Model):
    """A file that cells wrote; `path` is relative to the work folder."""

    path: str
    size_bytes: int


class FileList(Model):
    """The files of a room."""

    files: tuple[WorkFile, ...]
    left_out: int
    """Files whose names cannot be shown, such as those with control characters."""
    complete: bool
    """Whether there are no more than these."""
    kept: bool
    """Whether these are what was kept at the end, and no longer a kernel's."""


class File(RootModel[bytes]):
    """The bytes of a file; a model only so that the contract can name it."""

    model_config = ConfigDict(json_schema_extra={"type": "string", "format": "binary"})


class Notebook(BaseModel):
    """A notebook file, in the format of nbformat 4."""

    model_config = ConfigDict(frozen=True, extra="allow")

    cells: tuple[dict[str, Any], ...]
    metadata: dict[str, Any]
    nbformat: int
    nbformat_minor: int
