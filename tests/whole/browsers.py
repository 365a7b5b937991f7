"""Room pages in a real browser, with what a test needs to know of the documents in them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from playwright.async_api import Browser, Locator, Page, expect
from pycrdt import Array

from interview_ext.collab.content import notebook_json
from tests.chromium import PATIENCE_MS
from tests.whole.people import Tab
from tests.whole.server import Server
from tests.whole.way import Way

_CELLS = """() => {
    // The document behind the first editor: y-codemirror keeps it in its plugin's value.
    for (const content of document.querySelectorAll('.jp-Notebook .cm-content')) {
        const view = (content.cmTile ?? content.cmView)?.root?.view
            ?? (content.cmTile ?? content.cmView)?.view;
        for (const plugin of view?.plugins ?? []) {
            const text = plugin.value?._ytext;
            if (text?.doc) return text.doc.getArray('cells').toJSON();
        }
    }
    return null;
}"""


class RoomPage:
    """The room's page of one person."""

    def __init__(self, page: Page, way: Way) -> None:
        self.page = page
        self.way = way
        self.saved = page.locator(".jp-Interview-Saved").first
        self.banner = page.locator(".jp-Interview-Banner")

    @classmethod
    async def host(cls, server: Server, room: str, browser: Browser, way: Way) -> RoomPage:
        """Come in as the host does from the dashboard."""
        page = await _new_page(browser)
        entered = await server.ask("POST", f"/rooms/{room}/enter")
        await page.goto(way.of(entered["url"]))
        return await cls(page, way)._ready()

    @classmethod
    async def candidate(
        cls, server: Server, room: str, browser: Browser, way: Way, name: str = "Ada"
    ) -> RoomPage:
        """Follow an invite's link and be admitted."""
        page = await _new_page(browser)
        await page.goto(way.of(await server.invite(room)))
        await page.get_by_label("Your name").fill(name)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(r"/lobby$"))
        person = page.url.split("/")[-2]
        await server.ask("POST", f"/rooms/{room}/participants/{person}/admit")
        return await cls(page, way)._ready()

    async def _ready(self) -> RoomPage:
        await expect(self.page).to_have_url(re.compile(r"/doc/tree/.*\.ipynb$"))
        await expect(self.saved).to_have_text("Saved", timeout=PATIENCE_MS)
        await expect(self.cell(0)).to_be_visible(timeout=PATIENCE_MS)
        return self

    @property
    def participant(self) -> str:
        return str(re.findall(r"/(person_[^/]+)/", self.page.url)[0])

    def cell(self, number: int) -> Locator:
        """The editor of a code cell."""
        return self.page.locator(".jp-CodeCell").nth(number).locator(".cm-content")

    async def focus(self, number: int) -> None:
        """Put the cursor at the end of a cell."""
        await self.cell(number).click()
        await self.page.keyboard.press("Control+End")

    async def cells(self) -> list[dict[str, Any]]:
        """The cells in this page's copy of the document."""
        found = await self.page.evaluate(_CELLS)
        assert found is not None, "no editor is bound to the document"
        return [dict(cell) for cell in found]


async def documents(server: Server, room: str, tab: Tab, pages: list[RoomPage]) -> list[Any]:
    """The cells as each page has them, as the server has them, and as the log makes them anew."""
    log = await server.ask("GET", f"/rooms/{room}/documents/{tab.document}/changes?limit=1")
    assert log["changes"]
    last = await _last_seq(server, room, tab.document)
    at = await server.ask("GET", f"/rooms/{room}/documents/{tab.document}/at?seq={last}")
    found: list[Any] = [_plain(await page.cells()) for page in pages]
    found.append(_plain(tab.doc.get("cells", type=Array).to_py()))
    notebook = notebook_json(tab.doc)
    assert at["content"] == notebook, "the log makes another document than the server has"
    return found


async def identical(server: Server, room: str, tab: Tab, pages: list[RoomPage]) -> Any:
    """Wait until all copies are equal; return the cells."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while True:
            found = await documents(server, room, tab, pages)
            if all(one == found[0] for one in found):
                return found[0]
            await asyncio.sleep(0.25)


async def _last_seq(server: Server, room: str, document: str) -> int:
    after = 0
    while True:
        answer = await server.ask(
            "GET", f"/rooms/{room}/documents/{document}/changes?after={after}&limit=2000"
        )
        if answer["changes"]:
            after = answer["changes"][-1]["seq"]
        if answer["next"] is None:
            return int(after)


async def _new_page(browser: Browser) -> Page:
    expect.set_options(timeout=PATIENCE_MS)
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    return await context.new_page()


def _plain(value: Any) -> Any:
    """The same for numbers however a language writes them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
