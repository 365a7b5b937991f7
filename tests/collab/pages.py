"""Pages: clients that speak y-websocket's protocol as JupyterLab's document client does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from pycrdt import Array, Doc, Text, TransactionEvent
from tornado.httpclient import HTTPRequest
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
)

from interview_ext.collab.wire.framing import (
    AwarenessEntry,
    AwarenessUpdate,
    SyncStep1,
    SyncUpdate,
    read_frame,
    write_awareness,
    write_step_1,
    write_step_2,
    write_update,
)
from interview_ext.collab.wire.varint import read_text, read_uint, write_text, write_uint
from tests.collab.updates import be_dirty
from tests.sockets import hang_up, open_socket

WAIT_S = 10.0


class Page:
    """One tab on one document.

    Parameters
    ----------
    url:
        Of the socket.
    answers:
        Whether it answers sync step 1, as every stock client does at once.
    cookie:
        What a browser would send with the handshake.
    """

    def __init__(
        self, url: str, *, client_id: int | None = None, answers: bool = True, cookie: str = ""
    ) -> None:
        self.url = url
        self.cookie = cookie
        self.doc: Doc[Any] = Doc(client_id=client_id)
        self.answers = answers
        self.socket: WebSocketClientConnection | None = None
        self.synced = asyncio.Event()
        self.closed = asyncio.Event()
        self.frames: list[bytes] = []
        self.presence: dict[int, tuple[int, Any]] = {}
        self.replies: list[dict[str, Any]] = []
        self.asked = 0
        self._clock = 0
        self._remote = False
        self._changed = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None
        self.doc.get("source", type=Text)
        self.doc.get("cells", type=Array)
        self.doc.observe(self._on_transaction)

    @property
    def client(self) -> int:
        return self.doc.client_id

    @property
    def text(self) -> str:
        return str(self.doc.get("source", type=Text))

    @property
    def close_code(self) -> int | None:
        return self.socket.close_code if self.socket else None

    async def connect(self, *, origin: str | None = None, sync: bool = True) -> Page:
        """Open the socket and, as y-websocket does, send sync step 1 and one's presence."""
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if origin is not None:
            headers["Origin"] = origin
        self.closed.clear()
        self.synced.clear()
        self.socket = await open_socket(HTTPRequest(self.url, headers=headers))
        self._reader = asyncio.create_task(self._read(self.socket))
        self.show({"cursors": []})
        if sync:
            self.send(write_step_1(self.doc.get_state()))
            async with asyncio.timeout(WAIT_S):
                await self.synced.wait()
        return self

    async def leave(self) -> None:
        """Lose the network: the document stays in the page."""
        socket, self.socket = self.socket, None
        if socket is not None:
            socket.close()
        if self._reader is not None:
            await self._reader

    def press(self, letter: str, at: int | None = None) -> None:
        """Type one letter as JupyterLab's editor does: the document is dirty in the same update."""
        with self.doc.transaction():
            self.type(letter, at)
            be_dirty(self.doc)

    def type(self, text: str, at: int | None = None) -> None:
        """Type, letter by letter, at the end or at a place (in bytes)."""
        source = self.doc.get("source", type=Text)
        for letter in text:
            place = len(source) if at is None else at
            source.insert(place, letter)
            if at is not None:
                at += len(letter.encode())

    def delete(self, start: int, end: int) -> None:
        del self.doc.get("source", type=Text)[start:end]

    def show(self, state: dict[str, Any] | None, *, client: int | None = None) -> None:
        """Send presence: of one's own client, if no other is named."""
        self._clock += 1
        mine = self.client if client is None else client
        self.send(write_awareness([AwarenessEntry(mine, self._clock, json.dumps(state))]))

    def save(self, number: int) -> None:
        """Press Ctrl+S."""
        self.send(b"\x02" + write_text("save") + write_uint(number))

    def send(self, message: bytes) -> None:
        """Send a frame; without a connection it is lost, as a browser loses it."""
        if self.socket is not None and not self.closed.is_set():
            with contextlib.suppress(WebSocketClosedError):
                sent = self.socket.write_message(message, binary=True)
                sent.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def until(
        self, predicate: Callable[[], object], what: str = "", *, wait_s: float = WAIT_S
    ) -> None:
        """Wait until something that a frame brings about is so."""
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(predicate)
        except TimeoutError:
            raise AssertionError(f"{what or predicate} did not come: {self.text!r}") from None

    async def round_trip(self) -> None:
        """Return when the server has taken and answered everything sent so far."""
        self.synced.clear()
        self.send(write_step_1(self.doc.get_state()))
        async with asyncio.timeout(WAIT_S):
            await self.synced.wait()

    def _on_transaction(self, event: TransactionEvent) -> None:
        if not self._remote:
            self.send(write_update(event.update))

    async def _read(self, socket: WebSocketClientConnection) -> None:
        while (message := await socket.read_message()) is not None:
            assert isinstance(message, bytes)
            self.frames.append(message)
            self._take(message)
            async with self._changed:
                self._changed.notify_all()
        hang_up(socket)
        self.closed.set()
        async with self._changed:
            self._changed.notify_all()

    def _take(self, message: bytes) -> None:
        kind, at = read_uint(message, 0)
        if kind == 2:
            self.replies.append(json.loads(read_text(message, at)[0]))
            return
        frame = read_frame(message)
        if isinstance(frame, SyncStep1):
            self.asked += 1
            if self.answers:
                self.send(write_step_2(self.doc.get_update(frame.state)))
        elif isinstance(frame, SyncUpdate):
            self._apply(frame.update)
            if frame.answer:
                self.synced.set()
        elif isinstance(frame, AwarenessUpdate):
            for entry in frame.entries:
                self._see(entry)

    def _apply(self, update: bytes) -> None:
        self._remote = True
        try:
            self.doc.apply_update(update)
        finally:
            self._remote = False

    def _see(self, entry: AwarenessEntry) -> None:
        """Apply presence of others by y-protocols' rule for clocks."""
        if entry.client == self.client:
            return
        clock, state = self.presence.get(entry.client, (0, None))
        value = json.loads(entry.state)
        if clock < entry.clock or (clock == entry.clock and value is None and state is not None):
            self.presence[entry.client] = (entry.clock, value)
