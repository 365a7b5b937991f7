"""An interviewer and a hostile candidate in one room, and a watch over the interviewer's page."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import (
    APIResponse,
    Browser,
    BrowserContext,
    Dialog,
    Page,
    Request,
    WebSocket,
    expect,
)

from tests.ui.conftest import Demo

from .attacker import Attacker
from .attacks import Attack, Cell, code
from .forger import Forger

NAME = "<img src=x onerror=canary()>Ada"
MARKER = "marker"
SETTLE_MS = 250
"""What has not happened so long after an attack was shown is looked for after the next ones."""
WATCH_TITLE = """new MutationObserver(
    () => document.title.includes('pwned') && canary('title')
).observe(document, {subtree: true, childList: true, characterData: true})"""
REFUSALS = ("csp", "origin")
"""Why the browser sent nothing: the page's policy; SVG never uses shapes of another origin."""
IN_VIEW = r"""() => {
    const selector = ['button', 'input', 'summary']
        .map(tag => `.jp-Interview-RoomPanel ${tag}`)
        .concat('.jp-Interview-Banner a', '.jp-NotebookPanel-toolbar .jp-ToolbarButton',
                '.lm-MenuBar-item').join(', ');
    const seen = [], covered = [];
    for (const control of document.querySelectorAll(selector)) {
        // The panel scrolls, as any does that holds more than fits.
        control.scrollIntoView({block: 'nearest'});
        const box = control.getBoundingClientRect();
        const x = box.x + box.width / 2, y = box.y + box.height / 2;
        if (!box.width || y < 0 || y > innerHeight || x > innerWidth) continue;
        const name = control.getAttribute('aria-label') || control.textContent || control.title;
        const hit = document.elementFromPoint(x, y);
        (control.contains(hit) ? seen : covered).push(name.replace(/\(\d+\)/, '').trim());
    }
    return {seen, covered};
}"""


@dataclass
class Watch:
    """Notes all that must not happen in the pages of one browser context."""

    context: BrowserContext
    attacker: Attacker
    allowed: list[str]
    """Beginnings of addresses that pages may ask."""
    secret: str
    fired: list[str] = field(default_factory=list)
    _asked: dict[Request, None] = field(default_factory=dict)
    _refused: set[Request] = field(default_factory=set)
    _sockets: list[str] = field(default_factory=list)
    _opened: list[Page] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    kernel: WebSocket | None = None
    """The page's latest socket to the room's kernel."""

    def __post_init__(self) -> None:
        self.context.expose_binding("canary", self._on_canary)
        self.context.add_init_script(WATCH_TITLE)
        self.context.on("request", lambda request: self._asked.update({request: None}))
        self.context.on("requestfailed", self._on_failed)
        self.context.on("page", self._on_page)

    def _on_canary(self, source: dict[str, Any], *what: object) -> None:
        # Scripts run in frames of another origin, which is where they belong: what they must
        # not reach is the page around.
        if source["frame"] == source["page"].main_frame:
            self.fired.append(f"canary {what} at {source['page'].url}")

    def _on_failed(self, request: Request) -> None:
        if request.failure in REFUSALS:
            self._refused.add(request)

    def _on_page(self, page: Page) -> None:
        if self.pages:
            self._opened.append(page)
            return
        self.pages.append(page)
        page.on("websocket", self._on_socket)
        page.on("dialog", self._on_dialog)

    def _on_dialog(self, dialog: Dialog) -> None:
        if dialog.type != "beforeunload":
            self.fired.append(f"a dialog: {dialog.message}")
        dialog.accept()

    def _on_socket(self, socket: WebSocket) -> None:
        self._sockets.append(socket.url)
        if socket.url.partition("?")[0].endswith("/channels"):
            self.kernel = socket

    def harm(self) -> list[str]:
        """Return all that should not have happened since the beginning."""
        while self._opened:
            page = self._opened.pop()
            self.fired.append(f"opened {page.url}")
            page.close()
        found = [*self.fired, *(f"{n}: {what}" for n, what in enumerate(self.attacker.received))]
        for request in self._asked:
            if request in self._refused or request.url.startswith(("data:", "blob:")):
                continue
            if not request.url.startswith(tuple(self.allowed)):
                found.append(f"asked {request.url}: {request.failure}, by {request.frame.url}")
            sent = [request.url, request.headers, request.post_data_buffer]
            if self.secret in str(sent) or "authorization" in request.headers:
                found.append(f"a token went to {request.url}")
        sockets = tuple(address.replace("http", "ws", 1) for address in self.allowed)
        found += [f"connected to {url}" for url in self._sockets if not url.startswith(sockets)]
        return found


