"""``python -m tests.benchmarks [--quick]``: measure, print the table, judge.

The exit status is 1 if a bar is missed, 2 if something could not be measured. Traffic stays on
loopback. It ends by itself within a quarter of an hour, the building of a missing sandbox image
and the part ``sync`` apart, which has a quarter of an hour of its own and needs neither containers
nor a browser.
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
from .sheets import Sheet
from .sync import measure as sync
from .sync.peers import lacking

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "build" / "bench.json"
SYNC = "sync"
PARTS = (SYNC, "forecast", "kernels", "first", "runs", "pages", "neighbours", "crowd")
ALONE = frozenset({SYNC, "forecast"})
"""Parts that need no container and no browser."""
LIMIT_S = 900
SYNC_LIMIT_S = 1200
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
    if ALONE.issuperset(arguments.only):
        return rows
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
            neighbour = await neighbours.measure(pooled=pooled, times=10 if quick else 150, say=say)
            rows += neighbour.rows()
        if "crowd" in arguments.only:
            crowded = await crowd.measure(
                pooled=pooled, rooms=5 if quick else 50, turns=2 if quick else 6, say=say
            )
            rows += crowded.rows()
    return rows


async def bounded(arguments: argparse.Namespace, chromium: str, sheets: list[Sheet]) -> list[Row]:
    task = asyncio.current_task()
    assert task is not None
    # So that the servers are stopped, as they are by Ctrl+C.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    if SYNC in arguments.only:  # first: nothing else runs yet
        async with asyncio.timeout(SYNC_LIMIT_S):
            sheets += await sync.measure(quick=arguments.quick, say=say, tables=arguments.tables)
    async with asyncio.timeout(LIMIT_S):
        return await measure(arguments, chromium)


def _all_here(arguments: argparse.Namespace) -> bool:
    """Say what is missing, if something is."""
    lack = lacking() if SYNC in arguments.only else []
    if not ALONE.issuperset(arguments.only):
        lack += [name for name in ("docker", "chromium") if shutil.which(name) is None]
    if lack:
        say(f"cannot measure without {' and '.join(lack)} (make services)")
        return False
    if ALONE.issuperset(arguments.only):
        return True
    if subprocess.run([ROOT / "scripts" / "images.sh"], check=False).returncode:
        say("cannot measure without the sandbox image")
        return False
    return True


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions, for trying")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="some of the parts only"
    )
    parser.add_argument(
        "--tables", default="1234", help="some of the tables of sync only, such as 12"
    )
    arguments = parser.parse_args()
    if not _all_here(arguments):
        return 2
    began = datetime.now(UTC)
    load = os.getloadavg()[0]
    sheets: list[Sheet] = []
    try:
        rows = asyncio.run(bounded(arguments, shutil.which("chromium") or "", sheets))
    except InVain as error:
        say(f"waited in vain for {error}")
        return 2
    except TimeoutError:
        say("not ended in time: the machine is too slow or too busy to measure on")
        return 2
    say(f"\n{began:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load {load:.1f} at the start\n")
    for sheet in sheets:
        say(f"{sheet.text()}\n")
    if rows:
        say(table(rows))
    RESULT.parent.mkdir(exist_ok=True)
    result = {
        "at": began.isoformat(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_at_start": load,
        "quick": arguments.quick,
        "rows": [row.as_json() for row in rows],
        "sheets": [sheet.as_json() for sheet in sheets],
    }
    RESULT.write_text(json.dumps(result, indent=1))
    missed = [row.name for row in rows if row.held is False]
    missed += [bar.words for sheet in sheets for bar in sheet.bars if not bar.held]
    say(
        f"\n{RESULT.relative_to(ROOT)}"
        + (f"; MISSED: {', '.join(missed)}" if missed else "; every bar is held")
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
