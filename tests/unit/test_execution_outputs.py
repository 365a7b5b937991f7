"""Outputs written into a document: what pages are told, update by update."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interview_ext.execution.cells import Cell, CellOutputs
from interview_ext.execution.clean import clean
from interview_ext.execution.output_list import MAX_HELD, OutputList
from interview_ext.rooms.model import Document
from tests.execution.documents import Notebook, code_cell


def notebook() -> Notebook:
    document = Document(
        id="doc",
        room_id="room",
        path="n.ipynb",
        kind="notebook",
        readers=frozenset(),
        writers=frozenset(),
    )
    return Notebook(document, [code_cell("a", "1")])


class LabOutputs:
    """What JupyterLab 4.6 makes of a cell's events: it appends, and removes from the end."""

    def __init__(self, shared: Notebook) -> None:
        self.outputs: list[dict[str, Any]] = []
        self._cell = shared.pages[0].notebook.ycells[0]
        self._cell.observe_deep(self._on_events)

    def _on_events(self, events: list[Any]) -> None:
        texts = [e for e in events if len(e.path) == 3 and e.path[2] == "text"]
        assert len(texts) <= 1, "pages take one text change a transaction"
        for change in texts[0].delta if texts else ():
            text = self.outputs[-1]["text"]
            if "delete" in change:
                text = text.encode()[: -change["delete"]].decode()
            if "insert" in change:
                text += change["insert"]
            self.outputs[-1]["text"] = text
        for event in events:
            if event.path == ["outputs"]:
                self._on_array(event.delta)

    def _on_array(self, delta: list[dict[str, Any]]) -> None:
        at = 0
        for change in delta:
            at += change.get("retain", 0)
            del self.outputs[at : at + change.get("delete", 0)]
            for inserted in change.get("insert", ()):
                self.outputs.append(
                    {k: str(v) if k == "text" else v for k, v in dict(inserted.items()).items()}
                )


MESSAGES = st.lists(
    st.one_of(
        st.tuples(
            st.just("stream"),
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["stdout", "stderr"]),
                    "text": st.text(alphabet="ab█\r\n\b", min_size=1, max_size=8),
                }
            ),
        ),
        st.tuples(st.just("display_data"), st.just({"data": {"text/plain": "d"}, "metadata": {}})),
        st.tuples(st.just("clear_output"), st.fixed_dictionaries({"wait": st.booleans()})),
        st.tuples(st.just("flush"), st.just({})),
    ),
    max_size=25,
)


@given(MESSAGES)
def test_a_page_that_follows_events_as_jupyterlab_does_shows_the_outputs(
    messages: list[tuple[str, dict[str, Any]]],
) -> None:
    shared = notebook()
    outputs = CellOutputs(Cell(shared, "a"))
    page = LabOutputs(shared)
    for kind, content in messages:
        if kind == "flush":
            outputs.flush()
        else:
            outputs.model.apply(kind, content)
    outputs.flush()
    wanted = outputs.model.as_json()
    assert shared.pages[1].cell("a")["outputs"] == wanted
    assert page.outputs == wanted
    names = [o.get("name") for o in wanted]
    assert all(a is None or a != b for a, b in itertools.pairwise(names))


def test_an_update_in_the_middle_is_one_transaction() -> None:
    shared = notebook()
    outputs = CellOutputs(Cell(shared, "a"))
    page = LabOutputs(shared)
    for text in "123":
        outputs.model.apply("display_data", {"data": {"text/plain": text}})
    outputs.flush()
    before = shared.pages[1].updates
    fixed: Any = outputs.model.items[1]
    fixed.replace({**fixed.as_json(), "data": {"text/plain": "new"}})
    outputs.flush()
    assert shared.pages[1].updates == before + 1
    assert [o["data"]["text/plain"] for o in page.outputs] == ["1", "new", "3"]


def test_printing_a_line_costs_the_document_a_line() -> None:
    shared = notebook()
    outputs = CellOutputs(Cell(shared, "a"))
    for number in range(2000):
        outputs.model.apply("stream", {"name": "stdout", "text": f"line {number}\n"})
        outputs.flush()
    assert outputs.written < 25_000


def test_the_bound_holds_whatever_comes_and_clearing_makes_room() -> None:
    outputs = OutputList()
    for _ in range(20):
        outputs.apply("stream", {"name": "stdout", "text": "x" * 1_000_000})
    outputs.apply("display_data", {"data": {"text/plain": "y" * MAX_HELD}})
    assert outputs.size() < MAX_HELD + 1000
    assert len(outputs.items) == 2
    outputs.apply("clear_output", {"wait": False})
    outputs.apply("stream", {"name": "stdout", "text": "again"})
    assert outputs.as_json() == [{"output_type": "stream", "name": "stdout", "text": "again"}]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**80), 2**80)
    | st.text(alphabet=st.characters(codec=None, exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(JSON)
def test_any_value_of_a_kernel_fits_into_a_document(value: Any) -> None:
    shared = notebook()
    outputs = CellOutputs(Cell(shared, "a"))
    outputs.model.apply("display_data", {"data": {"application/json": value}})
    outputs.flush()
    json.dumps(shared.pages[1].cell("a")["outputs"], allow_nan=False).encode()


def test_nesting_without_end_is_cut() -> None:
    value: Any = "deep"
    for _ in range(900):
        value = random.choice([[value], {"k": value}])
    assert len(json.dumps(clean(value))) < 1500


@pytest.mark.parametrize("metadata", [{"trusted": True}, {"trusted": 1, "x": {"trusted": True}}])
def test_no_output_says_itself_that_it_is_trusted(metadata: dict[str, Any]) -> None:
    outputs = OutputList()
    outputs.apply("display_data", {"data": {}, "metadata": metadata})
    assert "trusted" not in outputs.as_json()[0]["metadata"]
