"""All sandboxes of one server: the engine, the warm pools, and who has which.

The server's app makes one of these and hands it to each kernel it starts (see
:class:`~interview_ext.sandbox.provisioner.SandboxRequest`); nothing here is global.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interview_ext.errors import (
    BadRequest,
    DatasetMissing,
    EngineFull,
    EngineUnavailable,
    NotFound,
    SandboxError,
    SandboxGone,
)

from .broker import OnWait, PoolState, Schedule, unheard
from .claims import Claim, Claims
from .crowds import Crowds
from .datasets import Dataset, DatasetFolder
from .deaths import Death, Reason
from .docker import DockerEngine
from .engine import Engine, EngineEvent, EngineStatus
from .images import reference
from .kinds import kind, parts, profile_of
from .metrics import SandboxMetrics
from .pool import Pool
from .pools import WAIT_S, Pools
from .preparing import Images, Preparation, Preparer
from .profiles import GIB, PROFILES, Limits, Profile
from .relay import remove_left_over
from .sandbox import Sandbox
from .warmup import warm_up

log = logging.getLogger(__name__)

SERVER_LABEL = "interview.server"
ROOM_LABEL = "interview.room"
PROFILE_LABEL = "interview.profile"
TICK_S = 1.0
ENGINE_RETRY_S = 1.0
ENGINE_RETRIES = 3
REMOVE_AGAIN_S = 5.0
FULL_S = 90.0
"""How long an engine counts as full after a start that failed for that. Pools try more often."""


class Sandboxes:
    """Makes, hands out, watches and ends the sandboxes of one server.

    Parameters
    ----------
    server_id:
        Stays the same over restarts of the server: what bears this label at the start was left
        behind by an earlier run and is removed.
    pool_size:
        How many of each profile of `warm` are kept warm at least; see `Pools`.
    pool_bytes:
        Memory that all warm ones may take together.
    warm:
        The profiles of which some are always warm; by default all.
    packages:
        Makes images with the packages that rooms name; None: no room can name any.
    max_sandboxes:
        All of them, warm ones included.
    claims:
        Folder that keeps what has to be known to take over the sandboxes of a process that was
        killed; None removes them at the next start.
    datasets:
        What the engine's containers mount; whoever made it opens and closes it. None: rooms cannot
        have data sets.
    wait_s:
        How long a claim waits when all are taken.
    """

    def __init__(
        self,
        *,
        server_id: str = "",
        engine: Engine | None = None,
        profiles: Mapping[str, Profile] = PROFILES,
        pool_size: int = 1,
        pool_bytes: int = GIB,
        warm: Collection[str] | None = None,
        packages: Images | None = None,
        max_sandboxes: int = 100,
        claims: Path | None = None,
        datasets: DatasetFolder | None = None,
        wait_s: float = WAIT_S,
        metrics: SandboxMetrics | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.server_id = server_id or secrets.token_hex(8)
        self.engine: Engine = engine or DockerEngine()
        self.profiles = profiles
        self._clock = clock
        self._claims = Claims(claims)
        self._crowds = Crowds(self.engine)
        self._datasets = datasets
        self._left: dict[str, Sandbox] = {}
        self._all: set[Sandbox] = set()
        self._unremoved: set[str] = set()
        self._metrics = metrics or SandboxMetrics()
        self._pools = Pools(
            profiles,
            make=self._make,
            make_ready=self._make_ready,
            places=max_sandboxes,
            least={name: pool_size for name in profiles if warm is None or name in warm},
            budget_bytes=pool_bytes,
            wait_s=wait_s,
            metrics=self._metrics,
            clock=lambda: clock().timestamp(),
        )
        self._preparer = Preparer(packages, attempt=self._attempt, on_ready=self._pools.add)
        self._tasks: list[asyncio.Task[None]] = []
        self._listening = asyncio.Event()
        self._full: tuple[float, EngineFull] | None = None
        self._stopping = False

    # -- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Find again what is claimed, remove the rest of an earlier run, begin to fill the pools.

        Does not raise if no engine answers: rooms work without cells, and `engine_status` tells.
        """
        await asyncio.to_thread(remove_left_over, self.server_id)
        try:
            await self._find_again()
            await self.remove_left_over()
        except EngineUnavailable as error:
            log.warning("cells cannot run: %s %s", error.message, error.hint)
        except SandboxError as error:
            log.warning("containers of an earlier run may be left: %s", error)
        self._pools.start()
        self._preparer.start()
        loop = asyncio.get_running_loop()
        work = (self._listen(), self._tick(), self._look_at_crowds(), self._remove_again())
        self._tasks = [loop.create_task(each) for each in work]

    async def stop(self) -> None:
        """End every sandbox and give back everything. Idempotent."""
        if self._stopping:
            return
        self._stopping = True
        await self._preparer.stop()
        await self._pools.stop()
        detail = "The server was stopped."
        await asyncio.gather(*(s.stop(Reason.STOPPED, detail) for s in set(self._all)))
        with suppress(SandboxError):  # one that was being made when its maker was cancelled
            await self.remove_left_over()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        await self.engine.close()

    async def engine_status(self) -> EngineStatus:
        """Whether cells can run, and if not why; never raises."""
        status = await self.engine.status()
        if status.available and self._full is not None:
            at, error = self._full
            if asyncio.get_running_loop().time() - at < FULL_S:
                return replace(status, problem=error.message, hint=error.hint)
        return status

    async def remove_left_over(self) -> int:
        """Remove containers with our server's label that none of our sandboxes stands for."""
        known = {sandbox.container for sandbox in self._all}
        left = [c for c in await self.engine.list(self._labels) if c not in known]
        for container in left:
            await self.engine.remove(container)
        return len(left)

    @property
    def _labels(self) -> dict[str, str]:
        return {SERVER_LABEL: self.server_id}

    # -- handing out ------------------------------------------------------------------------

    def profile(self, name: str) -> Profile:
        """A profile by its name, with the packages that are named with it.

        Raises
        ------
        NotFound, BadRequest
            There is no such profile, or it takes no such packages.
        """
        return profile_of(name, self.profiles)

    def pool(self, profile: str) -> Pool:
        """The pool of a profile. Raises NotFound."""
        self._pools.add(self.profile(profile))
        return self._pools.of(profile)

    def limits(self, profile: str) -> Limits:
        """See :class:`Broker`."""
        known = self.profiles.get(parts(profile)[0])
        return Limits() if known is None else known.limits

    def pool_state(self, profile: str) -> PoolState:
        """See :class:`Broker`. Of a profile that is not known, a pool that never has any."""
        if parts(profile)[0] not in self.profiles:
            return PoolState(warm=0, target=0, waiting=0, handed_out=0, cold_starts=0)
        return self._pools.state(profile)

    async def prepare(
        self, profile: str, packages: Sequence[str], *, again: bool = False
    ) -> Preparation:
        """See :class:`Broker`."""
        return await self._preparer.look(self.profile(kind(profile, packages)), again=again)

    async def plan(self, schedule: Schedule, *, owner: str = "") -> None:
        """See :class:`Broker`. `owner` is a broker's client."""
        self._pools.plan(schedule, owner=owner)

    async def claim(
        self,
        profile: str,
        *,
        room: str,
        run_limit: bool = True,
        on_wait: OnWait = unheard,
        owner: str = "",
        most: int | None = None,
    ) -> Sandbox:
        """See :class:`Broker`. `owner` is a broker's client, `most` how many it may have."""
        wanted = self.profile(profile)
        if wanted.packages:
            await self._prepared(wanted, on_wait)
        sandbox = await self._pools.claim(
            profile, room=room, on_wait=on_wait, owner=owner, most=most
        )
        sandbox.hand_over(room, run_limit=run_limit)
        sandbox.owner = owner
        try:
            self._claims.save(sandbox.claim)
        except OSError as error:  # it can be used all the same, only not found again
            log.warning("a sandbox will not outlive this process: %s", error)
        sandbox.on_death(lambda _: self._claims.remove(sandbox.id))
        return sandbox

    async def provide(self, path: str, dataset: Dataset) -> None:
        """See :class:`Broker`."""
        if self._datasets is None:
            raise DatasetMissing(
                f"The data file {path} is so large that only a container can be given it, and "
                "cells of this server run in none.",
                hint="Start the server with InterviewApp.sandbox_engine = 'docker'.",
            )
        await asyncio.to_thread(self._datasets.check, path, dataset)

    async def drop(self, digest: str) -> None:
        """See :class:`Broker`. The folder is the one that it has been removed from."""

    async def _prepared(self, profile: Profile, on_wait: OnWait) -> None:
        """Return when a profile's packages are installed. Raises PackagesFailed."""
        state = (await self._preparer.look(profile)).state
        if state == "building":
            on_wait(True)
        try:
            await self._preparer.ready(profile)
        finally:
            if state == "building":
                on_wait(False)
        self._pools.add(profile)

    async def left(self) -> Mapping[str, str]:
        """See :class:`Broker`."""
        return {name: s.room for name, s in self._left.items() if s.death is None}

    async def adopt(self, handle: str) -> Sandbox:
        """See :class:`Broker`."""
        sandbox = self._left.pop(handle, None)
        if sandbox is None:
            raise SandboxGone("The container has ended.", reason=Reason.STOPPED)
        return sandbox

    async def release(self, handle: str) -> None:
        """See :class:`Broker`."""
        sandbox = self._left.pop(handle, None)
        if sandbox is not None:
            await sandbox.stop()

    async def _find_again(self) -> None:
        """Stand again for what was claimed, in so far as it still runs."""
        for claim in self._claims.load():
            profile = self._known(claim.profile)
            state = None if profile is None else await self._state(claim)
            if profile is None or state is None:
                self._claims.remove(claim.id)
                continue
            sandbox = self._sandbox(profile)
            sandbox.take_over(replace(claim, frozen=bool(state.get("Paused"))))
            sandbox.on_death(lambda _, name=claim.id: self._claims.remove(name))  # type: ignore[misc]
            self._crowds.take_over(claim.container)
            self._pools.hold(sandbox)
            self._left[claim.id] = sandbox

    def _known(self, name: str) -> Profile | None:
        try:
            return self.profile(name)
        except (NotFound, BadRequest):
            return None

    async def _state(self, claim: Claim) -> Mapping[str, Any] | None:
        """The engine's word on a container whose kernel runs, frozen or not; else None."""
        found = await self.engine.inspect(claim.container)
        if found is None or not found["State"]["Running"]:
            return None
        state: Mapping[str, Any] = found["State"]
        return state if await self.engine.executing(claim.process) else None

    def of_room(self, room: str) -> list[Sandbox]:
        """The living sandboxes of a room."""
        return [s for s in self._all if s.room == room and s.death is None]

    async def _attempt(self, profile: Profile, image: str) -> None:
        """Start a sandbox of an image that nobody has used yet, and end it."""
        await (await self._make(profile, image=image)).stop()

    async def _make(
        self, profile: Profile, *, image: str = "", background: bool = False
    ) -> Sandbox:
        if self._stopping:
            raise EngineUnavailable("The server is stopping.")
        # Without the event stream a death would have no reason.
        with suppress(TimeoutError):
            async with asyncio.timeout(ENGINE_RETRY_S):
                await self._listening.wait()
        image = image or await self._image(profile)
        sandbox = self._sandbox(profile)
        labels = {**self._labels, PROFILE_LABEL: profile.name}
        try:
            await sandbox.start(self.engine, image=image, labels=labels, background=background)
        except EngineFull as error:
            self._full = (asyncio.get_running_loop().time(), error)
            raise
        self._full = None
        return sandbox

    async def _make_ready(self, profile: Profile) -> Sandbox:
        """Start one for later, and have its kernel import what most interviews need."""
        sandbox = await self._make(profile, background=True)
        try:
            await warm_up(sandbox)
            await self.engine.to_the_front(sandbox.container)
        except BaseException:
            await sandbox.stop()
            raise
        return sandbox

    async def _image(self, profile: Profile) -> str:
        """What the engine calls a profile's image. Raises ImageMissing if it has packages."""
        if profile.packages:
            return await self._preparer.image(profile)
        return await asyncio.to_thread(reference, profile.image)

    def _sandbox(self, profile: Profile) -> Sandbox:
        sandbox = Sandbox(
            containers=self.engine,
            profile=profile,
            clock=self._clock,
            on_left_over=self._unremoved.add,
        )
        self._all.add(sandbox)
        sandbox.on_death(lambda death: self._note_death(sandbox, death))
        return sandbox

    def _note_death(self, sandbox: Sandbox, death: Death) -> None:
        self._all.discard(sandbox)
        self._metrics.deaths.labels(str(death.reason)).inc()

    # -- watching ---------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hand the engine's events to the sandboxes they are about."""
        failures = 0
        while True:
            try:
                async with aclosing(await self.engine.events(self._labels)) as events:
                    self._listening.set()
                    await self._catch_up()
                    if failures:
                        self._pools.try_again()
                    failures = 0
                    async for event in events:
                        self._dispatch(event)
            except SandboxError as error:
                self._listening.clear()
                failures += 1
                if failures == ENGINE_RETRIES:
                    log.warning("the container engine does not answer: %s", error)
                    for sandbox in set(self._all):
                        sandbox.engine_lost()
            await asyncio.sleep(ENGINE_RETRY_S)

    async def _catch_up(self) -> None:
        """Conclude those that have ended while nobody listened."""
        for sandbox in set(self._all):
            claim = sandbox.claim
            if claim.process and sandbox.death is None and await self._state(claim) is None:
                sandbox.engine_event(EngineEvent(container=claim.container, kind="exit"))

    def _dispatch(self, event: EngineEvent) -> None:
        for sandbox in self._all:
            if sandbox.container == event.container:
                sandbox.engine_event(event)

    async def _remove_again(self) -> None:
        """Remove what could not be removed when it ended: it may hold memory until then."""
        while True:
            await asyncio.sleep(REMOVE_AGAIN_S)
            for container in list(self._unremoved):
                with suppress(SandboxError):
                    await self.engine.remove(container)
                    self._unremoved.discard(container)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for sandbox in set(self._all):
                sandbox.tick()

    async def _look_at_crowds(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self._crowds.look(set(self._all))
