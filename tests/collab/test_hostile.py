"""Updates that would break an engine, a page or a reader, made by hand."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from pycrdt import Array, Doc, Map, Text, XmlFragment, XmlText

from interview_ext.collab.content import notebook_json
from interview_ext.collab.gate import Gate
from interview_ext.collab.intake import Intake
from interview_ext.collab.nesting import MAX_LEVELS, Nesting
from interview_ext.collab.wire.framing import write_update
from interview_ext.collab.wire.update import read_update
from interview_ext.collab.wire.varint import write_text, write_uint
from interview_ext.errors import WireError
from interview_ext.rooms.model import Role
from tests.collab.conftest import House
from tests.collab.updates import letters, nested


async def test_nesting_without_end_is_refused_in_one_update(house: House) -> None:
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    page.send(write_update(nested(MAX_LEVELS, client=page.client)))
    await house.hear(lambda m: m["type"] == "durable")
    other = await house.page(await house.person(Role.CANDIDATE)).connect()
    other.send(write_update(nested(MAX_LEVELS + 1, client=other.client)))
    await other.until(other.closed.is_set)
    assert await house.store.last_seq(house.notebook.id) == 1


@pytest.mark.parametrize("step", ["inside", "beside a value"])
def test_nesting_without_end_is_refused_step_by_step(step: str) -> None:
    """Each update puts one array into the last; what lies beside hides the parent, or not."""
    nesting = Nesting()
    nesting.add(read_update(nested(1, client=5)))
    clock, parent = 1, 0
    for _ in range(3 * MAX_LEVELS):
        inside = b"\x00" + write_uint(5) + write_uint(parent)
        if step == "inside":
            body, count = b"\x07" + inside + b"\x00", 1
        else:
            first = b"\x08" + inside + b"\x01\x7e"
            body, count = first + b"\x87" + write_uint(5) + write_uint(clock) + b"\x00", 2
        update = b"\x01" + write_uint(count) + write_uint(5) + write_uint(clock) + body + b"\x00"
        spots = nesting.place(read_update(update))
        if spots is None:
            return
        nesting.remember(spots)
        clock += count
        parent = clock - 1
    pytest.fail("it nests without end")


def test_a_type_beside_letters_that_follow_letters_is_refused() -> None:
    nesting = Nesting()
    nesting.add(read_update(letters("x", client=5)))
    follows = b"\x84" + write_uint(5) + b"\x00" + write_text("y")
    beside = b"\x87" + write_uint(5) + b"\x01\x00"
    assert nesting.place(read_update(b"\x01\x02\x05\x01" + follows + beside + b"\x00")) is None


SMILE = write_text("é😀")
LIST_VALUE_TEXT = (
    b"\x01\x03\x05\x00"
    + (b"\x07\x01" + write_text("cells") + b"\x00")  # at 0 a list
    + (b"\x08\x00\x05\x00" + b"\x01\x7e")  # at 1 a value in it
    + (b"\x87\x05\x01" + b"\x02")  # at 2 a text behind that
    + b"\x00"
)
MORE = b"\x01\x01\x05\x03"
"""One struct more of that client."""


@pytest.mark.parametrize(
    "update",
    [
        letters("é😀", client=6, root="cells"),
        MORE + b"\x04\x00\x05\x00" + SMILE + b"\x00",
        MORE + b"\x84\x05\x02" + SMILE + b"\x00",
        MORE + b"\x44\x05\x01" + SMILE + b"\x00",
        b"\x01\x01\x06\x00\x84\x05\x01" + SMILE + b"\x00",
        b"\x01\x02\x06\x00\x84\x06\x03" + SMILE + b"\x08\x00\x05\x00\x01\x7e\x00",
        b"\x01\x01\x06\x00\x04\x00\x05\x01" + SMILE + b"\x00",
    ],
    ids=[
        "root",
        "inside",
        "typed on",
        "before",
        "behind",
        "behind what comes with it",
        "in a value",
    ],
)
def test_letters_outside_a_text_are_refused(update: bytes) -> None:
    """The engine would read them for ever, in the loop of all rooms."""
    nesting = Nesting()
    nesting.add(read_update(LIST_VALUE_TEXT))
    assert nesting.place(read_update(update)) is None


@pytest.mark.timeout(30)
def test_structs_that_need_each_other_in_turn_are_placed_in_one_go() -> None:
    """Each of one client lies beside one of the other, which comes later in the update."""
    count = 24_000
    value = b"\x01\x7e"

    def section(client: int, structs: list[bytes]) -> bytes:
        return write_uint(len(structs)) + write_uint(client) + b"\x00" + b"".join(structs)

    first = b"\x08\x01" + write_text("cells") + value
    later = [b"\x88\x09" + write_uint(clock) + value for clock in range(count - 1)]
    sooner = [b"\x88\x08" + write_uint(clock) + value for clock in range(count)]
    update = b"\x02" + section(9, sooner) + section(8, [first, *later]) + b"\x00"
    placed = Nesting().place(read_update(update))
    assert placed is not None
    assert len(placed) == 2 * count


@pytest.mark.parametrize("what", [b"\x04", b"\x07"], ids=["letters", "a type"])
def test_a_neighbour_that_is_gone_hides_no_place(what: bytes) -> None:
    """The engine then looks at the neighbour on the other side."""
    nesting = Nesting()
    nesting.add(read_update(nested(MAX_LEVELS, client=5)))
    nesting.add(read_update(b"\x01\x01\x07\x00\x00\x01\x00"))
    deepest = b"\x08\x00\x05" + write_uint(MAX_LEVELS - 1) + b"\x01\x7e"
    nesting.add(read_update(b"\x01\x01\x05" + write_uint(MAX_LEVELS) + deepest + b"\x00"))
    between = bytes([what[0] | 0xC0]) + b"\x07\x00\x05" + write_uint(MAX_LEVELS)
    content = SMILE if what[0] == 4 else b"\x00"
    assert nesting.place(read_update(b"\x01\x01\x06\x00" + between + content + b"\x00")) is None


@pytest.mark.parametrize("where", [b"\x84\x05\x00", b"\x04\x00\x05\x00"], ids=["beside", "inside"])
def test_letters_where_nothing_is_left_are_nothing(where: bytes) -> None:
    """Somebody types on in a cell that somebody else has deleted, with all that was in it."""
    doc: Doc[Any] = Doc()
    nesting = Nesting()
    for update in (b"\x01\x01\x05\x00\x00\x01\x00", b"\x01\x01\x06\x00" + where + SMILE + b"\x00"):
        spots = nesting.place(read_update(update))
        assert spots is not None
        nesting.remember(spots)
        doc.apply_update(update)
    assert notebook_json(doc)["cells"] == []
    assert str(doc.get("source", type=Text)) == ""


async def test_letters_in_a_text_are_taken_wherever_it_is(house: House) -> None:
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    doc: Doc[Any] = Doc(client_id=page.client)
    doc.apply_update(page.doc.get_update())
    cells = doc.get("cells", type=Array)
    updates: list[bytes] = []
    doc.observe(lambda event: updates.append(event.update))
    cells.append(Map({"source": Text("é"), "outputs": Array([1])}))
    source = cells[len(cells) - 1]["source"]
    source.insert(0, "😀")
    source += "a"
    source += "😀"
    source.insert(0, "b")
    source.format(0, 1, {"bold": True})
    source.insert(1, "😀")
    del source[0:1]
    for update in updates:
        page.send(write_update(update))
    await page.round_trip()
    assert not page.closed.is_set()
    shared = await house.shared()
    await shared.committed()
    assert shared.ydoc.ydoc.get_state() == doc.get_state()
    assert await house.store.last_seq(house.notebook.id) > 1


async def test_a_page_that_puts_letters_into_a_list_is_closed(house: House) -> None:
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    me = write_uint(page.client)
    page.send(write_update(b"\x01\x01" + me + b"\x00\x07\x01" + write_text("cells") + b"\x00\x00"))
    await house.hear(lambda m: m["type"] == "durable")
    assert not page.closed.is_set()
    inside = b"\x04\x00" + me + b"\x00" + SMILE
    page.send(write_update(b"\x01\x01" + me + b"\x01" + inside + b"\x00"))
    await page.until(page.closed.is_set)
    assert notebook_json((await house.shared()).ydoc.ydoc)["cells"] == []


def test_what_one_server_has_not_committed_hides_no_depth_on_another() -> None:
    """One client id tells two servers different things; the second one is the first to commit.

    The first has seen a shallow array where the log has a value in the deepest one: what is then
    put beside it would lie one level too deep.
    """
    doc: Doc[Any] = Doc()
    gate = Gate(clocks={}, owners={5: "liar"})
    intake = Intake(doc=doc, gate=gate, nesting=Nesting(), size=0, max_size=10_000)
    count = MAX_LEVELS + 3
    shallow = b"".join([b"\x07\x01", write_text("cells"), b"\x00"]) * count
    seen = b"\x01" + write_uint(count) + b"\x05\x00" + shallow + b"\x00"
    intake.examine("liar", seen, read_update(seen), answer=False)
    intake.rewind()
    values = b"\x08\x00\x05" + write_uint(MAX_LEVELS - 1) + b"\x03\x7e\x7e\x7e"
    full = b"\x01\x01\x05" + write_uint(MAX_LEVELS) + values + b"\x00"
    for update in (nested(MAX_LEVELS, client=5), full):
        doc.apply_update(update)
        intake.learn(update, by_page=True)
    intake.settled()
    beside = b"\x87\x05" + write_uint(MAX_LEVELS + 1) + b"\x00"
    update = b"\x01\x01\x05" + write_uint(count) + beside + b"\x00"
    with pytest.raises(WireError):
        intake.examine("liar", update, read_update(update), answer=False)


async def test_what_the_engine_refuses_is_in_no_log(house: House) -> None:
    """A letter whose parent is a number: yrs raises, and would at every start."""
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    other = await house.page(await house.person(Role.INTERVIEWER)).connect()
    number = b"\x28\x01" + write_text("meta") + write_text("k") + b"\x01\x7d\x01"
    head = b"\x01\x01" + write_uint(page.client)
    page.send(write_update(head + b"\x00" + number + b"\x00"))
    await house.hear(lambda m: m["type"] == "durable")
    inside = b"\x04\x00" + write_uint(page.client) + b"\x00" + write_text("z")
    page.send(write_update(head + b"\x01" + inside + b"\x00"))
    await page.until(page.closed.is_set)
    assert page.close_code == 1008
    assert await house.store.last_seq(house.notebook.id) == 1
    other.type("still here")
    await other.round_trip()
    await house.restart()
    again = await house.page(await house.person(Role.HOST)).connect()
    assert again.text == "still here"


async def test_structs_that_wait_for_what_never_comes_are_not_taken(house: House) -> None:
    """They would hold up the page's later letters, at the server and in every page."""
    page = await house.page(await house.person(Role.CANDIDATE), answers=False).connect()
    after_nothing = b"\x84" + write_uint(4711) + b"\x05" + write_text("z")
    page.send(
        write_update(b"\x01\x01" + write_uint(page.client) + b"\x00" + after_nothing + b"\x00")
    )
    page.send(write_update(letters("a", client=page.client)))
    other = await house.page(await house.person(Role.INTERVIEWER)).connect()
    await other.until(lambda: other.text == "a")


