"""The frames on a container's stdio, host side.

The format is described where it is easiest to find from inside a container: at the top of
``sandbox_images/base/shim.py``. What arrives is the work of hostile code at worst: every length
and count is checked before it is used.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from interview_ext.errors import SandboxProtocolError

VERSION = 2
HEADER = struct.Struct("!IBBHQ")
SYNC_BYTES = 16
OVERHEAD_BYTES = 64 * 1024
"""What a frame may hold beyond the message itself: part sizes, a notice, a file's head."""
MAX_PARTS = 1000


class Kind(IntEnum):
    """What a frame is. Up to PING frames are not numbered."""

    HELLO = 1
    ACK = 2
    PING = 3
    MESSAGE = 4
    FILE = 5
    REPLY = 6
    NOTICE = 7


class Channel(IntEnum):
    """Which kernel socket a message belongs to."""

    NONE = 0
    SHELL = 1
    CONTROL = 2
    STDIN = 3
    IOPUB = 4
    HEARTBEAT = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; positional, since tens of thousands of them are made in a second."""

    kind: Kind
    channel: Channel
    number: int
    payload: bytes


def pack(kind: Kind, channel: Channel, number: int, payload: bytes = b"") -> bytes:
    """A frame as bytes."""
    return HEADER.pack(len(payload), kind, channel, 0, number) + payload


def pack_parts(parts: Sequence[bytes]) -> bytes:
    """A multipart message as one payload."""
    sizes = [len(part) for part in parts]
    return b"".join([struct.pack(f"!H{len(sizes)}I", len(sizes), *sizes), *parts])


def unpack_parts(payload: bytes) -> list[bytes]:
    """The parts of a multipart message. Raises SandboxProtocolError."""
    try:
        (count,) = struct.unpack_from("!H", payload)
        sizes = struct.unpack_from(f"!{count}I", payload, 2)
    except struct.error as error:
        raise SandboxProtocolError("A message's table of parts is cut off.") from error
    at = 2 + 4 * count
    if not 0 < count <= MAX_PARTS or at + sum(sizes) != len(payload):
        raise SandboxProtocolError("A message's parts do not add up.")
    parts = []
    for size in sizes:
        parts.append(payload[at : at + size])
        at += size
    return parts


class FrameReader:
    """Cuts the shim's byte stream into frames.

    Parameters
    ----------
    sync:
        The marker to wait for; all before it is the rest of a stream that was cut off.
    max_payload_bytes:
        A longer frame is an offence, not a frame.
    """

    def __init__(self, *, sync: bytes, max_payload_bytes: int) -> None:
        self._sync = sync
        self._max = max_payload_bytes
        self._buffer = bytearray()
        self._synced = False

    def restart(self) -> None:
        """The stream starts anew: wait for the marker."""
        self._buffer.clear()
        self._synced = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Raises SandboxProtocolError."""
        self._buffer += data
        if not self._synced:
            at = self._buffer.find(self._sync)
            if at < 0:
                del self._buffer[: -(SYNC_BYTES - 1)]
                return
            del self._buffer[: at + SYNC_BYTES]
            self._synced = True
        start = 0
        try:
            while len(self._buffer) - start >= HEADER.size:
                length, kind, channel, zero, number = HEADER.unpack_from(self._buffer, start)
                if zero or length > self._max:
                    raise SandboxProtocolError(f"A frame of {length} bytes is not allowed.")
                end = start + HEADER.size + length
                if len(self._buffer) < end:
                    break
                payload = bytes(self._buffer[start + HEADER.size : end])
                start = end
                try:
                    frame = Frame(Kind(kind), Channel(channel), number, payload)
                except ValueError as error:
                    raise SandboxProtocolError("A frame is of no known kind.") from error
                yield frame
        finally:
            del self._buffer[:start]


class ReplayBuffer:
    """Numbered frames sent to the shim and not acknowledged by it, oldest first."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._frames: deque[tuple[int, bytes]] = deque()
        self._last = 0
        self.size = 0

    def begin_after(self, number: int) -> None:
        """Go on from what an earlier sender had sent. Before anything is added."""
        self._last = number

    @property
    def full(self) -> bool:
        """Whether the sender should wait for acknowledgements."""
        return self.size > self._max

    def add(self, kind: Kind, channel: Channel, payload: bytes) -> bytes:
        """Number a frame and keep it; the answer is what to write."""
        self._last += 1
        frame = pack(kind, channel, self._last, payload)
        self._frames.append((self._last, frame))
        self.size += len(frame)
        return frame

    def acknowledge(self, number: int) -> None:
        """Forget all up to `number`. Raises SandboxProtocolError if that was never sent."""
        if number > self._last:
            raise SandboxProtocolError("A frame was acknowledged that was never sent.")
        while self._frames and self._frames[0][0] <= number:
            self.size -= len(self._frames.popleft()[1])

    def rest(self) -> list[bytes]:
        """All frames to be sent again."""
        return [frame for _, frame in self._frames]
