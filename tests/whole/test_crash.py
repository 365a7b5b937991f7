"""SIGKILL while people type, delete and run: what was called saved is there, exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import docker.errors
import httpx
import pytest
from pycrdt import TransactionEvent

from interview_ext.collab.wire.sets import Span
from interview_ext.collab.wire.update import read_update
from interview_ext.sandbox.claims import server_id_of
from tests.containers import containers
from tests.sandbox.broker_process import BrokerProcess
from tests.whole.conftest import MakeBroker, MakeServer
from tests.whole.people import Person, Tab
from tests.whole.server import Server

ROUNDS = 3
SAVED_BEFORE_KILL = 60
"""Messages about what is saved that each robot gets in a round before the next one kills."""
COUNTING = """import time
for number in range(100_000):
    print(f"<{number}>", flush=True)
    time.sleep(0.01)
"""
PADS = ("pad-1", "pad-2")
REASON = "the server was restarted"


@dataclass
class Word:
    """What was typed at one stroke, and whether it was deleted again."""

    text: str
    cell: str
    span: Span
    removed: bool = False


@dataclass
class Robot:
    """Types words into two cells and deletes some of them, and knows what it has done."""

    tab: Tab
    name: str
    words: list[Word] = field(default_factory=list)
    _last: Span | None = None

    def __post_init__(self) -> None:
        self.tab.doc.observe(self._note)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work without a pause, connected or not, until the block ends."""
        work = asyncio.create_task(self._work())
        try:
            yield
            assert not work.done(), work.exception()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            self._type()
            if len(self.words) % 3 == 0:
                self._delete(self.words[-2])
            # Whoever has lost the server types on, but nobody types so fast.
            await asyncio.sleep(0.1 if self.tab.closed.is_set() else 0.004)

    def _type(self) -> None:
        cell = PADS[len(self.words) % 2]
        text = f"<{self.name}.{len(self.words)}>"
        self.tab.source(cell).insert(0, text)
        assert self._last is not None
        self.words.append(Word(text, cell, self._last))

    def _delete(self, word: Word) -> None:
        source = self.tab.source(word.cell)
        start = str(source).index(word.text)
        del source[start : start + len(word.text)]
        word.removed = True

    def _note(self, event: TransactionEvent) -> None:
        for span in read_update(event.update).inserts:
            if span.client == self.tab.client:
                self._last = span

    # -- what must be so

    def check_saved(self, seen: Tab) -> int:
        """Compare what the server has with what it called saved; return how much that was."""
        checked = 0
        clock = self.tab.saved.get(self.tab.client, 0)
        for word in self.words:
            count = str(seen.source(word.cell)).count(word.text)
            assert count <= 1, f"{word.text} is doubled"
            if word.span.end > clock:
                continue
            checked += 1
            if not word.removed:
                assert count == 1, f"{word.text} was saved, and is missing"
            elif self._deletion_saved(word.span):
                assert count == 0, f"the deletion of {word.text} was saved, and is missing"
        return checked

    def complete(self, seen: Tab) -> bool:
        """Whether everything ever typed is there once, and everything deleted is gone."""
        texts = {cell: str(seen.source(cell)) for cell in PADS}
        return all(texts[w.cell].count(w.text) == (not w.removed) for w in self.words)

    def _deletion_saved(self, span: Span) -> bool:
        return any(
            d.client == span.client and d.clock <= span.clock and span.end <= d.end
            for d in self.tab.deleted
        )


def kill_at_next_saved(server: Server, tabs: list[Tab]) -> asyncio.Event:
    """Kill the server in the moment in which it has called something saved."""
    killed = asyncio.Event()
    left = dict.fromkeys(tabs, SAVED_BEFORE_KILL)

    def count(tab: Tab) -> None:
        left[tab] -= 1
        if max(left.values()) < 0 and not killed.is_set():
            os.kill(server.pid, signal.SIGKILL)
            killed.set()

    for tab in tabs:
        tab.on_saved = lambda tab=tab: count(tab)  # type: ignore[misc]
    return killed


