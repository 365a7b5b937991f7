"""Outputs written into a document: what pages are told, update by update."""

from __future__ import annotations

import itertools
import json
import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interview_ext.execution.cells import Cell, CellOutputs
from interview_ext.execution.clean import clean
from interview_ext.execution.guard import MAX_ID
from interview_ext.execution.output_list import (
    MAX_HELD,
    NOTICE,
    Displays,
    Fixed,
    OutputList,
    display_id,
)
from interview_ext.execution.widgets import MAX_HELD_TOGETHER, OutputWidgets
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


LONG = "".join(f"{number:05}あ" for number in range(4000))


@pytest.mark.parametrize("size", [700, 9_000, 24_000])
def test_a_row_longer_than_any_page_is_wide_grows_in_the_document_by_what_is_new(size: int) -> None:
    shared = notebook()
    outputs = CellOutputs(Cell(shared, "a"))
    page = LabOutputs(shared)
    for start in range(0, len(LONG), size):
        outputs.model.apply("stream", {"name": "stdout", "text": LONG[start : start + size]})
        outputs.flush()
        assert page.outputs[0]["text"] == LONG[: start + size]
    assert outputs.written <= len(LONG.encode()) + 1
    outputs.model.apply("stream", {"name": "stdout", "text": "\b\bab\n\x1b[A\rXY\x1b[Bend"})
    outputs.flush()
    assert shared.pages[1].cell("a")["outputs"] == outputs.model.as_json() == page.outputs
    assert page.outputs[0]["text"].endswith("ab\n  end")
    assert outputs.written < 2 * len(LONG.encode())


def test_what_comes_of_a_long_row_after_somebody_cleared_it_stands_alone() -> None:
    shared = notebook()
    outputs = CellOutputs(Cell(shared, "a"))
    outputs.model.apply("stream", {"name": "stdout", "text": LONG})
    outputs.flush()
    cell = outputs.cell.find()
    assert cell is not None
    cell["outputs"].clear()
    outputs.model.apply("stream", {"name": "stdout", "text": LONG[::-1]})
    outputs.flush()
    assert [o["text"] for o in shared.pages[1].cell("a")["outputs"]] == [LONG[::-1]]


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


@pytest.mark.parametrize("told", [2**31, 2**63, 10**400, -1, True, 1.5, "3", None])
def test_a_count_that_no_kernel_reaches_is_none(told: Any) -> None:
    shared = notebook()
    outputs = CellOutputs(Cell(shared, "a"))
    for count in (told, 7):
        outputs.model.apply("execute_result", {"data": {}, "execution_count": count})
    outputs.flush()
    shown = [o["execution_count"] for o in shared.pages[1].cell("a")["outputs"]]
    assert shown == [None, 7]
    assert json.dumps(outputs.model.as_json()[0]) == json.dumps(
        {"output_type": "execute_result", "data": {}, "metadata": {}, "execution_count": None}
    )


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


def display(shown: str, text: str) -> dict[str, Any]:
    data = {"text/plain": text}
    return {"data": data, "metadata": {}, "transient": {"display_id": shown}}


def test_what_was_cleared_is_not_kept_for_its_display_id() -> None:
    displays, place = Displays(), OutputList()
    tracemalloc.start()
    try:
        for frame in range(300):
            place.apply("clear_output", {"wait": True})
            made = place.apply("display_data", display(f"d{frame}", f"{frame}" + "A" * 100_000))
            assert isinstance(made, Fixed)
            displays.add(f"d{frame}", place, made)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 10 * 100_000
    assert displays.update("d5", display("d5", "new")) == []
    assert displays.update("d299", display("d299", "new")) == [place]
    assert place.as_json()[0]["data"] == {"text/plain": "new"}


def test_a_place_that_nobody_has_any_more_is_not_kept_for_a_display_id() -> None:
    displays, place = Displays(), OutputList()
    made = place.apply("display_data", display("d", "x"))
    assert isinstance(made, Fixed)
    displays.add("d", place, made)
    del place
    assert displays.update("d", display("d", "new")) == []


