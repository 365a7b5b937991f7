"""The candidate's way in: link to lobby, admission to typing, and bytes, beside stock JupyterLab.

Ours: a fresh browser profile opens an invite's link, enters the lobby, stays there for ten
seconds, and is admitted by the host; the notebook page opens by itself, a cell is clicked into
and a key pressed until the cell shows it. Stock: a fresh profile opens the same notebook in
JupyterLab without any extension, until the same key is shown.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter
from urllib.parse import urljoin

from playwright.async_api import BrowserType, Page, async_playwright
from playwright.async_api import TimeoutError as NotShown

from .people import Host
from .report import Row
from .servers import Server
from .traffic import Traffic

LOBBY_S = 10.0
LOBBY_BYTES = 100_000
FIRST_LOAD_BYTES = 2_500_000
TYPING_RATIO = 0.7
PATIENCE_MS = 60_000
KEY_MS = 500
"""A key that is not shown after this long was lost, and is pressed again as a person would."""
SETTLED_MS = 15_000
KEY = "q"
CELL = ".jp-CodeCell .cm-content[contenteditable=true]"
NOTEBOOK = "interview.ipynb"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES, LAB = "landing and lobby", "notebook page"


@dataclass(frozen=True, kw_only=True)
class JourneyFigures:
    """Of each repetition: seconds and bytes."""

    lobby_s: list[float] = field(default_factory=list)
    typing_s: list[float] = field(default_factory=list)
    lobby_bytes: list[int] = field(default_factory=list)
    ours_bytes: list[int] = field(default_factory=list)
    after_admission_bytes: list[int] = field(default_factory=list)
    stock_s: list[float] = field(default_factory=list)
    stock_bytes: list[int] = field(default_factory=list)

    def rows(self) -> list[Row]:
        peer = "stock JupyterLab, cold"
        return [
            Row(name="link click to lobby", unit="s", ours=self.lobby_s),
            Row(
                name="admission to typing",
                unit="s",
                ours=self.typing_s,
                peer=self.stock_s,
                peer_name=peer,
                most_ratio=TYPING_RATIO,
            ),
            Row(
                name="bytes: landing and lobby, without prefetch",
                unit="kB",
                ours=self.lobby_bytes,
                most=LOBBY_BYTES,
            ),
            Row(
                name="bytes: whole first load",
                unit="kB",
                ours=self.ours_bytes,
                peer=self.stock_bytes,
                peer_name=peer,
                most=FIRST_LOAD_BYTES,
            ),
            Row(name="bytes: after admission", unit="kB", ours=self.after_admission_bytes),
        ]


async def measure(
    *,
    pooled: Server,
    peer: Server,
    chromium: str,
    times: int,
    until: float,
    say: Callable[[str], None],
) -> JourneyFigures:
    """Alternate between the two, `times` each, or fewer if they would not end by `until`.

    Parameters
    ----------
    until:
        On the clock of `time.monotonic`.
    """
    figures = JourneyFigures()
    async with async_playwright() as playwright, Host(pooled) as host, Host(peer) as peer_host:
        browsers = _Browsers(playwright.chromium, chromium)
        await _host_has_been_there(browsers, host)
        await _give_same_notebook(host, peer)
        for number in range(times):
            began = monotonic()
            await _candidate(browsers, host, figures)
            await _stock(browsers, peer_host, figures)
            say(
                f"page {number + 1}/{times}: admission to typing {figures.typing_s[-1]:.2f} s, "
                f"stock {figures.stock_s[-1]:.2f} s"
            )
            now = monotonic()
            if now + 1.2 * (now - began) > until:
                break
    return figures


@dataclass(frozen=True)
class _Browsers:
    """Starts browsers, each with a new profile folder."""

    chromium: BrowserType
    path: str

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Page]:
        with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            context = await self.chromium.launch_persistent_context(
                profile,
                executable_path=self.path,
                args=FLAGS,
                viewport={"width": 1280, "height": 800},
            )
            context.set_default_timeout(PATIENCE_MS)
            yield context.pages[0]
            await context.close()


async def _host_has_been_there(browsers: _Browsers, host: Host) -> None:
    """Let the host open a room's page first, as is usual: the server then knows its files."""
    room = await host.create_room(template="sample")
    async with browsers.fresh() as page:
        await page.goto((await host.room("POST", room, "/enter"))["url"])
        await page.locator(CELL).first.wait_for()
        await _settled(page)
    await host.close(room)


