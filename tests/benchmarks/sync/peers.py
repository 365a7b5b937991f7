"""The servers, as they are published, and rooms on each.

Every function starts one and yields a `Subject`, whose `rooms` makes what `load` reads.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks.people import Host, Seat
from tests.benchmarks.servers import HOST, OURS_AND_COLLABORATION, Server, _environment, _free_port
from tests.services.mongodb import ReplicaSet
from tests.services.process import listens
from tests.services.redis import RedisServer

from .processes import cores, serving
from .typists import notebook

NODE_PEERS = Path(__file__).resolve().parents[1] / "peers"
JOINING = 6
"""Seats that are taken at the same time."""

Rooms = list[list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A running server.

    Attributes
    ----------
    pid:
        Of the server.
    database_pid:
        Of the database beside it, if it has one.
    seed:
        Whether a page has to bring the notebook, because the server knows none.
    rooms:
        Makes so many rooms for so many people, with a notebook of so many bytes of outputs.
    commits:
        Tells how long commits of the log have taken so far, where the server measures them.
    """

    name: str
    pid: int
    database_pid: int | None = None
    seed: bool = False
    rooms: Callable[[int, int, int], Awaitable[Rooms]]
    commits: Callable[[], Awaitable[Commits]] | None = None


@dataclass(frozen=True, kw_only=True)
class Commits:
    """How long commits took, as ``/interview/metrics`` counts them.

    Attributes
    ----------
    counts:
        By a bound in seconds, how many took no longer.
    """

    counts: dict[float, float]
    total_s: float

    @property
    def count(self) -> float:
        return self.counts[float("inf")]

    @property
    def mean_s(self) -> float:
        return self.total_s / max(1.0, self.count)

    def since(self, before: Commits) -> Commits:
        """Return those after an earlier reading."""
        counts = {bound: count - before.counts[bound] for bound, count in self.counts.items()}
        return Commits(counts=counts, total_s=self.total_s - before.total_s)

    def percentile_s(self, percent: float) -> float:
        """Return how long so many of a hundred took at most.

        Between two bounds they are taken to be evenly spread, as Prometheus'
        ``histogram_quantile`` does.
        """
        rank, below, lower = percent / 100 * self.count, 0.0, 0.0
        for bound, count in sorted(self.counts.items()):
            if count >= rank and count > below:
                share = (rank - below) / (count - below)
                return lower if bound == float("inf") else lower + (bound - lower) * share
            below, lower = count, bound
        return lower


@asynccontextmanager
async def ours(folder: Path, *, database: bool = False) -> AsyncIterator[Subject]:
    """Run this product, on SQLite or on MongoDB; its cells have no engine to run in."""
    async with AsyncExitStack() as stack:
        traits: dict[str, Any] = {
            "store_path": str(folder / "interviews.sqlite"),
            "sandbox_pool_size": 0,
            "join_attempts_per_minute": 100_000,
        }
        database_pid = None
        if database:
            replica = ReplicaSet(folder / "mongodb")
            stack.callback(replica.stop)
            await asyncio.to_thread(replica.start)
            (member,) = replica.members.values()
            database_pid = member.pid
            _to_other_core(database_pid)
            traits["store_url"] = replica.url("interviews")
            traits["bus_url"] = stack.enter_context(_redis(folder))
            traits["server_url"] = f"http://{HOST}:9"  # of no use to one server alone
        server, pid = await stack.enter_async_context(
            _jupyter(folder, "jupyterlab", {"InterviewApp": traits}, "interview/api/rooms")
        )
        host = await stack.enter_async_context(Host(server))

        async def rooms(count: int, people: int, more_bytes: int) -> Rooms:
            path = "typed.ipynb"
            content = notebook(more_bytes=more_bytes)
            (server.contents / path).write_text(json.dumps(content))
            gate = asyncio.Semaphore(JOINING)
            made = [_our_room(host, path, people, gate) for _ in range(count)]
            return list(await asyncio.gather(*made))

        yield Subject(
            name="ours (Redis + MongoDB)" if database else "ours (SQLite)",
            pid=pid,
            database_pid=database_pid,
            rooms=rooms,
            commits=partial(_commits, server),
        )


@asynccontextmanager
async def stock(folder: Path) -> AsyncIterator[Subject]:
    """Run jupyter-collaboration in jupyter_server, each with its defaults."""
    extensions = dict.fromkeys(OURS_AND_COLLABORATION, True) | {"interview_ext": False}
    config = {"ServerApp": {"jpserver_extensions": extensions}}
    async with _jupyter(folder, "jupyter_server", config, "api/status") as (server, pid):

        async def rooms(count: int, people: int, more_bytes: int) -> Rooms:
            text = json.dumps(notebook(more_bytes=more_bytes))
            async with httpx.AsyncClient(
                base_url=server.base_url, headers=server.headers, timeout=60
            ) as http:
                made = []
                for _ in range(count):
                    path = f"{secrets.token_hex(8)}.ipynb"
                    (server.contents / path).write_text(text)
                    body = {"format": "json", "type": "notebook"}
                    answer = await http.put(f"api/collaboration/session/{path}", json=body)
                    answer.raise_for_status()
                    session = answer.json()
                    url = (
                        f"{server.socket_url}api/collaboration/room/json:notebook:"
                        f"{session['fileId']}?sessionId={session['sessionId']}"
                    )
                    made.append([{"url": url, "headers": server.headers}] * people)
                return made

        yield Subject(name="jupyter-collaboration", pid=pid, rooms=rooms)


