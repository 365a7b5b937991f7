"""Processes bound to a core, and what they have used, as the kernel counts it."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.benchmarks.servers import _stopped_after

TICKS_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
START_TIMEOUT_S = 120.0


def cores() -> tuple[int, int]:
    """Return the core of the servers and that of whoever loads them."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def on_core(core: int, command: Sequence[str]) -> list[str]:
    """Return the command bound to that core, its threads and children with it."""
    return ["taskset", "--cpu-list", str(core), *command]


@asynccontextmanager
async def serving(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    answers: Callable[[], object],
) -> AsyncIterator[Process]:
    """Run a server on the servers' core until the end of the block; its output goes to a log."""
    log_path = folder / "server.log"
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *on_core(cores()[0], command),
            cwd=folder,
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment},
        )
    async with _stopped_after(process):
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await asyncio.to_thread(answers):
                if process.returncode is not None:
                    raise RuntimeError(f"it did not start:\n{log_path.read_text()[-2000:]}")
                await asyncio.sleep(0.2)
        yield process


def tree(pid: int) -> list[int]:
    """Return a process and all that came of it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(entry.name)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu_s(pid: int) -> float:
    """Return the processor time of a process and all that came of it, in user and kernel."""
    fields = [_stat(str(one)) for one in tree(pid)]
    return sum(int(f[11]) + int(f[12]) for f in fields if f) / TICKS_S


def threads_cpu_s(pid: int) -> float:
    """Return that of the process's threads besides the first, which has the event loop."""
    found = [_stat(f"{pid}/task/{task.name}") for task in Path(f"/proc/{pid}/task").iterdir()]
    first = _stat(f"{pid}/task/{pid}")
    own = [int(f[11]) + int(f[12]) for f in found if f]
    return (sum(own) - int(first[11]) - int(first[12])) / TICKS_S


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process and all that came of it."""
    fields = [_stat(str(one)) for one in tree(pid)]
    return sum(int(f[21]) for f in fields if f) * PAGE_BYTES


def _stat(which: str) -> list[str]:
    """Return the fields of ``/proc/{which}/stat`` behind the name; none if it has ended."""
    try:
        return Path(f"/proc/{which}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
