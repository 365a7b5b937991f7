"""A real Jupyter server in this process, with the doors before it, on a free port."""

from __future__ import annotations

import hashlib
import logging
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClientConnection
from traitlets.config import Config

from interview_ext.api.services import Services
from interview_ext.door.doors import Doors
from interview_ext.house import House
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import DataFile, Role, Room
from interview_ext.rooms.service import RoomSpec
from tests.sockets import open_socket

TOKEN = "the-servers-own-token-4d1f"
OWNER = "owner"
NOTEBOOK = {
    "cells": [
        {
            "id": "first",
            "cell_type": "code",
            "source": "1 + 1  # only for who may read",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
    ],
    "metadata": {"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@dataclass(kw_only=True)
class Person:
    """Somebody with a browser: their cookies, and the door they came through."""

    server: Server
    client: httpx.AsyncClient
    room_id: str
    participant_id: str = ""
    door: str = ""

    @property
    def seat(self) -> str:
        """The secret in the seat's cookie."""
        return next(
            c.value or ""
            for c in self.client.cookies.jar
            if c.name == f"interview-seat-{self.participant_id}"
        )

    @property
    def xsrf(self) -> str:
        """What a page of the door repeats in its requests."""
        for cookie in self.client.cookies.jar:
            if cookie.name == "_xsrf" and cookie.path == self.door:
                return cookie.value or ""
        return ""

    async def get(self, path: str = "", **kwargs: Any) -> httpx.Response:
        """GET below the door."""
        return await self.client.get(self.door + path, **kwargs)

    async def send(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Another method below the door, with the XSRF header that its pages send."""
        if not self.xsrf:
            await self.get("lobby", follow_redirects=True)
        headers = {"X-XSRFToken": self.xsrf, **kwargs.pop("headers", {})}
        return await self.client.request(method, self.door + path, headers=headers, **kwargs)

    async def socket(self, path: str, *, origin: str | None = None) -> WebSocketClientConnection:
        """A WebSocket below the door, from a page of the door."""
        return await self.server.socket(
            self.door + path,
            cookie=f"interview-seat-{self.participant_id}={self.seat}",
            origin=origin,
        )


@dataclass(kw_only=True)
class Server:
    """A running Jupyter server with the doors, and the objects behind them."""

    app: ServerApp
    house: House
    url: str
    base_url: str
    log: list[str] = field(default_factory=list)
    clients: list[httpx.AsyncClient] = field(default_factory=list)
    sockets: list[tuple[WebSocketClientConnection, IOStream]] = field(default_factory=list)

    @property
    def services(self) -> Services:
        return self.house.services

    @property
    def doors(self) -> Doors:
        doors = self.house._doors
        assert doors is not None
        return doors

    @property
    def origin(self) -> str:
        return self.url.removesuffix(self.base_url)

    def client(self, **kwargs: Any) -> httpx.AsyncClient:
        """A browser without cookies that follows no redirects by itself."""
        client = httpx.AsyncClient(base_url=self.origin, timeout=20, **kwargs)
        self.clients.append(client)
        return client

    async def socket(
        self, path: str, *, cookie: str = "", origin: str | None = None
    ) -> WebSocketClientConnection:
        """A WebSocket of a page of this server, or of another `origin`."""
        headers = {"Origin": origin or self.origin, "Cookie": cookie}
        address = "ws" + self.origin.removeprefix("http") + path
        return await self.connect(HTTPRequest(address, headers=headers))

    async def connect(self, request: HTTPRequest) -> WebSocketClientConnection:
        """A WebSocket that is gone when the server is, whatever a test did with it."""
        connection = await open_socket(request)
        assert connection.protocol is not None
        stream = connection.protocol.stream
        assert stream is not None
        self.sockets.append((connection, stream))
        return connection

    # -- rooms and people

    async def room(self, *, title: str = "A data-science interview", **changes: Any) -> Room:
        """A room with its notebook, the interviewers' notes and one data file."""
        services = self.services
        spec = RoomSpec(
            title=title,
            host_name="Hanna Host",
            starts_at=datetime.now(UTC) + timedelta(minutes=10),
            **changes,
        )
        plan = services.rooms.plan(spec, owner=OWNER)
        await services.documents.seed(plan.notebook, NOTEBOOK)
        await services.documents.seed(plan.notes, "secret notes")
        room = await services.rooms.create(plan)
        body = b"a,b\n1,2\n"
        file = DataFile(room_id=room.id, path="little.csv", size=len(body), digest=_digest(body))
        await services.store.put_data_file(file, body)
        return room

    async def host_actor(self, room: Room) -> Actor:
        return await self.services.rooms.host_actor(room.id, owner=OWNER)

    async def invite(self, room: Room, role: Role = Role.CANDIDATE, name: str = "Cora") -> str:
        """A link's token."""
        host = await self.host_actor(room)
        _, _, token = await self.services.admission.invite(
            host, role=role, name=name, expires_in_s=3600
        )
        return token

    async def join(
        self, room: Room, body: Mapping[str, str], client: httpx.AsyncClient | None = None
    ) -> Person:
        """Redeem a token or ticket in a browser, as the landing page does."""
        client = client or self.client()
        answer = await client.post(self.room_path(room) + "api/join", json=dict(body))
        assert answer.status_code == 200, answer.text
        door = answer.json()["url"]
        found = re.fullmatch(r".*/([^/]+)/", door)
        assert found
        return Person(
            server=self, client=client, room_id=room.id, participant_id=found[1], door=door
        )

    async def candidate(self, room: Room, *, admitted: bool = True, **kwargs: Any) -> Person:
        """Somebody who came by a link."""
        token = await self.invite(room, **{k: v for k, v in kwargs.items() if k != "client"})
        person = await self.join(room, {"token": token}, kwargs.get("client"))
        if admitted:
            await self.admit(room, person)
        return person

    async def admit(self, room: Room, person: Person) -> None:
        host = await self.host_actor(room)
        await self.services.admission.admit(host, person.participant_id)

    async def host(self, room: Room, client: httpx.AsyncClient | None = None) -> Person:
        """The host, by a ticket."""
        ticket = await self.services.admission.ticket(await self.host_actor(room))
        return await self.join(room, {"ticket": ticket}, client)

    def room_path(self, room: Room) -> str:
        return self.house.links.room_path(room.id)


class _LogLines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _start_jupyter(folder: Path, base_url: str, settings: Mapping[str, Any]) -> ServerApp:
    for name in ("root", "config"):
        (folder / name).mkdir()
    config = Config(
        {
            "ServerApp": {
                "base_url": base_url,
                "root_dir": str(folder / "root"),
                "jpserver_extensions": {
                    "interview_ext": True,
                    "jupyter_server_fileid": True,
                    "jupyter_server_terminals": True,
                    "jupyter_server_ydoc": True,
                    "jupyterlab": True,
                    "tests.server.door_third_party": True,
                },
                "log_level": "DEBUG",
            },
            "InterviewApp": {
                "store_path": str(folder / "interviews" / "interviews.sqlite"),
                "sandbox_pool_size": 0,
                "join_attempts_per_minute": 10_000,
                **settings,
            },
            "IdentityProvider": {"token": TOKEN},
        }
    )
    app = ServerApp(config=config, config_dir=str(folder / "config"))
    app.init_signal = lambda: None  # type: ignore[method-assign]
    app.initialize(argv=[], find_extensions=False, new_httpserver=False)
    return app


@asynccontextmanager
async def serve(
    folder: Path, *, base_url: str = "/base/", address: str = "127.0.0.1", **settings: Any
) -> AsyncIterator[Server]:
    """Run a server until the block ends. `settings` are traits of `InterviewApp`."""
    app = _start_jupyter(folder, base_url, settings)
    house: House = next(iter(app.extension_manager.extension_apps["interview_ext"])).house
    await app.extension_manager.start_all_extensions()
    http = HTTPServer(app.web_app)
    sockets = bind_sockets(0, address, family=socket.AF_INET)
    http.add_sockets(sockets)
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}{base_url}"
    server = Server(app=app, house=house, url=url, base_url=base_url)
    lines = _LogLines(server.log)
    logging.getLogger().addHandler(lines)
    app.log.addHandler(lines)
    try:
        yield server
    finally:
        for connection, stream in server.sockets:
            connection.close()
            stream.close()
        for client in server.clients:
            await client.aclose()
        http.stop()
        await http.close_all_connections()
        await app._cleanup()
        logging.getLogger().removeHandler(lines)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One server for all tests of a module; each test makes rooms of its own."""
    async with serve(tmp_path_factory.mktemp("server")) as running:
        yield running
