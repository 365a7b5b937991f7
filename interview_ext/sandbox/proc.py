"""What the operating system tells about processes, read from ``/proc``."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
ENDED = frozenset("ZX")
"""States of a process of which only the entry is left."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process as of now. `memory_bytes` is resident, with what it shares."""

    pid: int
    parent: int
    group: int
    cpu_s: float
    threads: int
    memory_bytes: int


def process(pid: int) -> Process | None:
    """Return a living process, None if there is none (proc(5): ``/proc/pid/stat``)."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name before it may hold anything, brackets included.
    rest = text[text.rindex(")") + 2 :].split()
    if rest[0] in ENDED:
        return None
    return Process(
        pid=pid,
        parent=int(rest[1]),
        group=int(rest[2]),
        cpu_s=(int(rest[11]) + int(rest[12])) * TICK_S,
        threads=int(rest[17]),
        memory_bytes=int(rest[21]) * PAGE_BYTES,
    )


def processes() -> dict[int, Process]:
    """Return all living processes that can be seen."""
    found = (process(int(path.name)) for path in PROC.iterdir() if path.name.isdigit())
    return {each.pid: each for each in found if each is not None}


def family(group: int, everybody: Mapping[int, Process]) -> list[Process]:
    """Return a process group and all that its members have started, in other groups too."""
    found = {pid for pid, each in everybody.items() if each.group == group}
    while True:
        more = {pid for pid, each in everybody.items() if each.parent in found} - found
        if not more:
            return [everybody[pid] for pid in found]
        found |= more


def send(signal: int, members: Collection[Process]) -> None:
    """Send a signal to each that is still there."""
    for each in members:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each.pid, signal)
