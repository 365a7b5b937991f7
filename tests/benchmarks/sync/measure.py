"""Four tables: fifty rooms beside the peers, five hundred, crowded rooms, a large notebook."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmarks.report import percentile
from tests.benchmarks.sheets import Bar, Sheet

from . import peers
from .peers import Commits, Rooms, Subject
from .processes import cores, cpu_s, memory_bytes, on_core, threads_cpu_s

LARGE_BYTES = 5_000_000
JOINING = 50
TURNS = 3
"""Of what is compared in table 1. One run differs from the next by a tenth."""
COLLABORATION_SHARE = 1 / 6
"""Of the CPU that jupyter-collaboration takes for a delivery."""
MONGO_MORE_S = 0.010
MONGO_CPU = 1.5
MOST_DURABLE_S = 0.030
MOST_CROWD_S = 0.050
QUIET_CPU_S = 0.02
"""Of half a second."""
QUIET_TIMEOUT_S = 120.0
LINE_LIMIT = 256 * 1024 * 1024

Say = Callable[[str], None]
Start = Callable[[Path], AbstractAsyncContextManager[Subject]]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How many people type how fast, for how long."""

    rooms: int
    people: int
    per_s: float
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one server did with what was typed."""

    name: str
    expected: int
    latencies: list[float]
    durable: list[float]
    cpu_s: float
    threads_cpu_s: float
    database_cpu_s: float | None
    memory: int
    own_cpu_share: float
    late: list[float]
    lost: int
    doubled: int
    commits: Commits | None

    @property
    def delivered(self) -> int:
        return len(self.latencies)

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server for each letter that has arrived at one other page."""
        return self._each_us(self.cpu_s)

    def _each_us(self, seconds: float) -> float:
        return seconds / max(1, self.delivered) * 1e6

    def p(self, percent: float) -> float:
        return percentile(self.latencies, percent) if self.latencies else float("inf")

    def durable_p(self, percent: float) -> float:
        return percentile(self.durable, percent) if self.durable else float("inf")

    def line(self) -> tuple[str, ...]:
        database = self.database_cpu_s
        return (
            self.name,
            f"{self.delivered:,} / {self.expected:,}",
            *(_ms(self.p(percent)) for percent in (50, 95, 99)),
            f"{self.cpu_us:.0f} µs"
            + ("" if database is None else f" + {self._each_us(database):.0f}"),
            f"{self.memory / 1e6:.0f} MB",
            " / ".join(_ms(self.durable_p(p)) for p in (50, 95)) if self.durable else "",
            self.commit_words(),
            f"{self.own_cpu_share:.0%}",
        )

    def commit_words(self) -> str:
        """Tell what commits took: mean and p95 of one, and CPU for each delivery."""
        if self.commits is None:
            return ""
        times = f"{_ms(self.commits.mean_s)} / {_ms(self.commits.percentile_s(95))}"
        if self.database_cpu_s is not None:  # it is written by the event loop itself
            return times
        return f"{times}, {self._each_us(self.threads_cpu_s):.0f} µs"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "delivered": self.delivered,
            "expected": self.expected,
            "lost_sockets": self.lost,
            "doubled": self.doubled,
            "p50_s": self.p(50),
            "p95_s": self.p(95),
            "p99_s": self.p(99),
            "cpu_us": self.cpu_us,
            "threads_cpu_us": self._each_us(self.threads_cpu_s),
            "database_cpu_s": self.database_cpu_s,
            "memory": self.memory,
            "durable_p50_s": self.durable_p(50),
            "durable_p95_s": self.durable_p(95),
            "commit_mean_s": None if self.commits is None else self.commits.mean_s,
            "commit_p95_s": None if self.commits is None else self.commits.percentile_s(95),
            "load_cpu_share": self.own_cpu_share,
            "late_p95_s": percentile(self.late, 95),
        }


@dataclass(frozen=True, kw_only=True)
class Used:
    """Processor time so far: of the server, of its threads besides the event loop's, beside it."""

    cpu_s: float
    threads_s: float
    database_s: float

    def __sub__(self, before: Used) -> Used:
        return Used(
            cpu_s=self.cpu_s - before.cpu_s,
            threads_s=self.threads_s - before.threads_s,
            database_s=self.database_s - before.database_s,
        )


HEADINGS = (
    "",
    "delivered",
    "p50",
    "p95",
    "p99",
    "CPU per delivery",
    "memory",
    "durable p50 / p95",
    "of it commit: mean / p95, CPU",
    "load's own CPU",
)


