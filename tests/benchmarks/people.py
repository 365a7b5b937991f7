"""Those who use the product's HTTP API and sockets: the host by login, others by their seat."""

from __future__ import annotations

import json
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from .servers import Server

TIMEOUT_S = 60


class Host:
    """Speaks the API outside the doors."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._http = httpx.AsyncClient(
            base_url=server.base_url, headers=server.headers, timeout=TIMEOUT_S
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: object,
    ) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the JSON of an answer; raise for a refusal."""
        answer = await self._http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def create_room(self, **spec: object) -> str:
        """Return the id of a new room."""
        body = {"title": "Benchmark", "host_name": "Host"} | spec
        return str((await self.call("POST", "interview/api/rooms", body))["id"])

    async def room(self, method: str, room: str, path: str = "", body: object = None) -> Any:
        """Ask for something of a room."""
        return await self.call(method, f"interview/api/rooms/{room}{path}", body)

    async def close(self, room: str) -> None:
        """End a room and delete it; its sandbox goes with it."""
        await self.room("POST", room, "/state", {"to": "ended"})
        await self.room("DELETE", room)

    async def events(self, room: str) -> Events:
        """Open the room's event socket."""
        url = f"{self.server.socket_url}interview/api/rooms/{room}/events"
        return await Events.open(HTTPRequest(url, headers=self.server.headers))


class Events:
    """A room's event socket."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket

    @classmethod
    async def open(cls, request: HTTPRequest) -> Events:
        """Connect, and return once the server has said how things stand."""
        events = cls(await websocket_connect(request))
        await events.next("hello")
        return events

    async def next(self, kind: str) -> dict[str, Any]:
        """Return the next message of a kind; those of other kinds before it are dropped."""
        while (data := await self._socket.read_message()) is not None:
            message: dict[str, Any] = json.loads(data)
            if message["type"] == kind:
                return message
        raise ConnectionError("the room's event socket was closed")

    def close(self) -> None:
        self._socket.close()


class Seat:
    """Somebody in a room, behind a door of their own."""

    def __init__(self, http: httpx.AsyncClient, door: str, room: str) -> None:
        self._http = http
        self.door = door
        self.room = room
        self.api = f"{door}interview/api/rooms/{room}"

    @classmethod
    async def take(cls, link: str, *, name: str = "") -> Seat:
        """Redeem an invite's link, or a host's way in."""
        page, _, secret = link.partition("#")
        room = urlsplit(page).path.split("/")[-2]
        http = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=True)
        body = (
            {"ticket": secret.removeprefix("ticket.")}
            if secret.startswith("ticket.")
            else {"token": secret, "name": name}
        )
        answer = await http.post(urljoin(page, "api/join"), json=body)
        answer.raise_for_status()
        seat = cls(http, urljoin(page, answer.json()["url"]), room)
        (await http.get(seat.door)).raise_for_status()  # the page sets the XSRF cookie
        return seat

    @property
    def participant(self) -> str:
        return self.door.split("/")[-2]

    async def ask(self, method: str, url: str, body: object = None) -> Any:
        """Return the JSON of an answer; raise for a refusal."""
        headers = {"X-XSRFToken": self._cookies()["_xsrf"]}
        answer = await self._http.request(method, url, json=body, headers=headers)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def socket_request(self, path: str) -> HTTPRequest:
        """Return what opens a WebSocket below the door, as this person's page would."""
        parts = urlsplit(self.door)
        return HTTPRequest(
            self.door.replace("http", "ws", 1) + path,
            headers={
                "Origin": f"{parts.scheme}://{parts.netloc}",
                "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies().items()),
            },
        )

    async def leave(self) -> None:
        await self._http.aclose()

    def _cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self._http.cookies.jar}
