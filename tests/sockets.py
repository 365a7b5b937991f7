"""Client ends of WebSockets that leave nothing behind, whenever a test lets go of them."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect


async def open_socket(request: HTTPRequest, **options: Any) -> WebSocketClientConnection:
    """Connect as `tornado.websocket.websocket_connect`, which goes on when it is cancelled."""
    attempt = asyncio.ensure_future(websocket_connect(request, **options))
    try:
        return await asyncio.shield(attempt)
    except asyncio.CancelledError:
        attempt.add_done_callback(_let_go)
        raise


def hang_up(socket: WebSocketClientConnection) -> None:
    """Close a connection at once, as a lost network does: nobody waits for the other side."""
    protocol = socket.protocol
    socket.close()
    if protocol is not None and protocol.stream is not None:
        protocol.stream.close()


def _let_go(attempt: asyncio.Future[WebSocketClientConnection]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        hang_up(attempt.result())
