"""A shared notebook with two pages on it: real pycrdt, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from jupyter_ydoc import YNotebook
from pycrdt import Doc, TransactionEvent

from interview_ext.rooms.model import Document

T = TypeVar("T")


def code_cell(cell_id: str, source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": cell_id,
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }


class Page:
    """What a browser has: a copy of the document that the server's updates reach."""

    def __init__(self) -> None:
        self.notebook = YNotebook()
        self.updates = 0

    def receive(self, update: bytes) -> None:
        self.updates += 1
        self.notebook.ydoc.apply_update(update)

    def cell(self, cell_id: str) -> dict[str, Any]:
        for index in range(self.notebook.cell_number):
            cell = self.notebook.ycells[index]
            if cell["id"] == cell_id:
                plain = self.notebook.get_cell(index)
                return {**plain, "execution_state": cell.get("execution_state")}
        raise KeyError(cell_id)


class NoPast:
    """A notebook that has been what it is; `collab.History` is tested with the real documents."""

    async def newest(
        self, find: Callable[[Doc[Any]], T | None], *, since: datetime
    ) -> tuple[T, int] | None:
        return None


class Notebook:
    """The server's copy, as `collab.SharedDocument` is one; with it `Page`s."""

    def __init__(self, document: Document, cells: list[dict[str, Any]]) -> None:
        self.document = document
        self.ydoc = YNotebook()
        self.pages = [Page(), Page()]
        self.history = NoPast()
        self.log_seq = 0
        self._applied = asyncio.Event()
        self._changed = self.ydoc.ydoc.observe(self._forward)
        self.ydoc.set({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})

    def _forward(self, event: TransactionEvent) -> None:
        self.log_seq += 1
        for page in self.pages:
            page.receive(event.update)
        self._applied.set()

    async def wait_for(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while not predicate():
                    self._applied.clear()
                    await self._applied.wait()
        except TimeoutError:
            return False
        return True

    async def committed(self) -> None:
        """All is in memory at once."""

    async def becomes(self, cell_id: str, test: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the second page's copy of the cell passes."""
        assert await self.wait_for(lambda: test(self.pages[1].cell(cell_id)), 60), self.pages[
            1
        ].cell(cell_id)
        return self.pages[1].cell(cell_id)

    def type(self, cell_id: str, source: str, *, delay_s: float = 0) -> None:
        """A page replaces a cell's source; the server has it `delay_s` later."""
        copy: Doc[Any] = Doc()
        notebook = YNotebook(copy)
        copy.apply_update(self.ydoc.ydoc.get_update())
        before = copy.get_state()
        for index in range(notebook.cell_number):
            if notebook.ycells[index]["id"] == cell_id:
                notebook.set_cell(index, source=source)
        update = copy.get_update(before)
        loop = asyncio.get_running_loop()
        loop.call_later(delay_s, self.ydoc.ydoc.apply_update, update)


class Notebooks:
    """Opens them; `collab.Documents` is such a thing."""

    def __init__(self) -> None:
        self.by_id: dict[str, Notebook] = {}

    async def open(self, document: Document) -> Notebook:
        if document.id not in self.by_id:
            self.by_id[document.id] = Notebook(document, [])
        return self.by_id[document.id]