@pytest.mark.parametrize(("length", "known"), [(MAX_ID, True), (MAX_ID + 1, False)])
def test_an_id_longer_than_any_honest_one_is_none(length: int, *, known: bool) -> None:
    assert (display_id(display("d" * length, "x")) is not None) is known


class Widgets:
    """The Output widgets of a kernel, and the displays in them."""

    def __init__(self) -> None:
        self.displays = Displays()
        self.model = OutputWidgets(
            to_pages=lambda *_: None, to_kernel=lambda *_: None, on_display=self.displays.add
        )

    def open(self, comm_id: str, msg_id: str, text: str = "") -> None:
        state = {
            "_model_module": "@jupyter-widgets/output",
            "_model_name": "OutputModel",
            "msg_id": msg_id,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": text}],
        }
        content = {"comm_id": comm_id, "target_name": "jupyter.widget", "data": {"state": state}}
        self.model.watch("comm_open", content)

    def prints(self, msg_id: str, text: str) -> OutputList | None:
        return self.model.capture(msg_id, "stream", {"name": "stdout", "text": text})

    def shows(self, msg_id: str, shown: dict[str, Any]) -> OutputList | None:
        return self.model.capture(msg_id, "display_data", shown)


def test_all_output_widgets_of_a_kernel_hold_so_much_together() -> None:
    widgets = Widgets()
    for number in range(12):
        widgets.open(f"comm-{number}", f"run-{number}", "あ" * (MAX_HELD - 1000))
    caught = [widgets.prints(f"run-{number}", "x" * 10_000) for number in range(12)]
    places = [place for place in caught if place is not None and place.full]
    assert len(places) == 12
    held = sum(place.size() for place in places)
    assert MAX_HELD_TOGETHER <= held < MAX_HELD_TOGETHER + 12 * (len(NOTICE) + 10)
    assert all(place.as_json()[-1]["text"] == NOTICE for place in places)


def test_a_closed_opened_again_or_cleared_widget_makes_room_for_others() -> None:
    widgets = Widgets()
    for number in range(3):
        widgets.open(f"comm-{number}", f"run-{number}", "x" * (MAX_HELD - 1))
    for _ in range(10):
        widgets.open("again", "again", "x" * (MAX_HELD - 1))
    widgets.open("last", "last", "x")
    crowded = widgets.prints("last", "x" * 1000)
    assert crowded is not None
    assert crowded.full
    widgets.model.watch("comm_close", {"comm_id": "again"})
    widgets.model.capture("last", "clear_output", {"wait": False})
    free = widgets.prints("last", "x" * 1_000_000)
    assert free is not None
    assert not free.full
    widgets.model.capture("last", "clear_output", {"wait": False})
    for _ in range(10):
        widgets.prints("last", "x" * (MAX_HELD - 1))
        widgets.model.capture("last", "clear_output", {"wait": False})
    assert not free.full


def test_an_update_of_a_display_in_a_widget_counts_for_all_widgets() -> None:
    widgets = Widgets()
    places = []
    for number in range(8):
        widgets.open(f"comm-{number}", f"run-{number}")
        places.append(widgets.shows(f"run-{number}", display(f"d{number}", "x")))
        widgets.displays.update(f"d{number}", display(f"d{number}", "y" * (MAX_HELD - 1000)))
    assert sum(place.size() for place in places if place is not None) <= MAX_HELD_TOGETHER


def test_output_widgets_with_ids_longer_than_any_honest_one_are_not_watched() -> None:
    widgets = Widgets()
    widgets.open("c" * (MAX_ID + 1), "run", "x")
    assert widgets.prints("run", "x") is None
    widgets.open("comm", "m" * (MAX_ID + 1), "x")
    assert widgets.prints("m" * (MAX_ID + 1), "x") is None
