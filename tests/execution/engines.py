"""Rooms whose kernels run in engines without containers, and a look at what they leave behind."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interview_ext.sandbox.engines import engine_of
from interview_ext.sandbox.proc import process, processes
from interview_ext.sandbox.process import FOLDER_PREFIX
from interview_ext.sandbox.profiles import PYTHON, Limits
from interview_ext.sandbox.sandboxes import Sandboxes
from tests.descriptors import back_to, descriptors
from tests.execution.conftest import Bench
from tests.execution.sandboxes import house

PATIENCE_S = 20
PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): the processes that a child leaves behind become this process's children."""


def children() -> set[int]:
    """Processes that this one has started and that live."""
    everybody = processes()
    found = {pid for pid, each in everybody.items() if each.parent == _own_pid()}
    while more := {pid for pid, each in everybody.items() if each.parent in found} - found:
        found |= more
    return found


def _own_pid() -> int:
    return int(Path("/proc/self").readlink().name)


def folders(own: str) -> set[Path]:
    """Folders of the process engine's sandboxes, in a folder for temporary files."""
    return set(Path(own).glob(f"{FOLDER_PREFIX}*"))


def sandboxes_on(engine: str, **limits: Any) -> Sandboxes:
    """The sandboxes of a server that is configured so."""
    return Sandboxes(
        server_id=f"test-{secrets.token_hex(6)}",
        engine=engine_of(engine),
        pool_size=0,
        profiles={"python": replace(PYTHON, limits=Limits(**limits))},
    )


@asynccontextmanager
async def room_on(folder: Path, engine: str, **limits: Any) -> AsyncIterator[Bench]:
    """A room on such a server; in the end no process, folder or descriptor is left of it."""
    before, started = descriptors(), children()
    # Other tests run beside this one and have such folders too.
    with tempfile.TemporaryDirectory(prefix="engines-") as own, pytest.MonkeyPatch.context() as m:
        m.setattr(tempfile, "tempdir", own)
        async with house(folder, sandboxes_on(engine, **limits)) as bench:
            yield bench
        assert folders(own) == set(), "folders were left behind"
    assert children() - started == set(), "processes were left behind"
    await back_to(before, PATIENCE_S)


KILLED_SERVER = """
import asyncio, sys
from interview_ext.sandbox.engines import engine_of
from interview_ext.sandbox.sandboxes import Sandboxes

async def main():
    sandboxes = Sandboxes(engine=engine_of(sys.argv[1]), pool_size=0)
    await sandboxes.start()
    sandbox = await sandboxes.claim("python", room="r")
    if sys.argv[2] == "frozen":
        await sandbox.freeze()
    print("ready", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def nothing_outlives_a_killed_server(engine: str, how: str, *, processes_each: int) -> None:
    """A server with one sandbox, ``running`` or ``frozen``, is killed: all goes with it.

    What is left comes to this process, as it comes to the first one in a container: the operating
    system does not wake it, as it does with a group that is left alone in its session.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        _kill_a_server(engine, how, processes_each)
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _kill_a_server(engine: str, how: str, processes_each: int) -> None:
    own = tempfile.mkdtemp(prefix="engines-")
    server = subprocess.Popen(
        [sys.executable, "-c", KILLED_SERVER, engine, how],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": own},
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        below = {each.pid for each in processes().values() if each.parent == server.pid}
        assert len(below) == processes_each
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.communicate()
    deadline = time.monotonic() + PATIENCE_S
    while any(process(pid) for pid in below) or folders(own):
        assert time.monotonic() < deadline, "processes or folders were left behind"
        time.sleep(0.1)
    for pid in below:
        os.waitpid(pid, 0)
    shutil.rmtree(own)