@pytest.mark.parametrize(
    "cells",
    [
        [7, None, "text", ["list"], b"bytes"],
        [{}, {"cell_type": 7, "source": 7, "id": 7, "metadata": 7, "outputs": 7}],
        [
            {
                "cell_type": "code",
                "outputs": [7, {}, {"output_type": "x"}, {"output_type": "stream"}],
            }
        ],
        [
            {
                "cell_type": "code",
                "outputs": [{"output_type": "error"}, {"output_type": "display_data"}],
            }
        ],
        [{"cell_type": "markdown", "source": "a", "attachments": {"a": 7}, "id": "a b"}],
        [{"cell_type": "code", "source": "a", "id": "same"}, {"cell_type": "code", "id": "same"}],
        [{"cell_type": "code", "execution_count": float("nan"), "metadata": {"x": float("inf")}}],
        [{"cell_type": "code", "execution_count": -3, "id": "x" * 100, "trusted": True}],
    ],
)
def test_whatever_is_in_a_notebook_it_can_be_written(cells: list[Any]) -> None:
    doc: Doc[Any] = Doc()
    doc.get("cells", type=Array).extend(cells)
    doc.get("meta", type=Map).update({"nbformat": "x", "metadata": {"kernelspec": 7, "authors": 7}})
    notebook = notebook_json(doc)
    nbformat.validate(nbformat.from_dict(notebook))
    assert notebook == notebook_json(doc), "the same each time"


def test_xml_and_documents_in_a_notebook_can_be_written() -> None:
    doc: Doc[Any] = Doc()
    values: list[Any] = [
        XmlFragment([XmlText("x")]),
        Doc(),
        Map({"cell_type": "code", "id": "kept"}),
    ]
    for value in values:
        doc.get("cells", type=Array).append(value)
    doc.get("meta", type=Map)["metadata"] = XmlFragment([XmlText("y")])
    notebook = notebook_json(doc)
    nbformat.validate(nbformat.from_dict(notebook))
    assert [cell["id"] for cell in notebook["cells"]][-1] == "kept"


def test_roots_of_another_type_can_be_written() -> None:
    doc: Doc[Any] = Doc()
    doc.get("cells", type=Text).insert(0, "x")
    doc.get("meta", type=Array).append(1)
    nbformat.validate(nbformat.from_dict(notebook_json(doc)))
