"""Two kinds of tabs: pycrdt with its own Provider, and Yjs with y-websocket in Node."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from pathlib import Path
from typing import Any

from pycrdt import Array, Doc, Provider, Text, TransactionEvent
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from interview_ext.collab.wire.update import read_update
from tests.benchmarks.people import Seat
from tests.collab.chaos.robots import COME_BACK_S, LOST, Absence, Key, Robot
from tests.collab.updates import be_dirty
from tests.sockets import hang_up, open_socket

NODE_PAGES = Path(__file__).parents[1] / "node" / "robots.mjs"
SYNC_S = 10.0


def document_path(document: str) -> str:
    return f"api/collaboration/room/json:notebook:{document}"


class _Channel:
    """A WebSocket, as `pycrdt.Provider` reads and writes it."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self.closed = asyncio.Event()

    @property
    def path(self) -> str:
        return "a document"

    def __aiter__(self) -> _Channel:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except WebSocketClosedError:
            raise StopAsyncIteration from None

    async def send(self, message: bytes) -> None:
        # What is sent into a lost connection is lost, as in a browser.
        with contextlib.suppress(WebSocketClosedError, OSError):
            await self._socket.write_message(message, binary=True)

    async def recv(self) -> bytes:
        message = await self._socket.read_message()
        if message is None:
            self.closed.set()
            raise WebSocketClosedError
        assert isinstance(message, bytes)
        return message


class PycrdtTab:
    """A document of pycrdt, connected by its Provider, which is made anew for each connection."""

    def __init__(self, seat: Seat, document: str, *, port: int | None = None) -> None:
        self.returns = 0
        self.absence = Absence([])
        self.doc: Doc[Any] = Doc()
        self.doc.get("cells", type=Array)
        self._path = document_path(document)
        self._seat = seat
        self._port = port
        self._last: Key | None = None
        self._synced = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._observed = self.doc.observe(self._note)

    @property
    def connected(self) -> bool:
        return self._synced.is_set()

    async def open(self) -> None:
        self._life = asyncio.create_task(self._live())
        while not (self.connected and len(self._cells)):
            await asyncio.sleep(0.02)
            if self._life.done():
                self._life.result()

    async def type(self, letter: str) -> Key:
        source = self._source
        with self.doc.transaction():
            source.insert(len(source), letter)
            be_dirty(self.doc)
        assert self._last is not None
        return Key(letter, self._last.client, self._last.clock)

    async def delete(self, key: Key) -> None:
        source = self._source
        before, found, _ = str(source).partition(key.letter)
        assert found, "what a tab has typed is gone from it"
        start = len(before.encode())
        with self.doc.transaction():
            del source[start : start + len(key.letter.encode())]
            be_dirty(self.doc)

    async def cells(self) -> list[dict[str, Any]] | None:
        return self._cells.to_py() if self.connected else None

    async def close(self) -> None:
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)

    @property
    def _cells(self) -> Array[Any]:
        cells: Array[Any] = self.doc.get("cells", type=Array)
        return cells

    @property
    def _source(self) -> Text:
        source: Text = self._cells[0]["source"]
        return source

    def _note(self, event: TransactionEvent) -> None:
        for span in read_update(event.update).inserts:
            if span.client == self.doc.client_id:
                self._last = Key("", span.client, span.clock)

    async def _live(self) -> None:
        while True:
            with contextlib.suppress(*LOST):
                await self._once()
            self._synced.clear()
            self.absence.begins()
            await asyncio.sleep(COME_BACK_S)

    async def _once(self) -> None:
        async with asyncio.timeout(SYNC_S):
            socket = await open_socket(self._request())
        channel = _Channel(socket)
        try:
            async with Provider(self.doc, channel) as provider:
                await _first(provider.synced.wait(), channel.closed.wait(), wait_s=SYNC_S)
                if provider.synced.is_set() and not channel.closed.is_set():
                    self._synced.set()
                    self.returns += 1
                    self.absence.ends()
                    await channel.closed.wait()
                hang_up(socket)
        finally:
            hang_up(socket)

    def _request(self) -> HTTPRequest:
        request = self._seat.socket_request(self._path)
        if self._port is None:
            return request
        headers = dict(request.headers)
        address = request.url.split("/", 3)
        headers["Host"] = address[2]
        return HTTPRequest(f"ws://127.0.0.1:{self._port}/{address[3]}", headers=headers)


async def _first(*waits: Any, wait_s: float) -> None:
    """Return when one of them is over, or none after that time."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


class NodePages:
    """One Node process with all Yjs tabs of a test."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._numbers = itertools.count()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[tuple[int, str], asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[int, YjsTab] = {}
        self.errors: list[str] = []

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            self._node,
            str(NODE_PAGES),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        self._reader = asyncio.create_task(self._read())

    async def stop(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        assert self._reader is not None
        await self._reader

    def tab(self, robot: Robot) -> YjsTab:
        number = next(self._numbers)
        self._tabs[number] = YjsTab(self, number, robot)
        return self._tabs[number]

    def do(self, page: int, name: str, **arguments: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        line = json.dumps({"do": name, "page": page, **arguments}).encode() + b"\n"
        self._process.stdin.write(line)

    async def ask(self, page: int, name: str, answer: str, **arguments: object) -> dict[str, Any]:
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[page, answer] = future
        self.do(page, name, **arguments)
        async with asyncio.timeout(30):
            return await future

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            if "error" in event:
                self.errors.append(event["error"])
                continue
            page = event["page"]
            if "synced" in event:
                self._tabs[page].turned(synced=event["synced"])
            for answer in ("typed", "deleted", "report", "closed"):
                waiting = self._waiting.pop((page, answer), None) if answer in event else None
                if waiting is not None and not waiting.done():
                    waiting.set_result(event)


class YjsTab:
    """A tab of `NodePages`; y-websocket comes back by itself."""

    def __init__(self, pages: NodePages, number: int, robot: Robot) -> None:
        self.returns = 0
        self.absence = Absence([])
        self._pages = pages
        self._number = number
        self._robot = robot
        self._synced = asyncio.Event()

    def turned(self, *, synced: bool) -> None:
        """Called when y-websocket has synced, or lost its server."""
        if synced:
            self.returns += 1
            self.absence.ends()
            self._synced.set()
        else:
            self.absence.begins()

    async def open(self) -> None:
        request = self._robot.seat.socket_request(document_path(self._robot.document))
        url, _, room = request.url.rpartition("/")
        headers = dict(request.headers)
        self._pages.do(self._number, "open", url=url, room=room, headers=headers)
        await self._synced.wait()
        while not (await self._report())["cells"]:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)

    async def type(self, letter: str) -> Key:
        typed = await self._pages.ask(self._number, "type", "typed", letter=letter)
        return Key(letter, typed["client"], typed["clock"])

    async def delete(self, key: Key) -> None:
        done = await self._pages.ask(self._number, "delete", "deleted", letter=key.letter)
        assert done["found"], "what a tab has typed is gone from it"

    async def cells(self) -> list[dict[str, Any]] | None:
        report = await self._report()
        found: list[dict[str, Any]] = report["cells"]
        return found if report["connected"] and not report["pending"] else None

    async def close(self) -> None:
        await self._pages.ask(self._number, "close", "closed")

    async def _report(self) -> dict[str, Any]:
        return await self._pages.ask(self._number, "report", "report", number=0)
