"""Skips values as lib0's ``writeAny`` writes them; a stack, not recursion, follows nesting."""

from __future__ import annotations

from math import inf

from interview_ext.collab.wire.varint import read_bytes, read_text, read_uint
from interview_ext.errors import WireError

_FIXED = {127: 0, 126: 0, 121: 0, 120: 0, 124: 4, 123: 8, 122: 8}
"""Bytes behind the type byte of undefined, null, booleans and floats."""
_INTEGER, _TEXT, _OBJECT, _ARRAY, _BYTES = 125, 119, 118, 117, 116


def skip_values(
    data: bytes, at: int, count: int, *, most: float = inf, deepest: float = inf
) -> int:
    """Return the position behind `count` values.

    Parameters
    ----------
    most:
        Values that are read, with those inside others.
    deepest:
        Objects and lists inside each other.

    Raises
    ------
    IndexError, WireError
        They end too early, are none, or beyond these bounds.
    """
    stack: list[tuple[int, bool]] = []
    left, keyed = count, False
    total = 0
    while True:
        if not left:
            if not stack:
                return at
            left, keyed = stack.pop()
            continue
        left -= 1
        total += 1
        if total > most:
            raise WireError("An update holds too much at once.")
        if keyed:
            _, at = read_text(data, at)
        kind = data[at]
        if kind in (_OBJECT, _ARRAY):
            if len(stack) >= deepest:
                raise WireError("A value in an update is nested too deeply.")
            stack.append((left, keyed))
            left, at = read_uint(data, at + 1)
            keyed = kind == _OBJECT
        else:
            at = _skip_scalar(data, at + 1, kind)


def _skip_scalar(data: bytes, at: int, kind: int) -> int:
    size = _FIXED.get(kind)
    if size is not None:
        if at + size > len(data):
            raise WireError("An update ends too early.")
        return at + size
    if kind == _TEXT:
        return read_text(data, at)[1]
    if kind == _INTEGER:
        return _skip_integer(data, at)
    if kind == _BYTES:
        return read_bytes(data, at)[1]
    raise WireError("A value in an update is of no known type.")


def _skip_integer(data: bytes, at: int) -> int:
    end = at + 8
    while data[at] & 0x80:
        at += 1
        if at >= end:
            raise WireError("A number in an update is too large.")
    return at + 1
