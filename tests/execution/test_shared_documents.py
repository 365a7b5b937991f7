"""Runs in the real shared documents: what is said to be done is in the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from interview_ext.collab.documents import Documents
from interview_ext.errors import NotFound, SourceMismatch
from interview_ext.execution.cells import source_digest
from interview_ext.execution.service import Executions
from interview_ext.rooms.model import RunState
from tests.execution.conftest import Bench
from tests.execution.documents import code_cell
from tests.execution.kernels import LocalLauncher


class Server:
    """Documents and executions of one server process on the bench's store."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.documents = Documents(update_log=bench.store, bus=bench.bus)
        self.executions = Executions(
            rooms=bench.rooms,
            documents=self.documents,
            launcher=LocalLauncher(folder),
            store=bench.store,
            bus=bench.bus,
            timeline=bench.timeline,
        )


def notebook_of(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": [*cells], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


async def test_outputs_are_committed_when_a_run_is_said_to_have_ended(
    bench: Bench, tmp_path: Path
) -> None:
    server = Server(bench, tmp_path)
    await server.executions.start()
    notebook = notebook_of(code_cell("a", "for i in range(500): print(i, flush=True)"))
    await server.documents.seed(bench.document, notebook)
    run = await server.executions.submit(
        bench.candidate,
        document_id=bench.document.id,
        cell_id="a",
        source_sha256=source_digest("for i in range(500): print(i, flush=True)"),
    )
    assert run.log_seq >= 1
    assert (await bench.ended(run))["state"] == "done"
    # What another server finds at this very moment, had this one been killed.
    other = Documents(update_log=bench.store, bus=bench.bus)
    content: Any = await other.content(bench.document)
    cell = content["cells"][0]
    assert cell["execution_count"] == 1
    assert cell["outputs"][0]["text"] == "".join(f"{i}\n" for i in range(500))
    await other.stop()
    await server.executions.stop()
    await server.documents.stop()


async def test_what_was_typed_on_after_the_press_and_came_first_does_not_run(
    bench: Bench, tmp_path: Path
) -> None:
    """The keystrokes after Shift+Enter overtake its request; so do others' edits and outputs."""
    server = Server(bench, tmp_path)
    await server.executions.start()
    notebook = notebook_of(code_cell("a", "print('old')"), code_cell("b", "print('b')"))
    await server.documents.seed(bench.document, notebook)
    shared = await server.documents.open(bench.document)
    pressed = {}
    source = shared.ydoc.ycells[0]["source"]
    for word in ("first", "second", "third"):
        source.clear()
        source.insert(0, f"print('{word}')")
        await shared.committed()
        pressed[word] = shared.log_seq
        source += "  # and"
        await shared.committed()
    for word in ("second", "first"):
        run = await server.executions.submit(
            bench.candidate,
            document_id=bench.document.id,
            cell_id="a",
            source_sha256=source_digest(f"print('{word}')"),
        )
        assert run.log_seq == pressed[word]
        assert (await bench.ended(run))["state"] == "done"
        content: Any = await server.documents.content(bench.document)
        assert content["cells"][0]["outputs"][0]["text"] == f"{word}\n"
    assert str(source) == "print('third')  # and"
    await server.executions.stop()
    await server.documents.stop()


async def test_a_cell_that_is_gone_does_not_run_from_the_past(bench: Bench, tmp_path: Path) -> None:
    server = Server(bench, tmp_path)
    await server.executions.start()
    notebook = notebook_of(code_cell("a", "print('a')"), code_cell("b", "print('b')"))
    await server.documents.seed(bench.document, notebook)
    shared = await server.documents.open(bench.document)
    del shared.ydoc.ycells[0]
    await shared.committed()
    with pytest.raises(NotFound):
        await server.executions.submit(
            bench.candidate,
            document_id=bench.document.id,
            cell_id="a",
            source_sha256=source_digest("print('a')"),
        )
    await server.executions.stop()
    await server.documents.stop()


async def test_a_state_of_long_ago_does_not_run(bench: Bench, tmp_path: Path) -> None:
    server = Server(bench, tmp_path)
    await server.executions.start()
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    past = Documents(update_log=bench.store, bus=bench.bus, clock=lambda: long_ago)
    notebook = notebook_of(code_cell("a", "print('old')"))
    await past.seed(bench.document, notebook)
    shared = await past.open(bench.document)
    shared.ydoc.ycells[0]["source"] += "  # on"
    await shared.committed()
    await past.stop()
    with pytest.raises(SourceMismatch):
        await server.executions.submit(
            bench.candidate,
            document_id=bench.document.id,
            cell_id="a",
            source_sha256=source_digest("print('old')"),
        )
    await server.executions.stop()
    await server.documents.stop()


async def test_a_server_that_was_killed_in_mid_run_says_so_when_it_is_back(
    bench: Bench, tmp_path: Path
) -> None:
    killed = Server(bench, tmp_path)
    await killed.executions.start()
    source = "import time; print('on', flush=True); time.sleep(60)"
    notebook = notebook_of(code_cell("a", source), code_cell("b", "1"))
    await killed.documents.seed(bench.document, notebook)
    digests = {"a": source_digest(source), "b": source_digest("1")}
    first, second = [
        await killed.executions.submit(
            bench.candidate, document_id=bench.document.id, cell_id=c, source_sha256=digests[c]
        )
        for c in "ab"
    ]
    shared = await killed.documents.open(bench.document)
    assert await shared.wait_for(lambda: len(shared.ydoc.ycells[0]["outputs"]) > 0, 60)
    await shared.committed()

    back = Server(bench, tmp_path)
    await back.executions.start()
    content: Any = await back.documents.content(bench.document)
    outputs = content["cells"][0]["outputs"]
    assert outputs[0]["text"] == "on\n"
    assert "the server was restarted" in outputs[1]["traceback"][0]
    assert "did not run" in content["cells"][1]["outputs"][0]["traceback"][0]
    again = await back.documents.open(bench.document)
    assert [cell["execution_state"] for cell in again.ydoc.ycells] == ["idle", "idle"]
    for run in (first, second):
        stored = await bench.store.get_run(run.id)
        assert stored is not None
        assert (stored.state, stored.death) == (
            RunState.INTERRUPTED,
            "the server was restarted",
        )
    for server in (back, killed):
        await server.executions.stop()
        await server.documents.stop()
