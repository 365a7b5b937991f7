"""Kernels through jupyter_client and the sandbox's provisioner, and through nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Protocol, cast

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager

from interview_ext.errors import (
    EngineUnavailable,
    InterviewError,
    SandboxError,
    SandboxGone,
)
from interview_ext.execution.ports import (
    EngineState,
    Files,
    KernelDeath,
    KernelHandle,
    KernelResumed,
    Language,
    OnWait,
    WorkFile,
    WorkFiles,
)
from interview_ext.rooms.model import Room

log = logging.getLogger(__name__)


class _NoRefusals(logging.Filter):
    """Drops the traceback that jupyter_client logs of each error of ours: whoever asked is told."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, InterviewError)


managers_log = logging.getLogger(f"{__name__}.managers")
managers_log.addFilter(_NoRefusals())

PROVISIONER = "interview-docker-provisioner"
KERNEL_NAME = "interview-{profile}"


class _Sandboxes(Protocol):
    """What is used of the sandboxes' broker besides the provisioner."""

    async def engine_status(self) -> EngineState: ...

    def limits(self, profile: str) -> Any:
        """A dataclass of figures."""

    async def left(self) -> Mapping[str, str]: ...

    async def release(self, handle: str) -> None: ...


class _Provisioner(Protocol):
    """What is used of the sandbox's provisioner beyond jupyter_client's base class."""

    death: Any
    """None, or why it ended: `reason` and `detail`."""

    async def wait(self) -> int | None: ...

    async def resume(self) -> KernelResumed: ...
    async def freeze(self) -> None: ...

    async def thaw(self) -> None: ...

    async def stats(self) -> Any:
        """None, or `memory_bytes`, `cpu`, `pids` and `limits`."""

    async def list_files(self) -> Any:
        """`files`, each with `path`, `size_bytes`, `nameable`; and `complete`."""

    async def read_file(self, path: str) -> bytes: ...


class SandboxKernel:
    """A kernel in its sandbox. Made by `SandboxLauncher`."""

    def __init__(self, manager: AsyncKernelManager) -> None:
        self._manager = manager
        self._provisioner = cast(_Provisioner, manager.provisioner)

    @property
    def connection(self) -> Mapping[str, Any]:
        """See `KernelHandle`."""
        return cast(Mapping[str, Any], self._manager.get_connection_info())

    async def wait(self) -> KernelDeath:
        """See `KernelHandle`."""
        await self._provisioner.wait()
        death = self._provisioner.death
        if death is None:
            return KernelDeath(reason="crash")
        return KernelDeath(reason=str(death.reason), detail=str(death.detail))

    async def resume(self) -> KernelResumed:
        """See `KernelHandle`."""
        return await self._provisioner.resume()

    async def interrupt(self) -> None:
        """See `KernelHandle`."""
        await self._manager.interrupt_kernel()

    async def freeze(self) -> None:
        """See `KernelHandle`."""
        with suppress(SandboxGone):
            await self._provisioner.freeze()

    async def thaw(self) -> None:
        """See `KernelHandle`."""
        with suppress(SandboxGone):
            await self._provisioner.thaw()

    async def stop(self) -> None:
        """See `KernelHandle`."""
        await self._manager.shutdown_kernel(now=True)

    async def usage(self) -> Mapping[str, float] | None:
        """See `KernelHandle`."""
        try:
            used = await self._provisioner.stats()
        except SandboxError:
            return None
        if used is None:
            return None
        return {"memory_bytes": used.memory_bytes, "cpu": used.cpu, "pids": used.pids}

    async def list_files(self) -> WorkFiles:
        """See `KernelHandle`."""
        listing = await self._provisioner.list_files()
        named = tuple(
            WorkFile(path=file.path, size=file.size_bytes)
            for file in listing.files
            if file.nameable
        )
        return WorkFiles(
            files=named, left_out=len(listing.files) - len(named), complete=listing.complete
        )

    async def read_file(self, path: str) -> bytes:
        """See `KernelHandle`."""
        return await self._provisioner.read_file(path)


class SandboxLauncher:
    """Starts kernels in sandboxes. Made once by ``house.py``.

    Parameters
    ----------
    request:
        Makes what the provisioner takes as its ``interview`` argument: which sandboxes, whose
        room, which files, which sandbox that is left to adopt, and who hears of a wait.
    sandboxes:
        The broker that those sandboxes come from.
    specs:
        Where kernelspecs are found.
    """

    def __init__(
        self,
        *,
        request: Callable[[Room, Files, str, OnWait], object],
        sandboxes: _Sandboxes,
        specs: KernelSpecManager | None = None,
    ) -> None:
        self._request = request
        self._sandboxes = sandboxes
        self._specs = specs or KernelSpecManager()

    def kernel_name(self, profile: str) -> str:
        """See `KernelLauncher`."""
        return KERNEL_NAME.format(profile=profile)

    def language(self, profile: str) -> Language:
        """See `KernelLauncher`."""
        try:
            spec = self._specs.get_kernel_spec(self.kernel_name(profile))
        except NoSuchKernel:
            return Language(name=profile, display_name=profile, info={"name": profile})
        info = spec.metadata.get("language_info", {"name": spec.language})
        return Language(name=spec.language, display_name=spec.display_name, info=info)

    def limits(self, profile: str) -> Mapping[str, float]:
        """See `KernelLauncher`."""
        return asdict(self._sandboxes.limits(profile))

    async def engine(self) -> EngineState:
        """See `KernelLauncher`."""
        return await self._sandboxes.engine_status()

    async def left(self) -> Mapping[str, str]:
        """See `KernelLauncher`."""
        try:
            return await self._sandboxes.left()
        except SandboxError as error:
            log.warning("kernels of the server's last process may be left: %s", error.message)
            return {}

    async def release(self, left: str) -> None:
        """See `KernelLauncher`."""
        try:
            await self._sandboxes.release(left)
        except SandboxError as error:
            log.warning("a kernel of the server's last process is left: %s", error.message)

    async def launch(
        self, room: Room, *, kernel_id: str, files: Files, on_wait: OnWait, adopt: str = ""
    ) -> KernelHandle:
        """See `KernelLauncher`."""
        name = self.kernel_name(room.profile)
        self._check_spec(name)
        manager = AsyncKernelManager(
            kernel_name=name,
            kernel_id=kernel_id,
            kernel_spec_manager=self._specs,
            log=managers_log,
        )
        try:
            await manager.start_kernel(interview=self._request(room, files, adopt, on_wait))
        except (InterviewError, asyncio.CancelledError):
            await manager.shutdown_kernel(now=True)
            raise
        except Exception as error:
            await manager.shutdown_kernel(now=True)
            log.exception("the kernel of room %s could not be started", room.id)
            raise SandboxError(
                "The sandbox could not be started.", hint="Run the cell again; tell the host."
            ) from error
        return SandboxKernel(manager)

    def _check_spec(self, name: str) -> None:
        """Candidates' code runs on no kernel but a sandboxed one, whatever is installed."""
        try:
            metadata = self._specs.get_kernel_spec(name).metadata
        except NoSuchKernel:
            raise EngineUnavailable(
                f"The kernelspec {name} is not installed.",
                hint="The administrator has taken its sandbox profile out of the configuration, or "
                "the package is not whole.",
            ) from None
        if metadata.get("kernel_provisioner", {}).get("provisioner_name") != PROVISIONER:
            raise EngineUnavailable(
                f"The kernelspec {name} does not run in a sandbox, so it is not used.",
                hint=f"Remove the kernelspec of that name that hides ours ({PROVISIONER}).",
            )
