"""Robots that type and delete as people do, and know what was called saved.

Every keystroke is a character of its own, so that each can be found, and counted, in whatever is
read in the end. A robot types at the end of the room's first cell, so that what stands there is
in the order of its typing, and deletes only what it typed itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from tornado.httpclient import HTTPClientError

from interview_ext.collab.wire.sets import Span
from tests.benchmarks.people import Seat
from tests.sockets import hang_up, open_socket

LOST = (OSError, HTTPClientError, TimeoutError)
"""What a client meets when the server, or the way to it, is gone."""
PAUSE_S = 0.4, 1.0
COME_BACK_S = 0.2
OPEN_S = 120.0
_DELETES = 0.25
"""Of a robot's strokes, how many take one away."""


@dataclass
class Key:
    """One keystroke: a character, and where Yjs has put it."""

    letter: str
    client: int
    clock: int
    removed: bool = False


@dataclass
class Visit:
    """What was typed in one tab, from its opening until it was closed for good."""

    keys: list[Key] = field(default_factory=list)
    left: list[Key] | None = None
    """Of a tab that was closed: the keys that were called saved before another was opened."""


class Tab(Protocol):
    """One tab on one document: a Yjs client with its own way of coming back."""

    returns: int
    """How often it has been connected and synced."""

    async def open(self) -> None:
        """Connect, and return once the document is there."""

    async def type(self, letter: str) -> Key:
        """Insert a character at the end of the first cell."""

    async def delete(self, key: Key) -> None:
        """Delete a character that this tab shows."""

    async def cells(self) -> list[dict[str, Any]] | None:
        """Return the notebook's cells; None while something is missing or not connected."""

    async def close(self) -> None:
        """Close the tab at once: what it has not sent is lost."""


class Robot:
    """Somebody in a room: a seat, one tab at a time, and an events socket."""

    def __init__(self, seat: Seat, document: str, letters: Iterator[str], random: Random) -> None:
        self.seat = seat
        self.document = document
        self.visits: list[Visit] = []
        self.saved: dict[int, int] = {}
        self.deleted: set[Span] = set()
        self.tab: Tab | None = None
        self.absences_s: list[float] = []
        self._letters = letters
        self._random = random
        self._make: Any = None
        self._turn = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, make: Any) -> None:
        """Come in. `make` opens a new tab of this robot's kind."""
        self._make = make
        self._tasks.append(asyncio.create_task(self._listen()))
        await self._open()
        self._tasks.append(asyncio.create_task(self._work()))

    async def rest(self) -> None:
        """Stop typing; the tab stays open."""
        work = self._tasks.pop()
        async with self._turn:
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.tab is not None:
            await self.tab.close()
        await self.seat.leave()

    def check(self) -> None:
        """Raise what has ended the robot's work, if it has ended."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise AssertionError("a robot has stopped")

    async def reload(self) -> None:
        """Close the tab for good and open the room anew."""
        async with self._turn:
            assert self.tab is not None
            await self.tab.close()
            visit = self.visits[-1]
            visit.left = [key for key in visit.keys if self.is_saved(key)]
            await self._open()

    async def stroke(self) -> None:
        """Type or delete once."""
        async with self._turn:
            assert self.tab is not None
            standing = [key for key in self.visits[-1].keys if not key.removed]
            if len(standing) > 3 and self._random.random() < _DELETES:
                key = self._random.choice(standing[:-1])
                await self.tab.delete(key)
                key.removed = True
            else:
                self.visits[-1].keys.append(await self.tab.type(next(self._letters)))

    # -- what was called saved

    def is_saved(self, key: Key) -> bool:
        return key.clock < self.saved.get(key.client, 0)

    def is_deleted(self, key: Key) -> bool:
        """Whether its deletion was called saved."""
        return any(
            span.client == key.client and span.clock <= key.clock < span.end
            for span in self.deleted
        )

    @property
    def keys(self) -> list[Key]:
        return [key for visit in self.visits for key in visit.keys]

    # -- inside

    async def _open(self) -> None:
        self.visits.append(Visit())
        self.tab = self._make(self)
        async with asyncio.timeout(OPEN_S):
            await self.tab.open()

    async def _work(self) -> None:
        while True:
            await self.stroke()
            await asyncio.sleep(self._random.uniform(*PAUSE_S))

    async def _listen(self) -> None:
        """Hear, over the events socket, what is saved; come back when it is lost."""
        request = f"interview/api/rooms/{self.seat.room}/events"
        while True:
            with contextlib.suppress(*LOST):
                socket = await open_socket(self.seat.socket_request(request))
                try:
                    while (data := await socket.read_message()) is not None:
                        self._hear(json.loads(data))
                finally:
                    hang_up(socket)
            await asyncio.sleep(COME_BACK_S)

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] != "durable" or message["document"] != self.document:
            return
        for client, clock in message["clients"].items():
            self.saved[int(client)] = max(clock, self.saved.get(int(client), 0))
        self.deleted |= {Span(*span) for span in message["deletes"]}


class Absence:
    """Measures how long a tab has been without its server."""

    def __init__(self, found: list[float]) -> None:
        self._found = found
        self._since: float | None = None

    def begins(self) -> None:
        if self._since is None:
            self._since = time.monotonic()

    def ends(self) -> None:
        if self._since is not None:
            self._found.append(time.monotonic() - self._since)
            self._since = None
