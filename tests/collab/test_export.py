"""The file in the host's folder: written, whole, never read back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_ydoc import YNotebook

from interview_ext.collab.export import RESTS, Exporter
from interview_ext.rooms.model import STAFF, Document, Role
from tests.collab.conftest import House
from tests.collab.test_documents import NOTEBOOK


async def test_the_notebook_becomes_a_file(house: House) -> None:
    await house.documents.seed(house.notebook, NOTEBOOK)
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    YNotebook(page.doc).ycells[0]["source"].insert(0, "é")
    await page.round_trip()
    path = house.exporter.path(house.notebook)
    await exported(path, "é# Task")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.nbformat_minor == 5


async def test_closing_the_room_writes_what_waits(house: House) -> None:
    house.exporter._delay_s = 1000
    page = await house.page(await house.person(Role.INTERVIEWER), house.notes).connect()
    page.type("note")
    await page.round_trip()
    path = house.exporter.path(house.notes)
    assert not path.exists()
    await house.documents.close_room(house.plan.room.id)
    assert path.read_text() == "note"


async def test_a_file_changed_outside_is_kept_aside_and_not_read(house: House) -> None:
    page = await house.page(await house.person(Role.INTERVIEWER), house.notes).connect()
    path = house.exporter.path(house.notes)
    page.type("a")
    await exported(path, "a")
    path.write_text("somebody's work")
    await house.restart()
    page.url = house.url(house.identity.actors[page.url.split("/")[4]], house.notes)
    await page.connect()
    assert page.text == "a"
    page.type("b")
    await exported(path, "ab")
    kept = [p for p in path.parent.iterdir() if "changed outside" in p.name]
    assert [p.read_text() for p in kept] == ["somebody's work"]
    event = await house.hear(
        lambda m: m["type"] == "event" and m["event"]["kind"] == "export.kept_aside"
    )
    assert event["event"]["audience"] == STAFF
    page.type("c")
    await exported(path, "abc")
    assert len(list(path.parent.iterdir())) == 3, "ours, theirs and the record"


async def test_a_file_that_was_there_before_is_kept_aside(tmp_path: Path, house: House) -> None:
    path = house.exporter.path(house.notes)
    path.parent.mkdir(parents=True)
    path.write_text("older")
    page = await house.page(await house.person(Role.INTERVIEWER), house.notes).connect()
    page.type("a")
    await exported(path, "a")
    assert [p.read_text() for p in path.parent.glob("*changed outside*")] == ["older"]


@pytest.mark.parametrize("path", ["../x.ipynb", "/etc/x", "a/../../x", "."])
def test_no_file_leads_out_of_the_rooms_folder(tmp_path: Path, house: House, path: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        Exporter(tmp_path).path(replace(house.notebook, path=path))


async def test_a_folder_that_cannot_be_written_disturbs_nobody(house: House) -> None:
    house.folder.write_text("a file where the folder should be")
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    other = await house.page(await house.person(Role.INTERVIEWER)).connect()
    page.type("a")
    await other.until(lambda: other.text == "a")
    await house.exporter.flush(house.notebook)
    page.type("b")
    await other.until(lambda: other.text == "ab")


class Growing:
    """A document that is another each time it is asked."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.asked = 0

    def read(self) -> Callable[[], dict[str, Any] | str]:
        self.asked += 1
        content = str(self.asked)
        return lambda: content


async def test_changes_in_quick_succession_are_one_export(tmp_path: Path, house: House) -> None:
    exporter = Exporter(tmp_path, delay_s=0.05)
    growing = Growing(house.notes)
    for _ in range(100):
        exporter.changed(growing)
    await exported(exporter.path(house.notes), "1")
    await exporter.stop()
    assert growing.asked == 1


class Slow:
    """One of many documents whose file takes its time."""

    writing = 0
    most = 0

    def __init__(self, document: Document) -> None:
        self.document = document

    def read(self) -> Callable[[], dict[str, Any] | str]:
        def content() -> str:
            Slow.writing += 1
            Slow.most = max(Slow.most, Slow.writing)
            time.sleep(0.02)
            Slow.writing -= 1
            return self.document.id

        return content


async def test_many_files_are_written_one_by_one_with_rests(tmp_path: Path, house: House) -> None:
    """The log's commits wait for the same disk."""
    exporter = Exporter(tmp_path, delay_s=0.01)
    many = [replace(house.notes, id=f"doc_{n}", room_id=f"room_{n}") for n in range(30)]
    began = time.monotonic()
    for document in many:
        exporter.changed(Slow(document))
    for document in many[:4]:
        await exported(exporter.path(document), document.id)
    assert time.monotonic() - began > 3 * 0.02 * RESTS
    assert not exporter.path(many[-1]).exists()
    assert Slow.most == 1
    await exporter.stop()
    assert [exporter.path(document).read_text() for document in many] == [d.id for d in many]


async def exported(path: Path, content: str) -> None:
    """Wait until the file has the content; a text file that and no more."""
    async with asyncio.timeout(10):
        while not _has(path, content):  # noqa: ASYNC110 - a thread writes it, and tells nobody
            await asyncio.sleep(0.01)


def _has(path: Path, content: str) -> bool:
    try:
        text = path.read_text()
    except FileNotFoundError:  # not yet, or just moved aside
        return False
    if path.suffix != ".ipynb":
        return text == content
    assert json.loads(text), "written whole or not at all"
    return content in text
