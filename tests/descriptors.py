"""Open descriptors of a process, and which of them are new."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import Counter
from pathlib import Path


def descriptors(process: int | str = "self") -> Counter[str]:
    """What each open descriptor is; sockets and pipes by their inode."""
    found: Counter[str] = Counter()
    for path in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the listing itself
            found[str(path.readlink())] += 1
    return found


def left_since(before: Counter[str], process: int | str = "self") -> list[str]:
    """What is open now beyond what was, once nobody here can use what is garbage.

    One that took the place of another that is gone counts as none: libraries open theirs anew.
    """
    gc.collect()
    now = descriptors(process)
    more = now.total() - before.total()
    return sorted((now - before).elements()) if more > 0 else []


async def back_to(before: Counter[str], patience_s: float, process: int | str = "self") -> None:
    """Wait until no more is open than before; what still is after `patience_s` is a leak.

    The far end of a connection that has just been closed learns of it in a later round of the loop.
    """
    deadline = time.monotonic() + patience_s
    while left := left_since(before, process):
        assert time.monotonic() < deadline, f"descriptors are left: {left}"
        await asyncio.sleep(0.1)