@dataclass
class Scene:
    """A live room with an interviewer's and a candidate's page on its notebook."""

    demo: Demo
    attacker: Attacker
    room: str
    document: str
    host: Page
    candidate: Page
    watch: Watch
    forger: Forger
    controls: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)

    @property
    def door(self) -> str:
        """The interviewer's door."""
        return door_of(self.host)

    def fill(self, value: Any) -> Any:
        """Return an attack's texts with the addresses filled in."""
        places = {
            "ATTACKERHOST": self.attacker.url.removeprefix("http://"),
            "ATTACKER": self.attacker.url,
            "DOOR/": self.door,
            "SERVER/": self.door.partition("interview/")[0],
        }
        text = json.dumps(value)
        for name, address in places.items():
            text = text.replace(name, address)
        return json.loads(text)

    def commit(self, attack: Attack) -> str | None:
        """Put an attack into the notebook; return the id of its run if it has one.

        Returns when the interviewer's page shows it.
        """
        marker = code(shown_text(f"{MARKER} {attack.name}"), source="# marker")
        cells = [*self.fill(list(attack.cells))]
        if attack.source:
            cells.append(code(source=self.fill(attack.source)))
        self.show_only(marker, *cells)
        expect(self.host.get_by_text(f"{MARKER} {attack.name}", exact=True)).to_be_visible()
        run = self.run(f"cell-{len(cells)}") if attack.source else None
        if attack.shown:
            expect(self.host.locator(attack.shown).first).to_be_attached()
        return run

    def show_only(self, *cells: Cell) -> None:
        """Make the notebook consist of these cells, named ``cell-0`` and so on."""
        self.forger.show_only(*({**cell, "id": f"cell-{n}"} for n, cell in enumerate(cells)))

    def run(self, cell_id: str) -> str:
        """Run a cell as the candidate; return the run's id."""
        source = str(next(c for c in self.forger.cells if c["id"] == cell_id)["source"])
        body = {
            "document": self.document,
            "cell_id": cell_id,
            "source_sha256": hashlib.sha256(source.encode()).hexdigest(),
        }
        return str(self.as_candidate("POST", "executions", body).json()["id"])

    def ended(self, run: str) -> str:
        """Wait until a run has ended; return how."""
        for _ in range(200):
            state = str(self.as_candidate("GET", f"executions/{run}").json()["state"])
            if state not in ("queued", "running"):
                return state
            self.host.wait_for_timeout(50)
        raise AssertionError(f"the run {run} does not end")

    def as_candidate(self, method: str, path: str, body: object = None) -> APIResponse:
        """Ask the API as the candidate."""
        door = door_of(self.candidate)
        cookies = {c["name"]: c["value"] for c in self.candidate.context.cookies(door)}
        answer = self.candidate.context.request.fetch(
            f"{door}interview/api/rooms/{self.room}/{path}",
            method=method,
            data=body,
            headers={"X-XSRFToken": cookies["_xsrf"]},
        )
        assert answer.ok, answer.text()
        return answer

    def provoke(self, attack: Attack) -> None:
        """Make the interviewer do what an attack waits for."""
        if attack.clicks:
            targets = self.host.locator(attack.clicks)
            targets.evaluate_all(
                """targets => {
                    for (const type of ['mouseover', 'mousedown', 'mouseup', 'click'])
                        for (const target of targets) target.dispatchEvent(
                            new MouseEvent(type, {bubbles: true, cancelable: true, view: window}))
                }"""
            )
            for target in targets.all()[:2]:
                box = target.bounding_box()
                if box is not None:
                    self.host.mouse.click(box["x"] + 5, box["y"] + 5)

    def dismiss(self) -> None:
        """Answer the page's own questions by no."""
        while self.host.locator(".jp-Dialog").count():
            self.host.keyboard.press("Escape")
            expect(self.host.locator(".jp-Dialog").last).to_be_hidden()

    def harm(self) -> list[str]:
        """Return what has happened since this was last asked."""
        self.host.wait_for_timeout(SETTLE_MS)
        found = self.watch.harm()
        seen = self.host.evaluate(IN_VIEW)
        found += [f"covered {name!r}" for name in seen["covered"]]
        there = seen["seen"] + seen["covered"]
        found += [f"hid {name!r}" for name in self.controls if name not in there]
        if not self.host.url.startswith(self.door):
            found.append(f"went to {self.host.url}")
        light, native = self.host.evaluate(
            "[document.body.dataset.jpThemeLight, [document.getElementById,"
            " document.querySelector, document.body.querySelector].every("
            "f => typeof f === 'function') && typeof document.cookie === 'string']"
        )
        found += [] if light == "true" else ["a command ran: the theme has changed"]
        found += [] if native else ["the document was clobbered"]
        new = [what for what in found if what not in self._known]
        self._known.update(new)
        return new


