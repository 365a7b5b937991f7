"""What a broker's clients may ask, each for its own sandboxes. Without HTTP; see `broker_server`.

The broker makes, watches and ends containers. What goes through a container's stdio is between
its shim and whoever has claimed it: numbers, acknowledgements and replay are theirs, end to end,
so neither a lost connection nor a killed broker loses a frame, and files and interrupts, which
travel there too, are no calls of the broker's. The limits of memory, CPU, processes and disk are
the container's own and hold whatever a client does; those of time and output rate are kept by the
client's end of the stream. A client that is gone for 90 s loses its containers by their shims.
"""

from __future__ import annotations

import logging
from collections import OrderedDict

from interview_ext.errors import NotFound, SandboxExhausted, SandboxGone

from .broker_clients import BrokerUser
from .claims import Claim
from .deaths import Death, Reason
from .engine import Attachment, Measure, Receiver
from .sandbox import Sandbox
from .sandboxes import Sandboxes

log = logging.getLogger(__name__)

DEATHS_KEPT = 1000
"""How many ends are remembered for clients that were away when they came."""


class BrokerDesk:
    """Made once by the broker's application, on the sandboxes it owns."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self.sandboxes = sandboxes
        self._claimed: dict[str, Sandbox] = {}
        self._deaths: OrderedDict[str, tuple[str, Death]] = OrderedDict()
        self._claiming: dict[str, int] = {}
        self._streams: dict[str, tuple[Attachment, Receiver]] = {}

    async def start(self) -> None:
        """Stand again for what was claimed before a restart of the broker."""
        await self.sandboxes.start()
        for name in await self.sandboxes.left():
            self._keep(await self.sandboxes.adopt(name))

    async def stop(self) -> None:
        """End all sandboxes."""
        await self.sandboxes.stop()

    # -- claims -----------------------------------------------------------------------------

    async def claim(
        self, user: BrokerUser, profile: str, room: str, *, run_limit: bool = True
    ) -> Claim:
        """A fresh sandbox, for whoever holds the answer.

        Raises
        ------
        SandboxExhausted
            The client has as many as it may.
        NotFound, SandboxError
            See `Broker.claim`.
        """
        under_way = self._claiming.get(user.name, 0)
        if len(self.claims(user)) + under_way >= user.max_sandboxes:
            raise SandboxExhausted(f"All {user.max_sandboxes} sandboxes of this server are taken.")
        self._claiming[user.name] = under_way + 1
        try:
            sandbox = await self.sandboxes.claim(
                profile, room=room, run_limit=run_limit, owner=user.name
            )
        finally:
            self._claiming[user.name] -= 1
        try:
            await sandbox.let_go()
        except BaseException:  # the client is told of no claim: nobody would end it
            await sandbox.stop()
            raise
        self._keep(sandbox)
        return sandbox.claim

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
        sandbox = self._own(user, name)
        if sandbox.death is not None:
            raise SandboxGone(sandbox.death.detail, reason=sandbox.death.reason)
        before = self._streams.pop(name, None)
        if before is not None:
            before[0].close()
            before[1].stream_lost()
        attachment = await self.sandboxes.engine.attach(sandbox.container, receiver)
        self._streams[name] = (attachment, receiver)
        return attachment

    def detach(self, name: str, attachment: Attachment) -> None:
        """The client's stream has ended."""
        attachment.close()
        if name in self._streams and self._streams[name][0] is attachment:
            del self._streams[name]

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
        sandbox.on_death(lambda death: self._forget(sandbox, death))

    def _forget(self, sandbox: Sandbox, death: Death) -> None:
        self._claimed.pop(sandbox.id, None)
        self._streams.pop(sandbox.id, None)
        self._deaths[sandbox.id] = (sandbox.owner, death)
        while len(self._deaths) > DEATHS_KEPT:
            self._deaths.popitem(last=False)
