"""A second client: it follows a room's notebook as another person's page does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pycrdt import Array, Doc
from tornado.websocket import WebSocketClientConnection, websocket_connect

from interview_ext.collab.wire.framing import (
    SyncStep1,
    SyncUpdate,
    read_frame,
    write_step_1,
    write_step_2,
)

from .patience import patience
from .people import Seat


class Notebook:
    """A copy of the shared notebook, kept up to date by the document socket."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._doc: Doc[Any] = Doc()
        self._cells = self._doc.get("cells", type=Array)
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, seat: Seat, path: str) -> Notebook:
        """Return it once it holds what the server has."""
        body = {"format": "json", "type": "notebook"}
        session = await seat.ask("PUT", f"{seat.door}api/collaboration/session/{path}", body)
        where = (
            f"api/collaboration/room/json:notebook:{session['fileId']}"
            f"?sessionId={session['sessionId']}"
        )
        notebook = cls(await websocket_connect(seat.socket_request(where)))
        notebook._send(write_step_1(notebook._doc.get_state()))
        await notebook.until(lambda: len(notebook._cells) > 0)
        return notebook

    def cell(self, index: int) -> dict[str, Any]:
        """A cell as JSON."""
        return dict(self._cells[index].to_py())

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Return as soon as an update makes it so."""
        async with patience("an update of the document"):
            while not predicate():
                if self._reader.done():
                    raise ConnectionError("the document socket was closed")
                self._changed.clear()
                await self._changed.wait()

    async def close(self) -> None:
        self._socket.close()
        await self._reader

    async def _read(self) -> None:
        while (data := await self._socket.read_message()) is not None:
            frame = read_frame(bytes(data)) if isinstance(data, bytes) else None
            if isinstance(frame, SyncStep1):
                self._send(write_step_2(self._doc.get_update(frame.state)))
            elif isinstance(frame, SyncUpdate):
                self._doc.apply_update(frame.update)
                self._changed.set()
        self._changed.set()

    def _send(self, message: bytes) -> None:
        self._socket.write_message(message, binary=True)
