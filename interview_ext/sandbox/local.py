"""The engine port on processes of this machine: what the engines without containers share.

A "container" here is a process group whose first process speaks frames on its stdio. The groups
live no longer than the server: their stdin closes with it, and then they end themselves.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import secrets
import signal
from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from interview_ext.errors import EngineUnavailable, SandboxError, SandboxGone

from .engine import Attachment, EngineEvent, EngineStatus, Measure, Receiver
from .proc import Process, family, processes, send
from .profiles import Profile

log = logging.getLogger(__name__)

WATCH_S = 0.1
"""How often memory is measured: a process that takes 1 GB/s is 100 MB above its limit by then."""
WRITE_HIGH_WATER_BYTES = 1024 * 1024
STOP_TRIES = 50
STOP_PAUSE_S = 0.02


class Box(asyncio.SubprocessProtocol):
    """One group: its first process, whoever reads that, and what the engine knows of both."""

    def __init__(self, engine: LocalEngine, profile: Profile, labels: Mapping[str, str]) -> None:
        self.id = secrets.token_hex(16)
        self.profile = profile
        self.labels = dict(labels)
        self.folder: Path | None = None
        self.paused = False
        self.receiver: Receiver | None = None
        self.transport: asyncio.SubprocessTransport | None = None
        self.others: list[asyncio.SubprocessTransport] = []
        self.ended = asyncio.Event()
        self._engine = engine

    # -- what asyncio calls -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.SubprocessTransport", transport)
        cast(
            "asyncio.WriteTransport", self.transport.get_pipe_transport(0)
        ).set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        if self.receiver is not None and isinstance(data, bytes):
            if fd == 1:
                self.receiver.data_received(data)
            else:
                self.receiver.diagnostics_received(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc  # whatever the cause, the end of the process follows
        if fd == 1 and self.receiver is not None:
            receiver, self.receiver = self.receiver, None
            receiver.stream_lost()

    def pause_writing(self) -> None:
        if self.receiver is not None:
            self.receiver.writing_paused(paused=True)

    def resume_writing(self) -> None:
        if self.receiver is not None:
            self.receiver.writing_paused(paused=False)

    def process_exited(self) -> None:
        self._engine.main_ended(self)
        self.ended.set()

    # -- what the attachment calls ------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        return self.transport is not None and self.transport.get_returncode() is None

    @property
    def group(self) -> int:
        """Number of the process group. Raises SandboxGone before the start and after the end."""
        if self.transport is None or not self.running:
            raise SandboxGone("The sandbox's process has ended.", reason="crash")
        return self.transport.get_pid()

    def write(self, data: bytes) -> None:
        """See :class:`Attachment`."""
        pipe = self.transport.get_pipe_transport(0) if self.transport is not None else None
        if pipe is not None and not pipe.is_closing():
            cast("asyncio.WriteTransport", pipe).write(data)

    def pause(self) -> None:
        """See :class:`Attachment`."""
        pipe = self.transport.get_pipe_transport(1) if self.transport is not None else None
        if pipe is not None and not pipe.is_closing():
            cast("asyncio.ReadTransport", pipe).pause_reading()

    def resume(self) -> None:
        """See :class:`Attachment`."""
        pipe = self.transport.get_pipe_transport(1) if self.transport is not None else None
        if pipe is not None and not pipe.is_closing():
            cast("asyncio.ReadTransport", pipe).resume_reading()

    def close(self) -> None:
        """See :class:`Attachment`."""
        self.receiver = None


class Companion(asyncio.SubprocessProtocol):
    """A further process of a group; tells the engine when it ends."""

    def __init__(self, engine: LocalEngine, box: Box, name: str) -> None:
        self._engine = engine
        self._box = box
        self._name = name
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def process_exited(self) -> None:
        code = self._transport.get_returncode() if self._transport is not None else None
        self._engine.tell(self._box, "process_exit", process=self._name, exit_code=code)


@dataclass(frozen=True)
class Lack:
    """Why an engine cannot run kernels here, and what to do about it."""

    problem: str
    hint: str = ""


class LocalEngine:
    """Groups of processes, watched for their memory. Each kind says how its own are started."""

    name: str
    isolation: Literal["webassembly", "none"]
    package: str
    """What kernels run on, by its name on PyPI: its version is shown."""

    def __init__(self) -> None:
        self._boxes: dict[str, Box] = {}
        self._heard: dict[asyncio.Queue[EngineEvent | None], Mapping[str, str]] = {}
        self._watching: asyncio.Task[None] | None = None
        self._closed = False

    async def status(self) -> EngineStatus:
        """See :class:`Engine`."""
        lack = self.lack()
        if lack is None and self._closed:
            lack = Lack("The server is being stopped.")
        return EngineStatus(
            available=lack is None,
            name=self.name,
            version="" if lack else f"{self.package} {importlib.metadata.version(self.package)}",
            problem=lack.problem if lack else "",
            hint=lack.hint if lack else "",
            isolation=self.isolation,
        )

    # -- what each kind says ------------------------------------------------------------------

    @abstractmethod
    def lack(self) -> Lack | None:
        """What this engine needs and has not."""

    async def start(self, container: str) -> None:
        """See :class:`Engine`."""

    async def to_the_front(self, container: str) -> None:
        """See :class:`Engine`."""

    async def give_cpus(self, container: str, cpus: float) -> None:
        """See :class:`Engine`."""

    def processes(self, container: str) -> int | None:  # noqa: ARG002
        """See :class:`Engine`."""
        return None

    @abstractmethod
    async def execute(self, container: str, profile: Profile) -> str:
        """See :class:`Engine`."""

    @abstractmethod
    async def executing(self, process: str) -> bool:
        """See :class:`Engine`."""

    async def _prepare(self, box: Box) -> None:
        """Make what the box needs before its start."""

    async def _clean(self, box: Box) -> None:
        """Remove what `_prepare` has made."""

    def _frozen_members(self, box: Box, members: list[Process]) -> list[Process]:
        """Which of them stand still while the box is paused."""
        del box
        return members

    def main_ended(self, box: Box) -> None:
        """Tell of the end of a box's first process."""
        code = box.transport.get_returncode() if box.transport is not None else None
        self.tell(box, "exit", exit_code=code)

    # -- the port -----------------------------------------------------------------------------

    async def create(
        self,
        profile: Profile,
        image: str,
        labels: Mapping[str, str],
        *,
        background: bool = False,
    ) -> str:
        """See :class:`Engine`. There are no images here, and no shares of the processor."""
        del image, background
        status = await self.status()
        if not status.available:
            raise EngineUnavailable(status.problem, hint=status.hint)
        box = Box(self, profile, labels)
        self._boxes[box.id] = box
        try:
            await self._prepare(box)
        except OSError as error:
            await self.remove(box.id)
            raise SandboxError(f"The sandbox could not be made: {error.strerror}.") from error
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch())
        return box.id

    async def _spawn(
        self, box: Box, argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str]
    ) -> None:
        """Start the box's first process, which leads its group."""
        try:
            await asyncio.get_running_loop().subprocess_exec(
                lambda: box,
                *argv,
                cwd=cwd,
                env=dict(environment),
                process_group=0,
            )
        except OSError as error:
            raise EngineUnavailable(
                f"{argv[0]} could not be started: {error.strerror}.", hint=""
            ) from error

    async def attach(self, container: str, receiver: Receiver) -> Attachment:
        """See :class:`Engine`. The stream ends with the process; nothing comes after that."""
        box = self._box(container)
        box.receiver = receiver
        return box

    async def inspect(self, container: str) -> Mapping[str, Any] | None:
        """See :class:`Engine`."""
        box = self._boxes.get(container)
        if box is None:
            return None
        return {"State": {"Running": box.running, "Paused": box.paused}}

    async def kill(self, container: str) -> None:
        """See :class:`Engine`."""
        box = self._boxes.get(container)
        if box is not None:
            await self._end(box)

    async def remove(self, container: str) -> None:
        """See :class:`Engine`."""
        box = self._boxes.get(container)
        if box is None:
            return
        await self._end(box)
        self._boxes.pop(container, None)
        for transport in (*box.others, box.transport):
            if transport is not None:
                transport.close()
        await self._clean(box)

    async def measure(self, container: str) -> Measure:
        """See :class:`Engine`. Pages that two processes share count for both."""
        group = self._box(container).group
        members = family(group, await asyncio.to_thread(processes))
        return Measure(
            memory_bytes=sum(each.memory_bytes for each in members),
            cpu_s=sum(each.cpu_s for each in members),
            pids=sum(each.threads for each in members),
        )

    async def pause(self, container: str) -> None:
        """See :class:`Engine`."""
        await self._signal(container, signal.SIGSTOP, paused=True)

    async def unpause(self, container: str) -> None:
        """See :class:`Engine`."""
        await self._signal(container, signal.SIGCONT, paused=False)

    async def _signal(self, container: str, number: int, *, paused: bool) -> None:
        box = self._box(container)
        members = family(box.group, await asyncio.to_thread(processes))
        send(number, self._frozen_members(box, members))
        box.paused = paused

    async def list(self, labels: Mapping[str, str]) -> list[str]:
        """See :class:`Engine`."""
        return [box.id for box in self._boxes.values() if labels.items() <= box.labels.items()]

    async def events(self, labels: Mapping[str, str]) -> AsyncGenerator[EngineEvent, None]:
        """See :class:`Engine`."""
        queue: asyncio.Queue[EngineEvent | None] = asyncio.Queue()
        self._heard[queue] = dict(labels)
        return self._read_events(queue)

    async def _read_events(
        self, queue: asyncio.Queue[EngineEvent | None]
    ) -> AsyncGenerator[EngineEvent, None]:
        try:
            while (event := await queue.get()) is not None:
                yield event
            raise EngineUnavailable("The engine has been closed.")
        finally:
            self._heard.pop(queue, None)

    async def close(self) -> None:
        """See :class:`Engine`; but what is left here ends, since nobody could reach it again."""
        self._closed = True
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
            self._watching = None
        for container in [*self._boxes]:
            await self.remove(container)
        for queue in self._heard:
            queue.put_nowait(None)

    # -- inside -------------------------------------------------------------------------------

    def _box(self, container: str) -> Box:
        try:
            return self._boxes[container]
        except KeyError:
            raise SandboxGone("The sandbox is gone.", reason="crash") from None

    def tell(
        self,
        box: Box,
        kind: Literal["oom", "process_exit", "exit"],
        *,
        process: str = "",
        exit_code: int | None = None,
    ) -> None:
        """Hand an event to all who listen."""
        event = EngineEvent(container=box.id, kind=kind, process=process, exit_code=exit_code)
        for queue, labels in self._heard.items():
            if labels.items() <= box.labels.items():
                queue.put_nowait(event)

    async def _end(self, box: Box) -> None:
        """Kill the group, and whatever its members have started outside it, until none is left."""
        if not box.running or box.transport is None:
            return
        group = box.transport.get_pid()
        for _ in range(STOP_TRIES):
            members = family(group, await asyncio.to_thread(processes))
            if not members:
                break
            # The first process last: with it would go who belongs together.
            rest = [each for each in members if each.pid != group]
            send(signal.SIGKILL, rest or members)
            await asyncio.sleep(STOP_PAUSE_S if rest else 0)
        else:
            log.warning("processes of sandbox %.12s are left: %s", box.id, members)
        await box.ended.wait()

    async def _watch(self) -> None:
        """End whoever takes more memory than its profile allows."""
        while True:
            await asyncio.sleep(WATCH_S)
            running = [box for box in self._boxes.values() if box.running]
            if not running:
                continue
            everybody = await asyncio.to_thread(processes)
            for box in running:
                if not box.running:
                    continue
                members = family(box.group, everybody)
                used = sum(each.memory_bytes for each in members)
                if used > box.profile.limits.memory_bytes:
                    self.tell(box, "oom")
                    send(signal.SIGKILL, [each for each in members if each.pid != box.group])
                    await self._end(box)
