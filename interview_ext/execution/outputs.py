"""Writes outputs into shared documents, in batches, by a task of its own.

Whoever reads the kernel's messages only changes plain models and marks them; the
document, its log and every page then get one change where the kernel sent hundreds of
messages.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import thread_time
from typing import Any

from interview_ext.execution.cells import Cell, CellOutputs
from interview_ext.execution.output_list import Displays, Fixed, OutputList, display_id

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.03
"""Shortest pause between two writes to a document; 30 a second look continuous."""
LONGEST_PAUSE_S = 1.0
MAX_WRITTEN = 64 * 1024 * 1024
"""Bytes one run may put into a document's log, what it replaced included: 20 minutes of a
progress bar at one write a second take 0.1 MB, an animation of 600 plots of 100 kB takes
60 MB. All of it is kept and sent to every page."""

SHARE = 9
"""Pauses are so many times as long as the write before took the processor: no room's outputs take
more than a tenth of the event loop that all rooms share, however dear they are to write."""

_WRITTEN_NOTICE = (
    "\n[Output stopped here: this run has written as much as the record keeps of one run, 64 MB.]\n"
)


class RoomOutputs:
    """Where the outputs of one room's kernel go: each to the cell whose run sent it.

    `feed` is called for each iopub message and only changes models; `start` runs the task
    that writes. Called by `runner`.

    Parameters
    ----------
    on_batch:
        Called with each batch that is written, for what else goes out in batches.
    on_full:
        Called with the id of a run whose output has reached a bound: the rest is left out.
    owns:
        Whether this server may write into the room's documents what its cells put out.
    """

    def __init__(
        self,
        *,
        on_batch: Callable[[], None],
        on_full: Callable[[str], None],
        owns: Callable[[], bool] = lambda: True,
    ) -> None:
        self._owns = owns
        self._on_batch = on_batch
        self._on_full = on_full
        self._by_run: dict[str, CellOutputs] = {}
        self._run_of_cell: dict[tuple[str, str], str] = {}
        self._by_model: dict[int, CellOutputs] = {}
        self._displays = Displays()
        self._changed: dict[int, CellOutputs] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._write(), name="outputs")

    async def stop(self) -> None:
        """Write what is left and end the task."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.flush()

    def forget_kernel(self) -> None:
        """Forget the runs and display ids of a process that is gone."""
        self.flush()
        self._by_run.clear()
        self._run_of_cell.clear()
        self._by_model.clear()
        self._displays = Displays()

    def begin(self, run_id: str, cell: Cell) -> CellOutputs:
        """Open a place for a run. Late output of older runs of this cell is dropped from now on,
        as JupyterLab does: it would mix with the new.
        """
        older = self._run_of_cell.get(cell.key)
        if older is not None:
            self._forget(older)
        outputs = CellOutputs(cell, run_id)
        self._by_run[run_id] = outputs
        self._run_of_cell[cell.key] = run_id
        self._by_model[id(outputs.model)] = outputs
        return outputs

    def knows(self, run_id: str) -> bool:
        return run_id in self._by_run

    def digest(self, run_id: str) -> str | None:
        """Return the digest of a run's outputs; None if it has no place (any more)."""
        outputs = self._by_run.get(run_id)
        return None if outputs is None else outputs.digest()

    def feed(self, run_id: str, msg_type: str, content: dict[str, Any]) -> None:
        """Apply one message whose parent is the run."""
        outputs = self._by_run.get(run_id)
        if outputs is None or outputs.written > MAX_WRITTEN:
            return
        was_full = outputs.model.full
        made = outputs.model.apply(msg_type, content)
        shown = display_id(content)
        if shown is not None and isinstance(made, Fixed):
            self._displays.add(shown, outputs.model, made)
        if not (was_full and outputs.model.full):
            self._mark(outputs)
        if outputs.model.full and not was_full:
            self._on_full(run_id)

    def write(self, run_id: str, name: str, text: str) -> None:
        """Add text of the server's own to a run's stream."""
        outputs = self._by_run.get(run_id)
        if outputs is not None:
            outputs.model.write(name, text)
            self._mark(outputs)

    def note(self, run_id: str, text: str) -> None:
        """Say something beside a run's output, also where there is no room for more of it."""
        outputs = self._by_run.get(run_id)
        if outputs is not None:
            outputs.model.note(text)
            self._mark(outputs)

    def update_display(self, content: dict[str, Any]) -> list[OutputList]:
        """Change all outputs of a display id, in whatever cells they stand.

        Returns
        -------
        The changed places that are no cells: Output widgets.
        """
        shown = display_id(content)
        elsewhere = []
        for model in self._displays.update(shown, content) if shown is not None else ():
            outputs = self._by_model.get(id(model))
            if outputs is None:
                elsewhere.append(model)
            elif outputs.written <= MAX_WRITTEN:
                self._mark(outputs)
        return elsewhere

    def register_display(self, shown: str, model: OutputList, output: Fixed) -> None:
        """Let a display that stands in a widget be updated by its id."""
        self._displays.add(shown, model, output)

    def wake(self) -> None:
        """Have a batch written soon."""
        self._wake.set()

    def flush(self) -> None:
        """Write all that has changed, now; while this server may not, it waits."""
        if not self._owns():
            return
        self._on_batch()
        changed = list(self._changed.values())
        self._changed.clear()
        for outputs in changed:
            _flush(outputs)
            if outputs.written > MAX_WRITTEN and not outputs.model.full:
                outputs.model.note(_WRITTEN_NOTICE)
                outputs.model.full = True
                _flush(outputs)
                self._on_full(outputs.run_id)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            written = max((o.written for o in self._changed.values()), default=0)
            began = thread_time()
            self.flush()
            await asyncio.sleep(max(_pause_s(written), SHARE * (thread_time() - began)))

    def _mark(self, outputs: CellOutputs) -> None:
        self._changed[id(outputs)] = outputs
        self._wake.set()

    def _forget(self, run_id: str) -> None:
        outputs = self._by_run.pop(run_id)
        self._by_model.pop(id(outputs.model), None)
        self._changed.pop(id(outputs), None)


def _pause_s(written: int) -> float:
    """Return how long to wait before the next write: the more was written, the longer, so
    that a run which prints for an hour does not fill the record in a minute.
    """
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S + 4 * written / MAX_WRITTEN)


def _flush(outputs: CellOutputs) -> None:
    try:
        outputs.flush()
    except Exception:  # one cell's failure must not stop the other cells' outputs
        log.exception("outputs of cell %s could not be written", outputs.cell.cell_id)
    except BaseException as error:
        # pycrdt's panics derive from BaseException; anything else of that kind is not ours.
        if type(error).__name__ != "PanicException":
            raise
        log.exception("outputs of cell %s could not be written", outputs.cell.cell_id)
