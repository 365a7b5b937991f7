"""The broker in another process, as this server sees it.

A sandbox is here the same object as in a server that owns its engine. Only its container is the
broker's: the stream that it attaches to leads through a WebSocket, and ends, usage and reasons of
death come from there. Numbers, acknowledgements and replay are between that object and
the shim, so a connection that is lost, or a broker that is killed and comes back, costs nothing:
the stream is opened again, and what was under way is sent again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from interview_ext.errors import DatasetMissing, InterviewError, NotFound, SandboxGone

from .broker import OnWait, PoolState, Schedule, unheard
from .broker_http import BrokerHttp
from .claims import Claim
from .datasets import Dataset, DatasetFolder
from .deaths import Death, Reason
from .engine import Attachment, EngineStatus, Measure, Receiver
from .kinds import parts
from .preparing import Preparation
from .profiles import PROFILES, Limits, Profile
from .relay import remove_left_over
from .sandbox import Sandbox

log = logging.getLogger(__name__)

PATIENCE_S = 60.0
"""Less than the 90 s that the shims wait."""
TICK_S = 1.0
CHUNK_BYTES = 512 * 1024
HIGH_WATER_BYTES = 1024 * 1024
STREAM = "/v1/claims/{}/stream"
CLAIM = "/v1/claims/{}"
DATASET = "/v1/datasets/{}"


class BrokerStream:
    """A container's stdio through the broker: an :class:`~interview_ext.sandbox.engine.Attachment`.

    Parameters
    ----------
    on_death:
        Called with what the broker says of the container's end.
    """

    def __init__(
        self,
        connection: WebSocketClientConnection,
        receiver: Receiver,
        on_death: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._connection = connection
        self._receiver = receiver
        self._on_death = on_death
        self._reads = asyncio.Event()
        self._reads.set()
        self._unsent = 0
        self._paused = False
        self._closed = False
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        while True:
            await self._reads.wait()
            message = await self._connection.read_message()
            if message is None or self._closed:  # what is left belongs to nobody any more
                break
            if isinstance(message, bytes):
                self._receiver.data_received(message)
            else:
                self._on_death(json.loads(message)["death"])
        self._connection.close()  # it has no end of its own: tornado wants to be told
        if not self._closed:
            self._closed = True
            self._receiver.stream_lost()

    def write(self, data: bytes) -> None:
        """See :class:`Attachment`."""
        for start in range(0, len(data), CHUNK_BYTES):
            self._write(data[start : start + CHUNK_BYTES])

    def _write(self, data: bytes) -> None:
        if self._closed:
            return
        try:
            sent = asyncio.ensure_future(self._connection.write_message(data, binary=True))
        except (WebSocketClosedError, StreamClosedError):
            return  # the reader notices too, and tells
        self._unsent += len(data)
        sent.add_done_callback(lambda done: self._sent(done, len(data)))
        if self._unsent > HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self._receiver.writing_paused(paused=True)

    def _sent(self, done: asyncio.Future[None], size: int) -> None:
        failed = done.cancelled() or done.exception() is not None
        self._unsent -= size
        if failed or self._closed:
            return
        if self._paused and self._unsent <= HIGH_WATER_BYTES // 2:
            self._paused = False
            self._receiver.writing_paused(paused=False)

    def pause(self) -> None:
        """See :class:`Attachment`."""
        self._reads.clear()

    def resume(self) -> None:
        """See :class:`Attachment`."""
        self._reads.set()

    def close(self) -> None:
        """See :class:`Attachment`."""
        if not self._closed:
            self._closed = True
            self._reads.set()
            self._connection.close()


class BrokerContainers:
    """Containers behind a broker; handles are the names of claims."""

    def __init__(self, http: BrokerHttp) -> None:
        self._http = http
        self.sandboxes: dict[str, Sandbox] = {}

    async def attach(self, container: str, receiver: Receiver) -> Attachment:
        """See :class:`Containers`."""
        connection = await self._http.open_stream(STREAM.format(container))
        return BrokerStream(connection, receiver, lambda death: self._died(container, death))

    async def inspect(self, container: str) -> Mapping[str, Any] | None:
        """See :class:`Containers`. If it has ended, the sandbox is told why."""
        try:
            found = await self._http.ask("GET", CLAIM.format(container))
        except NotFound:
            return None
        if found["death"] is not None:
            self._died(container, found["death"])
        return {"State": {"Running": found["running"], "Paused": found["frozen"]}}

    async def remove(self, container: str) -> None:
        """See :class:`Containers`."""
        await self._http.ask("DELETE", CLAIM.format(container))

    async def measure(self, container: str) -> Measure:
        """See :class:`Containers`."""
        try:
            found = await self._http.ask("GET", CLAIM.format(container) + "/usage")
        except NotFound:
            raise SandboxGone("The container has ended.", reason=Reason.CRASH) from None
        return Measure(memory_bytes=found["memory_bytes"], cpu_s=found["cpu_s"], pids=found["pids"])

    async def pause(self, container: str) -> None:
        """See :class:`Containers`."""
        await self._post(container, "freeze")

    async def unpause(self, container: str) -> None:
        """See :class:`Containers`."""
        await self._post(container, "thaw")

    async def _post(self, container: str, what: str) -> None:
        try:
            await self._http.ask("POST", f"{CLAIM.format(container)}/{what}")
        except NotFound:
            raise SandboxGone("The container has ended.", reason=Reason.CRASH) from None

    def _died(self, container: str, told: Mapping[str, Any]) -> None:
        sandbox = self.sandboxes.get(container)
        if sandbox is None:
            return
        try:
            reason = Reason(told["reason"])
        except ValueError:
            reason = Reason.CRASH
        death = Death(reason=reason, detail=str(told["detail"]), at=datetime.now(UTC))
        sandbox.ended_elsewhere(death)


class BrokerClient:
    """A :class:`~interview_ext.sandbox.broker.Broker` that asks another process.

    Parameters
    ----------
    server_id:
        Names this server's rooms at the broker, so that two servers that were given one token by
        mistake do not end each other's sandboxes.
    profiles:
        Those that this server knows of, for their limits until the broker has told its own.
    datasets:
        This server's own, of which the broker gets a copy when a room needs one; None: none.
    patience_s:
        How long the broker may be away before its sandboxes are given up.
    """

    def __init__(
        self,
        http: BrokerHttp,
        *,
        server_id: str,
        profiles: Mapping[str, Profile] = PROFILES,
        datasets: DatasetFolder | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._profiles = profiles
        self.server_id = server_id
        self._http = http
        self._patience_s = patience_s
        self._datasets = datasets
        self._providing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._containers = BrokerContainers(http)
        self._limits: dict[str, Limits] = {}
        self._pools: dict[str, PoolState] = {}
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """See :class:`Broker`."""
        await asyncio.to_thread(remove_left_over, self.server_id)
        status = await self.engine_status()
        if not status.available:
            log.warning("cells cannot run: %s %s", status.problem, status.hint)
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def stop(self) -> None:
        """See :class:`Broker`."""
        await asyncio.gather(
            *(s.stop(Reason.STOPPED, "The server was stopped.") for s in self._present())
        )
        ticking, self._ticking = self._ticking, None
        if ticking is not None:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
        self._http.close()

    async def engine_status(self) -> EngineStatus:
        """See :class:`Broker`."""
        try:
            found = await self._http.ask("GET", "/v1/status")
            self._limits = {name: Limits(**row) for name, row in found["profiles"].items()}
            self._pools = {name: PoolState(**row) for name, row in found["pools"].items()}
            return EngineStatus(**found["engine"])
        except (TypeError, KeyError, AttributeError):
            problem = "The broker is of another version than this server."
            return EngineStatus(available=False, name="broker", problem=problem)
        except InterviewError as error:
            return EngineStatus(
                available=False, name="broker", problem=error.message, hint=error.hint
            )

    def limits(self, profile: str) -> Limits:
        """See :class:`Broker`. As last heard; before that, what the profile is delivered with."""
        profile = parts(profile)[0]
        if profile in self._limits:
            return self._limits[profile]
        if profile in self._profiles:
            return self._profiles[profile].limits
        return Limits()

    def pool_state(self, profile: str) -> PoolState | None:
        """See :class:`Broker`."""
        return self._pools.get(profile)

    async def prepare(
        self, profile: str, packages: Sequence[str], *, again: bool = False
    ) -> Preparation:
        """See :class:`Broker`."""
        wish = {"profile": profile, "packages": list(packages), "again": again}
        return Preparation(**await self._http.ask("POST", "/v1/packages", wish))

    async def plan(self, schedule: Schedule) -> None:
        """See :class:`Broker`."""
        plan = {
            profile: {self._prefix + room: at.isoformat() for room, at in rooms.items()}
            for profile, rooms in schedule.items()
        }
        await self._http.ask("PUT", "/v1/plan", plan)

    async def claim(
        self, profile: str, *, room: str, run_limit: bool = True, on_wait: OnWait = unheard
    ) -> Sandbox:
        """See :class:`Broker`."""
        wish: dict[str, Any] = {
            "ticket": uuid.uuid4().hex,
            "profile": profile,
            "room": self._prefix + room,
            "run_limit": run_limit,
            "waits": False,
        }
        try:
            while "id" not in (found := await self._http.ask("POST", "/v1/claims", wish)):
                if found["waits"] != wish["waits"]:
                    wish["waits"] = found["waits"]
                    on_wait(found["waits"])
        finally:
            if wish["waits"]:
                on_wait(False)
        sandbox = self._stand_for(found)
        await sandbox.resume()
        return sandbox

    async def provide(self, path: str, dataset: Dataset) -> None:
        """See :class:`Broker`. Rooms that need the same at once send it once."""
        async with self._providing[dataset.digest]:
            try:
                await self._http.ask("GET", DATASET.format(dataset.digest))
            except NotFound:
                await self._send(path, dataset)

    async def _send(self, path: str, dataset: Dataset) -> None:
        if self._datasets is None:
            raise DatasetMissing(f"The data file {path} is not stored on the server.")
        await asyncio.to_thread(self._datasets.check, path, dataset)
        source = self._datasets.path(dataset.digest)
        await self._http.send_file(DATASET.format(dataset.digest), source, size=dataset.size)

    async def drop(self, digest: str) -> None:
        """See :class:`Broker`."""
        await self._http.ask("DELETE", DATASET.format(digest))

    async def left(self) -> Mapping[str, str]:
        """See :class:`Broker`."""
        return {row["id"]: self._room(row) for row in await self._rows()}

    async def adopt(self, handle: str) -> Sandbox:
        """See :class:`Broker`."""
        for row in await self._rows():
            if row["id"] == handle:
                return self._stand_for(row)
        raise SandboxGone("The container has ended.", reason=Reason.STOPPED)

    async def release(self, handle: str) -> None:
        """See :class:`Broker`."""
        await self._containers.remove(handle)

    # -- inside -----------------------------------------------------------------------------

    @property
    def _prefix(self) -> str:
        return f"{self.server_id}:"

    def _room(self, row: Mapping[str, Any]) -> str:
        return str(row["room"]).removeprefix(self._prefix)

    async def _rows(self) -> list[Mapping[str, Any]]:
        """What the broker holds for this server and nobody here stands for."""
        rows = (await self._http.ask("GET", "/v1/claims"))["claims"]
        return [
            row
            for row in rows
            if row["room"].startswith(self._prefix) and row["id"] not in self._containers.sandboxes
        ]

    def _present(self) -> list[Sandbox]:
        return list(self._containers.sandboxes.values())

    def _stand_for(self, row: Mapping[str, Any]) -> Sandbox:
        name = str(row["id"])
        profile = replace(
            PROFILES["python"], name=row["profile"], limits=self.limits(row["profile"])
        )
        sandbox = Sandbox(containers=self._containers, profile=profile, patience_s=self._patience_s)
        sandbox.take_over(
            Claim(
                id=name,
                container=name,
                process="",
                sync=row["sync"],
                profile=row["profile"],
                room=self._room(row),
                run_limit=row["run_limit"],
                frozen=row["frozen"],
            )
        )
        self._containers.sandboxes[name] = sandbox
        sandbox.on_death(lambda _: self._forget(name))
        return sandbox

    def _forget(self, name: str) -> None:
        self._containers.sandboxes.pop(name, None)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for sandbox in self._present():
                sandbox.tick()
