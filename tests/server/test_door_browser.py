"""The doors in a real browser: the way in, the policy, and the bytes over the wire."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from interview_ext.rooms.model import Room, RoomState
from tests.server.conftest import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LOBBY_BYTES = 100_000
FIRST_LOAD_BYTES = 2_500_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
def chromium_path() -> str:
    """See the fixture `chromium`, which has another scope."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium (make services)")
    return path


@dataclass(kw_only=True)
class Visit:
    """A page in a browser context of its own, with what went over the wire for it."""

    page: Page
    sizes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @classmethod
    async def begin(cls, browser: Browser, **options: Any) -> Visit:
        context = await browser.new_context(**options)
        visit = cls(page=await context.new_page())
        wire = await context.new_cdp_session(visit.page)
        await wire.send("Network.enable")
        urls: dict[str, str] = {}
        wire.on(
            "Network.requestWillBeSent",
            lambda e: urls.update({e["requestId"]: e["request"]["url"]}),
        )
        wire.on("Network.loadingFinished", lambda e: visit._count(urls.get(e["requestId"], ""), e))
        visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
        return visit

    def _count(self, url: str, event: dict[str, Any]) -> None:
        self.sizes[url] = self.sizes.get(url, 0) + int(event["encodedDataLength"])

    @property
    def total(self) -> int:
        return sum(self.sizes.values())


async def enter(server: Server, room: Room, visit: Visit) -> str:
    """Come in as the candidate, as far as the lobby; the participant's id."""
    token = await server.invite(room, name="")
    await visit.page.goto(f"{server.origin}{server.room_path(room)}join#{token}")
    await visit.page.get_by_label("Your name").fill("Cora Candidate")
    await visit.page.keyboard.press("Enter")
    await visit.page.wait_for_url("**/lobby")
    return visit.page.url.split("/")[-2]


async def test_from_the_link_to_the_notebook(server: Server, browser: Browser) -> None:
    room = await server.room()
    host = await Visit.begin(browser)
    ticket = await server.services.admission.ticket(await server.host_actor(room))
    await host.page.goto(f"{server.origin}{server.room_path(room)}join#ticket.{ticket}")
    await host.page.locator(".jp-LabShell").wait_for()
    await host.page.wait_for_load_state("networkidle")
    assert "ticket" not in host.page.url

    visit = await Visit.begin(browser)
    page = visit.page
    me = await enter(server, room, visit)
    await page.get_by_text("Hanna Host has been told that you are here.").wait_for()
    await page.get_by_text("The notebook is ready to open.").wait_for(timeout=30_000)
    static = server.doors.context.assets.url_path
    lab_files = f"{static}lab/", f"{static}extensions/"
    lobby = {url: n for url, n in visit.sizes.items() if not any(f in url for f in lab_files)}
    assert sum(lobby.values()) < LOBBY_BYTES
    assert not [url for url in visit.sizes if f"{me}/api/" in url], "no notebook byte so far"

    await page.get_by_label("Message to your host").fill("I am here")
    await page.get_by_role("button", name="Send").click()
    await page.get_by_role("log").get_by_text("You: I am here").wait_for()

    before = visit.total
    await server.services.admission.admit(await server.host_actor(room), me)
    await page.locator(".jp-LabShell").wait_for(timeout=30_000)
    await page.wait_for_load_state("networkidle")
    assert visit.total < FIRST_LOAD_BYTES
    assert visit.total - before < 0.3 * visit.total, "the lobby fetched the most of it before"
    assert not visit.problems

    await server.services.rooms.set_state(await server.host_actor(room), RoomState.ENDED)
    await page.goto(f"{server.origin}{server.house.links.door_path(room.id, me)}")
    await page.wait_for_url("**/end")
    await page.get_by_text("was let in").first.wait_for()
    async with page.expect_download() as copy:
        await page.get_by_role("link", name="Download interview.ipynb").click()
    assert (await copy.value).suggested_filename == "interview.ipynb"
    await page.context.close()
    await host.page.context.close()


