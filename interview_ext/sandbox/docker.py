"""The engine port on a Docker engine, 20.10 and later.

docker-py blocks, so its calls run on a few threads of this engine's own. The two streams do not go
through it: an attachment is an asyncio transport on the socket that docker-py has upgraded, and the
engine's events, one stream for all sandboxes, are read by one thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import threading
import traceback
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import docker
import docker.errors
import requests

from interview_ext.errors import (
    EngineFull,
    EngineUnavailable,
    ImageMissing,
    SandboxError,
    SandboxGone,
)

from .docker_client import connect
from .docker_settings import CPU_PERIOD_US, FULL_SHARE, cpu_quota, create_body, kernel_exec
from .engine import Attachment, EngineEvent, EngineStatus, Measure, Receiver
from .folders import seccomp_profile
from .profiles import Profile

log = logging.getLogger(__name__)

CALL_TIMEOUT_S = 30
STATUS_TIMEOUT_S = 5
THREADS = 8
MEASURE_THREADS = 4
"""Of their own: an engine may take a second for one answer, and a start must not wait for that."""
STREAM_HEADER = struct.Struct(">BxxxL")  # stream (1 stdout, 2 stderr), size: the engine's API docs
WRITE_HIGH_WATER_BYTES = 1024 * 1024
NO_SOURCE = "bind source path does not exist"
"""The engine's words for a mount of what is not on its machine."""
NO_SPACE = "no space left on device"
"""ENOSPC in the words of Go, in which the engine is written."""
_PIDS = tuple(
    f"/sys/fs/cgroup/{tree}{group}/pids.current"
    for tree in ("", "pids/")
    for group in ("docker/{}", "system.slice/docker-{}.scope")
)
"""Where a container's processes are counted: cgroup v2 and v1, each made by Docker or by systemd
(https://docs.docker.com/engine/containers/runmetrics/#find-the-cgroup-for-a-given-container)."""
_SILENT = (docker.errors.DockerException, requests.RequestException, OSError)
"""What docker-py raises when no engine answers."""


