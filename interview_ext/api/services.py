"""What the handlers call. `house.py` puts it together and into ``settings["interview_services"]``.

Shared documents and running cells are other features, known here by Protocols only.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from tornado.httputil import HTTPServerRequest

from interview_ext.api.datasets import RoomDatasets
from interview_ext.api.templates import TemplateLibrary
from interview_ext.api.waiting import WaitingLists
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.admission import Admission
from interview_ext.rooms.erasure import Erasure
from interview_ext.rooms.ids import Clock, now
from interview_ext.rooms.limits import Turns
from interview_ext.rooms.model import Branch, Document, EditOrigin, Room, Run
from interview_ext.rooms.origins import Origins
from interview_ext.rooms.ports import Bus, Store
from interview_ext.rooms.presence import Presence
from interview_ext.rooms.service import Rooms
from interview_ext.sandbox.broker import PoolState
from interview_ext.sandbox.profiles import PROFILES, Profile

SETTING = "interview_services"
"""Key of the `Services` in the settings of a tornado application."""

REPLAYS_WAITING = 3
"""Replays of one person that may wait for the one that is under way."""


class History(Protocol):
    """What one document has been; see `collab.history`."""

    async def last_seq(self) -> int: ...

    async def seq_at(self, at: datetime) -> int: ...

    async def at(self, seq: int, *, notebook: bool) -> dict[str, Any] | str: ...

    def changes(
        self, *, after: int, to: int | None, notebook: bool, reports: Any = None
    ) -> AsyncGenerator[Sequence[Any], None]: ...


class Documents(Protocol):
    """Shared documents: `collab` has them."""

    async def seed(self, document: Document, content: dict[str, Any] | str) -> None:
        """Commit the first content of a new document."""

    async def content(self, document: Document) -> dict[str, Any] | str:
        """Return notebook JSON or text as of now."""

    def failing_since(self, room_id: str) -> datetime | None:
        """Return since when something of the room cannot be saved; None if all can."""

    def reports(self, origins: Sequence[EditOrigin], seats: Mapping[str, str]) -> Any:
        """Return what `History.changes` takes as `reports`."""

    def history(self, document: Document) -> History:
        """Return what the document has been."""


class Changes(Protocol):
    """How many cells a branch has added, removed, and written in."""

    @property
    def added(self) -> int: ...
    @property
    def removed(self) -> int: ...
    @property
    def changed(self) -> int: ...


class Branches(Protocol):
    """Private branches: `collab` has them. Every method is about the actor's own."""

    async def show(self, actor: Actor, secrets: Mapping[str, str]) -> None: ...

    async def begin(self, actor: Actor, document_id: str) -> Branch: ...

    async def own(self, actor: Actor) -> Branch | None: ...

    def secret(self, branch: Branch) -> str | None: ...

    async def changes(self, branch: Branch) -> Changes | None: ...

    async def merge(self, actor: Actor, branch_id: str) -> Changes: ...

    async def discard(self, actor: Actor, branch_id: str) -> None: ...

    async def focusing(self, room_id: str) -> frozenset[str]:
        """Return the participants who are on a branch."""


class SandboxStatus(Protocol):
    """A room's sandbox as of now."""

    def as_body(self) -> Mapping[str, Any]:
        """Return the fields of `schemas.Sandbox`."""


class PendingInput(Protocol):
    """A cell that waits for ``input()``."""

    @property
    def run_id(self) -> str: ...
    @property
    def prompt(self) -> str: ...
    @property
    def password(self) -> bool: ...


class File(Protocol):
    """A file that cells wrote."""

    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...


class Files(Protocol):
    """The files that cells wrote; see `schemas.FileList`."""

    @property
    def files(self) -> Sequence[File]: ...
    @property
    def left_out(self) -> int: ...
    @property
    def complete(self) -> bool: ...


class Executions(Protocol):
    """Running cells: `execution` does it. Every method checks what the actor may."""

    async def submit(
        self, actor: Actor, *, document_id: str, cell_id: str, source_sha256: str
    ) -> Run: ...

    async def runs(self, actor: Actor) -> list[Run]: ...

    async def run(self, actor: Actor, run_id: str) -> Run: ...

    async def interrupt(self, actor: Actor, run_id: str | None = None) -> None: ...

    async def extend(self, actor: Actor, run_id: str, seconds: float) -> Run: ...

    async def restart(self, actor: Actor) -> None: ...

    async def keep(self, actor: Actor) -> None: ...

    async def answer(self, actor: Actor, run_id: str, value: str) -> None: ...

    def use(self, room: Room) -> None: ...

    async def sandbox(self, actor: Actor) -> SandboxStatus: ...

    async def isolation(self) -> str: ...

    def pending_input(self, room_id: str) -> PendingInput | None: ...

    async def files(self, actor: Actor) -> Files: ...

    async def file(self, actor: Actor, path: str) -> bytes: ...


class Preparation(Protocol):
    """How far a room's packages are; see `schemas.Preparation`."""

    @property
    def state(self) -> str: ...
    @property
    def line(self) -> str: ...
    @property
    def problem(self) -> str: ...


class Packages(Protocol):
    """The packages of rooms: `execution` has them installed."""

    def of(self, room: Room) -> Preparation | None: ...

    def begin(self, room: Room, *, again: bool = False) -> None: ...


class Links(Protocol):
    """Addresses that the person's browser reaches: `door` builds them."""

    def join(self, request: HTTPServerRequest, room_id: str, secret: str) -> str: ...

    def enter(self, request: HTTPServerRequest, room_id: str, ticket: str) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server that runs a room's cells has said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Asking(Protocol):
    """Asks the server that runs a room's cells; `door.for_host` does."""

    async def ask(self, actor: Actor, method: str, tail: str, body: bytes) -> Answer | None:
        """Return its answer; None: it is this server.

        Parameters
        ----------
        tail:
            Path and query below the room's own path in the API.

        Raises
        ------
        OwnerUnknown
        """


@dataclass(frozen=True, kw_only=True)
class Services:
    """All that handlers call, of one server."""

    rooms: Rooms
    admission: Admission
    erasure: Erasure
    waiting: WaitingLists
    presence: Presence
    store: Store
    bus: Bus
    documents: Documents
    branches: Branches
    origins: Origins
    executions: Executions
    packages: Packages
    pool: Callable[[str], PoolState | None]
    """Tells the warm sandboxes of a profile, if anything is known of them."""
    links: Links
    datasets: RoomDatasets | None = None
    """Where large data files go; None if cells run where they cannot be given."""
    host_name: str = "Host"
    """What a host is called who neither says so nor has a login that does."""
    profiles: Mapping[str, Profile] = field(default_factory=lambda: PROFILES)
    """The sandbox profiles that a room may have, by name."""
    templates: TemplateLibrary = field(default_factory=TemplateLibrary)
    replays: Turns = field(default_factory=lambda: Turns(waiting=REPLAYS_WAITING))
    clock: Clock = now
    asking: Asking | None = None
    """Asks the server that runs a room's cells; None where there is one server only."""
