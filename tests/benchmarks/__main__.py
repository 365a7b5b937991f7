"""``python -m tests.benchmarks [--quick]``: measure, print the table, judge.

The exit status is 1 if a bar is missed, 2 if something could not be measured. Traffic stays on
loopback. It ends by itself within a quarter of an hour, the building of a missing sandbox image
apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from . import crowd, first_result, forecast, kernels, neighbours, pages, runs, webassembly
from .patience import InVain
from .report import Row, table
from .servers import product, stock

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "build" / "bench.json"
PARTS = ("forecast", "kernels", "first", "runs", "pages", "neighbours", "crowd")
LIMIT_S = 900
KERNELS_LIMIT_S = 80
"""No repetition of the first part begins after that."""
FIRST_LIMIT_S = 160
"""The same for the second."""
PAGES_LIMIT_S = 400
"""Pages begin no repetition that would not end by then."""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def measure(arguments: argparse.Namespace, chromium: str) -> list[Row]:
    """Start the servers, and measure one part after another."""
    began = monotonic()
    quick = arguments.quick
    rows: list[Row] = []
    if "forecast" in arguments.only:
        rows += await asyncio.to_thread(forecast.measure, say)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="interview-bench-")))
        say("starting the servers …")
        pooled = await stack.enter_async_context(product(folder / "pooled", pool_size=1))
        unpooled = await stack.enter_async_context(product(folder / "unpooled", pool_size=0))
        peer = await stack.enter_async_context(stock(folder / "stock"))
        if "kernels" in arguments.only:
            times = await kernels.measure(
                pooled=pooled,
                unpooled=unpooled,
                peer=peer,
                times=2 if quick else 10,
                until=began + KERNELS_LIMIT_S,
                say=say,
            )
            rows += times.rows()
            rows += await webassembly.measure(times=2 if quick else 10, say=say)
        if "first" in arguments.only:
            first = await first_result.measure(
                times=3 if quick else 20, until=began + FIRST_LIMIT_S, say=say
            )
            rows += first.rows()
        if "runs" in arguments.only:
            turns = await runs.measure(
                pooled=pooled, peer=peer, times=20 if quick else 100, say=say
            )
            rows += turns.rows()
        if "pages" in arguments.only:
            figures = await pages.measure(
                pooled=pooled,
                peer=peer,
                chromium=chromium,
                times=1 if quick else 5,
                until=began + PAGES_LIMIT_S,
                say=say,
            )
            rows += figures.rows()
        if "neighbours" in arguments.only:
            neighbour = await neighbours.measure(pooled=pooled, times=10 if quick else 60, say=say)
            rows += neighbour.rows()
        if "crowd" in arguments.only:
            crowded = await crowd.measure(
                pooled=pooled, rooms=5 if quick else 50, turns=2 if quick else 6, say=say
            )
            rows += crowded.rows()
    return rows


async def bounded(arguments: argparse.Namespace, chromium: str) -> list[Row]:
    task = asyncio.current_task()
    assert task is not None
    # So that the servers are stopped, as they are by Ctrl+C.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with asyncio.timeout(LIMIT_S):
        return await measure(arguments, chromium)


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions, for trying")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="some of the parts only"
    )
    arguments = parser.parse_args()
    lack = [name for name in ("docker", "chromium") if shutil.which(name) is None]
    if lack:
        say(f"cannot measure without {' and '.join(lack)} (make services)")
        return 2
    if subprocess.run([ROOT / "scripts" / "images.sh"], check=False).returncode:
        say("cannot measure without the sandbox image")
        return 2
    began = datetime.now(UTC)
    load = os.getloadavg()[0]
    try:
        rows = asyncio.run(bounded(arguments, shutil.which("chromium") or ""))
    except InVain as error:
        say(f"waited in vain for {error}")
        return 2
    except TimeoutError:
        say(f"not ended within {LIMIT_S} s: the machine is too slow or too busy to measure on")
        return 2
    say(f"\n{began:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load {load:.1f} at the start\n")
    say(table(rows))
    RESULT.parent.mkdir(exist_ok=True)
    result = {
        "at": began.isoformat(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_at_start": load,
        "quick": arguments.quick,
        "rows": [row.as_json() for row in rows],
    }
    RESULT.write_text(json.dumps(result, indent=1))
    missed = [row.name for row in rows if row.held is False]
    say(
        f"\n{RESULT.relative_to(ROOT)}"
        + (f"; MISSED: {', '.join(missed)}" if missed else "; every bar is held")
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
