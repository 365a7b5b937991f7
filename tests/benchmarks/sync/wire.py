"""WebSocket connections that cost the one who measures as little as can be.

Frames are masked with zeros, as the protocol allows, so that they can be made beforehand.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable, Mapping
from time import perf_counter
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_FIN, _MASKED = 0x80, 0x80

OPEN_TIMEOUT_S = 60.0

OnMessage = Callable[[bytes, float], None]
"""Takes a message and when its bytes arrived, in seconds of `perf_counter`."""


def client_frame(message: bytes, opcode: int = BINARY) -> bytes:
    """Return the frame a client sends."""
    size = len(message)
    if size < 126:
        head = struct.pack("!BB", _FIN | opcode, _MASKED | size)
    elif size <= 0xFFFF:
        head = struct.pack("!BBH", _FIN | opcode, _MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", _FIN | opcode, _MASKED | 127, size)
    return head + bytes(4) + message


class Wire(asyncio.Protocol):
    """One connection; `open` connects it."""

    def __init__(self, on_message: OnMessage) -> None:
        self._on_message = on_message
        self._request = b""
        self._chunks: list[bytes] = []
        self._lacking = 0
        self._parts: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False
        self.close_code = 0

    async def open(self, url: str, headers: Mapping[str, str]) -> None:
        """Connect; messages may come before this returns."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, parts.hostname or "", parts.port or 80)
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            await self.opened

    def send(self, frames: bytes) -> None:
        """Write frames that are ready."""
        if self._transport is not None:
            self._transport.write(frames)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._transport = None
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"refused: {exc}"))

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if self._chunks:
            self._chunks.append(data)
            self._lacking -= len(data)
            if self._lacking > 0:
                return
            data = b"".join(self._chunks)
            self._chunks.clear()
        at, size = 0, len(data)
        if not self.opened.done():
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._keep(data, 1)
                return
            self._greet(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length > 125:
                start += 2 if length == 126 else 8
                if size < start:
                    break
                length = int.from_bytes(data[at + 2 : start], "big")
            end = start + length
            if end > size:
                self._keep(data[at:], end - size)
                return
            self._take(data[at], data[start:end], now)
            at = end
        if at < size:
            self._keep(data[at:], 1)

    def _keep(self, rest: bytes, lacking: int) -> None:
        """Wait for so many bytes more before looking again: a whole document is one frame."""
        self._chunks.append(rest)
        self._lacking = lacking

    def _greet(self, data: bytes) -> None:
        line = data.partition(b"\r\n")[0].decode()
        if " 101 " in line:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionError(line))

    def _take(self, first: int, payload: bytes, now: float) -> None:
        opcode = first & 0x0F
        if opcode in (0, TEXT, BINARY):
            if self._parts or not first & _FIN:
                self._parts.append(payload)
                if not first & _FIN:
                    return
                payload = b"".join(self._parts)
                self._parts.clear()
            self._on_message(payload, now)
        elif opcode == PING:
            self.send(client_frame(payload, PONG))
        elif opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            self.close()
