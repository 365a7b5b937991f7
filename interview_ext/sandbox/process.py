"""The engine port on plain processes. It isolates nothing; used only when configured by name.

For places that are throw-away containers themselves, where no container engine is to be had
(Binder). A kernel runs as the server's own user and can read what that user can read, its network
included. What it gets is a process group, limits of the operating system, an environment with
nothing of the server's in it, and a folder.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from interview_ext.errors import SandboxError, SandboxGone

from .folders import BASE, image_folder
from .local import Box, Companion, Lack, LocalEngine
from .proc import Process, processes
from .profiles import GIB, Limits, Profile

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
SPARE_ADDRESSES = 1 * GIB
"""Address space beyond the memory: mapped libraries and threads' stacks need it, and it costs
nothing. Memory itself is watched."""
FOLDER_PREFIX = "interview-process-"


class ProcessEngine(LocalEngine):
    """Kernels of this server's own Python, as processes beside it."""

    name = "process"
    isolation = "none"
    package = "ipykernel"

    def lack(self) -> Lack | None:
        """See :class:`LocalEngine`."""
        if not sys.platform.startswith("linux"):
            return Lack("The process engine needs Linux.")
        if importlib.util.find_spec("ipykernel") is None:
            return Lack(
                "The process engine needs ipykernel, which is not installed.",
                "pip install 'jupyter-interview-rooms[process]'",
            )
        return None

    async def _prepare(self, box: Box) -> None:
        box.folder = await asyncio.to_thread(_make_folder)

    async def _clean(self, box: Box) -> None:
        if box.folder is not None:
            await asyncio.to_thread(shutil.rmtree, box.folder, ignore_errors=True)

    async def start(self, container: str) -> None:
        """See :class:`Engine`."""
        box = self._box(container)
        folder = _folder(box)
        runner = Path(__file__).with_name("process_shim.py")
        shim = image_folder(BASE) / "shim.py"
        argv = [sys.executable, "-I", "-B", str(runner), str(shim), str(folder)]
        await self._spawn(box, argv, cwd=folder, environment={"PATH": os.defpath})

    async def execute(self, container: str, profile: Profile) -> str:
        """See :class:`Engine`. The profile's language has to be Python."""
        box = self._box(container)
        folder = _folder(box)
        argv = [
            *(sys.executable, "-m", "ipykernel_launcher", "-f", str(folder / "kernel.json")),
            "--HistoryManager.hist_file=:memory:",
            f"--IPKernelApp.exec_files={image_folder('python') / 'startup.py'}",
        ]
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.subprocess_exec(
                lambda: Companion(self, box, container),
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=folder / "work",
                env=_environment(profile, folder),
                process_group=box.group,
            )
        except OSError as error:
            raise SandboxError(f"The kernel could not be started: {error.strerror}.") from error
        box.others.append(transport)
        # It has run no code of a candidate's yet.
        await asyncio.to_thread(_limit, transport.get_pid(), profile.limits)
        return container

    async def executing(self, process: str) -> bool:
        """See :class:`Engine`."""
        with suppress(SandboxGone):
            return any(each.get_returncode() is None for each in self._box(process).others)
        return False

    def main_ended(self, box: Box) -> None:
        """Tell of the shim's end, and end the rest of its group."""
        if box.transport is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(box.transport.get_pid(), signal.SIGKILL)
        super().main_ended(box)

    def _frozen_members(self, box: Box, members: list[Process]) -> list[Process]:
        """All but the shim, which has to hear it when the server goes."""
        return [each for each in members if each.pid != box.group]


def _folder(box: Box) -> Path:
    if box.folder is None:
        raise SandboxGone("The sandbox's folder is gone.", reason="crash")
    return box.folder


def _make_folder() -> Path:
    """A folder that only this user can open, with all that shim and kernel need to meet."""
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    (folder / "work").mkdir()
    (folder / "home").mkdir()
    connection = {"transport": "ipc", "ip": f"{folder}/kernel", "key": ""}
    connection["signature_scheme"] = "hmac-sha256"
    ports = {f"{channel}_port": number for number, channel in enumerate(CHANNELS, 1)}
    for number in ports.values():
        # A kernel puts a dash between the two parts of an address, the shim a colon.
        (folder / f"kernel:{number}").symlink_to(f"kernel-{number}")
    (folder / "kernel.json").write_text(json.dumps({**connection, **ports}))
    return folder


def _environment(profile: Profile, folder: Path) -> Mapping[str, str]:
    """What the kernel gets to know: the profile's words, and nothing of the server's."""
    return {
        **profile.environment,
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "home"),
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        # The C library would reserve 64 MB of addresses for each thread.
        "MALLOC_ARENA_MAX": "2",
    }


def _limit(pid: int, limits: Limits) -> None:
    """Set the operating system's limits of a process, and so of all that it starts."""
    mine = [each for each in processes().values() if _owner(each.pid) == os.getuid()]
    for what, value in {
        resource.RLIMIT_AS: limits.memory_bytes + SPARE_ADDRESSES,
        # Of the user, not of the kernel: what runs already is added. Root is not held by it.
        resource.RLIMIT_NPROC: sum(each.threads for each in mine) + limits.pids,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_CORE: 0,
    }.items():
        hard = resource.prlimit(pid, what)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.prlimit(pid, what, (most, most))


def _owner(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return -1
