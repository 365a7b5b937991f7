"""Output widgets: what is printed inside one goes into its state, not below the cell.

``with Output()`` and ``interact`` set the widget's ``msg_id``; a browser that had sent the
running cell would then catch the messages of that parent and put them into the
widget's ``outputs``. Here the server sends cells, so the server does it: pages get
the new state at once as a comm update, the kernel gets it when the run has ended, as
it takes no comm messages before. Output caused by a page's own comm message (a slider's
callback) is caught by that page itself, which has the future for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from interview_ext.execution.clean import joined
from interview_ext.execution.guard import MAX_ID
from interview_ext.execution.output_list import (
    MAX_HELD,
    SHOWN,
    Allowance,
    Fixed,
    OutputList,
    display_id,
)

MAX_WIDGETS = 1000
"""Output widgets watched for one kernel; further ones print below their cell."""
MAX_HELD_TOGETHER = 4 * MAX_HELD
"""Characters that may stand in all Output widgets of one kernel."""

SendState = Callable[[str, dict[str, Any]], None]
"""Takes a comm id and the changed part of its state."""


@dataclass(eq=False)
class _OutputWidget:
    comm_id: str
    outputs: OutputList
    msg_id: str = ""


class OutputWidgets:
    """The Output widgets of one kernel process. Called by `runner` with every iopub message.

    Parameters
    ----------
    to_pages, to_kernel:
        Send a widget's changed state.
    on_display:
        Told of each display with an id that now stands in a widget.
    """

    def __init__(
        self,
        *,
        to_pages: SendState,
        to_kernel: SendState,
        on_display: Callable[[str, OutputList, Fixed], None],
    ) -> None:
        self._to_pages = to_pages
        self._to_kernel = to_kernel
        self._on_display = on_display
        self._allowance = Allowance(MAX_HELD_TOGETHER)
        self._widgets: dict[str, _OutputWidget] = {}
        self._for_pages: dict[str, _OutputWidget] = {}
        self._for_kernel: dict[str, _OutputWidget] = {}

    def watch(self, msg_type: str, content: dict[str, Any]) -> None:
        """Follow the widgets' own messages."""
        comm_id = content.get("comm_id")
        data = content.get("data")
        if not isinstance(comm_id, str) or len(comm_id) > MAX_ID:
            return
        state = data.get("state") if isinstance(data, dict) else None
        if msg_type == "comm_close":
            self._drop(comm_id)
        elif not isinstance(state, dict):
            return
        elif msg_type == "comm_open" and _is_output(content, state):
            self._drop(comm_id)
            if len(self._widgets) < MAX_WIDGETS:
                self._widgets[comm_id] = _OutputWidget(
                    comm_id, OutputList(allowance=self._allowance)
                )
                self._update(comm_id, state)
        elif msg_type == "comm_msg" and comm_id in self._widgets:
            self._update(comm_id, state)

    def capture(self, parent_id: str, msg_type: str, content: dict[str, Any]) -> OutputList | None:
        """Return where a widget has taken this message of a run; None if none takes it."""
        if msg_type not in SHOWN and msg_type != "clear_output":
            return None
        widget = self._catching(parent_id)
        if widget is None:
            return None
        if widget.outputs.full and msg_type != "clear_output":
            return widget.outputs
        made = widget.outputs.apply(msg_type, content)
        shown = display_id(content)
        if shown is not None and isinstance(made, Fixed):
            self._on_display(shown, widget.outputs, made)
        self._for_pages[widget.comm_id] = self._for_kernel[widget.comm_id] = widget
        return widget.outputs

    def changed_display(self, model: OutputList) -> None:
        """Note that an update by display id has changed a widget's output."""
        for widget in self._widgets.values():
            if widget.outputs is model:
                self._for_pages[widget.comm_id] = self._for_kernel[widget.comm_id] = widget

    def flush_pages(self) -> None:
        """Send the pages what has changed."""
        changed, self._for_pages = self._for_pages, {}
        for widget in changed.values():
            self._to_pages(widget.comm_id, {"outputs": widget.outputs.as_json()})

    def flush_kernel(self) -> None:
        """Send the kernel what has changed: at the end of a run."""
        changed, self._for_kernel = self._for_kernel, {}
        for widget in changed.values():
            self._to_kernel(widget.comm_id, {"outputs": widget.outputs.as_json()})

    def _catching(self, parent_id: str) -> _OutputWidget | None:
        """The innermost widget that catches this parent: the one that began last."""
        for widget in reversed(self._widgets.values()):
            if widget.msg_id == parent_id:
                return widget
        return None

    def _update(self, comm_id: str, state: dict[str, Any]) -> None:
        widget = self._widgets[comm_id]
        outputs = state.get("outputs")
        # The kernel echoes what we have sent it: that changes nothing, and display ids stay known.
        if isinstance(outputs, list) and outputs != widget.outputs.as_json():
            widget.outputs.clear()
            for output in outputs:
                _put(widget.outputs, output)
            self._for_pages.pop(comm_id, None)
            self._for_kernel.pop(comm_id, None)
        msg_id = state.get("msg_id")
        if isinstance(msg_id, str) and len(msg_id) <= MAX_ID and msg_id != widget.msg_id:
            widget.msg_id = msg_id
            self._widgets[comm_id] = self._widgets.pop(comm_id)  # now the innermost

    def _drop(self, comm_id: str) -> None:
        dropped = self._widgets.pop(comm_id, None)
        if dropped is not None:
            dropped.outputs.clear()  # what it took is free for the others
        for waiting in (self._for_pages, self._for_kernel):
            waiting.pop(comm_id, None)


def _is_output(content: dict[str, Any], state: dict[str, Any]) -> bool:
    return (
        content.get("target_name") == "jupyter.widget"
        and state.get("_model_module") == "@jupyter-widgets/output"
        and state.get("_model_name") == "OutputModel"
    )


def _put(outputs: OutputList, output: Any) -> None:
    """Add an output that stands in a widget's state already."""
    if not isinstance(output, dict):
        return
    kind = output.get("output_type")
    if kind == "stream":
        outputs.write(str(output.get("name")), joined(output.get("text")))
    elif isinstance(kind, str):
        outputs.apply(kind, output)
