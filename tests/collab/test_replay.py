"""Replay: the changes told, applied to the state before, make the state after."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jupyter_ydoc import YNotebook
from pycrdt import Array, Doc, Map, Text

from interview_ext.collab.content import notebook_json
from interview_ext.collab.replay import Change, Follower
from interview_ext.rooms.model import LogEntry

LETTERS = st.text(alphabet="ab é😀\n", min_size=1, max_size=4)
NUMBER = st.integers(0, 50)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), NUMBER, NUMBER, LETTERS),
        st.tuples(st.just("delete"), NUMBER, NUMBER, NUMBER),
        st.tuples(st.just("add"), NUMBER, NUMBER, LETTERS),
        st.tuples(st.just("remove"), NUMBER, NUMBER, NUMBER),
        st.tuples(st.just("copy"), NUMBER, NUMBER, NUMBER),
        st.tuples(st.just("output"), NUMBER, NUMBER, LETTERS),
        st.tuples(st.just("count"), NUMBER, NUMBER, NUMBER),
        st.tuples(st.just("odd"), NUMBER, NUMBER, NUMBER),
        st.tuples(st.just("title"), NUMBER, NUMBER, LETTERS),
    ),
    max_size=25,
)


class Typist:
    """Makes edits and keeps the updates they come as."""

    def __init__(self) -> None:
        self.notebook = YNotebook()
        self.updates: list[bytes] = []
        self._watching = self.doc.observe(lambda event: self.updates.append(event.update))
        self.made = 0

    @property
    def doc(self) -> Doc[Any]:
        return self.notebook.ydoc

    def do(self, kind: str, cell: int, place: int, what: Any) -> None:
        cells: Array[Any] = self.notebook.ycells
        if kind == "add" or not len(cells):
            self.made += 1
            self._add(place % (len(cells) + 1), f"cell-{self.made}", str(what))
        elif kind == "title":
            self.doc.get("meta", type=Map)["metadata"] = Map({"name": str(what)})
        elif kind == "odd":
            cells.append([what, "no cell"][what % 2])
        else:
            self._change(cell % len(cells), kind, place, what)

    def _add(self, place: int, cell_id: str, source: str) -> None:
        cell = {"cell_type": "code", "id": cell_id, "execution_count": None}
        parts = {"source": Text(source), "metadata": Map({}), "outputs": Array([])}
        self.notebook.ycells.insert(place, Map({**cell, **parts}))

    def _change(self, number: int, kind: str, place: int, what: Any) -> None:
        cells = self.notebook.ycells
        cell = cells[number]
        if kind == "remove" or not isinstance(cell, Map):
            del cells[number]
        elif kind == "copy":  # two cells of one id, as a paste by a careless page would make
            self._add(what % (len(cells) + 1), cell["id"], str(cell["source"]))
        elif kind == "insert":
            source = str(cell["source"])
            at = place % (len(source) + 1)
            cell["source"].insert(len(source[:at].encode()), what)
        elif kind == "delete":
            source = str(cell["source"])
            start = place % (len(source) + 1)
            end = min(len(source), start + what % 5)
            del cell["source"][len(source[:start].encode()) : len(source[:end].encode())]
        elif kind == "output":
            cell["outputs"].append(Map({"output_type": "stream", "name": "stdout", "text": what}))
        else:
            with self.doc.transaction():
                cell["execution_count"] = float(what)
                cell["metadata"] = Map({"count": float(what)})


class Player:
    """Applies what a replay tells, as a page would."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"cells": [], "metadata": {}}

    def play(self, change: Change) -> None:
        for step in copy.deepcopy(change.steps):
            getattr(self, step["kind"])(step)

    def cell(self, cell_id: str) -> dict[str, Any]:
        found: dict[str, Any] = next(c for c in self.state["cells"] if c["id"] == cell_id)
        return found

    def added(self, step: dict[str, Any]) -> None:
        self.state["cells"].insert(step["position"], step["cell"])

    def removed(self, step: dict[str, Any]) -> None:
        self.state["cells"].remove(self.cell(step["cell"]))

    def source(self, step: dict[str, Any]) -> None:
        cell = self.cell(step["cell"])
        start, end = step["position"], step["position"] + len(step["deleted"])
        assert cell["source"][start:end] == step["deleted"]
        cell["source"] = cell["source"][:start] + step["inserted"] + cell["source"][end:]

    def outputs(self, step: dict[str, Any]) -> None:
        self.cell(step["cell"])["outputs"] = step["outputs"]

    def fields(self, step: dict[str, Any]) -> None:
        self.cell(step["cell"]).update(step["fields"])

    def order(self, step: dict[str, Any]) -> None:
        self.state["cells"] = [self.cell(cell_id) for cell_id in step["cells"]]

    def metadata(self, step: dict[str, Any]) -> None:
        self.state["metadata"] = step["metadata"]


def follow(updates: list[bytes], *, after: int = 0) -> list[Change]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    entries = [
        LogEntry(document_id="d", seq=seq, at=at, client=1, seat=None, update=update)
        for seq, update in enumerate(updates, 1)
    ]
    follower = Follower(notebook=True, earlier=entries[:after])
    return [c for entry in entries[after:] if (c := follower.follow(entry)) is not None]


@given(EDITS)
def test_a_replay_makes_what_was_made(edits: list[tuple[str, int, int, Any]]) -> None:
    typist = Typist()
    for edit in edits:
        typist.do(*edit)
    player = Player()
    for change in follow(typist.updates):
        player.play(change)
    made = notebook_json(typist.doc)
    assert player.state["cells"] == made["cells"]
    assert player.state["metadata"] == made["metadata"]


@given(EDITS, st.integers(0, 25))
def test_who_begins_later_is_told_the_same(
    edits: list[tuple[str, int, int, Any]], after: int
) -> None:
    typist = Typist()
    for edit in edits:
        typist.do(*edit)
    whole = follow(typist.updates)
    assert follow(typist.updates, after=after) == [c for c in whole if c.seq > after]


def test_a_keystroke_is_told_as_one() -> None:
    typist = Typist()
    typist.do("add", 0, 0, "é😀 = 1")
    before = len(typist.updates)
    typist.do("insert", 0, 2, "x")
    (change,) = follow(typist.updates)[-1:]
    assert len(typist.updates) == before + 1
    assert change.steps == (
        {"kind": "source", "cell": "cell-1", "position": 2, "deleted": "", "inserted": "x"},
    )