@asynccontextmanager
async def y_websocket(folder: Path) -> AsyncIterator[Subject]:
    """Run y-websocket's server with its LevelDB, as its command does."""
    port = _free_port()
    program = NODE_PEERS / "node_modules" / "@y" / "websocket-server" / "src" / "server.js"
    environment = {"HOST": HOST, "PORT": str(port), "YPERSISTENCE": str(folder / "leveldb")}
    async with serving(
        [_node(), str(program)],
        folder=folder,
        environment=environment,
        answers=lambda: listens(port),
    ) as process:

        async def rooms(count: int, people: int, more_bytes: int) -> Rooms:
            del more_bytes
            urls = [f"ws://{HOST}:{port}/{secrets.token_hex(8)}" for _ in range(count)]
            return [[{"url": url}] * people for url in urls]

        yield Subject(name="y-websocket", pid=process.pid, seed=True, rooms=rooms)


@asynccontextmanager
async def hocuspocus(folder: Path) -> AsyncIterator[Subject]:
    """Run Hocuspocus with its SQLite extension."""
    port = _free_port()
    program = NODE_PEERS / "hocuspocus.mjs"
    async with serving(
        [_node(), str(program), str(port), str(folder / "hocuspocus.sqlite")],
        folder=folder,
        environment={},
        answers=lambda: listens(port),
    ) as process:

        async def rooms(count: int, people: int, more_bytes: int) -> Rooms:
            del more_bytes
            url = f"ws://{HOST}:{port}/"
            names = [secrets.token_hex(8) for _ in range(count)]
            return [[{"url": url, "name": name}] * people for name in names]

        yield Subject(name="Hocuspocus", pid=process.pid, seed=True, rooms=rooms)


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """Run Redis on the core that the server does not have; yield its URL."""
    redis = RedisServer(folder / "redis")
    redis.start()
    try:
        _to_other_core(redis.service.pid)
        yield redis.url
    finally:
        redis.kill()


def lacking() -> list[str]:
    """Return what is missing here to run them all."""
    lack = [name for name in ("node", "taskset") if shutil.which(name) is None]
    if not (NODE_PEERS / "node_modules" / "yjs").exists():
        lack.append("the peers' Node packages (make bench installs them)")
    return lack


def _node() -> str:
    return shutil.which("node") or "node"


def _to_other_core(pid: int) -> None:
    """Move a database's threads to the core that the server does not have.

    Meanwhile some end, and one that has not been moved yet may begin another.
    """
    other, left = {cores()[1]}, True
    while left:
        left = False
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                if os.sched_getaffinity(int(task.name)) != other:
                    os.sched_setaffinity(int(task.name), other)
                    left = True


@asynccontextmanager
async def _jupyter(
    folder: Path, module: str, config: dict[str, Any], answered: str
) -> AsyncIterator[tuple[Server, int]]:
    contents = folder / "notebooks"
    contents.mkdir()
    token, port = secrets.token_hex(24), _free_port()
    server = Server(
        base_url=f"http://{HOST}:{port}/", token=token, folder=folder, contents=contents
    )
    environment = _environment(folder, config) | {
        "JUPYTER_TOKEN": token,
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "DOCKER_HOST": f"unix://{folder / 'no-engine.sock'}",
    }
    command = [
        *(sys.executable, "-m", module, "--allow-root"),
        "--ServerApp.open_browser=False",
        f"--ServerApp.ip={HOST}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={contents}",
    ]

    def answers() -> bool:
        try:
            answer = httpx.get(f"{server.base_url}{answered}", headers=server.headers)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    async with serving(command, folder=folder, environment=environment, answers=answers) as process:
        yield server, process.pid


async def _commits(server: Server) -> Commits:
    async with httpx.AsyncClient(headers=server.headers) as http:
        answer = await http.get(f"{server.base_url}interview/metrics")
    answer.raise_for_status()
    counts, total_s = {}, 0.0
    for family in text_string_to_metric_families(answer.text):
        if family.name == "interview_update_log_commit_seconds":
            for sample in family.samples:
                if sample.name.endswith("_bucket"):
                    counts[float(sample.labels["le"])] = sample.value
                elif sample.name.endswith("_sum"):
                    total_s = sample.value
    return Commits(counts=counts, total_s=total_s)


async def _our_room(
    host: Host, path: str, people: int, gate: asyncio.Semaphore
) -> list[dict[str, Any]]:
    """Make a live room with a host, a candidate and interviewers, each with their own seat."""
    async with gate:
        room = await host.create_room(notebook_path=path)
        await host.room("POST", room, "/state", {"to": "live"})
        seats = [await Seat.take((await host.room("POST", room, "/enter"))["url"])]
        for number in range(1, people):
            role = "candidate" if number == 1 else "interviewer"
            body = {"role": role, "name": f"Person {number}"}
            invite = await host.room("POST", room, "/invites", body)
            seat = await Seat.take(invite["url"], name=f"Person {number}")
            await host.room("POST", room, f"/participants/{seat.participant}/admit")
            seats.append(seat)
        document = (await host.room("GET", room))["documents"][0]["id"]
        specs = []
        for seat in seats:
            request = seat.socket_request(f"api/collaboration/room/json:notebook:{document}")
            events = f"interview/api/rooms/{room}/events"
            specs.append(
                {
                    "url": request.url,
                    "headers": dict(request.headers),
                    "events": seat.socket_request(events).url,
                    "user": (await seat.ask("GET", f"{seat.door}api/me"))["identity"],
                }
            )
            await seat.leave()
        return specs
