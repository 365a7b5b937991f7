"""Pages that go away while the server still considers whether to let them in."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketHandler

WAIT_S = 10.0


async def leave_meanwhile(
    request: HTTPRequest, handler: type[WebSocketHandler], owner: object, name: str
) -> None:
    """Ask for a socket and go away while the server awaits the method `name` of `owner`.

    Returns when the handshake has come to its end all the same.
    """
    asked, left, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    usual: Any = getattr(owner, name)
    on_close, execute = handler.on_close, handler._execute

    async def slow(*args: Any, **options: Any) -> Any:
        asked.set()
        await left.wait()
        return await usual(*args, **options)

    def noticed(self: WebSocketHandler) -> None:
        on_close(self)
        left.set()

    async def executed(self: WebSocketHandler, *args: Any, **options: Any) -> None:
        try:
            await execute(self, *args, **options)
        finally:
            ended.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, slow)
        patch.setattr(handler, "on_close", noticed)
        patch.setattr(handler, "_execute", executed)
        async with asyncio.timeout(WAIT_S):
            await _ask_until(asked, request)
            await ended.wait()


async def _ask_until(asked: asyncio.Event, request: HTTPRequest) -> None:
    url = urlsplit(request.url)
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    headers = {
        "Host": url.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **request.headers,
    }
    lines = [f"GET {url.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await asked.wait()
    writer.close()
    await writer.wait_closed()