async def measure(*, quick: bool, say: Say, tables: str = "1234") -> list[Sheet]:
    """Measure all four tables, one server after another."""
    sheets = []
    if "1" in tables:
        sheets.append(
            await fifty_rooms(
                rooms=10 if quick else 50,
                seconds=5 if quick else 20,
                rounds=1 if quick else TURNS,
                say=say,
            )
        )
    if "2" in tables:
        sheets.append(
            await many_rooms(rooms=50 if quick else 500, seconds=5 if quick else 20, say=say)
        )
    if "3" in tables:
        sizes = (3, 10) if quick else (3, 10, 30, 50)
        sheets.append(await one_room(sizes=sizes, seconds=5 if quick else 10, say=say))
    if "4" in tables:
        sheets.append(await large_notebook(times=1 if quick else 3, say=say))
    return sheets


async def fifty_rooms(*, rooms: int, seconds: int, rounds: int, say: Say) -> Sheet:
    """Table 1. What is compared takes turns, so that whatever the machine does meets all."""
    sheet = Sheet(
        title=f"{rooms} rooms × 3 people × 5 keystrokes/s, {seconds} s",
        headings=HEADINGS,
    )
    shape = Shape(rooms=rooms, people=3, per_s=5.0, seconds=seconds)
    starts: list[Start] = [peers.ours, partial(peers.ours, database=True), peers.y_websocket]
    turns = [[await _one(start, say, sheet, shape) for start in starts] for _ in range(rounds)]
    sqlite, mongo, node = (list(runs) for runs in zip(*turns, strict=True))
    await _one(peers.hocuspocus, say, sheet, shape)
    stock = await _one(peers.stock, say, sheet, shape)
    node_p95 = _p95(node)
    sheet.bars = [
        *(_delivers(figures) for figures in (*sqlite, *mongo)),
        Bar(
            words=f"SQLite: p95 {_ms(_p95(sqlite))} ≤ y-websocket's"
            f" {_ms(node_p95)} ({sqlite[-1].commit_words()} are commits)",
            held=_p95(sqlite) <= node_p95,
        ),
        _processor("SQLite", sqlite, node, most=1.0),
        Bar(
            words=f"MongoDB: p95 {_ms(_p95(mongo))} ≤ y-websocket's + 10 ms",
            held=_p95(mongo) <= node_p95 + MONGO_MORE_S,
        ),
        _processor("MongoDB", mongo, node, most=MONGO_CPU),
        Bar(
            words=f"SQLite: CPU ≤ 1/6 of jupyter-collaboration's {stock.cpu_us:.0f} µs",
            held=median(figures.cpu_us for figures in sqlite) <= COLLABORATION_SHARE * stock.cpu_us,
        ),
        *(
            Bar(
                words=f"{name}: durable p95 {_ms(max(f.durable_p(95) for f in runs))} ≤ 30 ms",
                held=max(figures.durable_p(95) for figures in runs) <= MOST_DURABLE_S,
            )
            for name, runs in (("SQLite", sqlite), ("MongoDB", mongo))
        ),
    ]
    return sheet


def _processor(name: str, ours: list[Figures], node: list[Figures], *, most: float) -> Bar:
    """Compare what a delivery costs, run by run beside the peer's of the same turn."""
    ratios = [one.cpu_us / peer.cpu_us for one, peer in zip(ours, node, strict=True)]
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    words = f"{name}: CPU {median(ratios):.2f} ≤ {most:g} × y-websocket's, each turn {shown}"
    return Bar(words=words, held=median(ratios) <= most)


def _p95(runs: list[Figures]) -> float:
    return median(figures.p(95) for figures in runs)


async def many_rooms(*, rooms: int, seconds: int, say: Say) -> Sheet:
    """Table 2."""
    sheet = Sheet(
        title=f"{rooms} rooms × 3 people × 1 keystroke/s, {seconds} s",
        headings=HEADINGS,
    )
    shape = Shape(rooms=rooms, people=3, per_s=1.0, seconds=seconds)
    figures = await _one(peers.ours, say, sheet, shape)
    await _one(peers.y_websocket, say, sheet, shape)
    sheet.bars = [
        _delivers(figures),
        Bar(words=f"p95 {_ms(figures.p(95))} ≤ 50 ms", held=figures.p(95) <= MOST_CROWD_S),
    ]
    return sheet


async def one_room(*, sizes: tuple[int, ...], seconds: int, say: Say) -> Sheet:
    """Table 3."""
    sheet = Sheet(
        title=f"One room, everybody types 5 keystrokes/s, {seconds} s",
        headings=("people", *HEADINGS),
    )
    for start in (peers.ours, peers.y_websocket):
        for people in sizes:
            part = Sheet(title="", headings=HEADINGS)
            shape = Shape(rooms=1, people=people, per_s=5.0, seconds=seconds)
            figures = await _one(start, say, part, shape)
            sheet.lines.append((str(people), *part.lines[0]))
            sheet.figures.append({"people": people, **figures.as_json()})
            if figures.name.startswith("ours"):
                bar = _delivers(figures)
                sheet.bars.append(Bar(words=f"{people} people: {bar.words}", held=bar.held))
    return sheet


