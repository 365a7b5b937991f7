"""The candidate's seat in hands that write updates themselves instead of using JupyterLab."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from pycrdt import Array, Doc, Map, Text
from websocket import WebSocket, WebSocketTimeoutException, create_connection

from interview_ext.collab.wire.framing import (
    AwarenessEntry,
    SyncStep1,
    SyncUpdate,
    read_frame,
    write_awareness,
    write_step_1,
    write_step_2,
    write_update,
)

WAIT_S = 20.0
QUIET_S = 0.02


class Forger:
    """Speaks to a door's document socket by the seat's cookie, in raw Yjs.

    Parameters
    ----------
    url:
        Of the socket.
    cookie:
        The ``Cookie`` header of the seat's browser.
    """

    def __init__(self, url: str, cookie: str, origin: str) -> None:
        self.doc: Doc[Any] = Doc()
        self.cells = self.doc.get("cells", type=Array)
        self.meta = self.doc.get("meta", type=Map)
        self._socket: WebSocket = create_connection(
            url, cookie=cookie, origin=origin, timeout=WAIT_S
        )
        self._awareness_clock = 0
        self._synced = False
        self._socket.send_binary(write_step_1(self.doc.get_state()))
        self.until(lambda: self._synced)

    def close(self) -> None:
        self._socket.close()

    def edit(self, change: Callable[[], None]) -> None:
        """Make a change on what the server has now, and send it."""
        self.listen()
        before = self.doc.get_state()
        with self.doc.transaction():
            change()
        self._socket.send_binary(write_update(self.doc.get_update(before)))

    def show_only(self, *cells: dict[str, Any]) -> None:
        """Make the notebook consist of these cells (nbformat)."""

        def change() -> None:
            self.cells.clear()
            for cell in cells:
                self.cells.append(shared_cell(cell))

        self.edit(change)

    def appear_as(self, state: dict[str, Any]) -> None:
        """Send an awareness state."""
        self._awareness_clock += 1
        entry = AwarenessEntry(self.doc.client_id, self._awareness_clock, json.dumps(state))
        self._socket.send_binary(write_awareness([entry]))

    def listen(self) -> None:
        """Take in what has come."""
        self._socket.settimeout(QUIET_S)
        try:
            while True:
                self._take(self._socket.recv())
        except WebSocketTimeoutException:
            return
        finally:
            self._socket.settimeout(WAIT_S)

    def until(self, predicate: Callable[[], object]) -> None:
        """Take in what comes until something is so."""
        deadline = time.monotonic() + WAIT_S
        while not predicate():
            assert time.monotonic() < deadline, "the document did not come that far"
            self._take(self._socket.recv())

    def _take(self, message: str | bytes) -> None:
        assert isinstance(message, bytes), f"the socket was closed: {message!r}"
        frame = read_frame(message) if message[:1] in (b"\x00", b"\x01") else None
        if isinstance(frame, SyncStep1):
            self._socket.send_binary(write_step_2(self.doc.get_update(frame.state)))
        elif isinstance(frame, SyncUpdate):
            self.doc.apply_update(frame.update)
            self._synced = self._synced or frame.answer


def shared_cell(cell: dict[str, Any]) -> Map[Any]:
    """Return a cell of nbformat as JupyterLab's shared model holds it."""
    shared: dict[str, Any] = {
        **{key: value for key, value in cell.items() if key not in ("outputs", "metadata")},
        "source": Text(cell.get("source", "")),
        "metadata": Map(cell.get("metadata", {})),
    }
    if cell["cell_type"] == "code":
        shared["outputs"] = Array([_shared_output(output) for output in cell.get("outputs", [])])
        shared.setdefault("execution_count", None)
        shared.setdefault("execution_state", "idle")
    return Map(shared)


def _shared_output(output: dict[str, Any]) -> Map[Any]:
    if output["output_type"] == "stream":
        return Map({**output, "text": Text(output["text"])})
    return Map(output)
