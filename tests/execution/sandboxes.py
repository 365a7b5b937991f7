"""Rooms whose kernels run in real containers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from interview_ext.execution.launcher import SandboxLauncher
from interview_ext.execution.ports import Files, OnWait
from interview_ext.rooms.model import Room
from interview_ext.sandbox.broker import Broker
from interview_ext.sandbox.profiles import PYTHON, Profile
from interview_ext.sandbox.provisioner import SandboxRequest
from interview_ext.sandbox.specs import ProfileSpecs
from tests.execution.conftest import Bench, make_bench


def launcher(sandboxes: Broker, profiles: Mapping[str, Profile]) -> SandboxLauncher:
    """As ``house.py`` makes it."""

    def request(room: Room, files: Files, adopt: str, on_wait: OnWait) -> SandboxRequest:
        return SandboxRequest(
            sandboxes=sandboxes,
            room=room.id,
            profile=room.profile,
            files=files,
            run_limit=False,
            adopt=adopt,
            on_wait=on_wait,
        )

    return SandboxLauncher(request=request, sandboxes=sandboxes, specs=ProfileSpecs(profiles))


@asynccontextmanager
async def house(folder: Path, sandboxes: Broker, profile: Profile = PYTHON) -> AsyncIterator[Bench]:
    """A room, on a server of its own."""
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    await sandboxes.start()
    try:
        starter = launcher(sandboxes, {profile.name: profile})
        async with asynccontextmanager(make_bench)(folder, starter, profile.name) as bench:
            yield bench
    finally:
        await sandboxes.stop()
