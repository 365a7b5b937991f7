"""A page's kernel socket, spoken to as JupyterLab speaks to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import uuid4

from jupyter_server.auth import AllowAllAuthorizer
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClientConnection, websocket_connect

from interview_ext.door.seats import SeatIdentity
from interview_ext.execution.kernel_socket import PROTOCOL, KernelDesk, routes
from interview_ext.rooms.actor import Actor
from tests.execution.conftest import PATIENCE_S, Bench


def frame(channel: str, parts: list[bytes]) -> bytes:
    """A message in the v1 protocol."""
    pieces = [channel.encode(), *parts]
    offsets = [8 * (len(pieces) + 2)]
    for piece in pieces:
        offsets.append(offsets[-1] + len(piece))
    numbers = [len(offsets), *offsets]
    return b"".join([*(n.to_bytes(8, "little") for n in numbers), *pieces])


def unframe(data: bytes) -> dict[str, Any]:
    count = int.from_bytes(data[:8], "little")
    offsets = [int.from_bytes(data[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
    channel, *parts = [data[a:b] for a, b in pairwise(offsets)]
    names = ("header", "parent_header", "metadata", "content")
    return {"channel": channel.decode()} | {
        name: json.loads(part) for name, part in zip(names, parts, strict=False)
    }


@dataclass
class KernelPage:
    """One browser's kernel connection."""

    socket: WebSocketClientConnection
    heard: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def listen(self) -> None:
        while (data := await self.socket.read_message()) is not None:
            assert isinstance(data, bytes)
            self.heard.append(unframe(data))
            self.news.set()
        self.closed = True
        self.news.set()

    async def say(
        self, msg_type: str, content: dict[str, Any], *, channel: str = "shell", **more: Any
    ) -> str:
        """Send a message; return its id."""
        msg_id = str(more.pop("msg_id", uuid4().hex))
        metadata = more.pop("metadata", {})
        header = {"msg_id": msg_id, "msg_type": msg_type, "session": "page", "username": "forged"}
        parts = [json.dumps(part).encode() for part in ({**header, **more}, {}, metadata, content)]
        await self.socket.write_message(frame(channel, parts), binary=True)
        return msg_id

    async def hear(self, test: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a message."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in self.heard:
                    if test(message):
                        return message
                assert not self.closed, (self.socket.close_code, self.socket.close_reason)
                self.news.clear()
                await self.news.wait()

    async def ask(
        self, msg_type: str, content: dict[str, Any], *, channel: str = "shell"
    ) -> dict[str, Any]:
        """Send a question; return the content of its reply, once ``idle`` has come too."""
        msg_id = await self.say(msg_type, content, channel=channel)
        reply = await self.hear(
            lambda m: m["parent_header"].get("msg_id") == msg_id and m["channel"] == channel
        )
        await self.hear(
            lambda m: (
                m["parent_header"].get("msg_id") == msg_id
                and m["header"]["msg_type"] == "status"
                and m["content"]["execution_state"] == "idle"
            )
        )
        assert reply["header"]["msg_type"] == msg_type.replace("_request", "_reply")
        return dict(reply["content"])

    def comm_state(self, comm_id: str) -> dict[str, Any]:
        """A widget's state, as this page has been told of it."""
        state: dict[str, Any] = {}
        for message in self.heard:
            content = message["content"]
            if content.get("comm_id") == comm_id:
                state.update(content.get("data", {}).get("state", {}))
        return state

    async def ended(self) -> int | None:
        """Wait for the socket's end; return its close code."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.closed:
                self.news.clear()
                await self.news.wait()
        return self.socket.close_code


class Sockets:
    """A server with the kernel route, for one seat at a time."""

    def __init__(self, bench: Bench, desk: KernelDesk) -> None:
        self.bench = bench
        self.desk = desk
        self._stops: list[Callable[[], Any]] = []

    async def connect(
        self,
        actor: Actor,
        *,
        kernel_id: str | None = None,
        origin: str | None = None,
        protocol: str = PROTOCOL,
    ) -> KernelPage:
        """Connect as that person's page."""
        port = self._serve(actor)
        kernel = kernel_id or (await self.bench.executions.kernel(self.bench.host)).id
        request = HTTPRequest(
            f"ws://localhost:{port}/api/kernels/{kernel}/channels",
            headers={"Origin": origin or f"http://localhost:{port}"},
        )
        page = KernelPage(await websocket_connect(request, subprotocols=[protocol]))
        task = asyncio.create_task(page.listen())

        async def stop() -> None:
            page.socket.close()
            await task

        self._stops.append(stop)
        return page

    def _serve(self, actor: Actor) -> int:
        sockets = bind_sockets(0, "127.0.0.1")
        port: int = sockets[0].getsockname()[1]
        identity = SeatIdentity(actor=actor, token="", updatable_fields=[])
        application = Application(
            [(f"/{pattern}", handler, given) for pattern, handler, given in routes(self.desk)],
            base_url="/",
            identity_provider=identity,
            authorizer=AllowAllAuthorizer(identity_provider=identity),
            trusted_origins=[f"http://localhost:{port}"],
            local_hostnames=["localhost"],
            log_function=lambda handler: None,
        )
        server = HTTPServer(application)
        server.add_sockets(sockets)

        async def stop() -> None:
            server.stop()
            await server.close_all_connections()

        self._stops.append(stop)
        return port

    async def stop(self) -> None:
        for stop in reversed(self._stops):
            await stop()


@asynccontextmanager
async def open_sockets(bench: Bench) -> AsyncIterator[Sockets]:
    desk = KernelDesk(
        executions=bench.executions, access=bench.rooms, bus=bench.bus, timeline=bench.timeline
    )
    sockets = Sockets(bench, desk)
    yield sockets
    await sockets.stop()
    await desk.stop()