@pytest.mark.timeout(300)  # four starts of the server
async def test_killed_server_keeps_what_it_called_saved(make_server: MakeServer) -> None:
    server = make_server()
    await asyncio.to_thread(server.start)
    room = await server.room(
        {"pad-1": "", "pad-2": "", "count": COUNTING, "quick": "print(7)", "again": "8"}
    )
    people = [
        await Person.join(server, await server.invite(room), "Cora"),
        await Person.join(server, await server.invite(room, "interviewer"), "Ida"),
    ]
    onlooker = await Person.join(server, await server.invite(room, "observer"), "Otto")
    document = await people[0].document()
    tabs = [await Tab(person, document).open() for person in people]
    robots = [Robot(tab, tab.person.id) for tab in tabs]
    accepted: list[dict[str, Any]] = []
    async with contextlib.AsyncExitStack() as stack:
        for robot in robots:
            await stack.enter_async_context(robot.working())
        for number in range(ROUNDS):
            accepted += await busy(tabs[0])
            killed = kill_at_next_saved(server, tabs)
            async with asyncio.timeout(60):
                await killed.wait()
            for tab in tabs:
                tab.online.clear()
                await tab.closed.wait()
            before = server.containers()
            assert len(before) >= 1, "the killed server has left the room's container"
            await asyncio.to_thread(server.wait_killed)
            server.remove_containers()  # here the kernels are gone; see the tests below
            answer, _ = await asyncio.gather(
                press_at_once(tabs[0], "again"), asyncio.to_thread(server.start)
            )
            assert answer.status_code == 202, answer.text
            fresh = await Tab(onlooker, document).open()
            assert (await fresh.ended(answer.json()["id"]))["state"] == "done"
            assert not server.containers() & before, "containers of the killed server are left"
            assert all(robot.check_saved(fresh) > 10 for robot in robots)
            await check_runs(onlooker, fresh, accepted)
            for tab in tabs:
                tab.online.set()
                await tab.back(number + 2)
            await fresh.close()
    fresh = await Tab(onlooker, document).open()
    await fresh.until(lambda: all(robot.complete(fresh) for robot in robots), "all that was typed")
    again = (await tabs[0].run("quick")).json()
    assert (await tabs[0].ended(again["id"]))["state"] == "done"


async def press_at_once(tab: Tab, cell: str) -> httpx.Response:
    """Press Shift+Enter until a server answers that has its store: it is still at its start."""
    while True:
        try:
            answer = await tab.run(cell)
        except httpx.TransportError:
            await asyncio.sleep(0.02)
        else:
            if answer.status_code != 503:
                return answer


async def busy(tab: Tab) -> list[dict[str, Any]]:
    """Run a cell to its end, then one that counts, with another behind it."""
    quick = (await tab.run("quick")).json()
    assert (await tab.ended(quick["id"]))["state"] == "done"
    runs = [quick, (await tab.run("count")).json(), (await tab.run("quick")).json()]
    await tab.until(lambda: "<20>" in tab.printed("count"), "the count")
    return runs


async def check_runs(onlooker: Person, fresh: Tab, accepted: list[dict[str, Any]]) -> None:
    """Of each round the first run is done; the others say, where they stand, what happened."""
    records = {r["id"]: r for r in (await onlooker.ask("GET", "/executions")).json()["runs"]}
    for index, run in enumerate(accepted):
        record = records[run["id"]]
        expected = ("done", None) if index % 3 == 0 else ("interrupted", REASON)
        assert (record["state"], record["death"]) == expected
    for cell, word in (("count", "was interrupted"), ("quick", "did not run")):
        assert fresh.cell(cell)["execution_state"] == "idle"
        note = fresh.outputs(cell)[-1]
        assert note["output_type"] == "error"
        assert word in "".join(note["traceback"])
        assert REASON in "".join(note["traceback"])
        assert sum(o["output_type"] == "error" for o in fresh.outputs(cell)) == 1
    numbers = fresh.printed("count").split()
    assert len(numbers) > 20
    assert numbers == [f"<{n}>" for n in range(len(numbers))], "output is missing or doubled"
    assert fresh.printed("quick") == "7\n"


LINES = 10_000
PATIENCE_S = 60.0
AT_ONCE = """import time
begun = time.monotonic()
for number in range(10_000):
    print(f"<{number}>", flush=True)
    while time.monotonic() < begun + number / 1000:
        time.sleep(0.001)
after = before + 1
"""


@pytest.mark.timeout(240)
async def test_a_run_outlives_the_server(make_server: MakeServer) -> None:
    """Ten thousand lines at a thousand a second, with SIGKILL among them: each is there once."""
    server = make_server()
    await asyncio.to_thread(server.start)
    await outlive(server)


