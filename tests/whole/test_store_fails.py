"""The store fails under a running interview: people write on, nothing uncommitted gets about."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect
from pycrdt import Text

from interview_ext.collab.limits import Limits
from interview_ext.collab.wire.framing import write_update
from interview_ext.rooms.ids import new_id
from tests.chromium import BROWSER_ARGUMENTS, PATIENCE_MS
from tests.collab.updates import letters
from tests.services.mongodb import ReplicaSet
from tests.whole.browsers import RoomPage, identical
from tests.whole.conftest import MakeServer
from tests.whole.people import Person, Tab
from tests.whole.server import Server
from tests.whole.way import Way

DISK_BYTES = 192 * 1024 * 1024
CHUNK = 64 * 1024
UNREAD_S = 3.0
"""What has not been taken after so long is not read at all."""
IN_SOCKETS = 24 * 1024 * 1024
"""What the two ends of a connection on loopback may hold between them, at most."""
GROWTH_BYTES = 150 * 1024 * 1024
NOT_SAVED = re.compile(r"[Nn]ot saved since \d\d:\d\d:\d\d")


@dataclass
class Failing:
    """A store that can be made to fail, and to work again."""

    settings: dict[str, str]
    path: Path | None
    fail: Callable[[], None]
    mend: Callable[[], None]


@pytest.fixture(params=["disk full", "database stopped"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Failing]:
    make = {"disk full": full_disk, "database stopped": stopped_database}[request.param]
    with make(tmp_path) as failing:
        yield failing


@contextmanager
def full_disk(folder: Path) -> Iterator[Failing]:
    """SQLite on a file system of its own, which something else fills to the last byte."""
    disk = folder / "disk"
    disk.mkdir()
    size = f"size={DISK_BYTES}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.decode()}")
    ballast = disk / "ballast"

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(CHUNK)):
                    pass
            except OSError:
                pass
        assert os.statvfs(disk).f_bfree == 0

    try:
        yield Failing({}, disk / "interviews.sqlite", fill, ballast.unlink)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@contextmanager
def stopped_database(folder: Path) -> Iterator[Failing]:
    """MongoDB that neither answers nor closes anything."""
    database = ReplicaSet(folder / "mongodb")
    (member,) = database.members.values()
    try:
        database.start()
        yield Failing(
            {"InterviewApp.store_url": database.url("interviews", "&timeoutMS=1500")},
            None,
            lambda: member.signal(signal.SIGSTOP),
            lambda: member.signal(signal.SIGCONT),
        )
    finally:
        member.signal(signal.SIGCONT)
        database.stop()


class Filler:
    """Sends updates of a client of its own that no page shows, as fast as they are taken."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.sent = 0

    async def send(self) -> bool:
        """Send some; return whether the server has read on."""
        update = letters("x" * CHUNK, client=self.tab.client, clock=self.sent)
        assert self.tab.socket is not None
        written = asyncio.ensure_future(
            self.tab.socket.write_message(write_update(update), binary=True)
        )
        self.sent += CHUNK
        done, _ = await asyncio.wait({written}, timeout=UNREAD_S)
        return bool(done)

    @property
    def saved(self) -> int:
        return self.tab.saved.get(self.tab.client, 0)

    async def until_not_saved(self) -> None:
        """Send until the store has failed: SQLite has some room of its own left."""
        while True:
            assert await self.send(), "it is not read although the store works"
            try:
                await self.tab.until(lambda: self.saved == self.sent, wait_s=UNREAD_S)
            except AssertionError:
                return

    async def until_not_read(self) -> int:
        """Send until the server reads no more; return how many bytes waited for the store."""
        while await self.send():
            pass
        return self.sent - self.saved


def resident(server: Server) -> int:
    """Bytes of memory that the server's process has."""
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
async def running(make_server: MakeServer, store: Failing) -> AsyncIterator[Server]:
    server = make_server(store.settings)
    if store.path is not None:
        server.store = store.path
    await asyncio.to_thread(server.start)
    yield server
    await server.close()


@pytest.mark.timeout(240)
async def test_people_write_on_and_all_is_committed_once_the_store_is_back(
    running: Server, store: Failing, chromium: str
) -> None:
    server = running
    room = await server.room({"one": ""})
    filler = Filler(await tab_of(server, room, "Fay", "interviewer"))
    watcher = await tab_of(server, room, "Ida", "interviewer")
    async with Way(server.port).standing() as way, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        page = await RoomPage.candidate(server, room, browser, way)
        await page.focus(0)
        await page.page.keyboard.type("before;")
        await watcher.until(lambda: str(watcher.source("one")) == "before;", "what was typed")

        await asyncio.to_thread(store.fail)
        await filler.until_not_saved()
        await page.page.keyboard.type("meanwhile;")
        await expect(page.saved).to_have_text(NOT_SAVED, timeout=PATIENCE_MS)
        await expect(page.banner).to_contain_text("go on writing")
        await page.page.keyboard.type("and on;")
        await expect(page.cell(0)).to_have_text("before;meanwhile;and on;")

        before = resident(server)
        waited = await filler.until_not_read()
        assert waited >= Limits().max_waiting / 2, "the queue is smaller than it is said to be"
        assert waited <= Limits().max_waiting + IN_SOCKETS, "the server reads on"
        assert resident(server) - before < GROWTH_BYTES
        assert str(watcher.source("one")) == "before;", "shown before it was committed"
        assert len(watcher.doc.get("source", type=Text)) <= filler.saved

        await asyncio.to_thread(store.mend)
        await expect(page.saved).to_have_text("Saved", timeout=2 * PATIENCE_MS)
        await expect(page.banner).not_to_be_visible()
        await filler.tab.until(lambda: filler.saved == filler.sent, "the rest", wait_s=60)
        # The watcher may have been closed for reading too slowly; a page comes back by itself.
        again = await Tab(watcher.person, watcher.document).open()
        assert len(again.doc.get("source", type=Text)) == filler.sent
        cells = await identical(server, room, again, [page])
        assert [cell["source"] for cell in cells] == ["before;meanwhile;and on;"]
        await browser.close()


async def test_a_database_that_is_not_there_at_the_start_is_said_and_the_server_exits(
    make_server: MakeServer,
) -> None:
    password = "s3cret-of-the-database"
    url = f"mongodb://me:{password}@127.0.0.1:9/interviews?timeoutMS=300"
    server = make_server({"InterviewApp.store_url": url})
    assert await asyncio.to_thread(server.fail_to_start) == 1
    (line,) = [line for line in server.log.splitlines() if "Interviews cannot be held" in line]
    assert "MongoDB at mongodb://127.0.0.1:9/interviews" in line
    assert password not in line
    assert "Traceback" not in server.log


async def test_nothing_is_served_before_the_bus_answers(
    make_server: MakeServer, mongodb: ReplicaSet
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it connects, and nobody answers
        at = f"127.0.0.1:{silent.getsockname()[1]}"
        traits = {
            "store_url": mongodb.url(new_id("test")),
            "bus_url": f"redis://{at}",
            "server_url": "http://127.0.0.1:9",
        }
        server = make_server({f"InterviewApp.{name}": value for name, value in traits.items()})
        assert await asyncio.to_thread(server.fail_to_start) == 1
    (line,) = [line for line in server.log.splitlines() if "Interviews cannot be held" in line]
    assert f"Redis at {at} cannot be used" in line
    assert "Traceback" not in server.log


async def tab_of(server: Server, room: str, name: str, role: str) -> Tab:
    person = await Person.join(server, await server.invite(room, role), name)
    return await Tab(person, await person.document()).open()
