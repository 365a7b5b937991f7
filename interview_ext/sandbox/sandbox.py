"""One container with one kernel, from creation to death. Used once, for one room."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from interview_ext.errors import (
    Conflict,
    EngineUnavailable,
    SandboxError,
    SandboxGone,
    SandboxProtocolError,
)

from .broker import Listener, Listing, Resumed, StoredFile, Usage
from .claims import Claim
from .datasets import Dataset
from .deaths import Death, Reason
from .engine import Containers, Engine, EngineEvent
from .files import SandboxFiles
from .frames import Channel
from .handshake import Handshake, request
from .link import PING_S, Link
from .profiles import MIB, Profile
from .runclock import RunClock

log = logging.getLogger(__name__)

OOM_WINDOW_S = 3.0
"""An out-of-memory event this shortly before an end is its cause."""
OOM_GRACE_S = 0.3
"""The engine may tell of the end before it tells of the cause."""
SIGKILL_STATUS = 137
USAGE_AGE_S = 1.0


class Sandbox:
    """A running container. Made by :class:`~interview_ext.sandbox.pool.Pool`.

    Attributes
    ----------
    id:
        Its name towards whoever has claimed it.
    container:
        The engine's handle; empty before `start`.
    room:
        The room it was handed to; empty while it waits in the pool.
    frozen:
        Whether it gets no processor time; see `freeze`.
    death:
        Why it ended, None while it lives.
    """

    def __init__(
        self,
        *,
        containers: Containers,
        profile: Profile,
        patience_s: float = 0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_left_over: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.profile = profile
        self.container = ""
        self.room = ""
        self.owner = ""
        self.death: Death | None = None
        self.ended = asyncio.Event()
        self._containers = containers
        self._patience_s = patience_s
        self._sync: bytes | None = None
        self._clock = clock
        self._on_left_over = on_left_over
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._process = ""
        self._listener: Listener | None = None
        self._on_death: list[Callable[[Death], None]] = []
        self._clock_of_runs = RunClock(profile.limits, now=self._loop.time())
        self._oom_at = float("-inf")
        self._oom_seen = asyncio.Event()
        self._planned: tuple[Reason, str] | None = None
        self._concluding: asyncio.Task[None] | None = None
        self._cleaning: asyncio.Task[None] | None = None
        self._files = SandboxFiles(self._awake_link, profile.limits.files_bytes)
        self.frozen = False
        self._run_limit = True
        self._measured = (self._loop.time(), 0.0)
        self._measure_lock = asyncio.Lock()
        self._usage: Usage | None = None
        self._pinged = self._loop.time()

    # -- life -------------------------------------------------------------------------------

    async def start(
        self, engine: Engine, *, image: str, labels: Mapping[str, str], background: bool = False
    ) -> None:
        """Create the container, start the kernel, and return when it answers.

        Raises
        ------
        EngineUnavailable, ImageMissing, SandboxError
            No container is left behind then.
        SandboxGone
            It has ended meanwhile. Nor then.
        """
        try:
            making = engine.create(self.profile, image, labels, background=background)
            await self._create(making)
            self._link = self._make_link()
            self._sync = self._link.sync
            await self._link.attach()
            await engine.start(self.container)
            await self._link.greet()
            handshake = Handshake(self._link)
            self._listener = handshake
            self._process = await engine.execute(self.container, self.profile)
            await self._until_dead(handshake.done())
            self._listener = None
        except BaseException:
            if self.death is not None:  # what was made since then is there still
                self._cleaning = self._loop.create_task(self._clean(after=self._cleaning))
            await self.stop(Reason.CRASH, "It did not start.")
            raise

    def _make_link(self) -> Link:
        return Link(
            containers=self._containers,
            container=self.container,
            limits=self.profile.limits,
            owner=self,
            sync=self._sync,
            patience_s=self._patience_s,
        )

    async def _create(self, work: Coroutine[Any, Any, str]) -> None:
        """Note the container, or raise SandboxGone if the sandbox has died while it was made."""
        creating = asyncio.ensure_future(work)
        try:
            self.container = await asyncio.shield(creating)
        except asyncio.CancelledError:
            # The engine is at it already: wait for the handle, or nobody could remove it.
            with suppress(SandboxError):
                self.container = await creating
            raise
        if self.death is not None:
            raise SandboxGone(self.death.detail, reason=self.death.reason)

    async def _until_dead(self, work: Any) -> None:
        """Await `work`, or raise SandboxGone if the sandbox dies first."""
        task = asyncio.ensure_future(work)
        death = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            elif self.death is not None:
                raise SandboxGone(self.death.detail, reason=self.death.reason)
        finally:
            for each in (task, death):
                each.cancel()
            # Not by suppressing CancelledError: our own may come at this very moment.
            await asyncio.gather(task, death, return_exceptions=True)

    # -- from hand to hand ------------------------------------------------------------------

    @property
    def claim(self) -> Claim:
        """All that is needed to take it over."""
        return Claim(
            id=self.id,
            container=self.container,
            process=self._process,
            sync=(self._sync or b"").hex(),
            profile=self.profile.name,
            room=self.room,
            owner=self.owner,
            run_limit=self._run_limit,
            frozen=self.frozen,
        )

    def take_over(self, claim: Claim) -> None:
        """Stand for a container that runs already, instead of `start`; `resume` connects to it."""
        self.id = claim.id
        self.container = claim.container
        self._process = claim.process
        self._sync = bytes.fromhex(claim.sync)
        self.owner = claim.owner
        self.frozen = claim.frozen
        self.hand_over(claim.room, run_limit=claim.run_limit)

    async def resume(self) -> Resumed:
        """See :class:`SandboxHandle`."""
        link = self._link = self._make_link()
        try:
            if self.frozen:  # it can neither be attached to nor answer; for a moment it has to
                await self._containers.unpause(self.container)
            await link.attach()
            await link.greet()
            if self.frozen:
                await self._containers.pause(self.container)
        except BaseException:
            await self.stop(Reason.CRASH, "It could not be reached any more.")
            raise
        if link.resumed is None:
            raise SandboxGone("The container has ended.", reason=Reason.CRASH)
        self._clock_of_runs.resumed(link.resumed.run, self._loop.time())
        self.writable()
        return link.resumed

    async def let_go(self) -> None:
        """Leave its messages to whoever has the claim; go on watching for its end."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    def connect(self, listener: Listener | None) -> None:
        """Send the kernel's messages there; None discards them."""
        self._listener = listener

    def on_death(self, callback: Callable[[Death], None]) -> None:
        """Call back once when it ends; at once if it has ended."""
        if self.death is not None:
            callback(self.death)
        else:
            self._on_death.append(callback)

    def expect_end(self) -> None:
        """The kernel has been asked to shut down: its end will be no crash."""
        self._planned = self._planned or (Reason.STOPPED, "The kernel was shut down.")

    async def stop(self, reason: Reason = Reason.STOPPED, detail: str = "It was stopped.") -> None:
        """End it, if it has not ended, and wait until nothing is left of it."""
        self._die(*(self._planned or (reason, detail)))
        if self._concluding is not None and self._concluding is not asyncio.current_task():
            self._concluding.cancel()
            await asyncio.gather(self._concluding, return_exceptions=True)
        if self._cleaning is not None:
            await asyncio.shield(self._cleaning)

    def _die(self, reason: Reason, detail: str) -> None:
        if self.death is not None:
            return
        self.death = Death(reason=reason, detail=detail, at=self._clock())
        log.info("sandbox %.12s ended: %s (%s)", self.container, reason, detail)
        self._cleaning = self._loop.create_task(self._clean())
        self.ended.set()
        callbacks, self._on_death = self._on_death, []
        for callback in callbacks:
            try:
                callback(self.death)
            except Exception:  # one listener's mistake must not keep the others from hearing
                log.exception("a listener failed at the end of a sandbox")

    async def _clean(self, *, after: asyncio.Task[None] | None = None) -> None:
        """Leave nothing of it. Idempotent."""
        if after is not None:
            await asyncio.wait([after])
        if self._link is not None:
            await self._link.close()
        if self.container:
            try:
                await self._containers.remove(self.container)
            except SandboxError as error:
                log.warning("container %.12s may be left over: %s", self.container, error)
                self._on_left_over(self.container)

    # -- what the engine tells --------------------------------------------------------------

    def engine_event(self, event: EngineEvent) -> None:
        """The engine has told something about this container."""
        if event.kind == "oom":
            self._oom_at = self._loop.time()
            self._oom_seen.set()
        elif event.kind == "exit" or event.process == self._process:
            self._begin_to_conclude(event)

    def _begin_to_conclude(self, event: EngineEvent) -> None:
        if self.death is None and self._concluding is None:
            self._concluding = self._loop.create_task(self._conclude(event))

    async def _conclude(self, event: EngineEvent) -> None:
        """Find the cause of an end."""
        if self._planned is None and event.exit_code != 0 and not self._was_oom():
            self._oom_seen.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(OOM_GRACE_S):
                    await self._oom_seen.wait()
        what = "kernel" if event.kind == "process_exit" else "container"
        if self._planned is not None:
            self._die(*self._planned)
        elif self._was_oom():
            self._die(Reason.MEMORY_LIMIT, self._memory_sentence())
        elif event.exit_code == 0 and event.kind == "process_exit":
            self._die(Reason.STOPPED, "The kernel ended itself.")
        else:
            status = "" if event.exit_code is None else f" with exit status {event.exit_code}"
            self._die(Reason.CRASH, f"The {what} ended{status}.")

    def _was_oom(self) -> bool:
        return self._loop.time() - self._oom_at < OOM_WINDOW_S

    def _memory_sentence(self) -> str:
        return f"It used more than its {self.profile.limits.memory_bytes // MIB} MB of memory."

    def ended_elsewhere(self, death: Death) -> None:
        """Whoever watches the container has told of its end."""
        self._die(death.reason, death.detail)

    def engine_lost(self) -> None:
        """The engine has gone and took its containers along, as far as anybody can tell."""
        self._die(Reason.ENGINE_LOST, "The container engine has gone away.")

    def tick(self) -> None:
        """Once a second: limits of time, and a sign of life to the shim."""
        now = self._loop.time()
        # Without a link its messages are somebody else's, and so is the watch over its time.
        watched = self.room and self._link is not None and not self.frozen
        if self.death is None and watched:
            sentence = self._clock_of_runs.overdue(now)
            if sentence:
                self._die(Reason.TIME_LIMIT, sentence)
        if self._link is not None and now - self._pinged >= PING_S:
            self._pinged = now
            self._link.ping()

    # -- messages ---------------------------------------------------------------------------

    @property
    def blocked(self) -> bool:
        """Whether it takes no messages right now; `Listener.writable` tells when."""
        return self._link is None or self._link.blocked

    def hand_over(self, room: str, *, run_limit: bool = True) -> None:
        """From now on it belongs to a room; see `Sandboxes.claim`."""
        self.room = room
        self._run_limit = run_limit
        self._clock_of_runs = RunClock(
            self.profile.limits, now=self._loop.time(), run_limit=run_limit
        )

    async def freeze(self) -> None:
        """Give it no processor time until `thaw`; its time limits stand still.

        Raises
        ------
        EngineUnavailable, SandboxGone
        """
        await self._containers.pause(self.container)
        self.frozen = True

    async def thaw(self) -> None:
        """Let it go on. Raises as `freeze` does."""
        await self._containers.unpause(self.container)
        self.frozen = False
        self._clock_of_runs.rest_over(self._loop.time())

    def send(self, channel: Channel, parts: list[bytes]) -> None:
        """A client's message, unsigned, for the kernel. Lost if the sandbox has ended."""
        if self._link is not None and self.death is None:
            self._clock_of_runs.sent(channel, parts, self._loop.time())
            self._link.send(channel, parts)

    def interrupt(self) -> None:
        """Ask the kernel to interrupt what runs."""
        self.send(Channel.CONTROL, request("interrupt_request"))

    def message(self, channel: Channel, parts: list[bytes]) -> None:
        """See :class:`LinkOwner`."""
        self._clock_of_runs.received(channel, parts, self._loop.time())
        if self._listener is not None:
            self._listener.message(channel, parts)

    def notice(self, channel: Channel, notice: Mapping[str, Any]) -> None:
        """See :class:`LinkOwner`."""
        if self._listener is not None:
            self._listener.notice(channel, notice)

    def writable(self) -> None:
        """See :class:`LinkOwner`."""
        if self._listener is not None:
            self._listener.writable()

    def failed(self, error: SandboxError) -> None:
        """See :class:`LinkOwner`."""
        if isinstance(error, EngineUnavailable):
            self.engine_lost()
        elif isinstance(error, SandboxProtocolError):
            log.warning("sandbox %.12s broke the protocol: %s", self.container, error)
            self._die(Reason.CRASH, "The container sent what no sandbox sends, and was ended.")
        else:
            # The stream has ended and the engine's own word is on its way, if it comes.
            self._begin_to_conclude(EngineEvent(container=self.container, kind="exit"))

    # -- files ------------------------------------------------------------------------------

    async def put(self, path: str, data: bytes) -> None:
        """See :class:`SandboxHandle`."""
        await self._files.put(path, data)

    async def link(self, path: str, dataset: Dataset) -> None:
        """See :class:`SandboxHandle`."""
        await self._files.link(path, dataset)

    async def get(self, path: str) -> bytes:
        """See :class:`SandboxHandle`."""
        return await self._files.get(path)

    async def list(self) -> list[StoredFile]:
        """See :class:`SandboxHandle`."""
        return [*(await self.listing()).files]

    async def listing(self) -> Listing:
        """See :class:`SandboxHandle`."""
        return await self._files.listing()

    def _awake_link(self) -> Link:
        """The link, if somebody at its other end can answer."""
        link = self._live_link()
        if self.frozen:
            raise Conflict(
                "The sandbox is frozen while the interview is paused.",
                hint="Try again when it goes on; the files stay.",
            )
        return link

    def _live_link(self) -> Link:
        if self._link is None or self.death is not None:
            reason = self.death.reason if self.death else Reason.STOPPED
            raise SandboxGone("The container has ended.", reason=reason)
        return self._link

    # -- usage ------------------------------------------------------------------------------

    async def stats(self) -> Usage:
        """Usage, at most `USAGE_AGE_S` old; CPU on average since it was last measured.

        However many ask, the engine is asked once. Raises SandboxGone.
        """
        self._live_link()
        async with self._measure_lock:
            if self._usage is None or self._loop.time() - self._measured[0] > USAGE_AGE_S:
                self._usage = await self._measure()
            return self._usage

    async def _measure(self) -> Usage:
        measure = await self._containers.measure(self.container)
        now = self._loop.time()
        (then, cpu_s), self._measured = self._measured, (now, measure.cpu_s)
        return Usage(
            memory_bytes=measure.memory_bytes,
            cpu=max(0.0, (measure.cpu_s - cpu_s) / max(now - then, 1e-3)),
            pids=measure.pids,
            limits=self.profile.limits,
        )
