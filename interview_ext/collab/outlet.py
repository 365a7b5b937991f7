"""Writes to one WebSocket, bounded, and with frames that are built once for all sockets.

Tornado's ``write_message`` encodes the frame anew and starts a task for each message and
socket. A frame from the server is not masked, so the same bytes serve every socket. The stream's
own buffer serves as the queue: what is in it is counted here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from tornado.iostream import IOStream, StreamClosedError

_FIN_TEXT, _FIN_BINARY = 0x81, 0x82
_SHORT, _MEDIUM = 125, 0xFFFF


def binary_frame(message: bytes) -> bytes:
    """Return the WebSocket frame (RFC 6455, 5.2) of one binary message."""
    return _frame(_FIN_BINARY, message)


def text_frame(message: str) -> bytes:
    """Return the WebSocket frame of one text message."""
    return _frame(_FIN_TEXT, message.encode())


def _frame(first: int, message: bytes) -> bytes:
    size = len(message)
    if size <= _SHORT:
        head = struct.pack("!BB", first, size)
    elif size <= _MEDIUM:
        head = struct.pack("!BBH", first, 126, size)
    else:
        head = struct.pack("!BBQ", first, 127, size)
    return head + message


class Outlet:
    """The way to one browser.

    Parameters
    ----------
    max_backlog:
        Bytes that may wait for a slow browser.
    overflow:
        Called once when more would have to wait; nothing is written from then on.
    """

    def __init__(self, stream: IOStream, *, max_backlog: int, overflow: Callable[[], None]) -> None:
        self._stream = stream
        # Of a plain socket: what it takes at once needs no queue. TLS has buffers of its own.
        self._socket = stream.socket if type(stream) is IOStream else None
        self._max_backlog = max_backlog
        self._overflow = overflow
        self._backlog = 0
        self._shut = False

    def shut(self) -> None:
        """Write nothing from now on."""
        self._shut = True

    def write(self, frames: bytes, *, counted: bool = True) -> None:
        """Send frames without waiting.

        Parameters
        ----------
        counted:
            False for the whole document, which is sent however slow the browser is.
        """
        if self._shut:
            return
        if counted and self._backlog > self._max_backlog:
            self._shut = True
            self._overflow()
            return
        sent = self._send(frames)
        size = len(frames) - sent
        if not size:
            return
        try:
            written = self._stream.write(memoryview(frames)[sent:] if sent else frames)
        except StreamClosedError:
            self._shut = True
            return
        if counted and not written.done():
            self._backlog += size
            written.add_done_callback(lambda _: self._wrote(size))

    def _send(self, frames: bytes) -> int:
        """Return how many bytes the socket has taken at once."""
        stream = self._stream
        if self._socket is None or stream.closed() or stream.writing():
            return 0
        try:
            return self._socket.send(frames)
        except OSError:  # full, or gone: the stream finds out which
            return 0

    def _wrote(self, size: int) -> None:
        self._backlog -= size