async def _give_same_notebook(host: Host, peer: Server) -> None:
    room = await host.create_room(template="sample")
    document = (await host.room("GET", room))["documents"][0]
    notebook = await host.room("GET", room, f"/documents/{document['id']}/copy")
    notebook["metadata"]["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    (peer.contents / NOTEBOOK).write_text(json.dumps(notebook))
    await host.close(room)


async def _candidate(browsers: _Browsers, host: Host, figures: JourneyFigures) -> None:
    room = await host.create_room(template="sample")
    invite = await host.room("POST", room, "/invites", {"role": "candidate", "name": "Candidate"})
    async with browsers.fresh() as page:
        traffic = await Traffic.watch(page, PAGES)
        began = perf_counter()
        await page.goto(invite["url"], wait_until="commit")
        await page.get_by_role("button", name="Enter the lobby").click()
        await page.get_by_text("Host has been told that you are here.").wait_for()
        figures.lobby_s.append(perf_counter() - began)

        config = json.loads(await page.locator("#page").text_content() or "")
        prefetched = frozenset(urljoin(page.url, url) for url in config["prefetch"])
        await asyncio.sleep(LOBBY_S)
        figures.lobby_bytes.append(traffic.of(PAGES, without=prefetched))

        traffic.phase = LAB
        person = config["participantId"]
        began = perf_counter()
        await host.room("POST", room, f"/participants/{person}/admit")
        await _press_key(page)
        figures.typing_s.append(perf_counter() - began)
        await _settled(page)
        figures.ours_bytes.append(traffic.total)
        figures.after_admission_bytes.append(traffic.of(LAB))
        await _arrived(page, host, room)
    await host.close(room)


async def _stock(browsers: _Browsers, host: Host, figures: JourneyFigures) -> None:
    peer = host.server
    async with browsers.fresh() as page:
        traffic = await Traffic.watch(page, LAB)
        began = perf_counter()
        await page.goto(
            f"{peer.base_url}lab/tree/{NOTEBOOK}?token={peer.token}", wait_until="commit"
        )
        await _press_key(page)
        figures.stock_s.append(perf_counter() - began)
        await _settled(page)
        figures.stock_bytes.append(traffic.total)
    # The next visit is a first visit too: no layout to come back to, no kernel that runs already.
    for session in await host.call("GET", "api/sessions"):
        await host.call("DELETE", f"api/sessions/{session['id']}")
    await asyncio.to_thread(shutil.rmtree, peer.folder / "workspaces", ignore_errors=True)


async def _press_key(page: Page) -> None:
    """Click into the first code cell and press a key, until the cell shows it."""
    cell = page.locator(CELL).first
    before = (await cell.text_content() or "").count(KEY)
    while True:
        await cell.click()
        await page.keyboard.press(KEY)
        try:
            await page.wait_for_function(
                "([cell, key, n]) =>"
                " document.querySelector(cell)?.textContent.split(key).length - 1 > n",
                arg=[CELL, KEY, before],
                timeout=KEY_MS,
            )
        except NotShown:
            continue
        return


async def _settled(page: Page) -> None:
    """Wait for what a page still loads after it can be used; sockets stay open for ever."""
    await page.wait_for_load_state("networkidle", timeout=SETTLED_MS)


async def _arrived(page: Page, host: Host, room: str) -> None:
    """See that the key was no illusion of the page: the server's document has it."""
    shown = await page.locator(CELL).first.text_content()
    document = (await host.room("GET", room))["documents"][0]
    copy = await host.room("GET", room, f"/documents/{document['id']}/copy")
    first = next(cell for cell in copy["cells"] if cell["cell_type"] == "code")
    if "".join("".join(first["source"]).split()) != "".join((shown or "").split()):
        raise RuntimeError(f"the server's cell is {first['source']!r}, the page's {shown!r}")
