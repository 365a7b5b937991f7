"""What stands between machines: connections that are spread, cut and slowed down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from random import Random

_CHUNK = 64 * 1024
_CONNECT_S = 1.0


class Wire:
    """Hands each TCP connection on to one of the ports that take it, as a load balancer does.

    Attributes
    ----------
    ports:
        Where they go to, on loopback.
    delayed:
        How many pieces of data have been held back so far.
    """

    def __init__(self, ports: Sequence[int], random: Random) -> None:
        self.ports = list(ports)
        self._random = random
        self._lines: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._hold_s = 0.0
        self.delayed = 0
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        while self._tasks:
            self.cut(1.0)
            await asyncio.wait(self._tasks, timeout=0.1)

    def cut(self, share: float) -> int:
        """Break that share of the connections without a word; return how many."""
        lines = sorted(self._lines, key=lambda line: line[0].get_extra_info("peername") or ())
        chosen = [line for line in lines if self._random.random() < share]
        for line in chosen:
            for end in line:
                end.transport.abort()
        return len(chosen)

    def hold(self, up_to_s: float) -> None:
        """Hold each piece of data back for a random time, in order within a connection."""
        self._hold_s = up_to_s

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        found = await self._connect()
        if found is None:
            writer.transport.abort()
            return
        far_reader, far_writer = found
        line = (writer, far_writer)
        self._lines.add(line)
        pumps = [
            asyncio.create_task(self._pump(reader, far_writer)),
            asyncio.create_task(self._pump(far_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._lines.discard(line)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in line:
                end.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self._random.sample(self.ports, len(self.ports)):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_S):
                    return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._hold_s:
                    self.delayed += 1
                    await asyncio.sleep(self._random.uniform(0, self._hold_s))
                writer.write(data)
                await writer.drain()
