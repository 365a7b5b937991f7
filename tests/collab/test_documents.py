"""Documents as the rest of the server uses them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from jupyter_ydoc import YNotebook
from pycrdt import Doc, Text

from interview_ext.collab.seed import SEED_CLIENT, seed_update
from interview_ext.collab.wire.update import read_update
from interview_ext.errors import BadRequest, Conflict
from interview_ext.rooms.model import Role
from tests.collab.conftest import House

CELLS: list[dict[str, Any]] = [
    {"cell_type": "markdown", "metadata": {}, "source": ["# Task\n", "one"]},
    {
        "cell_type": "code",
        "metadata": {},
        "source": "1 + 1",
        "execution_count": 1,
        "outputs": [
            {
                "output_type": "execute_result",
                "data": {"text/plain": ["2\n", "3"]},
                "metadata": {},
                "execution_count": 1,
            }
        ],
    },
]
NOTEBOOK = {"cells": CELLS, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}


async def test_a_seed_is_there_for_the_first_page_and_never_twice(house: House) -> None:
    await house.documents.seed(house.notebook, NOTEBOOK)
    with pytest.raises(Conflict):
        await house.documents.seed(house.notebook, NOTEBOOK)
    for _ in range(2):
        page = await house.page(await house.person(Role.CANDIDATE)).connect()
        view = YNotebook(page.doc)
        assert [cell["source"] for cell in view.get()["cells"]] == ["# Task\none", "1 + 1"]
        await house.restart()
    content = await house.documents.content(house.notebook)
    assert isinstance(content, dict)
    assert content["cells"][1]["outputs"][0]["data"] == {"text/plain": "2\n3"}
    assert await house.store.last_seq(house.notebook.id) == 1


async def test_a_seed_reaches_who_came_before_it(house: House) -> None:
    page = await house.page(await house.person(Role.HOST)).connect()
    await house.documents.seed(house.notebook, NOTEBOOK)
    await page.until(page.closed.is_set)
    await page.connect()
    assert len(YNotebook(page.doc).get()["cells"]) == 2


def test_the_same_content_gives_the_same_structs(house: House) -> None:
    one, two = (seed_update(house.notebook, NOTEBOOK) for _ in range(2))
    assert read_update(one) == read_update(two)
    assert {span.client for span in read_update(one).inserts} == {SEED_CLIENT}
    doc: Doc[Any] = Doc()
    doc.apply_update(one)
    doc.apply_update(two)
    assert len(YNotebook(doc).get()["cells"]) == 2


@pytest.mark.parametrize("content", ["text", {}, {"cells": 7}, {"nbformat": 4, "cells": [7]}])
def test_what_is_no_notebook_is_no_seed(house: House, content: Any) -> None:
    with pytest.raises(BadRequest):
        seed_update(house.notebook, content)


async def test_waiting_for_what_a_page_types(house: House) -> None:
    shared = await house.shared()
    source = shared.ydoc.ydoc.get("source", type=Text)
    waiting = asyncio.create_task(shared.wait_for(lambda: str(source) == "abc", 10))
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    page.type("abc")
    assert await waiting
    assert shared.log_seq == 3
    assert await shared.wait_for(lambda: True, 0)
    assert not await shared.wait_for(lambda: False, 0.01)
    with pytest.raises(ZeroDivisionError):
        await shared.wait_for(lambda: 1 // 0 == 1, 1)


async def test_the_server_keeps_no_memory_for_undo(house: House) -> None:
    await house.documents.seed(house.notebook, NOTEBOOK)
    shared = await house.shared()
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    YNotebook(page.doc).ycells[0]["source"].insert(0, "x")
    shared.ydoc.ycells[1]["source"].insert(0, "y")
    await page.until(lambda: YNotebook(page.doc).ycells[1]["source"].to_py() == "y1 + 1")
    assert len(shared.ydoc.undo_manager.undo_stack) == 0


async def test_opening_at_once_opens_one(house: House) -> None:
    opened = await asyncio.gather(*(house.shared() for _ in range(10)))
    assert len({id(shared) for shared in opened}) == 1


async def test_outputs_and_letters_have_one_order_for_all(house: House) -> None:
    """Two pages and the log see the same; replaying the log gives what the pages show."""
    shared = await house.shared()
    ada = await house.page(await house.person(Role.CANDIDATE)).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    source = shared.ydoc.ydoc.get("source", type=Text)
    for number in range(50):
        ada.type("a")
        source.insert(0, "s")
        bob.type("b", at=0)
        if number % 10 == 0:
            await ada.round_trip()
    await ada.until(lambda: len(ada.text) == 150)
    await bob.until(lambda: len(bob.text) == 150)
    await ada.until(lambda: ada.text == bob.text == str(source))
    replayed: Doc[Any] = Doc()
    for entry in await house.store.read(house.notebook.id):
        replayed.apply_update(entry.update)
    assert str(replayed.get("source", type=Text)) == ada.text


async def test_closing_a_room_forgets_its_documents(house: House) -> None:
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    page.type("a")
    await page.round_trip()
    await house.documents.close_room(house.plan.room.id)
    assert page.doc is not None
    assert house.documents._open == {}
    await page.until(page.closed.is_set)
    assert page.close_code == 1001
    await page.connect()
    assert page.text == "a"
