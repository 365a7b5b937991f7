"""People in a room, as their browsers behave: cookies, a document socket, an events socket."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
from pycrdt import Array, Map, Text
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection

from interview_ext.collab.wire.framing import write_step_1
from interview_ext.collab.wire.sets import Span
from tests.collab.pages import Page
from tests.sockets import hang_up, open_socket
from tests.whole.server import Server

WAIT_S = 20.0
PROTOCOL_ERRORS = (OSError, HTTPClientError, httpx.TransportError, TimeoutError)
COME_BACK_S = 0.2
MAX_MESSAGE = 256 * 1024 * 1024
"""Bytes; browsers have no bound of their own."""


class Person:
    """Somebody's browser, behind the door."""

    def __init__(self, server: Server, room: str) -> None:
        self.server = server
        self.room = room
        self.client = httpx.AsyncClient(timeout=30)
        self.door = ""
        self.tabs: list[Tab] = []
        server.guests.append(self)

    @classmethod
    async def join(cls, server: Server, link: str, name: str, *, admit: bool = True) -> Person:
        """Follow a link, as the landing page does; be admitted by the host."""
        parts = urlsplit(link)
        found = re.search(r"/r/([^/]+)/join$", parts.path)
        assert found, link
        person = cls(server, found[1])
        origin = f"{parts.scheme}://{parts.netloc}"
        answer = await person.client.post(
            f"{origin}{parts.path.removesuffix('join')}api/join",
            json={"token": parts.fragment, "name": name},
        )
        assert answer.status_code == 200, answer.text
        person.door = origin + answer.json()["url"]
        server.secrets[f"the seat of {name}"] = person.seat
        if admit:
            await server.ask("POST", f"/rooms/{person.room}/participants/{person.id}/admit")
        return person

    async def leave(self) -> None:
        """Close the browser."""
        for tab in self.tabs:
            await tab.close()
        await self.client.aclose()

    @property
    def id(self) -> str:
        return self.door.split("/")[-2]

    @property
    def seat(self) -> str:
        """The secret in the seat's cookie."""
        return self.client.cookies.get(f"interview-seat-{self.id}") or ""

    @property
    def headers(self) -> dict[str, str]:
        """What a browser sends with the handshake of a socket."""
        parts = urlsplit(self.door)
        return {
            "Cookie": f"interview-seat-{self.id}={self.seat}",
            "Origin": f"{parts.scheme}://{parts.netloc}",
        }

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Ask the API as the room's page does; `path` is relative to the room."""
        if "_xsrf" not in self.client.cookies:
            await self.client.get(f"{self.door}lobby", follow_redirects=True)
        return await self.client.request(
            method,
            f"{self.door}interview/api/rooms/{self.room}{path}",
            json=body,
            headers={"X-XSRFToken": self.client.cookies.get("_xsrf") or ""},
        )

    async def document(self) -> str:
        """The id of the room's notebook."""
        documents = (await self.ask("GET", "")).json()["documents"]
        return str(next(d["id"] for d in documents if d["kind"] == "notebook"))

    async def socket(self, path: str) -> WebSocketClientConnection:
        address = "ws" + self.door.removeprefix("http") + path
        return await open_socket(HTTPRequest(address, headers=self.headers))


