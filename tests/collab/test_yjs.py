"""Stock pages: Yjs and y-websocket in Node, as JupyterLab's document client uses them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import Document, Role, RoomState
from tests.collab.conftest import House

FOLDER = Path(__file__).parent / "node"
WAIT_S = 30.0


class YjsPage:
    """A Node process with one page."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._changed = asyncio.Condition()
        self.events: list[dict[str, Any]] = []
        self.text = ""
        self._reader = asyncio.create_task(self._read())

    async def until(self, predicate: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(WAIT_S), self._changed:
                await self._changed.wait_for(predicate)
        except TimeoutError:
            raise AssertionError(f"{self.text!r} {self.events[-20:]}") from None

    def do(self, name: str, **arguments: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": name, **arguments}).encode() + b"\n")

    def said(self, key: str) -> list[Any]:
        return [event[key] for event in self.events if key in event]

    async def report(self) -> dict[str, Any]:
        before = len(self.said("report"))
        self.do("report")
        await self.until(lambda: len(self.said("report")) > before)
        report: dict[str, Any] = self.said("report")[-1]
        return report

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            self.events.append(event)
            self.text = event.get("text", self.text)
            async with self._changed:
                self._changed.notify_all()


Open = Callable[..., Any]


@pytest.fixture
async def open_page(house: House, node: str) -> AsyncIterator[Open]:
    pages: list[YjsPage] = []

    async def start(actor: Actor, before: str = "", document: Document | None = None) -> YjsPage:
        url, _, room = house.url(actor, document).rpartition("/")
        process = await asyncio.create_subprocess_exec(
            node,
            str(FOLDER / "page.mjs"),
            url,
            room,
            before,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        page = YjsPage(process)
        pages.append(page)
        await page.until(lambda: page.said("synced"))
        return page

    yield start
    for page in pages:
        await page.stop()
        assert page.said("error") == []


async def test_stock_pages_and_the_server_agree(house: House, open_page: Open) -> None:
    """One has typed before its first sync, which is the stock client's race."""
    ada = await open_page(await house.person(Role.CANDIDATE), before="offline ")
    bob = await open_page(await house.person(Role.INTERVIEWER))
    await bob.until(lambda: bob.text == "offline ")
    ada.do("type", letters="é😀a")
    await bob.until(lambda: bob.text == "offline é😀a")
    bob.do("delete", start=0, length=8)
    await ada.until(lambda: ada.text == "é😀a")
    names = {"Ada King Lovelace"}
    await bob.until(lambda: len(bob.said("present")[-1]) == 2)
    others = [v for k, v in bob.said("present")[-1].items() if int(k) != bob.said("client")[0]]
    assert set(others) == names, "the name is the participant's, not the page's"
    ada.do("drop")
    ada.do("type", letters=" back")
    await bob.until(lambda: bob.text == "é😀a back")
    for page in (ada, bob):
        assert await page.report() == {"text": "é😀a back", "pending": False}
    await house.restart()
    again = house.page(await house.person(Role.HOST))
    assert (await again.connect()).text == "é😀a back"


async def test_a_page_that_only_looked_types_once_it_may(house: House, open_page: Open) -> None:
    """Its `document_id`, dropped before, would leave everything later pending for good."""
    await house.lead(RoomState.PAUSED)
    ada = await open_page(await house.person(Role.CANDIDATE))
    bob = await open_page(await house.person(Role.INTERVIEWER))
    await house.lead(RoomState.LIVE)
    ada.do("type", letters="abc")
    await bob.until(lambda: bob.text == "abc")
    assert (await bob.report())["pending"] is False
    assert ada.said("closed") == []


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(120, marks=pytest.mark.timeout(240)),
        pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
)
async def test_a_quiet_room_and_an_observer_keep_their_connections(
    house: House, open_page: Open, seconds: int
) -> None:
    """y-websocket gives up after 30 s without a message, and looks at it every 3 s."""
    alone = await open_page(await house.person(Role.INTERVIEWER), document=house.notes)
    observer = await open_page(await house.person(Role.OBSERVER))
    writer = await open_page(await house.person(Role.CANDIDATE))
    observer.do("type", letters="not for me to write")
    for _ in range(seconds):
        writer.do("type", letters="a")
        await asyncio.sleep(1)
    await observer.until(lambda: observer.text.count("a") == seconds)
    for page in (alone, observer, writer):
        assert page.said("closed") == []
        assert page.said("synced") == [True]
    assert writer.text == "a" * seconds
