"""Rooms whose kernels run in real containers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

import interview_ext.sandbox
from interview_ext.execution.launcher import SandboxLauncher
from interview_ext.execution.ports import Files, OnWait
from interview_ext.rooms.model import Room
from interview_ext.sandbox.broker import Broker
from interview_ext.sandbox.provisioner import SandboxRequest
from tests.execution.conftest import Bench, make_bench


def launcher(sandboxes: Broker, folder: Path) -> SandboxLauncher:
    """As ``app.py`` makes it, with the kernelspec as it is in the package."""
    kernels = folder / "kernels"
    kernels.mkdir(parents=True)
    package = Path(interview_ext.sandbox.__file__).parent
    (kernels / "interview-python").symlink_to(package / "kernelspec")

    def request(room: Room, files: Files, adopt: str, on_wait: OnWait) -> SandboxRequest:
        return SandboxRequest(
            sandboxes=sandboxes,
            room=room.id,
            files=files,
            run_limit=False,
            adopt=adopt,
            on_wait=on_wait,
        )

    return SandboxLauncher(
        request=request,
        sandboxes=sandboxes,
        specs=KernelSpecManager(kernel_dirs=[str(kernels)]),
    )


@asynccontextmanager
async def house(folder: Path, sandboxes: Broker) -> AsyncIterator[Bench]:
    """A room, on a server of its own."""
    await sandboxes.start()
    try:
        async with asynccontextmanager(make_bench)(folder, launcher(sandboxes, folder)) as bench:
            yield bench
    finally:
        await sandboxes.stop()
