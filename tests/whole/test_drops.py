"""A page without network while people type and a cell prints: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import pytest
from playwright.async_api import async_playwright, expect

from tests.chromium import BROWSER_ARGUMENTS, PATIENCE_MS
from tests.whole.browsers import RoomPage, identical
from tests.whole.conftest import MakeServer
from tests.whole.people import Person, Tab
from tests.whole.way import Failure, Way

NUMBERS, PADS = 0, {"candidate": 1, "host": 2}
PRINTING = """import time
began, number = time.monotonic(), 0
while time.monotonic() < began + {seconds}:
    print(f"[{{number}}]", flush=True)
    number += 1
    time.sleep(0.05)
print("end after", number)
"""
MARGIN_S = 4.0
"""The cell prints before the drop and after it, too."""
SHORT = [("candidate", Failure.SWALLOWED), ("host", Failure.RESET)]
LONG = [
    (who, failure)
    for failure in (Failure.SWALLOWED, Failure.RESET, Failure.STALLED)
    for who in ("candidate", "host")
]


@dataclass
class Typist:
    """Types numbered words into a cell of their own, whatever the network does."""

    page: RoomPage
    pad: int
    name: str
    typed: int = 0

    async def type(self) -> None:
        await self.page.page.keyboard.type(f"{self.name}{self.typed};", delay=10)
        self.typed += 1

    async def type_until(self, over: asyncio.Event) -> None:
        await self.page.focus(self.pad)
        while not over.is_set():
            await self.type()
            await asyncio.sleep(0.2)

    @property
    def words(self) -> str:
        return "".join(f"{self.name}{number};" for number in range(self.typed))


@pytest.mark.parametrize(
    ("drop_s", "drops"),
    [
        pytest.param(10.0, SHORT, marks=pytest.mark.timeout(240)),
        pytest.param(60.0, (4 * LONG)[:20], marks=[pytest.mark.soak, pytest.mark.timeout(3000)]),
    ],
)
async def test_a_page_without_network_loses_and_doubles_nothing(
    make_server: MakeServer, chromium: str, drop_s: float, drops: list[tuple[str, Failure]]
) -> None:
    server = make_server()
    await asyncio.to_thread(server.start)
    room = await server.room(
        {"numbers": PRINTING.format(seconds=drop_s + 2 * MARGIN_S), "one": "", "two": ""}
    )
    watcher = await Person.join(server, await server.invite(room, "interviewer"), "Ida")
    async with (
        Way(server.port).standing() as hosts_way,
        Way(server.port).standing() as candidates_way,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        candidate = await RoomPage.candidate(server, room, browser, candidates_way)
        host = await RoomPage.host(server, room, browser, hosts_way)
        tab = await Tab(watcher, await watcher.document()).open()
        people = {
            "candidate": Typist(candidate, PADS["candidate"], "c"),
            "host": Typist(host, PADS["host"], "h"),
        }
        for number, (who, failure) in enumerate(drops):
            await one_drop(tab, people, who, failure, drop_s)
            cells = await identical(server, room, tab, [candidate, host])
            assert [cell["id"] for cell in cells] == ["numbers", "one", "two"], (number, who)
            assert cells[PADS["candidate"]]["source"] == people["candidate"].words
            assert cells[PADS["host"]]["source"] == people["host"].words
            lines = tab.printed("numbers").splitlines()
            assert lines[-1] == f"end after {len(lines) - 1}"
            assert lines[:-1] == [f"[{n}]" for n in range(len(lines) - 1)], failure
            for page in (candidate, host):
                shown = page.page.locator(".jp-CodeCell").nth(NUMBERS).locator(".jp-OutputArea")
                await expect(shown).to_contain_text(lines[-1])
        await browser.close()
    runs = (await server.ask("GET", f"/rooms/{room}/executions"))["runs"]
    assert [run["state"] for run in runs] == ["done"] * len(drops)


async def one_drop(
    tab: Tab, people: dict[str, Typist], who: str, failure: Failure, drop_s: float
) -> None:
    """Have one page lose its network for a while, with a cell running and both people typing."""
    lost = people[who].page
    before = set(tab.runs)
    runner = people["candidate"].page
    await runner.focus(NUMBERS)
    await runner.page.keyboard.press("Control+Enter")
    await tab.until(lambda: len(tab.runs) > len(before), "a run")
    (run,) = set(tab.runs) - before
    await tab.until(lambda: "[3]" in tab.printed("numbers"), "the first lines")
    over = asyncio.Event()
    async with asyncio.TaskGroup() as typing:
        for typist in people.values():
            typing.create_task(typist.type_until(over))
        await asyncio.sleep(1)
        began = time.monotonic()
        cut = lost.way.cut
        async with lost.way.failing(failure):
            assert failure is Failure.STALLED or lost.way.cut > cut, "it was not connected"
            await expect(lost.saved).to_contain_text("Reconnecting…", timeout=drop_s * 1000)
            await expect(lost.saved).to_contain_text("not saved since", timeout=drop_s * 1000)
            await expect(lost.banner).to_contain_text("No connection to the server")
            await asyncio.sleep(began + drop_s - time.monotonic())
        # By itself: nobody reloads or clicks.
        await expect(lost.saved).not_to_contain_text("Reconnecting", timeout=PATIENCE_MS)
        over.set()
    for typist in people.values():
        await expect(typist.page.saved).to_have_text("Saved", timeout=PATIENCE_MS)
    record = await tab.ended(run, wait_s=drop_s + 30)
    assert record["state"] == "done"