@pytest.mark.timeout(240)
async def test_a_run_outlives_the_server_at_a_broker(
    make_broker: MakeBroker, make_server: MakeServer
) -> None:
    """The same with the container engine in another process, which is killed and started too."""
    broker = await make_broker()
    token_file = broker.token_file("whole")
    server = make_server(
        {
            "InterviewApp.sandbox_broker": broker.url,
            "InterviewApp.sandbox_broker_token_file": str(token_file),
        }
    )
    server.secrets["the broker's token"] = broker.tokens["whole"]
    await asyncio.to_thread(server.start)
    await outlive(server, broker)


async def outlive(server: Server, broker: BrokerProcess | None = None) -> None:
    room = await server.room({"set": "before = 41", "print": AT_ONCE, "ask": "before, after"})
    cora = await Person.join(server, await server.invite(room), "Cora")
    otto = await Person.join(server, await server.invite(room, "observer"), "Otto")
    document = await cora.document()
    tab = await Tab(cora, document).open()
    first = (await tab.run("set")).json()
    assert (await tab.ended(first["id"], wait_s=PATIENCE_S))["state"] == "done"
    kernel = await kernel_id(cora)
    run = (await tab.run("print")).json()
    await tab.until(lambda: "<3000>" in tab.printed("print"), "3,000 lines", wait_s=PATIENCE_S)
    os.kill(server.pid, signal.SIGKILL)
    tab.online.clear()
    await tab.closed.wait()
    await asyncio.to_thread(server.wait_killed)
    if broker is not None:
        await broker.kill()
        await broker.start()
    await asyncio.to_thread(server.start)
    fresh = await Tab(otto, document).open()
    assert fresh.cell("print")["execution_state"] == "running"
    assert (await kernel_id(cora)) == kernel
    ended = await fresh.ended(run["id"], wait_s=PATIENCE_S)
    assert (ended["state"], ended["death"]) == ("done", None)
    assert fresh.printed("print").split() == [f"<{number}>" for number in range(LINES)]
    await fresh.until(lambda: fresh.cell("print")["execution_count"] == 2, "the cell's number")
    assert fresh.cell("print")["execution_state"] == "idle"
    tab.online.set()
    await tab.back(2)
    asked = (await tab.run("ask")).json()
    assert (await tab.ended(asked["id"], wait_s=PATIENCE_S))["state"] == "done"
    await fresh.until(lambda: bool(fresh.outputs("ask")), "the variables", wait_s=PATIENCE_S)
    assert fresh.outputs("ask")[0]["data"]["text/plain"] == "(41, 42)"


async def kernel_id(person: Person) -> str:
    """The room's kernel; a server that has just started may not have adopted it yet."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = (await person.ask("GET", "/sandbox")).json()["kernel_id"]
            if found is not None:
                return str(found)
            await asyncio.sleep(0.05)


PAUSED = """import time
for number in range(100):
    print(f"<{number}>", flush=True)
    time.sleep(0.05)
"""


AWAY_S = 100
"""Longer than a container that is not frozen waits for its server."""


@pytest.mark.timeout(120 + AWAY_S)
@pytest.mark.parametrize("away_s", [0, pytest.param(AWAY_S, marks=pytest.mark.soak)])
@pytest.mark.parametrize("path", ["in-process", "through the broker"])
async def test_a_paused_interview_outlives_the_server_frozen(
    path: str, away_s: float, make_broker: MakeBroker, make_server: MakeServer
) -> None:
    """Killed in a pause: the sandbox stands still until the interview goes on."""
    server, _ = await start_server(path, make_broker, make_server)
    room = await server.room({"count": PAUSED, "after": "number"})
    cora = await Person.join(server, await server.invite(room), "Cora")
    tab = await Tab(cora, await cora.document()).open()
    run = (await tab.run("count")).json()
    await tab.until(lambda: "<5>" in tab.printed("count"), "the count", wait_s=PATIENCE_S)
    await server.ask("POST", f"/rooms/{room}/state", {"to": "paused"})
    for _ in range(20):  # first the room is paused, then its container
        counted = tab.printed("count")
        await asyncio.sleep(0.7)
        if counted == tab.printed("count"):
            break
    os.kill(server.pid, signal.SIGKILL)
    tab.online.clear()
    await tab.closed.wait()
    await asyncio.to_thread(server.wait_killed)
    await asyncio.sleep(away_s)
    await asyncio.to_thread(server.start)
    otto = await Person.join(server, await server.invite(room, "observer"), "Otto")
    fresh = await Tab(otto, await otto.document()).open()
    before = fresh.printed("count").split()
    await asyncio.sleep(3)  # the rest takes less
    assert len(fresh.printed("count").split()) < len(before) + 20
    assert fresh.cell("count")["execution_state"] == "running"
    await server.ask("POST", f"/rooms/{room}/state", {"to": "live"})
    ended = await fresh.ended(run["id"], wait_s=PATIENCE_S)
    assert (ended["state"], ended["death"]) == ("done", None)
    assert fresh.printed("count").split() == [f"<{number}>" for number in range(100)]


MANY = 26_000
FAST = f"""import os, time
for number in range({MANY}):
    print(f'<{{number}}>'.ljust(300), flush=True)
    while number == 22_500 and not os.path.exists('/tmp/killed'):
        time.sleep(0.05)
