"""Reads the frames of one WebSocket, all that have come at a time.

Tornado reads a frame in four steps, each with a future of its own, and runs a task for each
message. A keystroke is two messages that come together: here they are one read, and a message
that nobody has to wait for is handed over by a plain call, where the stream says that something
can be read. All else is tornado's: the handshake, pings, closing, what a message does
(`WebSocketProtocol13`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from tornado.iostream import IOStream, StreamClosedError
from tornado.util import _websocket_mask
from tornado.websocket import WebSocketProtocol13

READ_BYTES = 16 * 1024
_FIN, _RESERVED, _OPCODE, _CONTROL = 0x80, 0x70, 0x0F, 0x08
_MASKED, _LENGTH = 0x80, 0x7F
_CONTINUATION = 0
_TURN_BYTES = 64 * 1024
_FRAME_COST = 1024
"""Of a turn of the event loop, besides a frame's bytes."""


def inlet_instead(usual: object) -> Inlet | None:
    """Return what reads a socket instead of tornado's protocol; None where there is none."""
    if not isinstance(usual, WebSocketProtocol13):
        return None
    return Inlet(usual.handler, False, usual.params)


class Inlet(WebSocketProtocol13):
    """The protocol of a socket without compression. Made by `inlet_instead`."""

    _to_await: Awaitable[None] | None = None
    """What the loop has to wait for, when it is woken for that."""

    async def _receive_frame_loop(self) -> None:
        """Called by tornado after the handshake; returns when the connection is gone."""
        stream = self.stream
        self._buffer = bytearray()
        self._parts = bytearray()
        self._parts_opcode = _CONTINUATION
        stream.read_chunk_size = READ_BYTES
        if type(stream) is IOStream:  # TLS has buffers of its own
            # Where a stream looks for what has come; nothing else of it is replaced.
            stream._handle_read = self._read_at_once  # type: ignore[method-assign] # noqa: SLF001
        try:
            while not self.client_terminated:
                data = await stream.read_bytes(READ_BYTES, partial=True)
                waiting, self._to_await = self._to_await or self._take_in(data), None
                while waiting is not None:
                    await waiting
                    waiting = self._take_in(b"")
        except StreamClosedError:
            self._abort()
        finally:
            self.handler.on_ws_connection_close(self.close_code, self.close_reason)

    def _read_at_once(self) -> None:
        """Called by the stream when something has come: while the loop above waits for that.

        The loop is woken only if it has to wait for something else, or to end.
        """
        stream = self.stream
        data = b""
        if stream.reading():
            with suppress(OSError):  # nothing, or gone: the stream finds out which
                data = stream.socket.recv(READ_BYTES)
        if not data:
            IOStream._handle_read(stream)  # noqa: SLF001
            return
        self._to_await = self._take_in(data)
        if (self._to_await is not None or self.client_terminated) and not stream.closed():
            stream._read_from_buffer(0)  # noqa: SLF001 - the read of the loop ends with nothing

    def _take_in(self, data: bytes) -> Awaitable[None] | None:
        """Hand over every frame that is whole with this; return what to wait for in between."""
        buffer = self._buffer
        if not buffer:
            taken, waiting = self._take_all(data)
            buffer += data[taken:]
        else:
            buffer += data
            taken, waiting = self._take_all(buffer)
            del buffer[:taken]
        return waiting

    def _take_all(self, buffer: bytes | bytearray) -> tuple[int, Awaitable[None] | None]:
        """Return how many bytes were whole frames, and what to wait for before the next."""
        at = turn = 0
        while not self.client_terminated:
            frame = self._whole_frame(buffer, at)
            if frame is None:
                break
            start, end = frame
            data = bytes(buffer[start:end])
            if buffer[at + 1] & _MASKED:
                data = _websocket_mask(bytes(buffer[start - 4 : start]), data)
            turn += _FRAME_COST + end - at
            first, at = buffer[at], end
            waiting = self._take(first, data)
            if waiting is None and turn >= _TURN_BYTES:
                waiting = asyncio.ensure_future(asyncio.sleep(0))
            if waiting is not None:
                return at, waiting
        return at, None

    def _whole_frame(self, buffer: bytes | bytearray, at: int) -> tuple[int, int] | None:
        """Return where the payload of the frame at a position begins and ends.

        None if it is not here yet, or must not be: then the connection is cut.
        """
        have = len(buffer)
        start = at + 2
        if have < start:
            return None
        first, second = buffer[at], buffer[at + 1]
        size = second & _LENGTH
        if first & _RESERVED or (first & _CONTROL and (size > 125 or not first & _FIN)):
            self._cut()
            return None
        if size > 125:
            start += 2 if size == 126 else 8
            if have < start:
                return None
            size = int.from_bytes(buffer[at + 2 : start], "big")
        if size + (0 if first & _CONTROL else len(self._parts)) > self.params.max_message_size:
            self.close(1009, "message too big")
            self._cut()
            return None
        if second & _MASKED:
            start += 4
        end = start + size
        return (start, end) if end <= have else None

    def _take(self, first: int, data: bytes) -> asyncio.Future[None] | None:
        """Take a frame; return what to wait for before the next."""
        opcode = first & _OPCODE
        if not opcode & _CONTROL:
            if (opcode == _CONTINUATION) != (self._parts_opcode != _CONTINUATION):
                self._cut()  # a continuation of nothing, or a message within another
                return None
            if not first & _FIN or opcode == _CONTINUATION:
                self._parts += data
                self._parts_opcode = self._parts_opcode or opcode
                if not first & _FIN:
                    return None
                opcode, data = self._parts_opcode, bytes(self._parts)
                self._parts, self._parts_opcode = bytearray(), _CONTINUATION
        self._wire_bytes_in += len(data)
        try:
            return self._handle_message(opcode, data)
        except ValueError:  # the reason in a close frame is not UTF-8
            self._cut()
            return None

    def _cut(self) -> None:
        self.client_terminated = True
        self._abort()