class DockerAttachment(asyncio.Protocol):
    """A container's stdio, multiplexed as the engine's API describes."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= STREAM_HEADER.size:
            stream, size = STREAM_HEADER.unpack_from(buffer, start)
            end = start + STREAM_HEADER.size + size
            if len(buffer) < end:
                break
            chunk = bytes(buffer[start + STREAM_HEADER.size : end])
            start = end
            if stream == 1:
                self._receiver.data_received(chunk)
            else:
                self._receiver.diagnostics_received(chunk)
        del buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # whatever the cause, the owner asks the engine what has become of the container
        if self._transport is not None:
            self._transport = None
            self._receiver.stream_lost()

    def pause_writing(self) -> None:
        self._receiver.writing_paused(paused=True)

    def resume_writing(self) -> None:
        self._receiver.writing_paused(paused=False)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


class DockerEngine:
    """Containers of one Docker engine.

    Parameters
    ----------
    base_url:
        Where the engine listens, ``unix://…`` or ``tcp://…``; None follows ``DOCKER_HOST`` and its
        relatives, then the default socket.
    runtime:
        The container runtime of all sandboxes, such as ``runsc``; empty: the engine's default.
    datasets:
        Folder that every container mounts at `datasets.MOUNT`, as the engine sees it; None: none.
    """

    def __init__(
        self, base_url: str | None = None, *, runtime: str = "", datasets: Path | None = None
    ) -> None:
        self._base_url = base_url
        self._runtime = runtime
        self._datasets = datasets
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._measuring = ThreadPoolExecutor(MEASURE_THREADS, thread_name_prefix="docker-stats")
        self._client: docker.APIClient | None = None
        self._seccomp: dict[str, str] = {}
        self._closed = False

    # -- calls on threads -------------------------------------------------------------------

    def _call(self, work: Callable[[docker.APIClient], Any]) -> Any:
        """Run on a thread: connect at the first call, and map errors."""
        try:
            if self._client is None:
                self._client = connect(self._base_url, CALL_TIMEOUT_S)
            return work(self._client)
        except docker.errors.ImageNotFound as error:
            raise ImageMissing("The sandbox image has not been built.") from error
        except docker.errors.NotFound as error:
            raise SandboxGone("The container is gone.", reason="crash") from error
        except docker.errors.APIError as error:
            if NO_SPACE in str(error.explanation):  # with a path that is none of a candidate's
                raise EngineFull("The container engine's disk is full.") from error
            raise SandboxError(f"The container engine refused: {error.explanation}") from error
        except _SILENT as error:
            _let_go(error)
            raise EngineUnavailable("No container engine answers.") from error

    async def _run(
        self, work: Callable[[docker.APIClient], Any], *, on: ThreadPoolExecutor | None = None
    ) -> Any:
        if self._closed:
            raise EngineUnavailable("The container engine's connection has been closed.")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(on or self._pool, self._call, work)

    # -- the port ---------------------------------------------------------------------------

    async def status(self) -> EngineStatus:
        """See :class:`Engine`. By a client of its own, that waits less for a hung engine."""
        if self._closed:
            return EngineStatus(
                available=False, name="docker", problem="The server is being stopped."
            )

        def ask(_: object = None) -> tuple[str, list[str]]:
            client = connect(self._base_url, STATUS_TIMEOUT_S)
            try:
                runtimes = client.info().get("Runtimes", {}) if self._runtime else {}
                return str(client.version()["Version"]), sorted(runtimes)
            finally:
                client.close()

        try:
            loop = asyncio.get_running_loop()
            version, runtimes = await loop.run_in_executor(self._pool, ask)
        except _SILENT as error:
            _let_go(error)
            return EngineStatus(
                available=False,
                name="docker",
                problem=f"No Docker engine answers ({type(error).__name__}).",
                hint=EngineUnavailable.default_hint,
            )
        if self._runtime and self._runtime not in runtimes:
            return EngineStatus(
                available=False,
                name="docker",
                version=version,
                problem=f"The Docker engine knows no runtime {self._runtime!r}; "
                f"it has {', '.join(runtimes)}.",
                hint="Add it to the engine's daemon.json and restart the engine, or unset the "
                "runtime in the configuration.",
            )
        return EngineStatus(available=True, name="docker", version=version)

    async def create(
        self,
        profile: Profile,
        image: str,
        labels: Mapping[str, str],
        *,
        background: bool = False,
    ) -> str:
        """See :class:`Engine`."""
        if profile.image not in self._seccomp:
            text = await asyncio.to_thread(seccomp_profile, profile.image)
            self._seccomp[profile.image] = json.dumps(json.loads(text))
        body = create_body(
            profile,
            image=image,
            seccomp=self._seccomp[profile.image],
            labels=labels,
            runtime=self._runtime,
            datasets=self._datasets,
            background=background,
        )

        def work(client: docker.APIClient) -> str:
            return str(client.create_container_from_config(body)["Id"])

        try:
            return str(await self._run(work))
        except SandboxError as error:
            if self._datasets is None or NO_SOURCE not in error.message:
                raise
        log.warning(
            "the container engine does not see %s: interviews cannot have large data files",
            self._datasets,
        )
        del body["HostConfig"]["Mounts"]  # others go on; a data set will not be found
        return str(await self._run(work))

    async def start(self, container: str) -> None:
        """See :class:`Engine`."""
        await self._run(lambda client: client.start(container))

    async def to_the_front(self, container: str) -> None:
        """See :class:`Engine`."""
        await self._run(lambda client: client.update_container(container, cpu_shares=FULL_SHARE))

    async def give_cpus(self, container: str, cpus: float) -> None:
        """See :class:`Engine`."""
        await self._run(
            lambda client: client.update_container(
                container, cpu_period=CPU_PERIOD_US, cpu_quota=cpu_quota(cpus)
            )
        )

    def processes(self, container: str) -> int | None:
        """See :class:`Engine`. None if the engine is on another machine, or we see no cgroups."""
        for place in _PIDS:
            try:
                return int(Path(place.format(container)).read_text())
            except (OSError, ValueError):
                continue
        return None

    async def attach(self, container: str, receiver: Receiver) -> Attachment:
        """See :class:`Engine`."""

        def work(client: docker.APIClient) -> socket.socket:
            params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            wrapped = client.attach_socket(container, params=params)
            raw = getattr(wrapped, "_sock", wrapped)
            if type(raw) is not socket.socket:
                raise EngineUnavailable(
                    "This engine is reached over TLS, which attachments do not support.",
                    hint="Reach the engine through a Unix socket.",
                )
            # Ours alone from here on: docker-py would close it with the response object.
            mine = socket.socket(fileno=raw.detach())
            mine.setblocking(False)
            return mine

        attaching = asyncio.ensure_future(self._run(work))
        try:
            connection = await asyncio.shield(attaching)
        except asyncio.CancelledError:  # the thread goes on, and nobody would close what it opens
            attaching.add_done_callback(_close_unclaimed)
            raise
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(
            lambda: DockerAttachment(receiver), sock=connection
        )
        return protocol

    async def execute(self, container: str, profile: Profile) -> str:
        """See :class:`Engine`."""

        def work(client: docker.APIClient) -> str:
            made = client.exec_create(container, **kernel_exec(profile))
            client.exec_start(made["Id"], detach=True)
            return str(made["Id"])

        return str(await self._run(work))

    async def executing(self, process: str) -> bool:
        """See :class:`Engine`."""
        try:
            found = await self._run(lambda client: client.exec_inspect(process))
        except SandboxGone:
            return False
        return bool(found["Running"])

    async def kill(self, container: str) -> None:
        """See :class:`Engine`."""

        def work(client: docker.APIClient) -> None:
            try:
                client.kill(container, signal="SIGKILL")
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):  # gone, or not running
                    raise

        await self._run(work)

    async def pause(self, container: str) -> None:
        """See :class:`Engine`."""
        await self._run(lambda client: _unless_done(client.pause, container))

    async def unpause(self, container: str) -> None:
        """See :class:`Engine`."""
        await self._run(lambda client: _unless_done(client.unpause, container))

    async def remove(self, container: str) -> None:
        """See :class:`Engine`."""

        def work(client: docker.APIClient) -> None:
            try:
                client.remove_container(container, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):  # gone, or being removed already
                    raise

        await self._run(work)

    async def inspect(self, container: str) -> Mapping[str, Any] | None:
        """See :class:`Engine`."""
        try:
            found: Mapping[str, Any] = await self._run(lambda c: c.inspect_container(container))
        except SandboxGone:
            return None
        return found

    async def list(self, labels: Mapping[str, str]) -> list[str]:
        """See :class:`Engine`."""
        wanted = [f"{name}={value}" for name, value in labels.items()]
        rows = await self._run(lambda c: c.containers(all=True, filters={"label": wanted}))
        return [row["Id"] for row in rows]

    async def measure(self, container: str) -> Measure:
        """See :class:`Engine`. Cached file pages the kernel could drop are not counted."""
        row = await self._run(
            lambda c: c.stats(container, stream=False, one_shot=True), on=self._measuring
        )
        memory = row.get("memory_stats", {})
        if "usage" not in memory:
            raise SandboxGone("The container has ended.", reason="crash")
        return Measure(
            memory_bytes=_in_use(memory),
            cpu_s=row["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
            pids=row.get("pids_stats", {}).get("current", 0),
        )

    async def events(self, labels: Mapping[str, str]) -> AsyncGenerator[EngineEvent, None]:
        """See :class:`Engine`."""
        wanted = {
            "type": "container",
            "event": ["oom", "die", "exec_die"],
            "label": [f"{name}={value}" for name, value in labels.items()],
        }

        def open_stream(client: docker.APIClient) -> Any:
            return client.events(decode=True, filters=wanted)

        return self._read_events(await self._run(open_stream))

    async def _read_events(self, stream: Any) -> AsyncGenerator[EngineEvent, None]:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[EngineEvent | None] = asyncio.Queue()

        def read() -> None:
            try:
                for row in stream:
                    event = _event(row)
                    if event is not None:
                        loop.call_soon_threadsafe(queue.put_nowait, event)
            except (*_SILENT, ValueError):
                log.debug("the engine's event stream broke", exc_info=True)
            finally:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(queue.put_nowait, None)

        # Not one of the pool's threads: an application that never stops us could then not end.
        reader = threading.Thread(target=read, name="docker-events", daemon=True)
        reader.start()
        try:
            while (event := await queue.get()) is not None:
                yield event
            raise EngineUnavailable("The container engine has gone away.")
        finally:
            stream.close()
            await asyncio.to_thread(reader.join)

    async def close(self) -> None:
        """See :class:`Engine`."""
        self._closed = True
        for pool in (self._pool, self._measuring):
            await asyncio.to_thread(pool.shutdown, wait=True)
        if self._client is not None:
            self._client.close()
            self._client = None


def _close_unclaimed(attaching: asyncio.Future[socket.socket]) -> None:
    if not attaching.cancelled() and attaching.exception() is None:
        attaching.result().close()


def _let_go(error: BaseException | None) -> None:
    """Free what the frames of an error hold: the socket of a connection that failed.

    docker-py leaves it to them; whoever keeps the error, a log's record say, would keep it open.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _unless_done(work: Callable[[str], None], container: str) -> None:
    """Pause or unpause; the engine refuses what is so already, or not running (409, 500)."""
    try:
        work(container)
    except docker.errors.APIError as error:
        said = str(error.explanation)
        if "already paused" in said or "is not paused" in said:
            return
        if "not running" in said:
            raise SandboxGone("The container is gone.", reason="crash") from error
        raise


