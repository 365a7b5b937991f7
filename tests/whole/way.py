"""The network between one browser and a server, which may fail."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

_RESET = struct.pack("ii", 1, 0)
"""``SO_LINGER`` on, 0 s: closing sends a reset and throws away what is under way."""


class Failure(Enum):
    """What a network does to the connections that it carries."""

    STALLED = "stalled"
    """Nothing passes; what was sent arrives when the network is back: a cable pulled and put in."""
    SWALLOWED = "swallowed"
    """Nothing passes, and what was connected says nothing ever again: another network address."""
    RESET = "reset"
    """What was connected is cut, and so is every attempt to connect."""


class Way:
    """A TCP proxy in front of a server.

    Attributes
    ----------
    lost:
        Bytes that were thrown away.
    cut:
        Connections that were reset or will say nothing any more.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._failure: Failure | None = None
        self._links: set[_Link] = set()
        self._back = asyncio.Event()
        self._back.set()
        self.port = 0
        self.lost = 0
        self.cut = 0

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[Way]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            links = list(self._links)
            for link in links:
                link.end()
            await asyncio.gather(*(link.over() for link in links))

    def of(self, url: str) -> str:
        """Return an address of the server's as it is by this way."""
        return url.replace(f":{self._port}/", f":{self.port}/")

    @asynccontextmanager
    async def failing(self, failure: Failure) -> AsyncIterator[None]:
        """Be without network until the block ends."""
        self._failure = failure
        self._back.clear()
        for link in list(self._links):
            self._hit(link, failure)
        try:
            yield
        finally:
            self._failure = None
            self._back.set()

    def _hit(self, link: _Link, failure: Failure) -> None:
        self.cut += failure is not Failure.STALLED
        if failure is Failure.SWALLOWED:
            link.dead = True
        elif failure is Failure.RESET:
            link.reset()

    async def passes(self) -> None:
        """Return when bytes may pass."""
        await self._back.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, writer)
        self._links.add(link)
        try:
            if self._failure is not None:
                self._hit(link, self._failure)
            await self.passes() if self._failure is Failure.STALLED else None
            await link.carry(reader, self._port)
        finally:
            self._links.discard(link)


class _Link:
    """One connection of a browser, and the one to the server that goes with it."""

    def __init__(self, way: Way, near: asyncio.StreamWriter) -> None:
        self._way = way
        self._near = near
        self._far: asyncio.StreamWriter | None = None
        self._task = asyncio.current_task()
        self.dead = False

    async def carry(self, reader: asyncio.StreamReader, port: int) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, self._far = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pass(reader, self._far)),
                    asyncio.ensure_future(self._pass(far_reader, self._near)),
                ],
            )
        for writer in (self._near, self._far):
            if writer is not None:
                writer.close()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry bytes one way; a dead connection takes them and passes not even its end."""
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._way.passes() if not self.dead else None
                if self.dead:
                    self._way.lost += len(data)
                    continue
                sink.write(data)
                await sink.drain()
        if not self.dead:
            sink.close()

    def reset(self) -> None:
        for writer in (self._near, self._far):
            if writer is not None:
                raw = writer.get_extra_info("socket")
                if raw is not None:
                    with contextlib.suppress(OSError):
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self.reset()

    async def over(self) -> None:
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
