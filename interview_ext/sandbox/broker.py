"""The port through which everything else gets sandboxes: a broker, and what it hands out.

`Sandboxes` fulfils it inside the server's own process. `BrokerClient` fulfils it with another
process that owns the engine (``jupyter interview broker``). Names of profiles and of packages cross
this border, never images, mounts or settings of a host: whoever asks cannot ask for more than what
the broker's administrator has put into a profile, and what its package index has. Wherever a
profile is named it may be with packages; see `kinds`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Protocol

from interview_ext.errors import BadRequest

from .datasets import Dataset
from .deaths import Death, Reason
from .engine import EngineStatus
from .frames import Channel
from .preparing import Preparation
from .profiles import Limits

MAX_PATH_BYTES = 1024
MAX_PATH_PARTS = 8
MAX_PLANNED = 500
"""Rooms of a `Schedule`: the nearest are enough."""


class Listener(Protocol):
    """Whoever the kernel's messages go to."""

    def message(self, channel: Channel, parts: list[bytes]) -> None:
        """A message of the kernel's."""

    def notice(self, channel: Channel, notice: Mapping[str, Any]) -> None:
        """Output was refused or dropped."""

    def writable(self) -> None:
        """The sandbox takes messages again."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a sandbox uses, beside what it may use. `cpu` is in cores."""

    memory_bytes: int
    cpu: float
    pids: int
    limits: Limits


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A regular file in the work folder; `path` is relative to it."""

    path: str
    size_bytes: int

    @property
    def nameable(self) -> bool:
        """Whether `get` takes the path: no control characters, no change of direction."""
        try:
            clean_path(self.path)
        except BadRequest:
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The regular files in the work folder; not `complete` if there are more than are listed."""

    files: tuple[StoredFile, ...]
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """Where a kernel stands that has outlived whoever it belonged to.

    Attributes
    ----------
    run:
        Message id of the last run it was given; empty if it has had none.
    lost_bytes:
        Messages since that run began that are kept no more, the oldest.
    """

    run: str
    lost_bytes: int


@dataclass(frozen=True, kw_only=True)
class PoolState:
    """A pool as hosts see it.

    Attributes
    ----------
    warm, target:
        How many wait, and how many should.
    waiting:
        Claims of this profile that wait for a place.
    handed_out:
        Claims that got one, since the process that owns the engine started.
    cold_starts:
        Those of them for which none was warm.
    """

    warm: int
    target: int
    waiting: int
    handed_out: int
    cold_starts: int


OnWait = Callable[[bool], None]
"""Hears that there is a wait (True), for a place or for packages, and that it is over (False)."""
Schedule = Mapping[str, Mapping[str, datetime]]
"""By profile and room, the planned starts of rooms that have no sandbox yet."""


def unheard(_: bool) -> None:  # noqa: FBT001  (see `OnWait`)
    """Nobody wants to know."""


class SandboxHandle(Protocol):
    """One sandbox that was claimed, until its end.

    Attributes
    ----------
    id:
        What `Broker.adopt` finds it by, after a restart of the claimer too.
    death:
        Why it ended, None while it lives.
    ended:
        Set together with `death`.
    """

    @property
    def id(self) -> str: ...

    @property
    def death(self) -> Death | None: ...

    @property
    def ended(self) -> asyncio.Event: ...

    def connect(self, listener: Listener | None) -> None:
        """Send the kernel's messages there; None discards them."""

    def on_death(self, callback: Callable[[Death], None]) -> None:
        """Call back once when it ends; at once if it has ended."""

    async def resume(self) -> Resumed:
        """Begin to listen to a sandbox that was adopted: all it has said since its last run began
        comes again, then what it says from now on. Called once, by whoever adopted it, when
        everybody who has to hear it is there. One that is frozen stays so.

        Raises
        ------
        SandboxError
            It cannot be reached; it has been ended then.
        """

    @property
    def blocked(self) -> bool:
        """Whether it takes no messages right now; `Listener.writable` tells when."""

    def send(self, channel: Channel, parts: list[bytes]) -> None:
        """A client's message, unsigned, for the kernel. Lost if the sandbox has ended."""

    def interrupt(self) -> None:
        """Ask the kernel to interrupt what runs."""

    def expect_end(self) -> None:
        """The kernel has been asked to shut down: its end will be no crash."""

    async def put(self, path: str, data: bytes) -> None:
        """Write a file below the work folder, replacing what bears the name.

        Raises
        ------
        BadRequest
            Not a path below the work folder.
        TooLarge
            The quota, or the work folder, is full.
        SandboxGone
            It has ended.
        Conflict
            It is frozen.
        """

    async def link(self, path: str, dataset: Dataset) -> None:
        """Make a data set that was provided (`Broker.provide`) known under a path below the work
        folder, replacing what bears it. It takes nothing of the sandbox's quota.

        Raises
        ------
        DatasetMissing
            The sandbox does not see it.
        BadRequest, SandboxGone, Conflict
            As `put` does.
        """

    async def get(self, path: str) -> bytes:
        """Read a file. Raises as `put` does, and NotFound."""

    async def list(self) -> list[StoredFile]:
        """All regular files below the work folder. Raises as `get` does."""

    async def listing(self) -> Listing:
        """The same, and whether these are all. Raises as `get` does."""

    async def freeze(self) -> None:
        """Give it no processor time until `thaw`; its time limits stand still.

        Raises
        ------
        EngineUnavailable, SandboxGone
        """

    async def thaw(self) -> None:
        """Let it go on. Raises as `freeze` does."""

    async def stats(self) -> Usage:
        """Usage, at most a second old. Raises SandboxGone."""

    async def stop(self, reason: Reason = ..., detail: str = ...) -> None:
        """End it, if it has not ended, and wait until nothing is left of it."""


