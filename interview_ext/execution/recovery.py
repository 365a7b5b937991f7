"""After a restart of the server: what becomes of the runs that it cut off.

A kernel that has outlived the server is adopted, and the run it works on goes on. All others are
ended, and say so where they stand.
"""

from __future__ import annotations

import logging
from collections.abc import Container
from dataclasses import replace

from interview_ext.errors import InterviewError
from interview_ext.execution.cells import Cell
from interview_ext.execution.items import Item
from interview_ext.execution.output_list import error_output
from interview_ext.execution.ports import ExecutionStore, RunDocuments
from interview_ext.execution.records import UNFINISHED, audience, run_body
from interview_ext.rooms.ids import Clock
from interview_ext.rooms.model import Document, Room, Run, RunState
from interview_ext.rooms.ports import Recorder

log = logging.getLogger(__name__)

REASON = "the server was restarted"
_RUNNING = (
    "This cell was interrupted: the server was restarted.",
    "All variables are gone; the notebook is intact. Run the cells above again.",
)
_WAITING = ("This cell did not run: the server was restarted.", "Run it again.")


async def end_unfinished(
    *,
    store: ExecutionStore,
    documents: RunDocuments,
    timeline: Recorder,
    clock: Clock,
    left: Container[str],
) -> dict[str, tuple[Room, Item | None]]:
    """End what the store still calls queued or running. Called once, before any run is accepted.

    A room that cannot be read is left as it is, with a warning: the server has to start.

    Parameters
    ----------
    left:
        Ids of rooms whose kernels may have outlived the server.

    Returns
    -------
    The open ones among those rooms, each with the run that its kernel may be at.
    """
    going_on: dict[str, tuple[Room, Item | None]] = {}
    for room in await store.list_open_rooms():
        try:
            item: Item | None = None
            known = {d.id: d for d in await store.list_documents(room.id)}
            for run in await store.list_runs(room.id):
                if run.state in UNFINISHED and run.document_id in known:
                    document = known[run.document_id]
                    if run.state is RunState.RUNNING and room.id in left:
                        shared = await documents.open(document)
                        item = Item.going_on(run, Cell(shared, run.cell_id))
                        continue
                    await _reset(run, document, documents)
                    await _end(run, document, store, timeline, clock)
        except InterviewError as error:
            log.warning("runs of room %s were not ended: %s", room.id, error.message)
        else:
            if room.id in left:
                going_on[room.id] = (room, item)
    return going_on


def append_note(cell: Cell, state: RunState) -> None:
    """Say in a cell what has become of its run, which the server's end found in that state."""
    message, hint = _RUNNING if state is RunState.RUNNING else _WAITING
    lines = [f"\x1b[0;31m{message}\x1b[0m", hint]
    cell.append_note(error_output("Interrupted", REASON, lines))


async def _reset(run: Run, document: Document, documents: RunDocuments) -> None:
    shared = await documents.open(document)
    cell = Cell(shared, run.cell_id)
    if not cell.is_running():
        return  # its end had been written; only the record was missing
    append_note(cell, run.state)
    cell.end(None)
    await shared.committed()


async def _end(
    run: Run, document: Document, store: ExecutionStore, timeline: Recorder, clock: Clock
) -> None:
    ended = replace(run, state=RunState.INTERRUPTED, ended_at=clock(), death=REASON)
    await store.save_run(ended)
    await timeline.record(
        run.room_id,
        "run.ended",
        actor="server",
        audience=audience(document),
        payload=run_body(ended),
    )