def _in_use(memory: Mapping[str, Any]) -> int:
    """What of a container's memory the kernel cannot drop, from Docker's ``memory_stats``.

    Docker's own tool counts a file's page that was read twice as used, although it is given up as
    readily when memory is needed. Files on a tmpfs are not cache: they count. The names are those
    of cgroup v1 and v2.
    """
    detail = memory.get("stats", {})
    cached: int = sum(
        detail.get(f"total_{kind}_file", detail.get(f"{kind}_file", 0))
        for kind in ("active", "inactive")
    )
    return max(0, int(memory["usage"]) - cached)


def _event(row: Mapping[str, Any]) -> EngineEvent | None:
    """An engine event as ours; None for those of other actions."""
    action = str(row.get("Action", "")).split(":", 1)[0]
    attributes = row.get("Actor", {}).get("Attributes", {})
    container = row.get("Actor", {}).get("ID", "")
    code = attributes.get("exitCode")
    exit_code = int(code) if code is not None else None
    if action == "oom":
        return EngineEvent(container=container, kind="oom")
    if action == "exec_die":
        return EngineEvent(
            container=container,
            kind="process_exit",
            process=attributes.get("execID", ""),
            exit_code=exit_code,
        )
    if action == "die":
        return EngineEvent(container=container, kind="exit", exit_code=exit_code)
    return None
