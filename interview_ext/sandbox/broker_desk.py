"""What a broker's clients may ask, each for its own sandboxes. Without HTTP; see `broker_server`.

The broker makes, watches and ends containers. What goes through a container's stdio is between
its shim and whoever has claimed it: numbers, acknowledgements and replay are theirs, end to end,
so neither a lost connection nor a killed broker loses a frame, and files and interrupts, which
travel there too, are no calls of the broker's. The limits of memory, CPU, processes and disk are
the container's own and hold whatever a client does; those of time and output rate are kept by the
client's end of the stream. A client that is gone for 90 s loses its containers by their shims.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from interview_ext.errors import NotFound, SandboxGone

from .broker import OnWait, Schedule
from .broker_clients import BrokerUser
from .broker_datasets import BrokerDatasets
from .broker_tickets import Tickets
from .claims import Claim
from .deaths import Death, Reason
from .engine import Attachment, EngineStatus, Measure, Receiver
from .preparing import Preparation
from .sandbox import Sandbox
from .sandboxes import Sandboxes

log = logging.getLogger(__name__)

DEATHS_KEPT = 1000
"""How many ends are remembered for clients that were away when they came."""
ABANDONED_S = 6 * 3600.0
"""A sandbox whose client has not been connected to it so long is ended. One that runs ends much
sooner, by its shim; this is for those that are frozen."""
CHECK_S = 60.0
MAX_CALLS = 8
"""Calls of one client that are worked on at once; more wait, and nobody else with them."""
MAX_UPLOADS = 2
"""Data sets that one client sends at once; more wait."""
STATUS_AGE_S = 1.0


class BrokerDesk:
    """Made once by the broker's application, on the sandboxes it owns.

    Parameters
    ----------
    datasets:
        What the sandboxes mount; None: this broker takes none.
    registry:
        What Prometheus is told from.
    abandoned_s:
        See `ABANDONED_S`.

    Attributes
    ----------
    calls, uploads:
        By client, what bounds its calls, and the data sets that it sends.
    """

    def __init__(
        self,
        sandboxes: Sandboxes,
        *,
        datasets: BrokerDatasets | None = None,
        registry: CollectorRegistry | None = None,
        abandoned_s: float = ABANDONED_S,
    ) -> None:
        self.sandboxes = sandboxes
        self._datasets = datasets
        self.registry = registry or CollectorRegistry()
        self._abandoned_s = abandoned_s
        self._claimed: dict[str, Sandbox] = {}
        self._deaths: OrderedDict[str, tuple[str, Death]] = OrderedDict()
        self._tickets = Tickets(self._release_unfetched)
        self._unfetched: set[str] = set()
        self._streams: dict[str, tuple[Attachment, Receiver]] = {}
        self._attaching: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._alone_since: dict[str, float] = {}
        self._checking: asyncio.Task[None] | None = None
        self.calls: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(MAX_CALLS)
        )
        self.uploads: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(MAX_UPLOADS)
        )
        self._status: tuple[float, EngineStatus] | None = None
        self._status_lock = asyncio.Lock()

    async def start(self) -> None:
        """Stand again for what was claimed before a restart of the broker."""
        if self._datasets is not None:
            await asyncio.to_thread(self._datasets.open)
        await self.sandboxes.start()
        for name in await self.sandboxes.left():
            self._keep(await self.sandboxes.adopt(name))
        self._checking = asyncio.create_task(self._check(), name="abandoned sandboxes")

    async def stop(self) -> None:
        """End all sandboxes."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        await self._tickets.stop()
        await self.sandboxes.stop()
        if self._datasets is not None:
            await asyncio.to_thread(self._datasets.close)

    @property
    def datasets(self) -> BrokerDatasets:
        """What data sets go to. Raises NotFound if this broker takes none."""
        if self._datasets is None:
            raise NotFound("This broker takes no data sets.")
        return self._datasets

    # -- claims -----------------------------------------------------------------------------

    async def claim(
        self,
        user: BrokerUser,
        ticket: str,
        profile: str,
        room: str,
        *,
        run_limit: bool,
        waits: bool,
    ) -> Claim | bool:
        """A fresh sandbox, or whether the claim waits in the line: see `Tickets.ask`.

        Raises
        ------
        SandboxExhausted, TooManyRequests, NotFound, SandboxError
        """
        self.sandboxes.profile(profile)

        async def obtain(on_wait: OnWait) -> Sandbox:
            sandbox = await self.sandboxes.claim(
                profile,
                room=room,
                run_limit=run_limit,
                on_wait=on_wait,
                owner=user.name,
                most=user.max_sandboxes,
            )
            try:
                await sandbox.let_go()
            except BaseException:  # the client is told of no claim: nobody would end it
                await sandbox.stop()
                raise
            self._keep(sandbox)
            self._unfetched.add(sandbox.id)
            return sandbox

        answer = await self._tickets.ask(user.name, ticket, obtain, waits=waits)
        return answer if isinstance(answer, bool) else answer.claim

    async def plan(self, user: BrokerUser, schedule: Schedule) -> None:
        """Learn what a client has planned; see `Broker.plan`."""
        await self.sandboxes.plan(schedule, owner=user.name)

    async def prepare(self, profile: str, packages: Sequence[str], *, again: bool) -> Preparation:
        """How far packages are; see `Broker.prepare`. Images are nobody's own."""
        return await self.sandboxes.prepare(profile, packages, again=again)

    async def engine_status(self) -> EngineStatus:
        """Whether cells can run, at most `STATUS_AGE_S` old: every client asks, again and again."""
        async with self._status_lock:
            now = asyncio.get_running_loop().time()
            if self._status is None or now - self._status[0] > STATUS_AGE_S:
                self._status = (now, await self.sandboxes.engine_status())
            return self._status[1]

    def claims(self, user: BrokerUser) -> list[Claim]:
        """What a client has."""
        return [
            sandbox.claim
            for sandbox in self._claimed.values()
            if sandbox.owner == user.name and sandbox.death is None
        ]

    def death(self, user: BrokerUser, name: str) -> Death | None:
        """Why a sandbox has ended; None while it lives. Raises NotFound."""
        owner, death = self._deaths.get(name, ("", None))
        if death is not None and owner == user.name:
            return death
        return self._own(user, name).death

    async def release(self, user: BrokerUser, name: str) -> None:
        """End a sandbox. No error if it has ended."""
        try:
            sandbox = self._own(user, name)
        except NotFound:
            return
        await sandbox.stop(Reason.STOPPED, "It was given back.")

    def is_frozen(self, user: BrokerUser, name: str) -> bool:
        """Whether a sandbox stands still. Raises NotFound."""
        return self._own(user, name).frozen

    async def freeze(self, user: BrokerUser, name: str) -> None:
        """Give a sandbox no processor time until `thaw`.

        Raises
        ------
        SandboxGone, NotFound, EngineUnavailable
        """
        await self._own(user, name).freeze()

    async def thaw(self, user: BrokerUser, name: str) -> None:
        """Let it go on. Raises as `freeze` does."""
        await self._own(user, name).thaw()

    async def measure(self, user: BrokerUser, name: str) -> Measure:
        """Usage now. Raises SandboxGone, NotFound."""
        return await self.sandboxes.engine.measure(self._own(user, name).container)

    # -- streams ----------------------------------------------------------------------------

    async def attach(self, user: BrokerUser, name: str, receiver: Receiver) -> Attachment:
        """A sandbox's stdio. Whoever attached before is cut off: two readers would share it.

        Raises
        ------
        SandboxGone, NotFound, EngineUnavailable
        """
        async with self._attaching[name]:
            sandbox = self._own(user, name)
            if sandbox.death is not None:
                raise SandboxGone(sandbox.death.detail, reason=sandbox.death.reason)
            before = self._streams.pop(name, None)
            if before is not None:
                before[0].close()
                before[1].stream_lost()
            # Its client is here: nobody is to end it while the engine attaches.
            self._unfetched.discard(name)
            self._alone_since.pop(name, None)
            try:
                attachment = await self.sandboxes.engine.attach(sandbox.container, receiver)
            except BaseException:
                self._note_alone(name)
                raise
            self._streams[name] = (attachment, receiver)
            return attachment

    def detach(self, name: str, attachment: Attachment) -> None:
        """The client's stream has ended."""
        attachment.close()
        if name in self._streams and self._streams[name][0] is attachment:
            del self._streams[name]
            self._note_alone(name)

    async def end(self, user: BrokerUser, name: str) -> None:
        """Wait until the sandbox ends. Raises NotFound."""
        await self._own(user, name).ended.wait()

    # -- inside -----------------------------------------------------------------------------

    def _own(self, user: BrokerUser, name: str) -> Sandbox:
        sandbox = self._claimed.get(name)
        if sandbox is None or sandbox.owner != user.name:
            raise NotFound("There is no such sandbox.")
        return sandbox

    def _keep(self, sandbox: Sandbox) -> None:
        self._claimed[sandbox.id] = sandbox
        self._note_alone(sandbox.id)
        sandbox.on_death(lambda death: self._forget(sandbox, death))

    def _forget(self, sandbox: Sandbox, death: Death) -> None:
        self._claimed.pop(sandbox.id, None)
        self._streams.pop(sandbox.id, None)
        self._attaching.pop(sandbox.id, None)
        self._alone_since.pop(sandbox.id, None)
        self._unfetched.discard(sandbox.id)
        self._deaths[sandbox.id] = (sandbox.owner, death)
        while len(self._deaths) > DEATHS_KEPT:
            self._deaths.popitem(last=False)

    def _note_alone(self, name: str) -> None:
        if name in self._claimed:
            self._alone_since[name] = asyncio.get_running_loop().time()

    async def _release_unfetched(self, sandbox: Sandbox) -> None:
        if sandbox.id in self._unfetched:
            await sandbox.stop(Reason.STOPPED, "Nobody came for it.")

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(min(CHECK_S, self._abandoned_s))
            before = asyncio.get_running_loop().time() - self._abandoned_s
            for name in list(self._alone_since):
                # While another was ended, it may have been released, or its server have come back.
                sandbox = self._claimed.get(name)
                if sandbox is not None and self._alone_since.get(name, before) < before:
                    await sandbox.stop(Reason.STOPPED, "Its server has not come back.")
            if self._datasets is not None:
                await self._expire(self._datasets)

    @staticmethod
    async def _expire(datasets: BrokerDatasets) -> None:
        try:
            await asyncio.to_thread(datasets.expire)
        except OSError as error:
            log.warning("data sets that nobody uses may be left: %s", error)
