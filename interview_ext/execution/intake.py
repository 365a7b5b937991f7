"""What a room's kernel says, brought to where it belongs: cells, widgets, the waiting run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interview_ext.errors import Conflict, InterviewError
from interview_ext.execution import network
from interview_ext.execution.clean import clean_text
from interview_ext.execution.incoming import Incoming
from interview_ext.execution.items import Item
from interview_ext.execution.kernels import RoomKernel
from interview_ext.execution.output_list import error_output
from interview_ext.execution.outputs import RoomOutputs
from interview_ext.execution.ports import KernelDeath
from interview_ext.execution.records import InputRequest, run_body
from interview_ext.execution.timelimit import Hold, TimeLimit
from interview_ext.execution.widgets import OutputWidgets
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import RunState
from interview_ext.rooms.ports import Message

MAX_PROMPT = 10_000
"""Characters of a question that are shown."""

_AGAIN = "All variables are gone; the notebook is intact. Run the cells above again."
_HIDDEN = "········"


class Intake:
    """Made by `runner` for its room's kernel.

    Parameters
    ----------
    publish:
        Tells everybody in the room.
    time_limit:
        The clock of the running cell; it stands still while the cell asks for input.
    on_flood:
        Told of a run that puts out more than a cell can show.
    owns:
        See `RoomOutputs`.

    Attributes
    ----------
    current:
        The run that the kernel works on.
    """

    def __init__(
        self,
        kernel: RoomKernel,
        *,
        publish: Callable[[Message], None],
        on_flood: Callable[[Item], None],
        time_limit: TimeLimit,
        owns: Callable[[], bool] = lambda: True,
    ) -> None:
        self.current: Item | None = None
        self._kernel = kernel
        self._publish = publish
        self._time = time_limit
        self._on_flood = on_flood
        self._outputs = RoomOutputs(on_batch=self._flush_pages, on_full=self._full, owns=owns)
        self._widgets = self._new_widgets()

    def start(self) -> None:
        self._outputs.start()

    def wake(self) -> None:
        """Write what had to wait."""
        self._outputs.wake()

    async def stop(self) -> None:
        await self._outputs.stop()

    # -- one run

    def begin(self, item: Item) -> None:
        """Empty the cell and take in what its run says."""
        item.cell.begin()
        self._outputs.begin(item.run.id, item.cell)

    def begin_again(self, item: Item) -> None:
        """Take in once more what a run says from its beginning; the first write replaces what
        stands in the cell.
        """
        self._outputs.begin(item.run.id, item.cell)

    def refuse(self, item: Item, error: InterviewError) -> None:
        """Say in the cell why it cannot run."""
        lines = [f"\x1b[0;31m{error.message}\x1b[0m", error.hint]
        content = error_output("CannotRun", error.message, [line for line in lines if line])
        self._outputs.feed(item.run.id, "error", content)

    def remark(self, item: Item, text: str) -> None:
        """Say something beside the cell's own output."""
        self._outputs.note(item.run.id, text)

    def finish(self, item: Item) -> str | None:
        """Write the last outputs and set the count; return the digest of all of them."""
        if item.asked is not None:
            item.asked = None
            self._publish({"type": "input_done", "run_id": item.run.id})
        self._widgets.flush_pages()
        self._widgets.flush_kernel()
        self._outputs.flush()
        item.cell.end(item.execution_count())
        return self._outputs.digest(item.run.id)

    # -- its questions

    @property
    def pending_input(self) -> InputRequest | None:
        """What the running cell asks for, if it does."""
        current = self.current
        return None if current is None or current.asked is None else current.asked[0]

    def answer(self, run_id: str, value: str) -> None:
        """Answer the running cell's question.

        Raises
        ------
        Conflict
            It asks nothing (any more).
        """
        current = self.current
        if current is None or current.run.id != run_id or current.asked is None:
            raise Conflict(
                "This cell is not waiting for an answer.",
                hint="Somebody else may have answered, or the run has ended.",
            )
        request, header = current.asked
        current.asked = None
        self._time.go_on(Hold.INPUT)
        self._kernel.send(
            "stdin", "input_reply", {"value": value}, msg_id=new_id("srv"), parent=header
        )
        shown = _HIDDEN if request.password else clean_text(value)
        self._outputs.write(run_id, "stdout", f"{request.prompt}{shown}\n")
        self._publish({"type": "input_done", "run_id": run_id})

    # -- what the kernel says

    def kernel_started(self) -> None:
        """A fresh process: nothing of the old one will say more."""
        self._outputs.forget_kernel()
        self._widgets = self._new_widgets()

    def kernel_ended(self, death: KernelDeath) -> None:
        """End the running cell, with the reason where it stands."""
        self._flush_pages()
        current = self.current
        if current is None or not current.sent:
            return
        what = f"\x1b[0;31mThe kernel ended: {death.reason}.\x1b[0m {death.detail}".rstrip()
        summary = f"{death.reason}. {death.detail}".rstrip(". ") + "."
        content = error_output("KernelEnded", summary, [what, _AGAIN])
        self._outputs.feed(current.run.id, "error", content)
        current.end(RunState.DIED, death.reason)

    def take(self, message: Incoming) -> None:
        """Take one message, in the order they come."""
        current = self.current
        mine = current is not None and message.parent_id == current.run.id
        if message.msg_type == network.MESSAGE:
            if current is not None and mine:
                self._tried_network(current, message.content)
        elif message.channel == "iopub":
            self._iopub(message, current if mine else None)
        elif current is None or not mine:
            return
        elif message.channel == "shell" and message.msg_type == "execute_reply":
            current.reply = message.content
            current.replied.set()
        elif message.channel == "stdin" and message.msg_type == "input_request":
            self._ask(current, message)

    def _iopub(self, message: Incoming, run: Item | None) -> None:
        kind, content, parent = message.msg_type, message.content, message.parent_id
        if run is not None:
            run.heard += 1
        if kind.startswith("comm_"):
            self._widgets.watch(kind, content)
        elif kind == "update_display_data":
            for model in self._outputs.update_display(content):
                self._widgets.changed_display(model)
                self._outputs.wake()
        elif kind == "status":
            if run is not None and content.get("execution_state") == "idle":
                run.idle.set()
        elif self._outputs.knows(parent):
            place = self._widgets.capture(parent, kind, content)
            if place is not None:
                self._outputs.wake()
                if place.full:
                    self._full(parent)
            else:
                self._outputs.feed(parent, kind, content)

    def _tried_network(self, item: Item, content: dict[str, Any]) -> None:
        run = network.reported(item.run, content)
        if run is not None:
            item.run = run
            self._publish({"type": "run", "run": run_body(run)})

    def _full(self, run_id: str) -> None:
        """A place has reached its bound: what the run still puts out, nobody will see."""
        if self.current is not None and self.current.run.id == run_id:
            self._on_flood(self.current)

    def _ask(self, item: Item, message: Incoming) -> None:
        prompt = message.content.get("prompt")
        request = InputRequest(
            run_id=item.run.id,
            prompt=clean_text(prompt)[:MAX_PROMPT] if isinstance(prompt, str) else "",
            password=bool(message.content.get("password")),
        )
        item.asked = (request, message.header)
        self._time.hold(Hold.INPUT)
        self._publish({"type": "input_request", **request.as_body()})

    # -- widgets

    def _new_widgets(self) -> OutputWidgets:
        return OutputWidgets(
            to_pages=self._state_to_pages,
            to_kernel=self._state_to_kernel,
            on_display=self._outputs.register_display,
        )

    def _flush_pages(self) -> None:
        self._widgets.flush_pages()

    def _state_to_pages(self, comm_id: str, state: dict[str, Any]) -> None:
        self._kernel.tell_pages("comm_msg", _update(comm_id, state))

    def _state_to_kernel(self, comm_id: str, state: dict[str, Any]) -> None:
        self._kernel.send("shell", "comm_msg", _update(comm_id, state), msg_id=new_id("srv"))


def _update(comm_id: str, state: dict[str, Any]) -> dict[str, Any]:
    return {"comm_id": comm_id, "data": {"method": "update", "state": state, "buffer_paths": []}}
