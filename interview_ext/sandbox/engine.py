"""What a sandbox needs from whatever runs it: a small port, filled by Docker unless configured.

Handles are opaque strings. Every method raises
:class:`~interview_ext.errors.EngineUnavailable` when the engine does not answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .profiles import Profile

Isolation = Literal["container", "webassembly", "none"]


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """Whether cells can run. `problem` and `hint` are empty if they can, also in fresh kernels.

    `isolation` says what stands between cells and the machine.
    """

    available: bool
    name: str
    version: str = ""
    problem: str = ""
    hint: str = ""
    isolation: Isolation = "container"


@dataclass(frozen=True, kw_only=True)
class EngineEvent:
    """Something that happened to a container.

    `kind`: ``oom`` (a process was killed for memory), ``process_exit`` (one started by
    :meth:`Engine.execute` ended), ``exit`` (the container ended).
    """

    container: str
    kind: Literal["oom", "process_exit", "exit"]
    process: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Usage at one moment: `cpu_s` is all CPU time since the start."""

    memory_bytes: int
    cpu_s: float
    pids: int


class Receiver(Protocol):
    """Whoever reads an attachment; called on the event loop."""

    def data_received(self, data: bytes) -> None:
        """Some bytes of the container's stdout."""

    def diagnostics_received(self, data: bytes) -> None:
        """Some bytes of the container's stderr."""

    def stream_lost(self) -> None:
        """The attachment has ended, whether the container has or not."""

    def writing_paused(self, *, paused: bool) -> None:
        """Whether what is written now would only pile up."""


class Attachment(Protocol):
    """A container's stdio."""

    def write(self, data: bytes) -> None:
        """Send to the container's stdin."""

    def pause(self) -> None:
        """Stop reading."""

    def resume(self) -> None:
        """Read again."""

    def close(self) -> None:
        """Let go; the container runs on."""


class Containers(Protocol):
    """What can be done with a container that is there, by whoever has it."""

    async def attach(self, container: str, receiver: Receiver) -> Attachment:
        """Connect to stdio. May be called before the start, and again after a loss."""

    async def inspect(self, container: str) -> Mapping[str, Any] | None:
        """The engine's own description, or None if it is gone."""

    async def remove(self, container: str) -> None:
        """Kill and forget. No error if it is gone."""

    async def measure(self, container: str) -> Measure:
        """Usage now. Raises SandboxGone if it is gone."""

    async def pause(self, container: str) -> None:
        """Freeze all its processes; nothing if they are. Raises SandboxGone if it has ended."""

    async def unpause(self, container: str) -> None:
        """Let them go on; nothing if they do. Raises SandboxGone if it has ended."""


class Engine(Containers, Protocol):
    """Runs containers. All methods are safe on the event loop: none blocks."""

    async def status(self) -> EngineStatus:
        """Whether the engine answers; never raises."""

    async def create(
        self,
        profile: Profile,
        image: str,
        labels: Mapping[str, str],
        *,
        background: bool = False,
    ) -> str:
        """Make a container of `image`, not yet started; the answer is its handle.

        One in the background gives way to all others, until it comes `to_the_front`.
        Raises ImageMissing if the image is not there, EngineFull if there is no room for it.
        """

    async def start(self, container: str) -> None:
        """Start PID 1, the shim."""

    async def to_the_front(self, container: str) -> None:
        """Give one that was made in the background the share of the processor that others have."""

    async def give_cpus(self, container: str, cpus: float) -> None:
        """Let it have so many cores' time from now on, instead of what its profile says."""

    def processes(self, container: str) -> int | None:
        """How many processes and threads it has, if that takes microseconds to find out."""

    async def execute(self, container: str, profile: Profile) -> str:
        """Start the profile's kernel under the candidate's uid; the answer names the process."""

    async def executing(self, process: str) -> bool:
        """Whether what `execute` started still runs."""

    async def kill(self, container: str) -> None:
        """End all processes at once. No error if there is none."""

    async def list(self, labels: Mapping[str, str]) -> list[str]:
        """All containers, running or not, with these labels."""

    async def events(self, labels: Mapping[str, str]) -> AsyncGenerator[EngineEvent, None]:
        """What happens to all containers with these labels, from the moment this returns.

        One stream serves all sandboxes; whoever asked for it closes it. It raises
        EngineUnavailable when the engine goes away.
        """

    async def close(self) -> None:
        """Give back threads and connections; containers stay."""
