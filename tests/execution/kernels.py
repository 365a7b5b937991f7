"""A local ipykernel for tests. The product has no such thing: it launches sandboxes only."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

from interview_ext.errors import NotFound
from interview_ext.execution.ports import (
    Files,
    KernelDeath,
    KernelHandle,
    KernelResumed,
    Language,
    OnWait,
    WorkFiles,
)
from interview_ext.rooms.model import Room


class LocalKernel:
    def __init__(self, manager: AsyncKernelManager) -> None:
        self.manager = manager

    @property
    def connection(self) -> Mapping[str, Any]:
        return dict(self.manager.get_connection_info())

    async def wait(self) -> KernelDeath:
        assert self.manager.provisioner is not None
        code = await self.manager.provisioner.wait()
        return KernelDeath(reason="crash", detail=f"Exit status {code}.")

    async def resume(self) -> KernelResumed:
        raise NotImplementedError("a local kernel does not outlive the test")

    async def interrupt(self) -> None:
        await self.manager.signal_kernel(signal.SIGINT)

    async def freeze(self) -> None:
        await self.manager.signal_kernel(signal.SIGSTOP)

    async def thaw(self) -> None:
        await self.manager.signal_kernel(signal.SIGCONT)

    async def stop(self) -> None:
        await self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_connection_file()

    async def usage(self) -> Mapping[str, float] | None:
        return None

    async def list_files(self) -> WorkFiles:
        return WorkFiles()

    async def read_file(self, path: str) -> bytes:
        raise NotFound(path)


@dataclass(frozen=True, kw_only=True)
class Engine:
    available: bool = True
    problem: str = ""
    hint: str = ""
    isolation: str = "container"


class LocalLauncher:
    """Starts a kernel in a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = Engine()
        self.launched = 0
        self.kernels: list[LocalKernel] = []
        self.run_s = 120.0
        self.idle_s = 7200.0

    def kernel_name(self, profile: str) -> str:
        return f"interview-{profile}"

    def language(self, profile: str) -> Language:
        return Language(name="python", display_name="Python", info={"name": "python"})

    def limits(self, profile: str) -> Mapping[str, float]:
        return {
            "cpus": 1.0,
            "memory_bytes": 1,
            "pids": 1,
            "run_s": self.run_s,
            "idle_s": self.idle_s,
        }

    async def engine(self) -> Engine:
        return self.state

    async def left(self) -> Mapping[str, str]:
        return {}

    async def release(self, left: str) -> None:
        raise NotImplementedError("nothing is left")

    async def launch(
        self, room: Room, *, kernel_id: str, files: Files, on_wait: OnWait, adopt: str = ""
    ) -> KernelHandle:
        self.launched += 1
        for path, content in (await files()).items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            assert isinstance(content, bytes), "there is no container to give a data set to"
            (self.folder / path).write_bytes(content)
        manager = AsyncKernelManager(kernel_name="python3", kernel_id=kernel_id)
        await manager.start_kernel(cwd=str(self.folder))
        self.kernels.append(LocalKernel(manager))
        return self.kernels[-1]
