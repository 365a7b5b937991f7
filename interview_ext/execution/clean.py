"""What a kernel says, made fit for a shared document.

A lone surrogate or an integer beyond 64 bits makes pycrdt panic, and a browser reads
only numbers that a double can hold; a value nested without end exhausts the stack.
"""

from __future__ import annotations

import math
from typing import Any

MAX_DEPTH = 100
"""Vega specifications, the deepest outputs in real use, stay below 40."""
MAX_COUNT = 2**31
"""Far above what a kernel that runs cells for years counts to, and all that keep it can hold it."""
_MAX_EXACT = 2**53
_CUT_OFF = "…"


def clean_text(text: str) -> str:
    """Return `text` with lone surrogates replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean(value: Any, *, depth: int = MAX_DEPTH) -> Any:
    """Return a JSON value that every part can hold, as near to `value` as may be."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict | list):
        return _clean_inside(value, depth - 1) if depth else _CUT_OFF
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _clean_number(value)
    return value


def _clean_inside(value: dict[Any, Any] | list[Any], depth: int) -> Any:
    if isinstance(value, dict):
        return {clean_text(str(k)): clean(v, depth=depth) for k, v in value.items()}
    return [clean(item, depth=depth) for item in value]


def _clean_number(value: float) -> float | None:
    """Return a number as it is, as the nearest double, or None if there is none."""
    if isinstance(value, int) and abs(value) <= _MAX_EXACT:
        return value
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def counted(value: Any) -> int | None:
    """Return an execution count as it is, None if it is none."""
    return value if type(value) is int and 0 <= value < MAX_COUNT else None


def joined(value: Any) -> str:
    """Return the text of a field that should be one but may be a list of lines."""
    if isinstance(value, list):
        return clean_text("".join(str(part) for part in value))
    return clean_text(value) if isinstance(value, str) else ""


def weight(value: Any) -> int:
    """Return about how many characters `value` takes as JSON."""
    if isinstance(value, str):
        return len(value) + 2
    if isinstance(value, dict):
        return sum(len(k) + 4 + weight(v) for k, v in value.items()) + 2
    if isinstance(value, list):
        return sum(weight(item) + 1 for item in value) + 2
    return 8
