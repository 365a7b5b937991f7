"""SIGKILL while pages type and delete: nothing called saved is missing, nothing is doubled."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pycrdt import Doc, Text

from interview_ext.collab.snapshots import unpack
from interview_ext.collab.wire.sets import Span, read_state
from interview_ext.collab.wire.update import read_update
from interview_ext.storage.sqlite import SqliteStore
from tests.collab.pages import Page

ROUNDS, ROBOTS, STEPS = 3, 3, 60


class Killed:
    """A server process, and what it has said to be committed."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.url = url
        self.process = process
        self.clocks: dict[int, int] = {}
        self.deleted: set[Span] = set()
        self.outputs: list[int] = []
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, store: Path) -> Killed:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.collab.killed_server",
            str(store),
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        return cls(process, json.loads(await process.stdout.readline())["url"])

    async def kill(self) -> None:
        """Kill it, and read what it had said before."""
        self.process.kill()
        await self.process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if not line.endswith(b"\n"):
                return
            self._take(json.loads(line))

    def _take(self, said: dict[str, Any]) -> None:
        if "output" in said:
            self.outputs.append(said["output"])
            return
        for client, clock in said["clients"].items():
            self.clocks[int(client)] = max(clock, self.clocks.get(int(client), 0))
        self.deleted |= {Span(*span) for span in said["deletes"]}


class Robot:
    """A page that types words and deletes some of them, and knows what it has done."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.words: dict[str, Span] = {}
        self.removed: set[str] = set()
        self._last: Span | None = None
        page.doc.observe(lambda event: self._note(event.update))

    async def work(self, pause: Callable[[], Awaitable[None]]) -> None:
        source = self.page.doc.get("source", type=Text)
        for step in range(STEPS):
            word = f"<{self.name}.{step}>"
            source.insert(0, word)
            assert self._last is not None
            self.words[word] = self._last
            if step % 3 == 2:
                self._remove(f"<{self.name}.{step - 1}>")
            await pause()

    def _remove(self, word: str) -> None:
        source = self.page.doc.get("source", type=Text)
        start = str(source).index(word)
        del source[start : start + len(word)]
        self.removed.add(word)

    def _note(self, update: bytes) -> None:
        for span in read_update(update).inserts:
            if span.client == self.page.client:
                self._last = span


async def pause() -> None:
    await asyncio.sleep(0.004)


async def test_what_was_saved_survives_a_kill_exactly_once(tmp_path: Path) -> None:
    outputs: set[int] = set()
    for number in range(ROUNDS):
        server = await Killed.start(tmp_path / "s.sqlite")
        pages = [await Page(server.url).connect() for _ in range(ROBOTS)]
        robots = [Robot(page, f"{number}-{index}") for index, page in enumerate(pages)]
        working = [asyncio.create_task(robot.work(pause)) for robot in robots]
        await asyncio.wait(working, timeout=0.15 + 0.1 * number)
        await server.kill()
        await asyncio.gather(*working)
        outputs |= set(server.outputs)
        assert server.clocks, "some work was acknowledged before the kill"

        again = await Killed.start(tmp_path / "s.sqlite")
        fresh = await Page(again.url).connect()
        for robot in robots:
            check_saved(server, robot, fresh.text)
        assert all(fresh.text.count(f"[out {k}]") == 1 for k in outputs)
        await come_back(again, fresh, robots)
        await again.kill()
        outputs |= set(again.outputs)
        for page in (*pages, fresh):
            await page.leave()
    await check_snapshot(tmp_path / "s.sqlite")


async def check_snapshot(path: Path) -> None:
    """The servers have opened the document from one, and the last is what its log says."""
    store = SqliteStore(path)
    await store.start()
    (room,) = await store.list_rooms("owner")
    document = next(d for d in await store.list_documents(room.id) if d.kind == "notebook")
    kept = await store.get_snapshot(document.id)
    entries = await store.read(document.id)
    await store.stop()
    assert kept is not None
    assert 0 < kept.seq <= entries[-1].seq
    short: Doc[Any] = Doc()
    whole: Doc[Any] = Doc()
    short.apply_update(unpack(kept).update)
    for entry in entries[: kept.seq]:
        whole.apply_update(entry.update)
    assert read_state(short.get_state()) == read_state(whole.get_state())
    assert str(short.get("source", type=Text)) == str(whole.get("source", type=Text))


def check_saved(server: Killed, robot: Robot, text: str) -> None:
    """What a new page sees of a robot's work, against what was acknowledged of it."""
    saved = server.clocks.get(robot.page.client, 0)
    for word, span in robot.words.items():
        if span.end > saved:
            assert text.count(word) <= 1
        elif word not in robot.removed:
            assert text.count(word) == 1, f"{word} was saved"
        elif any(d.client == span.client and d.clock <= span.clock < d.end for d in server.deleted):
            assert word not in text, f"{word} was deleted, and that was saved"


async def come_back(server: Killed, fresh: Page, robots: list[Robot]) -> None:
    """The pages reconnect with what was not saved: then everything is there, once."""
    for robot in robots:
        robot.page.url = server.url
        await robot.page.leave()
        await robot.page.connect()

    def complete() -> bool:
        return all(
            fresh.text.count(word) == (0 if word in robot.removed else 1)
            for robot in robots
            for word in robot.words
        )

    await fresh.until(complete, "everything typed")