def shown_text(text: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {"text/plain": text}, "metadata": {}}


def door_of(page: Page) -> str:
    return page.url.partition("/doc/")[0] + "/"


class Stage:
    """Sets a `Scene` up."""

    def __init__(self, demo: Demo, browser: Browser, attacker: Attacker) -> None:
        self._demo = demo
        self._attacker = attacker
        self._browser = browser
        self.host = self.new_context()
        self.candidate = self.new_context()

    def new_context(self) -> BrowserContext:
        """Return a browser of one person's own."""
        context = self._browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(30_000)
        return context

    def close(self) -> None:
        self.host.close()
        self.candidate.close()

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API by the server's own login."""
        answer = self.host.request.fetch(
            f"{self._demo.base_url}interview/api/{path}",
            method=method,
            data=body,
            headers={"Authorization": f"token {self._demo.token}"},
        )
        assert answer.ok, answer.text()
        return answer.json()

    def save(self, path: str, cells: list[Cell]) -> None:
        """Save a notebook in the host's own folder, which signs it if its cells say so."""
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        answer = self.host.request.put(
            f"{self._demo.base_url}api/contents/{path}",
            data={"type": "notebook", "format": "json", "content": notebook},
            headers={"Authorization": f"token {self._demo.token}"},
        )
        assert answer.ok, answer.text()

    def enter(self) -> Scene:
        """Let the candidate in, and go in as the host, who sees them wait in their dashboard."""
        room = self.api(
            "POST", "rooms", {"title": "Hostile", "template": "sample", "host_name": "Grace"}
        )
        at = f"rooms/{room['id']}"
        invite = self.api("POST", f"{at}/invites", {"role": "candidate"})
        candidate = self.candidate.new_page()
        candidate.goto(invite["url"])
        candidate.get_by_label("Your name").fill(NAME)
        candidate.get_by_role("button", name="Enter the lobby").click()
        candidate.wait_for_url("**/lobby")
        self._see_waiting()
        self.api("POST", f"{at}/participants/{invite['participant_id']}/admit", {})
        candidate.wait_for_url("**/doc/tree/*")

        way_in = self.api("POST", f"{at}/enter")["url"]
        rooms = way_in.partition(room["id"])[0]
        join = f"{rooms}{room['id']}/"
        allowed = [f"{rooms}static/", f"{join}join", f"{join}api/join"]
        watch = Watch(self.host, self._attacker, allowed, self._demo.token)
        host = self.host.new_page()
        host.goto(way_in)
        host.wait_for_url("**/doc/tree/*")
        expect(host.locator(".jp-CodeCell").first).to_be_visible()
        watch.allowed.append(door_of(host))
        document = self.api("GET", at)["documents"][0]["id"]
        return Scene(
            self._demo,
            self._attacker,
            room["id"],
            document,
            host,
            candidate,
            watch,
            self._forger(candidate, document),
        )

    def _see_waiting(self) -> None:
        """Look at the name from the host's own JupyterLab, where the server's token is."""
        with self.new_context() as context:
            watch = Watch(context, self._attacker, [self._demo.base_url], self._demo.token)
            dashboard = context.new_page()
            dashboard.goto(self._demo.host_url)
            expect(dashboard.get_by_text(f"{NAME} is waiting").first).to_be_visible()
            assert watch.fired == []

    def _forger(self, page: Page, document: str) -> Forger:
        door = door_of(page)
        origin = door.partition("/interview/")[0]
        cookies = "; ".join(f"{c['name']}={c['value']}" for c in self.candidate.cookies(door))
        socket = f"{door}api/collaboration/room/json:notebook:{document}".replace("http", "ws", 1)
        return Forger(socket, cookies, origin)