class Tab(Page):
    """One tab on the room's notebook, which comes back by itself when it loses the server.

    Attributes
    ----------
    online:
        Whether there is a network; without one the tab does not try to come back.
    saved, deleted:
        What the server has called saved: clocks by client, and deletions.
    runs:
        The newest message about each run.
    on_saved:
        Called with each ``durable`` message, before anything else happens.
    """

    def __init__(self, person: Person, document: str, *, port: int | None = None) -> None:
        way = person.door if port is None else person.door.replace(_port(person.door), f":{port}")
        address = "ws" + way.removeprefix("http")
        super().__init__(f"{address}api/collaboration/room/json:notebook:{document}")
        self.person = person
        self.document = document
        self.online = asyncio.Event()
        self.online.set()
        self.saved: dict[int, int] = {}
        self.deleted: set[Span] = set()
        self.runs: dict[str, dict[str, Any]] = {}
        self.on_saved: Callable[[], None] = lambda: None
        self.returns = 0
        self._turn = asyncio.Lock()
        self._life: asyncio.Task[None] | None = None
        self._open = asyncio.Event()
        person.tabs.append(self)

    # -- life

    async def open(self) -> Tab:
        self._life = asyncio.create_task(self._live())
        async with asyncio.timeout(WAIT_S):
            await self._open.wait()
        return self

    async def close(self) -> None:
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)

    async def _live(self) -> None:
        while True:
            try:
                await self._once()
            except PROTOCOL_ERRORS:
                await asyncio.sleep(COME_BACK_S)
            self._open.clear()
            await self.online.wait()

    async def _once(self) -> None:
        """Be connected, until the server is lost."""
        events = await self.person.socket(f"interview/api/rooms/{self.person.room}/events")
        try:
            await self.connect()
            self.returns += 1
            self._open.set()
            while (message := await events.read_message()) is not None:
                await self._hear(json.loads(message))
        finally:
            hang_up(events)
            await self.leave()

    async def connect(self, *, origin: str | None = None, sync: bool = True) -> Tab:
        """See `Page.connect`; with the seat's cookie."""
        self.closed.clear()
        self.synced.clear()
        headers = self.person.headers | {"Host": urlsplit(self.person.door).netloc}
        self.socket = await open_socket(
            HTTPRequest(self.url, headers=headers), max_message_size=MAX_MESSAGE
        )
        self._reader = asyncio.create_task(self._read(self.socket))
        self.show({"cursors": []})
        self.send(write_step_1(self.doc.get_state()))
        async with asyncio.timeout(WAIT_S):
            await self.synced.wait()
        return self

    async def back(self, returns: int) -> None:
        """Return when the tab has been connected that many times."""
        await self.until(lambda: self.returns >= returns and self._open.is_set(), "a connection")

    async def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "durable" and message["document"] == self.document:
            for client, clock in message["clients"].items():
                self.saved[int(client)] = max(clock, self.saved.get(int(client), 0))
            self.deleted |= {Span(*span) for span in message["deletes"]}
            self.on_saved()
        elif message["type"] == "hello":
            self.runs |= {run["id"]: run for run in message["runs"]}
        elif message["type"] == "run":
            self.runs[message["run"]["id"]] = message["run"]
        async with self._changed:
            self._changed.notify_all()

    # -- the notebook

    def cell(self, cell_id: str) -> Map[Any]:
        cells = self.doc.get("cells", type=Array)
        found: Map[Any] = next(cell for cell in cells if cell["id"] == cell_id)
        return found

    def source(self, cell_id: str) -> Text:
        text: Text = self.cell(cell_id)["source"]
        return text

    def outputs(self, cell_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cell(cell_id)["outputs"].to_py()
        return found

    def printed(self, cell_id: str) -> str:
        """The text of all streams below a cell."""
        streams = [o for o in self.outputs(cell_id) if o["output_type"] == "stream"]
        return "".join(_joined(stream["text"]) for stream in streams)

    async def run(self, cell_id: str) -> httpx.Response:
        """Press Shift+Enter: ask for a run of what this tab shows now.

        As the room's page does, after the answer to the press before.
        """
        shown = str(self.source(cell_id))
        wish = {
            "document": self.document,
            "cell_id": cell_id,
            "source_sha256": hashlib.sha256(shown.encode()).hexdigest(),
        }
        async with self._turn:
            return await self.person.ask("POST", "/executions", wish)

    async def ended(self, run_id: str, *, wait_s: float = WAIT_S) -> dict[str, Any]:
        """Wait for a run's end; return its record."""
        await self.until(
            lambda: self.runs.get(run_id, {}).get("state") not in (None, "queued", "running"),
            f"the end of {run_id}",
            wait_s=wait_s,
        )
        return self.runs[run_id]


def _joined(text: Any) -> str:
    return "".join(text) if isinstance(text, list) else str(text)


def _port(url: str) -> str:
    return f":{urlsplit(url).port}"