"""
"""Each line is a message of its own of 0.8 kB, more than are kept for a server that was killed.
It has not ended when that happens."""
LOST = re.compile(r"\[… output lost in the server's restart: (\d+) bytes before this\]\n")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "path", ["in-process", pytest.param("through the broker", marks=pytest.mark.soak)]
)
async def test_a_gap_beyond_what_is_kept_is_named(
    path: str, make_broker: MakeBroker, make_server: MakeServer
) -> None:
    """What was printed first is not there any more; the cell says so, then has all the rest."""
    server, claims = await start_server(path, make_broker, make_server)
    room = await server.room({"print": FAST, "ask": "number"})
    cora = await Person.join(server, await server.invite(room), "Cora")
    tab = await Tab(cora, await cora.document()).open()
    run = (await tab.run("print")).json()
    async with asyncio.timeout(PATIENCE_S):
        while "<22500>" not in tab.printed("print"):  # noqa: ASYNC110 - 7 MB, not at each frame
            await asyncio.sleep(0.2)
    os.kill(server.pid, signal.SIGKILL)
    tab.online.clear()
    await tab.closed.wait()
    await asyncio.to_thread(server.wait_killed)
    await asyncio.to_thread(tell_killed, claims)
    await asyncio.to_thread(server.start)
    otto = await Person.join(server, await server.invite(room, "observer"), "Otto")
    fresh = await Tab(otto, await otto.document()).open()
    ended = await fresh.ended(run["id"], wait_s=PATIENCE_S)
    assert (ended["state"], ended["death"]) == ("done", None)
    notice, *rest = fresh.outputs("print")
    found = LOST.fullmatch("".join(notice["text"]))
    assert found, "".join(notice["text"])[:200]
    lines = "".join("".join(output["text"]) for output in rest).split()
    assert lines == [f"<{number}>" for number in range(MANY - len(lines), MANY)]
    gone = MANY - len(lines)
    assert 0 < gone < 22_500
    assert int(found[1]) > 300 * gone
    tab.online.set()
    await tab.back(2)
    asked = (await tab.run("ask")).json()
    assert (await tab.ended(asked["id"], wait_s=PATIENCE_S))["state"] == "done"


def tell_killed(claims: Path) -> None:
    """Let `FAST` go on, in whichever of these containers it runs."""
    client = docker.from_env()
    try:
        for container in containers(server_id_of(claims)):
            with contextlib.suppress(docker.errors.APIError):  # one that is only being made
                client.containers.get(container).exec_run(["touch", "/tmp/killed"])
    finally:
        client.close()


async def start_server(
    path: str, make_broker: MakeBroker, make_server: MakeServer
) -> tuple[Server, Path]:
    """Start a server that owns the engine, or one with a broker; and the folder of claims."""
    if path == "in-process":
        server = make_server()
        claims = server.claims
    else:
        broker = await make_broker()
        token_file = broker.token_file("whole")
        server = make_server(
            {
                "InterviewApp.sandbox_broker": broker.url,
                "InterviewApp.sandbox_broker_token_file": str(token_file),
            }
        )
        server.secrets["the broker's token"] = broker.tokens["whole"]
        claims = broker.folder / "claims"
    await asyncio.to_thread(server.start)
    return server, claims
