"""Invite tokens, tickets, seats and the server's token stand in no line of the log."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from tests.sockets import hang_up
from tests.whole.conftest import MakeServer
from tests.whole.people import Person, Tab
from tests.whole.server import Server


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """Somebody who tries what they have at every entrance."""

    server: Server
    room: str
    client: httpx.AsyncClient

    async def knock(self, secret: str) -> None:
        """Try a secret as an invite's token and as a ticket, rightly and wrongly written."""
        url = f"{self.server.url}interview/r/{self.room}"
        bodies: list[Any] = [
            {"token": secret, "name": "Eve"},
            {"ticket": secret},
            {"token": [secret]},
            {"tokens": secret},
            secret,
        ]
        for path in ("look", "join"):
            for body in bodies:
                await self._refused("POST", f"{url}/api/{path}", json=body)
            await self._refused(
                "POST",
                f"{url}/api/{path}",
                content=f'{{"token": "{secret}"',
                headers={"Content-Type": "application/json"},
            )

    async def sit(self, door: str, secret: str) -> None:
        """Try a secret as a seat's, for pages, for the API, and for sockets."""
        cookie = {"Cookie": f"interview-seat-{door.split('/')[-2]}={secret}"}
        for path in ("", "lab", "api/contents", "interview/api/rooms", "no/such/page"):
            await self._refused("GET", door + path, headers=cookie)
        await self._refused("POST", f"{door}interview/api/rooms/{self.room}/executions", json={})
        for path in (f"interview/api/rooms/{self.room}/events", "api/collaboration/room/a:b:c"):
            await self._no_socket(door + path, cookie)

    async def log_in(self, secret: str) -> None:
        """Try a secret as the server's token, in every way that Jupyter takes one."""
        url = self.server.url
        for path in ("lab", "api/contents", "interview/api/rooms", "no/such/page"):
            await self._refused("GET", url + path, params={"token": secret})
            await self._refused("GET", url + path, headers={"Authorization": f"token {secret}"})
        await self._refused("POST", f"{url}login", data={"password": secret})
        await self._no_socket(f"{url}interview/api/events?token={secret}", {})

    async def _refused(self, method: str, url: str, **kwargs: Any) -> None:
        self.client.cookies.clear()
        # A server may close a connection after a refusal, while the next request is on its way.
        headers = {"Connection": "close", **kwargs.pop("headers", {})}
        answer = await self.client.request(method, url, headers=headers, **kwargs)
        refused = 400 <= answer.status_code < 500
        assert refused or "/login" in answer.headers.get("Location", ""), (url, answer.status_code)

    async def _no_socket(self, url: str, headers: dict[str, str]) -> None:
        address = "ws" + url.removeprefix("http")
        with pytest.raises(HTTPClientError):
            await websocket_connect(HTTPRequest(address, headers=headers))


async def test_no_secret_stands_in_the_log_of_a_whole_run(make_server: MakeServer) -> None:
    server = make_server()
    await asyncio.to_thread(server.start)
    room = await server.room({"cell": "print(1)\n1/0"})
    candidate = await Person.join(server, await server.invite(room), "Cora")
    waiting = await Person.join(server, await server.invite(room), "Walter", admit=False)
    tab = await Tab(candidate, await candidate.document()).open()
    run = (await tab.run("cell")).json()
    assert (await tab.ended(run["id"]))["state"] == "error"

    entered = await server.ask("POST", f"/rooms/{room}/enter")
    ticket = entered["url"].partition("#ticket.")[2]
    server.secrets["the host's ticket"] = ticket
    host = Person(server, room)
    join = f"{server.url}interview/r/{room}/api/join"
    answer = await host.client.post(join, json={"ticket": ticket})
    host.door = server.url.rstrip("/") + answer.json()["url"]
    server.secrets["the host's seat"] = host.seat
    page = await host.client.get(f"{host.door}lab", follow_redirects=True)
    assert page.status_code == 200
    assert not [what for what, secret in server.secrets.items() if secret in page.text]
    # The host's own JupyterLab, by the link that the demo prints, and its socket.
    page = await host.client.get(f"{server.url}lab", params={"token": server.token})
    assert page.status_code in (200, 302)
    address = f"ws{server.url.removeprefix('http')}interview/api/events?token={server.token}"
    hang_up(await websocket_connect(address))

    revoked = await server.invite(room)
    invites = (await server.ask("GET", f"/rooms/{room}/invites"))["invites"]
    await server.ask("DELETE", f"/rooms/{room}/invites/{invites[-1]['id']}", status=204)
    people = f"/rooms/{room}/participants"
    await server.ask("DELETE", f"{people}/{candidate.id}", status=204)
    async with asyncio.timeout(10):
        await tab.closed.wait()
    tab.online.clear()

    made_up = server.secrets["something made up"] = secrets.token_urlsafe(32)
    stranger = Stranger(server=server, room=room, client=host.client)
    for secret in (made_up, revoked.partition("#")[2], ticket, waiting.seat):
        await stranger.knock(secret)
    for door, secret in ((candidate.door, candidate.seat), (candidate.door, made_up)):
        await stranger.sit(door, secret)
    for secret in (made_up, waiting.seat):
        await stranger.log_in(secret)

    await server.close()
    log = server.log
    assert "/api/join" in log, "the log holds what was asked"
    assert len(server.secrets) >= 8
    assert server.leaks() == []
    stored = b"".join(
        path.read_bytes()
        for path in server.folder.rglob("*")
        if path.is_file()
        and path.relative_to(server.folder).parts[0].startswith("interviews.sqlite")
    )
    assert room.encode() in stored
    assert not [what for what, secret in server.secrets.items() if secret.encode() in stored]
