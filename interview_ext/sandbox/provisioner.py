"""A Jupyter kernel whose process is a sandbox.

Two ways lead here. The interview server starts a kernel with a :class:`SandboxRequest`, an explicit
argument that jupyter_client hands through to `pre_launch` and repeats at every restart::

    await kernel_manager.start_kernel(interview=SandboxRequest(sandboxes=…, room="…"))

Plain JupyterLab, nbclient and whoever else knows nothing of it start the kernelspec
``interview-python``; then the provisioner makes sandboxes of its own, without a pool, in a thread
with its own event loop, since a synchronous kernel manager runs no loop between its calls.

An argument was chosen over a search along the ``parent`` chain, which is the application's private
shape, and over a global registry.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Unicode

from interview_ext.errors import SandboxGone

from .broker import Broker, Listing, Resumed, SandboxHandle, Usage
from .datasets import Dataset
from .deaths import Death, Reason
from .relay import Relay

T = TypeVar("T")
SHUTDOWN_WAIT_S = 2.0
"""A sandbox has nothing to save, so a kernel gets little time to end by itself."""


@dataclass(frozen=True, kw_only=True)
class SandboxRequest:
    """Which sandbox a kernel is to have.

    Attributes
    ----------
    sandboxes:
        The server's broker.
    room:
        Whose it is; shown by `Sandboxes.of_room`.
    profile:
        Overrides the kernelspec's.
    files:
        Called for each fresh sandbox: path below the work folder and content of what has to be
        there before the first cell, e.g. ``data/sales.csv``; or a data set in place of a content.
    run_limit:
        Whether a cell that runs longer than the profile's ``run_s`` ends the sandbox, and so does
        ``idle_s`` without a run. The interview server has kinder ways, with its own clocks.
    adopt:
        Name of a sandbox that has outlived the server's last process (`Broker.left`), which the
        kernel's first start takes instead of a fresh one; `DockerProvisioner.resume` then has to
        follow.
    on_death:
        Called on the event loop when a sandbox of this kernel ends, whatever the reason.
    on_wait:
        Called on the event loop with True when all sandboxes are taken and the start has to wait
        for one, and with False when that wait is over.
    """

    sandboxes: Broker
    room: str
    profile: str = ""
    adopt: str = ""
    files: Callable[[], Awaitable[Mapping[str, bytes | Dataset]]] | None = None
    run_limit: bool = True
    on_death: Callable[[Death], None] | None = field(default=None)
    on_wait: Callable[[bool], None] = field(default=lambda _: None)


class OwnLoop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="interview-sandbox", daemon=True
        )
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run over there, wait here."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    async def stop(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        await asyncio.to_thread(self._thread.join)
        self.loop.close()


class DockerProvisioner(KernelProvisionerBase):
    """Runs a kernel in a sandbox. Entry point ``interview-docker-provisioner``."""

    profile = Unicode("python", help="Name of the sandbox profile.", config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._request: SandboxRequest | None = None
        self._adopt = ""
        self._own_loop: OwnLoop | None = None
        self._own_sandboxes: Broker | None = None
        self._relay: Relay | None = None
        self.sandbox: SandboxHandle | None = None
        """The present sandbox, or the last one."""
        self.death: Death | None = None
        """Why the last sandbox ended; None while the first one lives."""

    # -- launch -----------------------------------------------------------------------------

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """See :class:`KernelProvisionerBase`.

        Nothing of the server's environment goes any further: the base class, which would pass all
        of it on, is not asked.
        """
        self._request = kwargs.pop("interview", None) or self._request
        relay = self._relay or await self._prepare()
        relay.publish()
        manager = self._manager
        for name, value in relay.connection_info.items():
            setattr(manager, name, value)
        if not manager.connection_file:
            # It holds the session's key: let it go with the endpoints, also after a SIGKILL.
            manager.connection_file = str(relay.folder / "connection.json")
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        return {"cmd": []}

    @property
    def _manager(self) -> KernelManager:
        return cast("KernelManager", self.parent)

    async def _prepare(self) -> Relay:
        if self._request is None:
            self._own_loop = OwnLoop()
        self._relay = await self._there(self._make_relay(self._manager.session.key))
        return self._relay

    async def _make_relay(self, key: bytes) -> Relay:
        sandboxes = (await self._complete_request()).sandboxes
        return Relay(key=key, server_id=sandboxes.server_id)

    async def _complete_request(self) -> SandboxRequest:
        """The server's request, or one of our own; runs where the sandboxes live."""
        if self._request is not None:
            return self._request
        if self._own_sandboxes is None:
            from .sandboxes import Sandboxes  # the one place that makes a broker of its own

            self._own_sandboxes = Sandboxes(pool_size=0)
            await self._own_sandboxes.start()
        return SandboxRequest(sandboxes=self._own_sandboxes, room=self.kernel_id or "own")

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        """Run where the sandboxes live."""
        return await (self._own_loop.run(work) if self._own_loop is not None else work)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """See :class:`KernelProvisionerBase`.

        Raises
        ------
        EngineUnavailable, ImageMissing, SandboxExhausted, SandboxError
            No sandbox is to be had; nothing of a first start is left behind then.
        """
        del cmd, kwargs
        relay = self._relay or await self._prepare()
        try:
            await self._there(self._launch(relay))
        except BaseException:
            if self.sandbox is None:
                await self._close()
            raise
        return self.connection_info

    async def _launch(self, relay: Relay) -> None:
        relay.detach()
        if self.sandbox is not None:
            await self.sandbox.stop()
        request = await self._complete_request()
        adopt, self._adopt = self._adopt or request.adopt, ""
        if adopt and self.sandbox is None:
            sandbox = await request.sandboxes.adopt(adopt)
        else:
            sandbox = await self._fresh(request)
        self.sandbox = sandbox
        relay.attach(sandbox)
        sandbox.on_death(self._note_death)

    async def _fresh(self, request: SandboxRequest) -> SandboxHandle:
        sandbox = await request.sandboxes.claim(
            request.profile or self.profile,
            room=request.room,
            run_limit=request.run_limit,
            on_wait=request.on_wait,
        )
        try:
            if request.files is not None:
                for path, content in (await request.files()).items():
                    if isinstance(content, bytes):
                        await sandbox.put(path, content)
                    else:
                        await request.sandboxes.provide(path, content)
                        await sandbox.link(path, content)
        except BaseException:
            await sandbox.stop()
            raise
        return sandbox

    async def resume(self) -> Resumed:
        """Let an adopted sandbox speak, when the kernel's client listens.

        Raises
        ------
        SandboxError
            It cannot be reached; it has been ended then.
        """
        if self.sandbox is None:
            raise SandboxGone("There is no sandbox.", reason=Reason.STOPPED)
        return await self._there(self.sandbox.resume())

    def _note_death(self, death: Death) -> None:
        self.death = death
        if self._request is not None and self._request.on_death is not None:
            self._request.on_death(death)

    # -- process ----------------------------------------------------------------------------

    @property
    def has_process(self) -> bool:
        """See :class:`KernelProvisionerBase`."""
        return self.sandbox is not None and self._relay is not None

    async def poll(self) -> int | None:
        """See :class:`KernelProvisionerBase`. The exit code of a dead sandbox is always 1."""
        return None if self.sandbox is not None and self.sandbox.death is None else 1

    async def wait(self) -> int | None:
        """See :class:`KernelProvisionerBase`."""
        if self.sandbox is not None:
            await self._there(self._wait(self.sandbox))
        return 1

    @staticmethod
    async def _wait(sandbox: SandboxHandle) -> None:
        await sandbox.ended.wait()
        await sandbox.stop()

    async def send_signal(self, signum: int) -> None:
        """See :class:`KernelProvisionerBase`. A sandbox knows an interrupt, and its end."""
        if self.sandbox is None:
            return
        if signum == signal.SIGINT:
            await self._there(self._interrupt(self.sandbox))
        elif signum in (signal.SIGTERM, signal.SIGKILL):
            await self.kill()

    @staticmethod
    async def _interrupt(sandbox: SandboxHandle) -> None:
        sandbox.interrupt()

    async def kill(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002  (the base's)
        """See :class:`KernelProvisionerBase`."""
        if self.sandbox is not None:
            detail = "The kernel was restarted." if restart else "The kernel was stopped."
            await self._there(self.sandbox.stop(Reason.STOPPED, detail))

    async def terminate(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002
        """See :class:`KernelProvisionerBase`."""
        await self.kill(restart=restart)

    async def shutdown_requested(self, restart: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """See :class:`KernelProvisionerBase`."""
        if self.sandbox is not None:
            self.sandbox.expect_end()

    async def cleanup(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002
        """See :class:`KernelProvisionerBase`."""
        if not restart:
            await self._close()
        elif self._relay is not None:
            # jupyter_client has just removed the endpoints' names.
            self._relay.publish()

    async def _close(self) -> None:
        relay, self._relay = self._relay, None
        if relay is not None:
            await self._there(self._close_there(relay))
        if self._own_loop is not None:
            await self._own_loop.stop()
            self._own_loop = None

    async def _close_there(self, relay: Relay) -> None:
        relay.close()
        if self.sandbox is not None:
            await self.sandbox.stop()
        if self._own_sandboxes is not None:
            await self._own_sandboxes.stop()
            self._own_sandboxes = None

    async def freeze(self) -> None:
        """Give the sandbox no processor time until `thaw`. Raises SandboxGone if it has ended."""
        if self.sandbox is not None:
            await self._there(self.sandbox.freeze())

    async def thaw(self) -> None:
        """Let it go on. Raises SandboxGone if it has ended."""
        if self.sandbox is not None:
            await self._there(self.sandbox.thaw())

    # -- files ------------------------------------------------------------------------------

    async def list_files(self) -> Listing:
        """What stands in the present sandbox's work folder. Raises as `Sandbox.get` does."""
        return await self._there(self._present().listing())

    async def read_file(self, path: str) -> bytes:
        """One of those files. Raises as `Sandbox.get` does."""
        return await self._there(self._present().get(path))

    def _present(self) -> SandboxHandle:
        if self.sandbox is None:
            raise SandboxGone("There is no container.", reason=Reason.STOPPED)
        return self.sandbox

    # -- from process to process ------------------------------------------------------------

    async def get_provisioner_info(self) -> dict[str, Any]:
        """See :class:`KernelProvisionerBase`. What another process needs to adopt the sandbox."""
        info: dict[str, Any] = await super().get_provisioner_info()
        return {**info, "sandbox": "" if self.sandbox is None else self.sandbox.id}

    async def load_provisioner_info(self, provisioner_info: dict[str, Any]) -> None:
        """See :class:`KernelProvisionerBase`. The next launch adopts the sandbox."""
        await super().load_provisioner_info(provisioner_info)
        self._adopt = str(provisioner_info.get("sandbox", ""))

    # -- the rest ---------------------------------------------------------------------------

    async def stats(self) -> Usage | None:
        """Usage and limits of the present sandbox; None if there is none."""
        if self.sandbox is None or self.sandbox.death is not None:
            return None
        return await self._there(self.sandbox.stats())

    def get_shutdown_wait_time(self, recommended: float = 5.0) -> float:
        """See :class:`KernelProvisionerBase`."""
        return min(recommended, SHUTDOWN_WAIT_S)
