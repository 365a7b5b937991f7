"""Those who ask the API in these tests: the host outside the doors, and people in them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
from pydantic import TypeAdapter
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection

from interview_ext.api import messages, schemas
from interview_ext.rooms.model import Role, Room, RoomState
from tests.server.conftest import TOKEN, Person, Server, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

API = "interview/api"
LOGIN = {"Authorization": f"token {TOKEN}"}
_ROOM_MESSAGE: TypeAdapter[Any] = TypeAdapter(messages.RoomSocketMessage)
_HOST_MESSAGE: TypeAdapter[Any] = TypeAdapter(messages.HostSocketMessage)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server_without_engine(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Server]:
    """One server for the tests of a module, on which no container engine answers.

    What these tests ask does not depend on cells that run, and must not start containers.
    """
    folder = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")  # nobody listens there
        async with serve(folder) as running:
            yield running


class Listener:
    """An open events socket; every message is checked against the contract."""

    def __init__(self, socket: WebSocketClientConnection, adapter: TypeAdapter[Any]) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []
        self._adapter = adapter

    async def next(self, timeout_s: float = 5) -> dict[str, Any] | None:
        """The next message, or None once the socket is closed."""
        async with asyncio.timeout(timeout_s):
            raw = await self.socket.read_message()
        if raw is None:
            self.socket.close()
            return None
        self._adapter.validate_json(raw)
        message: dict[str, Any] = json.loads(raw)
        self.seen.append(message)
        return message

    async def until(self, kind: str, timeout_s: float = 5, **fields: Any) -> dict[str, Any]:
        """The next message of a kind with these fields."""
        async with asyncio.timeout(timeout_s):
            while (message := await self.next(timeout_s)) is not None:
                if message["type"] == kind and fields.items() <= message.items():
                    return message
        raise AssertionError(f"closed {self.socket.close_code} before {kind}: {self.seen}")

    async def settled(self) -> list[dict[str, Any]]:
        """All messages until the answer to a ping: what was on its way has come by then."""
        await self.socket.write_message('{"type": "ping"}')
        before = len(self.seen)
        await self.until("pong")
        return self.seen[before:-1]


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Somebody who asks the API, outside the doors or behind one."""

    name: str
    server: Server
    person: Person | None = None

    async def ask(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """One request; `path` is relative to the API, such as ``/rooms``."""
        if self.person is not None:
            return await self.person.send(method, API + path, **kwargs)
        headers = {**LOGIN, **kwargs.pop("headers", {})}
        client = _client(self.server)
        return await client.request(
            method, self.server.base_url + API + path, headers=headers, **kwargs
        )

    async def listen(self, path: str) -> Listener:
        """Open an events socket; `HTTPClientError` if it is refused."""
        if self.person is not None:
            return Listener(await self.person.socket(API + path), _ROOM_MESSAGE)
        url = "ws" + self.server.origin.removeprefix("http") + self.server.base_url + API + path
        socket = await self.server.connect(HTTPRequest(url, headers=LOGIN))
        return Listener(socket, _HOST_MESSAGE if path == "/events" else _ROOM_MESSAGE)


def host_outside(server: Server) -> Asker:
    """The host by the Jupyter server's own login."""
    return Asker(name="host outside", server=server)


async def everybody(server: Server, room: Room) -> list[Asker]:
    """One asker of each kind that there can be in a room."""
    askers = [
        host_outside(server),
        Asker(name="host", server=server, person=await server.host(room)),
    ]
    for role in (Role.INTERVIEWER, Role.OBSERVER, Role.CANDIDATE):
        for admitted in (True, False):
            person = await server.candidate(room, admitted=admitted, role=role, name=role.title())
            name = role if admitted else f"{role} waiting"
            askers.append(Asker(name=name, server=server, person=person))
    return askers


async def put_into(server: Server, room: Room, state: RoomState) -> None:
    """Set the room's state, whatever came before."""
    store = server.services.store
    now = await server.services.rooms.get(room.id)
    if now.state is not state:
        await store.update_room(replace(now, state=state))


def error_of(answer: httpx.Response) -> Mapping[str, str]:
    """The error body of a refusal; fails if it is none."""
    assert answer.headers["Content-Type"].startswith("application/json"), answer.text
    body = schemas.ErrorBody.model_validate_json(answer.content)
    assert body.error.code
    assert body.error.message
    assert "Traceback" not in answer.text
    return body.error.model_dump()


def _client(server: Server) -> httpx.AsyncClient:
    """A client without a memory for cookies: the token is all it has."""
    for client in server.clients:
        if isinstance(client, _Forgetful):
            return client
    client = _Forgetful(base_url=server.origin, timeout=20)
    server.clients.append(client)
    return client


class _Forgetful(httpx.AsyncClient):
    async def request(self, *args: Any, **kwargs: Any) -> httpx.Response:
        self.cookies.clear()
        return await super().request(*args, **kwargs)