ATTEMPTS = {
    "another path by fetch": "fetch('{server}api/contents').then(() => 'out', () => 'held')",
    "an image of the server": "new Promise(done => {{ const i = new Image(); "
    "i.onload = () => done('out'); i.onerror = () => done('held'); i.src = '{server}logo' }})",
    "an inline script": "new Promise(done => {{ const s = document.createElement('script'); "
    "s.textContent = 'window.ran = 1'; document.body.append(s); "
    "setTimeout(() => done(window.ran ? 'out' : 'held'), 50) }})",
    "the page's own inline script with more in it": "new Promise(done => {{ "
    "const s = document.createElement('script'), own = document.querySelector('[data-files]'); "
    "s.textContent = own.textContent + 'window.ran = 1'; document.body.append(s); "
    "setTimeout(() => done(window.ran ? 'out' : 'held'), 50) }})",
    "a handler in an attribute": "new Promise(done => {{ const b = document.createElement('b'); "
    "b.setAttribute('onclick', 'window.ran = 1'); document.body.append(b); b.click(); "
    "setTimeout(() => done(window.ran ? 'out' : 'held'), 50) }})",
    "a script of the room": "new Promise(done => {{ const s = document.createElement('script'); "
    "s.onload = () => done('out'); s.onerror = () => done('held'); "
    "s.src = '{door}api/contents/data/little.csv'; document.body.append(s) }})",
    "a socket elsewhere": "new Promise(done => {{ try {{ const s = new WebSocket('{socket}'); "
    "s.onopen = () => done('out'); s.onerror = () => done('held') }} catch {{ done('held') }} }})",
    "a frame of the server": "new Promise(done => {{ const f = document.createElement('iframe'); "
    "f.src = '{server}lab'; f.onload = () => {{ let inside = null; "
    "try {{ inside = f.contentDocument }} catch {{}} done(inside?.body?.className ? 'out' : 'held')"
    " }}; document.body.append(f) }})",
    "another base": "(() => {{ const b = document.createElement('base'); "
    "b.href = 'http://elsewhere.example/'; document.head.append(b); "
    "return document.baseURI.includes('elsewhere') ? 'out' : 'held' }})()",
}


async def test_the_policy_holds_in_the_page(server: Server, browser: Browser) -> None:
    room = await server.room()
    visit = await Visit.begin(browser)
    me = await enter(server, room, visit)
    await server.services.admission.admit(await server.host_actor(room), me)
    await visit.page.locator(".jp-LabShell").wait_for(timeout=30_000)
    sent: list[str] = []
    visit.page.on("request", lambda request: sent.append(request.url))
    door = server.origin + server.house.links.door_path(room.id, me)
    places = {
        "server": server.url,
        "door": door,
        "socket": server.url.replace("http", "ws") + "api/events/subscribe",
    }
    for name, script in ATTEMPTS.items():
        assert await visit.page.evaluate(script.format(**places)) == "held", name
    assert await visit.page.evaluate(f"fetch('{door}api/me').then(a => a.status)") == 200
    static = server.origin + server.doors.context.assets.url_path
    strays = [url for url in sent if not url.startswith((door, static, "data:", "blob:"))]
    reached = [line for line in server.log if "/base/logo" in line or " /base/lab " in line]
    assert not reached, strays
    await visit.page.context.close()


async def test_the_lobby_says_when_it_is_over(server: Server, browser: Browser) -> None:
    room = await server.room()
    visit = await Visit.begin(browser)
    me = await enter(server, room, visit)
    await server.services.admission.decline(await server.host_actor(room), me)
    await visit.page.get_by_text("The host cannot let you in now.").wait_for()
    again = await Visit.begin(browser)
    await enter(server, room, again)
    await again.page.get_by_text("has been told").wait_for()
    await server.services.rooms.set_state(await server.host_actor(room), RoomState.ENDED)
    await again.page.get_by_text("This interview has ended.").wait_for()
    await again.page.goto(f"{server.origin}{server.room_path(room)}join#wrong")
    await again.page.reload()
    await again.page.get_by_role("alert").get_by_text("This link is not valid.").wait_for()
    for page in (visit.page, again.page):
        await page.context.close()


FRAME = """([url, html]) => new Promise(done => {
  const frame = document.createElement('iframe');
  frame.src = url;
  frame.onload = () => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => {
      if (data.type === 'ready') port1.postMessage({ type: 'show', html });
      else if (data.height >= 300) done(data.height);
    };
    frame.contentWindow.postMessage('connect', '*', [port2]);
  };
  document.body.append(frame);
})"""
REACHING = """<div id="bar" style="height: 10px"></div><script>
const tall = height => { document.getElementById('bar').style.height = height + 'px' };
const attempts = [
  () => fetch('{door}api/me'),
  () => parent.document.title,
  () => document.cookie,
  () => localStorage.length,
  () => new Promise((yes, no) => {
    const i = new Image(); i.onload = yes; i.onerror = no; i.src = '{server}logo'
  })
];
const tried = attempts.map(async way => way());
Promise.allSettled(tried).then(all => tall(all.some(t => t.status === 'fulfilled') ? 900 : 300));
</script>"""


async def test_a_frame_runs_its_scripts_and_reaches_nothing(
    server: Server, browser: Browser
) -> None:
    room = await server.room()
    visit = await Visit.begin(browser)
    me = await enter(server, room, visit)
    await server.services.admission.admit(await server.host_actor(room), me)
    await visit.page.locator(".jp-LabShell").wait_for(timeout=30_000)
    door = server.origin + server.house.links.door_path(room.id, me)
    html = REACHING.replace("{door}", door).replace("{server}", server.url)
    url = server.doors.context.assets.url("frame/")
    assert await visit.page.evaluate(FRAME, [url, html]) == 300
    await visit.page.context.close()
