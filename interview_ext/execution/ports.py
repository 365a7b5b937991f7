"""What running cells needs from the other parts, as small Protocols. ``house.py`` fits them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from jupyter_ydoc import YNotebook
from pycrdt import Doc

from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import DataFile, Document, Room, Run
from interview_ext.rooms.roles import Action

T = TypeVar("T")


class DocumentHistory(Protocol):
    """What a shared notebook has been."""

    async def newest(
        self, find: Callable[[Doc[Any]], T | None], *, since: datetime
    ) -> tuple[T, int] | None:
        """What `find` makes of the newest state it makes something of, and its log position.

        `find` is called in a thread with a copy of the document; `since` bounds the search.
        """


class RunDocument(Protocol):
    """One shared notebook. The server's edits are ordinary transactions on it."""

    @property
    def document(self) -> Document: ...

    @property
    def ydoc(self) -> YNotebook: ...

    @property
    def history(self) -> DocumentHistory: ...

    @property
    def log_seq(self) -> int:
        """Last committed position in the document's log."""

    async def wait_for(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Whether `predicate` came true; it is asked again after each applied update."""

    async def committed(self) -> None:
        """Return when all edits made so far, the server's own included, are in the log."""


class RunDocuments(Protocol):
    """Opens shared documents."""

    async def open(self, document: Document) -> RunDocument: ...


class RoomAccess(Protocol):
    """Says who may do what; `rooms.service.Rooms` is it."""

    async def get(self, room_id: str) -> Room: ...

    async def check(self, actor: Actor, action: Action) -> Room: ...

    async def document(self, actor: Actor, document_id: str) -> tuple[Room, Document, bool]: ...

    async def refused(self, actor: Actor, what: str) -> None: ...


class ExecutionStore(Protocol):
    """Run records, and what a room's kernel is given; every `rooms.ports.Store` is it."""

    async def save_run(self, run: Run) -> None: ...

    async def get_run(self, run_id: str) -> Run | None: ...

    async def list_runs(self, room_id: str) -> list[Run]: ...

    async def list_open_rooms(self) -> list[Room]: ...

    async def list_documents(self, room_id: str) -> list[Document]: ...

    async def list_data_files(self, room_id: str) -> list[DataFile]: ...

    async def read_content(self, digest: str) -> bytes: ...

    async def put_kept_file(self, file: DataFile, content: bytes) -> None: ...

    async def list_kept_files(self, room_id: str) -> list[DataFile]: ...


@dataclass(frozen=True, kw_only=True)
class KernelDeath:
    """Why a kernel ended. `reason` is two words for the candidate, `detail` one sentence."""

    reason: str
    detail: str = ""


class KernelResumed(Protocol):
    """Where a kernel stands that has outlived the server's last process."""

    @property
    def run(self) -> str:
        """Id of the last run it was given; empty if it has had none."""

    @property
    def lost_bytes(self) -> int:
        """What it has said since that run began and is kept no more, the oldest."""


class KernelHandle(Protocol):
    """One started kernel process in its sandbox."""

    @property
    def connection(self) -> Mapping[str, Any]:
        """Transport, address, ports and key, as in a Jupyter connection file."""

    async def wait(self) -> KernelDeath:
        """Return when the kernel has ended, however that came about."""

    async def resume(self) -> KernelResumed:
        """Let an adopted kernel's messages come, when somebody listens: all since its last run
        began, then what it says from now on.

        Raises
        ------
        SandboxError
            It is gone.
        """

    async def interrupt(self) -> None:
        """Interrupt what it runs."""

    async def freeze(self) -> None:
        """Give it no processor time until `thaw`; its memory stays. No error if it has ended."""

    async def thaw(self) -> None:
        """Let it go on."""

    async def stop(self) -> None:
        """End it at once and give back all it had; no error if it has ended."""

    async def usage(self) -> Mapping[str, float] | None:
        """``memory_bytes``, ``cpu`` (cores), ``pids`` as of now, or None if unknown."""

    async def list_files(self) -> WorkFiles:
        """What stands in its work folder. Raises SandboxError, and Conflict while frozen."""

    async def read_file(self, path: str) -> bytes:
        """One of them. Raises NotFound, TooLarge and as `list_files` does."""


@dataclass(frozen=True, kw_only=True)
class WorkFile:
    """A file in the sandbox's work folder, or kept from there."""

    path: str
    size: int


@dataclass(frozen=True, kw_only=True)
class WorkFiles:
    """What stands in the work folder.

    Attributes
    ----------
    left_out:
        Files that cannot be named: the kernel chooses names, and some are made to deceive.
    complete:
        Whether no more files are there than were looked at.
    """

    files: tuple[WorkFile, ...] = ()
    left_out: int = 0
    complete: bool = True


OnWait = Callable[[bool], None]
"""Hears that all sandboxes are taken (True), and that the wait for one is over (False)."""
Files = Callable[[], Awaitable[Mapping[str, bytes | DataFile]]]
"""Reads what has to stand below a kernel's working folder before its first cell; a data set, whose
bytes the store has not, is only named."""


class EngineState(Protocol):
    """Whether kernels can be started; `problem` and `hint` say why not.

    `isolation` says what stands between cells and the machine: ``container``, ``webassembly`` or
    ``none``.
    """

    @property
    def available(self) -> bool: ...

    @property
    def isolation(self) -> str: ...

    @property
    def problem(self) -> str: ...

    @property
    def hint(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Language:
    """What pages are told of a profile before its kernel speaks for itself.

    Attributes
    ----------
    name:
        As in a kernelspec's ``language``.
    display_name:
        As people read it.
    info:
        A notebook's ``language_info``.
    """

    name: str
    display_name: str
    info: Mapping[str, Any]


class KernelLauncher(Protocol):
    """Starts kernels of a room's profile, in sandboxes only."""

    def kernel_name(self, profile: str) -> str:
        """Name of the kernelspec of that profile."""

    def language(self, profile: str) -> Language:
        """What its kernel speaks. Never raises: a room outlives a profile."""

    def limits(self, profile: str) -> Mapping[str, float]:
        """What a kernel of that profile may use: ``cpus``, ``memory_bytes``, ``run_s`` and more."""

    async def engine(self) -> EngineState:
        """Whether a kernel could be started now; never raises."""

    async def left(self) -> Mapping[str, str]:
        """Kernels that have outlived the server's last process: room's id by a name that
        `launch` or `release` takes. Never raises.
        """

    async def release(self, left: str) -> None:
        """End one that is not needed any more; never raises."""

    async def launch(
        self, room: Room, *, kernel_id: str, files: Files, on_wait: OnWait, adopt: str = ""
    ) -> KernelHandle:
        """Start a kernel, or take the one `left` by that name, which then has to be resumed.

        `on_wait` is told when it has to wait, and when that is over.


        Raises
        ------
        SandboxError
            Such as `EngineUnavailable` or `ImageMissing`.
        """
