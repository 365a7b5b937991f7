"""The primitives of lib0's encoding, read with bounds and written.

Reading functions take the bytes and a position and return the value and the next
position. A position behind the end raises `IndexError`, which the readers of whole
messages turn into a `WireError`: that keeps the checks out of the innermost loop.
"""

from __future__ import annotations

from interview_ext.errors import WireError

MAX_UINT = 2**53 - 1
"""Largest integer a browser can hold; lib0 refuses what is above."""


def read_uint(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned integer of up to 53 bits, seven bits a byte, lowest first."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value = byte & 0x7F
    shift = 7
    while True:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 49:
            raise WireError("A number in a frame is too large.")
    if value > MAX_UINT:
        raise WireError("A number in a frame is too large.")
    return value, at + 1


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Read a length and that many bytes."""
    length, at = read_uint(data, at)
    end = at + length
    if end > len(data):
        raise WireError("A frame ends too early.")
    return data[at:end], end


def read_text(data: bytes, at: int) -> tuple[str, int]:
    """Read a length and that many bytes of UTF-8."""
    raw, at = read_bytes(data, at)
    try:
        return raw.decode(), at
    except UnicodeDecodeError as error:
        raise WireError("A text in a frame is not UTF-8.") from error


def write_uint(value: int) -> bytes:
    """Write an unsigned integer."""
    if value <= 0x7F:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    out.append(value)
    return bytes(out)


def write_bytes(data: bytes) -> bytes:
    """Write a length and the bytes."""
    return write_uint(len(data)) + data


def write_text(text: str) -> bytes:
    """Write a text in UTF-8, its length in bytes first."""
    return write_bytes(text.encode())
