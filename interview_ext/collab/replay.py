"""What an update did to a document, in terms of notebooks: for replay.

A document is followed from its first update on, and each change is told as the difference
between what stood there before and after. Positions in texts count Unicode code points.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pycrdt import Array, Doc, Map

from interview_ext.collab.content import (
    cell_json,
    file_text,
    held,
    notebook_metadata,
)
from interview_ext.collab.rehearsal import apply_guarded
from interview_ext.rooms.model import LogEntry

Step = dict[str, Any]
"""One part of a change, JSON-able; ``kind`` says which:

``source``  ``cell`` (None in a text document), ``position``, ``deleted``, ``inserted``
``outputs`` ``cell``, ``outputs`` (all that stand there now)
``fields``  ``cell``, ``fields`` (execution count, metadata and the like that have changed)
``added``   ``position``, ``cell`` (the whole of it)
``removed`` ``cell``
``order``   ``cells`` (ids in their new order)
``metadata`` ``metadata`` (the notebook's)
"""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One committed update that changed something. `seat` is None for the server itself."""

    seq: int
    at: datetime
    seat: str | None
    origin: str | None
    steps: tuple[Step, ...]


class Follower:
    """A copy of a document that tells what each update does to it. Used in one thread.

    Only what an update touches is looked at: a keystroke in a notebook of a hundred figures
    costs no more than in an empty one.

    Parameters
    ----------
    notebook:
        Whether it is one; else it is a text.
    earlier:
        The updates before the first that is followed: what they did is not told, and to take them
        costs a tenth.
    """

    def __init__(self, *, notebook: bool, earlier: Iterable[LogEntry] = ()) -> None:
        self._doc: Doc[Any] = Doc()
        for entry in earlier:
            apply_guarded(self._doc, entry.update)
        self._view = _View(self._doc) if notebook else None
        self._text = "" if notebook else file_text(self._doc)

    def follow(self, entry: LogEntry) -> Change | None:
        """Take an update; return what it changed, or None if nothing that shows."""
        apply_guarded(self._doc, entry.update)
        if self._view is not None:
            steps = tuple(self._view.steps())
        else:
            before, self._text = self._text, file_text(self._doc)
            steps = tuple(_text_step(None, before, self._text))
        if not steps:
            return None
        return Change(seq=entry.seq, at=entry.at, seat=entry.seat, origin=entry.origin, steps=steps)


class _View:
    """A notebook's cells and metadata as they are, and what is touched from then on."""

    def __init__(self, doc: Doc[Any]) -> None:
        self._doc = doc
        self._shared: Array[Any] = doc.get("cells", type=Array)
        self._meta: Map[Any] = doc.get("meta", type=Map)
        self._cells: dict[str, dict[str, Any]] = {}
        self._order: list[str | None] = []
        self._metadata: dict[str, Any] = {}
        self._touched: set[int] = set()
        self._unique = True
        self._moved = self._renamed = True
        for _ in self.steps():
            pass
        self._watching = (
            self._shared.observe_deep(self._on_cells),
            self._meta.observe_deep(self._on_meta),
        )

    def _on_cells(self, events: list[Any]) -> None:
        for event in events:
            if event.path:
                self._touched.add(event.path[0])
            else:
                self._moved = True

    def _on_meta(self, _events: object) -> None:
        self._renamed = True

    def steps(self) -> Iterator[Step]:
        """Return what has changed since the last call."""
        if self._touched or self._moved:
            before, self._cells = self._cells, self._read()
            yield from _cells_steps(before, self._cells)
            self._touched.clear()
            self._moved = False
        if self._renamed:
            self._renamed = False
            metadata = notebook_metadata(self._doc)
            if metadata != self._metadata:
                self._metadata = metadata
                yield {"kind": "metadata", "metadata": metadata}

    def _read(self) -> dict[str, dict[str, Any]]:
        """Return all cells by id, those that were not touched as they were."""
        if self._moved:
            return self._read_all()
        changed = {}
        for number in self._touched:
            cell = self._read_one(number, self._shared[number], set())
            if cell is None or cell["id"] != self._order[number]:
                return self._read_all()
            changed[cell["id"]] = cell
        return self._cells | changed

    def _read_all(self) -> dict[str, dict[str, Any]]:
        shared = list(self._shared)
        ids = [cell.get("id") if isinstance(cell, Map) else None for cell in shared]
        # Where two cells bear one id, it does not tell which of them was read before.
        unique = len(set(ids)) == len(ids)
        known = self._cells if unique and self._unique else {}
        self._unique = unique
        seen: set[str] = set()
        self._order = []
        found: dict[str, dict[str, Any]] = {}
        for number, cell_id in enumerate(ids):
            if cell_id in known and number not in self._touched:
                cell: dict[str, Any] | None = known[cell_id]
                seen.add(cell_id)
            else:
                cell = self._read_one(number, shared[number], seen)
            self._order.append(None if cell is None else cell["id"])
            if cell is not None:
                found[cell["id"]] = cell
        return found

    def _read_one(self, number: int, shared: object, seen: set[str]) -> dict[str, Any] | None:
        return cell_json(held(shared), number, seen) if isinstance(shared, Map) else None


def _cells_steps(was: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]]) -> Iterator[Step]:
    for cell_id in was:
        if cell_id not in now:
            yield {"kind": "removed", "cell": cell_id}
    for position, (cell_id, cell) in enumerate(now.items()):
        if cell_id not in was:
            yield {"kind": "added", "position": position, "cell": cell}
        elif cell is not was[cell_id]:
            yield from _cell_steps(was[cell_id], cell)
    if [i for i in was if i in now] != [i for i in now if i in was]:
        yield {"kind": "order", "cells": list(now)}


def _cell_steps(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Step]:
    cell_id = after["id"]
    yield from _text_step(cell_id, before["source"], after["source"])
    if before.get("outputs") != after.get("outputs"):
        yield {"kind": "outputs", "cell": cell_id, "outputs": after.get("outputs", [])}
    fields = {
        name: after.get(name)
        for name in before.keys() | after.keys()
        if name not in ("source", "outputs") and before.get(name) != after.get(name)
    }
    if fields:
        yield {"kind": "fields", "cell": cell_id, "fields": fields}


def _text_step(cell_id: str | None, before: str, after: str) -> Iterator[Step]:
    """The difference as one replacement: what an update does mostly is one."""
    if before == after:
        return
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    yield {
        "kind": "source",
        "cell": cell_id,
        "position": start,
        "deleted": before[start : len(before) - end],
        "inserted": after[start : len(after) - end],
    }


def _common(one: str, other: str) -> int:
    """Return how many characters the two begin with alike."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[:middle] == other[:middle]:
            least = middle
        else:
            most = middle - 1
    return least
