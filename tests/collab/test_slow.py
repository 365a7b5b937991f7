"""A browser that does not read is closed and comes back; nobody else waits for it."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from interview_ext.collab.limits import Limits
from interview_ext.collab.wire.framing import write_update
from interview_ext.rooms.model import Role
from tests.collab.conftest import House
from tests.collab.updates import letters


@pytest.fixture
def limits() -> Limits:
    return replace(Limits(), max_backlog=100_000)


async def silent(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A browser that completes the handshake and reads no more, with a small buffer."""
    url = house.url(await house.person(Role.OBSERVER))
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", house.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    path = url.partition(str(house.port))[2]
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    return reader, writer


async def test_who_does_not_read_is_closed_and_the_others_go_on(house: House) -> None:
    reader, writer = await silent(house)
    ada = await house.page(await house.person(Role.CANDIDATE), answers=False).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    relay = (await house.shared()).relay
    assert len(relay.peers) == 3
    part = "x" * 100_000
    sent = 0
    while len(relay.peers) == 3 and sent < 200 * len(part):
        ada.send(write_update(letters(part, client=ada.client, clock=sent)))
        sent += len(part)
        await committed(house, ada.client, sent)
    assert len(relay.peers) == 2, "what waits for one browser has a bound"
    await bob.until(lambda: len(bob.text) == sent)
    received = bytearray()
    async with asyncio.timeout(10):
        while more := await reader.read(65536):
            received += more
    assert received[-64:].find(b"\x03\xf5") >= 0, "close code 1013: try again later"
    writer.close()


async def committed(house: House, client: int, clock: int) -> None:
    await house.hear(lambda m: m.get("clients", {}).get(str(client)) == clock)
