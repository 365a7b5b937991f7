"""After a restart of the server: what becomes of the runs that it cut off.

A kernel that has outlived the server is adopted, and the run it works on goes on. All others are
ended, and say so where they stand.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Sequence
from dataclasses import replace

from interview_ext.errors import Conflict, InterviewError
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
TAKEN_OVER = "the server was lost"
"""Another one goes on with the room."""
_RUNNING = (
    "This cell was interrupted: {reason}.",
    "All variables are gone; the notebook is intact. Run the cells above again.",
)
_WAITING = ("This cell did not run: {reason}.", "Run it again.")


async def end_unfinished(
    *,
    store: ExecutionStore,
    documents: RunDocuments,
    timeline: Recorder,
    clock: Clock,
    left: Container[str],
    rooms: Sequence[Room],
    reason: str = REASON,
) -> dict[str, tuple[Room, Item | None]]:
    """End what the store still calls queued or running. Called before any run of these rooms is
    accepted here.

    A room that cannot be read is left as it is, with a warning: the server has to start.

    Parameters
    ----------
    left:
        Ids of rooms whose kernels may have outlived the server.
    rooms:
        Those whose cells this server runs from now on.
    reason:
        Why their runs end.

    Returns
    -------
    The open ones among those rooms, each with the run that its kernel may be at.
    """
    going_on: dict[str, tuple[Room, Item | None]] = {}
    for room in rooms:
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
                    await _reset(run, document, documents, reason)
                    ended = replace(run, state=RunState.INTERRUPTED, ended_at=clock(), death=reason)
                    await _end(ended, document, store, timeline)
        except InterviewError as error:
            log.warning("runs of room %s were not ended: %s", room.id, error.message)
        else:
            if room.id in left:
                going_on[room.id] = (room, item)
    return going_on


def append_note(cell: Cell, state: RunState, reason: str = REASON) -> None:
    """Say in a cell what has become of its run, which the server's end found in that state."""
    message, hint = _RUNNING if state is RunState.RUNNING else _WAITING
    lines = [f"\x1b[0;31m{message.format(reason=reason)}\x1b[0m", hint]
    cell.append_note(error_output("Interrupted", reason, lines))


async def _reset(run: Run, document: Document, documents: RunDocuments, reason: str) -> None:
    shared = await documents.open(document)
    cell = Cell(shared, run.cell_id)
    if not cell.is_running():
        return  # its end had been written; only the record was missing
    append_note(cell, run.state, reason)
    cell.end(None)
    await shared.committed()


async def _end(ended: Run, document: Document, store: ExecutionStore, timeline: Recorder) -> None:
    try:
        await store.save_run(ended)
    except Conflict:  # the one who had the room before has ended it, at the last moment
        return
    await timeline.record(
        ended.room_id,
        "run.ended",
        actor="server",
        audience=audience(document),
        payload=run_body(ended),
    )