async def large_notebook(*, times: int, say: Say) -> Sheet:
    """Table 4."""
    sheet = Sheet(
        title=f"A notebook of 5 MB, {times} times: opened, then joined by {JOINING} at once",
        headings=("", "bytes", "opened: median", "worst", "all have it: median", "worst"),
    )
    for start in (peers.ours, peers.y_websocket, peers.stock):
        with TemporaryDirectory(prefix="interview-sync-") as folder:
            async with start(Path(folder)) as subject:
                say(f"{subject.name}: a large notebook")
                rooms = await subject.rooms(times, 1 + JOINING, LARGE_BYTES)
                for person in (person for room in rooms for person in room):
                    person |= {"quiet": True, "least_bytes": LARGE_BYTES}
                spec = {"join": True, "more_bytes": LARGE_BYTES, "seed": subject.seed}
                result = await _load({**spec, "rooms": rooms}, None)
        opened, joined = result["opened"], result["joined"]
        line = (_ms(at) for seen in (opened, joined) for at in (percentile(seen, 50), max(seen)))
        sheet.lines.append((subject.name, f"{max(result['bytes']):,}", *line))
        sheet.figures.append({"name": subject.name, **result})
    return sheet


async def _one(start: Start, say: Say, sheet: Sheet, shape: Shape) -> Figures:
    with TemporaryDirectory(prefix="interview-sync-") as folder:
        async with start(Path(folder)) as subject:
            made: Rooms = await subject.rooms(shape.rooms, shape.people, 0)
            spec = {
                "rooms": made,
                "seed": subject.seed,
                "per_s": shape.per_s,
                "seconds": shape.seconds,
            }
            result = await _load(spec, subject)
    figures = Figures(
        name=subject.name,
        expected=result["expected"],
        latencies=result["latencies"],
        durable=result["durable"],
        cpu_s=result["cpu_s"],
        threads_cpu_s=result["threads_cpu_s"],
        database_cpu_s=result["database_cpu_s"],
        memory=result["memory"],
        own_cpu_share=result["own_cpu_share"],
        late=result["late"],
        lost=result["lost"],
        doubled=result["doubled"],
        commits=result["commits"],
    )
    sheet.lines.append(figures.line())
    sheet.figures.append(figures.as_json())
    say(" | ".join(figures.line()))
    return figures


async def _load(spec: dict[str, Any], subject: Subject | None) -> dict[str, Any]:
    """Run the pages; return what they saw and what the server used while they typed."""
    process = await asyncio.create_subprocess_exec(
        *on_core(cores()[1], [sys.executable, "-m", "tests.benchmarks.sync.load"]),
        stdin=PIPE,
        stdout=PIPE,
        limit=LINE_LIMIT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(spec).encode() + b"\n")
        if subject is None:
            return await _line(process.stdout)
        await _line(process.stdout)
        await _quiet(subject)
        earlier = None if subject.commits is None else await subject.commits()
        before = _used(subject)
        process.stdin.write(b"go\n")
        result = await _line(process.stdout)
        after = _used(subject)
        commits = None
        if subject.commits is not None and earlier is not None:
            commits = (await subject.commits()).since(earlier)
        used = after - before
        return {
            **result,
            "cpu_s": used.cpu_s,
            "threads_cpu_s": used.threads_s,
            "database_cpu_s": None if subject.database_pid is None else used.database_s,
            "memory": memory_bytes(subject.pid),
            "commits": commits,
        }
    finally:
        if process.returncode is None:
            process.stdin.close()
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _quiet(subject: Subject) -> None:
    """Wait until the server has done what the coming of so many people brought about."""
    async with asyncio.timeout(QUIET_TIMEOUT_S):
        while True:
            before = cpu_s(subject.pid)
            await asyncio.sleep(0.5)
            if cpu_s(subject.pid) - before <= QUIET_CPU_S:
                return


async def _line(stream: asyncio.StreamReader) -> dict[str, Any]:
    line = await stream.readline()
    if not line:
        raise RuntimeError("the pages' process has ended early")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _used(subject: Subject) -> Used:
    database = subject.database_pid
    return Used(
        cpu_s=cpu_s(subject.pid),
        threads_s=threads_cpu_s(subject.pid),
        database_s=0.0 if database is None else cpu_s(database),
    )


def _delivers(figures: Figures) -> Bar:
    words = f"{figures.name} delivers {figures.delivered:,} of {figures.expected:,}"
    whole = figures.delivered == figures.expected and not figures.doubled and not figures.lost
    return Bar(words=words, held=whole)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
