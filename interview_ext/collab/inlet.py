"""Reads the frames of one WebSocket, all that have come at a time.

Tornado reads a frame in four steps, each with a future of its own, and runs a task for each
message. A keystroke is two messages that come together: here they are one read, and a message
that nobody has to wait for is handed over by a plain call. All else is tornado's: the handshake,
pings, closing, what a message does (`WebSocketProtocol13`).
"""

from __future__ import annotations

import asyncio

from tornado.iostream import StreamClosedError
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

    async def _receive_frame_loop(self) -> None:
        """Called by tornado after the handshake; returns when the connection is gone."""
        self._buffer = bytearray()
        self._parts = bytearray()
        self._parts_opcode = _CONTINUATION
        self.stream.read_chunk_size = READ_BYTES
        try:
            while not self.client_terminated:
                self._buffer += await self.stream.read_bytes(READ_BYTES, partial=True)
                await self._take_all()
        except StreamClosedError:
            self._abort()
        finally:
            self.handler.on_ws_connection_close(self.close_code, self.close_reason)

    async def _take_all(self) -> None:
        """Hand over every frame that is here whole."""
        buffer = self._buffer
        at = turn = 0
        while not self.client_terminated:
            frame = self._whole_frame(at)
            if frame is None:
                break
            start, end = frame
            data = bytes(buffer[start:end])
            if buffer[at + 1] & _MASKED:
                data = _websocket_mask(bytes(buffer[start - 4 : start]), data)
            turn += _FRAME_COST + end - at
            first, at = buffer[at], end
            waiting = self._take(first, data)
            if waiting is not None:
                await waiting
            if turn >= _TURN_BYTES:
                turn = 0
                await asyncio.sleep(0)
        del buffer[:at]

    def _whole_frame(self, at: int) -> tuple[int, int] | None:
        """Return where the payload of the frame at a position begins and ends.

        None if it is not here yet, or must not be: then the connection is cut.
        """
        buffer = self._buffer
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
        return self._handle_message(opcode, data)

    def _cut(self) -> None:
        self.client_terminated = True
        self._abort()
