"""Requests about a room's cells, led to the server that runs them.

Any server is asked by the load balancer; one of them has the room's kernel, its queue and its
files. The request is passed on as it is, byte by byte, on a connection of its own that carries the
answer back: pages and files, long answers and WebSockets alike, each side as fast as the other
reads. The other server asks for the seat itself, from the same cookie and the same store, so
nothing has to be believed. It is reached at the address that stands in its lease and nowhere else.
A request that was passed on once is never passed on again.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient

from interview_ext.errors import OwnerElsewhere, OwnerUnknown
from interview_ext.rooms.ports import Lease, Leases

log = logging.getLogger(__name__)

PASSED = "X-Interview-Passed-On"
"""Header of a request that another server has passed on."""
CONNECT_S = 1.0
FIND_S = 6.0
"""How long a request waits for a server that can be reached: a dead one's room is taken over in
less."""
AGREE_S = 5.0
"""How long it waits for the servers to agree."""
LOOK_S = 0.2
LOOK_AFTER_S = 1.0
CHUNK = 64 * 1024
_OF_THE_OWNER = re.compile(
    r"^/interview/api/rooms/[^/]+/(?:executions(?:/[^/]+/(?:extend|input)|/[^/]+)?|"
    r"sandbox(?:/.*)?|files(?:/.*)?)$|^/api/(?:kernels|sessions)(?:/.*)?$|^/api/kernelspecs$"
)
_READS = re.compile(r"^/interview/api/rooms/[^/]+/executions(?:/[^/]+)?$")
"""Run records stand in the store: any server reads them."""
_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "upgrade"})

Elsewhere = Callable[[str], Awaitable[Lease | None]]
"""Returns another server's lease of a room, None if it is this one's."""


def concerns_owner(method: str, path: str) -> bool:
    """Whether a request, by its path below a door, is for the server that runs the cells."""
    if method in ("GET", "HEAD") and _READS.match(path):
        return False
    return _OF_THE_OWNER.match(path) is not None


@dataclass(eq=False)
class _Tunnel:
    lease: Lease
    here: IOStream
    there: IOStream

    def close(self) -> None:
        self.here.close()
        self.there.close()


class PassOn:
    """Leads requests to other servers. Made once by `doors`.

    Parameters
    ----------
    leases:
        Says whether the lease by which a request was passed on is still true.
    """

    def __init__(self, leases: Leases, elsewhere: Elsewhere) -> None:
        self._leases = leases
        self._find = elsewhere
        self._tunnels: set[_Tunnel] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._tcp = TCPClient()

    async def reach(
        self, room_id: str, request: HTTPServerRequest
    ) -> tuple[Lease, IOStream] | None:
        """Return the server that runs the room's cells, connected; None: it is this one.

        Raises
        ------
        OwnerUnknown, OwnerElsewhere
        """
        began = asyncio.get_running_loop().time()
        while True:
            waited_s = asyncio.get_running_loop().time() - began
            try:
                lease = await self._find(room_id)
                if lease is None:
                    return None
                if PASSED in request.headers:
                    raise OwnerElsewhere("The servers do not agree on which of them runs cells.")
                return lease, await self._connect(lease.address)
            except OwnerUnknown:
                if PASSED in request.headers or waited_s > AGREE_S:
                    raise
            except (OSError, TimeoutError) as error:
                if waited_s > FIND_S:
                    raise OwnerUnknown(
                        "The server that runs this interview's cells does not answer."
                    ) from error
            await asyncio.sleep(LOOK_S)

    def send(
        self, request: HTTPServerRequest, found: tuple[Lease, IOStream], *, path: str = ""
    ) -> IOStream:
        """Take the request's connection and carry bytes both ways; return the person's end.

        Parameters
        ----------
        path:
            Asked for there, if it is not the request's own.
        """
        lease, there = found
        head = _head(request, path or request.uri or "/")
        connection = request.connection
        if not isinstance(connection, HTTP1Connection) or connection.stream is None:
            there.close()  # the person has gone meanwhile
            raise OwnerElsewhere("This request cannot be passed on.")
        here = connection.detach()
        tunnel = _Tunnel(lease, here, there)
        for stream in (here, there):
            stream.set_nodelay(True)
            stream.set_close_callback(None)
        self._tunnels.add(tunnel)
        task = asyncio.create_task(self._carry(tunnel, head), name=f"to {lease.address}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._watch is None:
            self._watch = asyncio.create_task(self._look(), name="passed-on requests")
        return here

    async def stop(self) -> None:
        """Cut everything."""
        tasks = [*self._tasks, *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for tunnel in list(self._tunnels):
            tunnel.close()
        self._tcp.close()

    # -- inside

    async def _connect(self, address: str) -> IOStream:
        parts = urlsplit(address)
        secure = parts.scheme == "https"
        async with asyncio.timeout(CONNECT_S):
            return await self._tcp.connect(
                parts.hostname or "",
                parts.port or (443 if secure else 80),
                ssl_options=ssl.create_default_context() if secure else None,
            )

    async def _carry(self, tunnel: _Tunnel, head: bytes) -> None:
        ways: set[asyncio.Task[None]] = set()
        try:
            await tunnel.there.write(head)
            ways = {
                asyncio.create_task(_pump(tunnel.here, tunnel.there)),
                asyncio.create_task(_pump(tunnel.there, tunnel.here)),
            }
            # Nobody of ours closes one direction only: the first end is the end of both.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except StreamClosedError:
            log.info("%s has closed a request unanswered", tunnel.lease.address)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            tunnel.close()
            self._tunnels.discard(tunnel)

    async def _look(self) -> None:
        """Cut what leads to a server that has lost the room: it may stand still with all its
        connections open. Pages come again, and are led to the right one.
        """
        while True:
            await asyncio.sleep(LOOK_AFTER_S)
            for room_id in {tunnel.lease.room_id for tunnel in self._tunnels}:
                try:
                    now = await self._leases.holder(room_id)
                except OwnerUnknown:
                    continue
                for tunnel in list(self._tunnels):
                    if tunnel.lease.room_id == room_id and tunnel.lease != now:
                        log.info("%s has lost room %s", tunnel.lease.address, room_id)
                        tunnel.close()


async def _pump(source: IOStream, target: IOStream) -> None:
    """Carry bytes until one side is closed, no faster than the target takes them."""
    with suppress(StreamClosedError):
        while True:
            await target.write(await source.read_bytes(CHUNK, partial=True))


def _head(request: HTTPServerRequest, path: str) -> bytes:
    """Return the request's head, as it came but for what holds for one connection only."""
    upgrades = request.headers.get("Upgrade", "").lower() == "websocket"
    lines = [f"{request.method} {path} HTTP/1.1"]
    lines += [
        f"{name}: {value}"
        for name, value in request.headers.get_all()
        if name.lower() not in _HOP and name != PASSED
    ]
    lines += ["Connection: Upgrade", "Upgrade: websocket"] if upgrades else ["Connection: close"]
    lines += [f"{PASSED}: 1", "", ""]
    # tornado reads a head as latin-1 and has refused line ends in values.
    return "\r\n".join(lines).encode("latin-1")
