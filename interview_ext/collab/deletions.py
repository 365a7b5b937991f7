"""What is deleted in a document. JupyterLab deletes something at every keystroke.

It sets ``dirty`` in the document's state with each letter, which deletes the value before. Yjs'
delete set so has a range for each keystroke there ever was, since letters lie between them, and
a page repeats all of it whenever it connects.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from pycrdt import Doc

from interview_ext.collab.wire.sets import MAX_CLOCK, Span, read_deletes, write_deletes
from interview_ext.collab.wire.structs import walk


def deleted(doc: Doc[Any]) -> tuple[Span, ...]:
    """Return all that is deleted in the document."""
    no_structs_but_deletions = doc.get_update(doc.get_state())
    return read_deletes(no_structs_but_deletions, 1, most=MAX_CLOCK)[0]


def without(spans: Iterable[Span], known: Iterable[Span]) -> tuple[Span, ...]:
    """Return the spans that do not lie wholly inside what is known."""
    ranges = _merged(known)
    return tuple(span for span in spans if not _inside(span, ranges.get(span.client)))


def with_deletes(update: bytes, spans: tuple[Span, ...]) -> bytes:
    """Return the update with these deletions instead of its own. Raises `WireError`."""
    _, at = walk(update)
    return update[:at] + write_deletes(spans)[1:]


_Ranges = tuple[list[int], list[int]]
"""Where they start and end, sorted and apart."""


def _merged(spans: Iterable[Span]) -> dict[int, _Ranges]:
    merged: dict[int, _Ranges] = {}
    for client, clock, length in sorted(spans):
        starts, ends = merged.setdefault(client, ([], []))
        if ends and clock <= ends[-1]:
            ends[-1] = max(ends[-1], clock + length)
        else:
            starts.append(clock)
            ends.append(clock + length)
    return merged


def _inside(span: Span, ranges: _Ranges | None) -> bool:
    if ranges is None:
        return False
    starts, ends = ranges
    index = bisect_right(starts, span.clock) - 1
    return index >= 0 and span.end <= ends[index]