class Broker(Protocol):
    """Hands out sandboxes. Made once for a server; whoever made it starts and stops it."""

    @property
    def server_id(self) -> str:
        """Whose sandboxes these are; the same over restarts of the server."""

    async def start(self) -> None:
        """Begin. Does not raise if no engine answers: `engine_status` tells."""

    async def stop(self) -> None:
        """End every sandbox and give back everything. Idempotent."""

    async def engine_status(self) -> EngineStatus:
        """Whether cells can run, and if not why; never raises."""

    async def prepare(
        self, profile: str, packages: Sequence[str], *, again: bool = False
    ) -> Preparation:
        """How far packages are that rooms of a profile need; begins with them if nobody has.

        Parameters
        ----------
        packages:
            As `kinds.wanted` returns them.
        again:
            Whether what has failed is tried once more.

        Raises
        ------
        NotFound, BadRequest
            There is no such profile, it takes no packages, or these are no names.
        TooManyRequests, EngineUnavailable
        """

    def limits(self, profile: str) -> Limits:
        """What a sandbox of that profile may use; of one that is not known, the defaults."""

    def pool_state(self, profile: str) -> PoolState | None:
        """A profile's warm sandboxes, as last heard; None if nothing was."""

    async def plan(self, schedule: Schedule) -> None:
        """Say what is planned, in place of what was said before, so that enough are warm then.

        Raises
        ------
        EngineUnavailable
            The broker does not answer.
        """

    async def claim(
        self, profile: str, *, room: str, run_limit: bool = True, on_wait: OnWait = ...
    ) -> SandboxHandle:
        """A fresh sandbox for a room, its kernel answering. Waits in a line if all are taken, and
        before that until the packages that are named with the profile are installed.

        Parameters
        ----------
        run_limit:
            Whether it ends when a cell runs longer than the profile's ``run_s``, or nothing for
            its ``idle_s``.
        on_wait:
            Called on the event loop when all are taken, or packages are not there yet, and when
            the wait is over.

        Raises
        ------
        EngineUnavailable, ImageMissing, PackagesFailed, SandboxExhausted, NotFound, SandboxError
            There is none to be had.
        """

    async def provide(self, path: str, dataset: Dataset) -> None:
        """See that sandboxes find a data set, a room's file of that path, before one is linked.

        Raises
        ------
        DatasetMissing
            It is not there any more, or sandboxes of this engine cannot be given any.
        EngineUnavailable, TooLarge, StoreUnavailable
            A broker does not answer, or does not take it.
        """

    async def drop(self, digest: str) -> None:
        """No room of this server's names that data set any more. Raises EngineUnavailable."""

    async def left(self) -> Mapping[str, str]:
        """Sandboxes that have outlived the server's last process: room by the handle's id.

        Asked once after the start; what is not adopted then is to be released. What is neither
        ends by itself, as its shim has heard nothing for 90 s.
        """

    async def adopt(self, handle: str) -> SandboxHandle:
        """One of those `left`, not yet resumed. Raises SandboxGone."""

    async def release(self, handle: str) -> None:
        """End one of those `left`. No error if it is gone."""


def clean_path(path: str) -> str:
    """A path below the work folder, as the shim takes it. Raises BadRequest."""
    pure = PurePosixPath(path)
    parts = path.split("/")
    if (
        not path
        or pure.is_absolute()
        or "\0" in path
        or len(parts) > MAX_PATH_PARTS
        or len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES
        or not path.isprintable()
        or any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts)
    ):
        raise BadRequest("A file's path must be relative, short and below the work folder.")
    return path
