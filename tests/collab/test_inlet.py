"""The reading of frames, whatever pieces they come in: a real door socket and raw bytes."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pycrdt import Text

from interview_ext.collab.wire.framing import write_update
from interview_ext.rooms.model import Role
from tests.collab.conftest import House
from tests.collab.updates import letters as pasted
from tests.collab.updates import typed
from tests.services.certificates import make_certificate

WAIT_S = 10
CONTINUATION, BINARY, PING, PONG, CLOSE = 0, 2, 9, 10, 8


def frame(payload: bytes, opcode: int = BINARY, *, last: bool = True, flags: int = 0) -> bytes:
    mask = os.urandom(4)
    first = (0x80 if last else 0) | flags | opcode
    size = len(payload)
    head = (
        struct.pack("!BB", first, 0x80 | size)
        if size < 126
        else struct.pack("!BBH", first, 0x80 | 126, size)
        if size < 65536
        else struct.pack("!BBQ", first, 0x80 | 127, size)
    )
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class Raw:
    """A connection on which every byte is the test's own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def frame(self, opcode: int) -> bytes:
        """Return the payload of the next frame of a kind."""
        async with asyncio.timeout(WAIT_S):
            while True:
                first, size = await self.reader.readexactly(2)
                if size > 125:
                    more = await self.reader.readexactly(2 if size == 126 else 8)
                    size = int.from_bytes(more, "big")
                payload = await self.reader.readexactly(size)
                if first & 0x0F == opcode:
                    return payload

    async def ended(self) -> None:
        """Return when the server has cut the connection."""
        async with asyncio.timeout(WAIT_S):
            while await self.reader.read(4096):
                pass


@asynccontextmanager
async def connected(house: House, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Raw]:
    url = urlsplit(house.url(await house.person(Role.CANDIDATE)))
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=tls)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()


async def text_becomes(house: House, text: str) -> None:
    shared = await house.shared()
    source = shared.ydoc.ydoc.get("source", type=Text)
    assert await shared.wait_for(lambda: str(source) == text, WAIT_S), str(source)


async def test_frames_in_one_piece_and_byte_by_byte(house: House) -> None:
    frames = [frame(write_update(update)) for update in typed(7, "together and apart")]
    async with connected(house) as raw:
        await raw.write(b"".join(frames[:9]))
        for byte in b"".join(frames[9:]):
            await raw.write(bytes([byte]))
            await asyncio.sleep(0)
        await text_becomes(house, "together and apart")


@pytest.fixture
async def tls(house: House, tmp_path: Path) -> ssl.SSLContext:
    """The house is started anew behind a certificate; this is how pages trust it."""
    certificate = make_certificate(tmp_path, "127.0.0.1")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate.path, certificate.key)
    await house.stop()
    await house.start(tls=server)
    return ssl.create_default_context(cafile=certificate.path)


async def test_over_tls_a_large_frame_is_taken_whole(house: House, tls: ssl.SSLContext) -> None:
    """Larger than a record of TLS, and than what is read at a time."""
    async with connected(house, tls=tls) as raw:
        await raw.write(frame(write_update(pasted("y" * 70_000, client=9))))
        await text_becomes(house, "y" * 70_000)
        await raw.write(frame(b"still there?", PING))
        assert await raw.frame(PONG) == b"still there?"


async def test_a_message_in_parts_with_a_ping_between(house: House) -> None:
    (update,) = typed(7, "x" * 1)
    message = write_update(update)
    async with connected(house) as raw:
        await raw.write(
            frame(message[:3], last=False)
            + frame(b"still there?", PING)
            + frame(message[3:5], CONTINUATION, last=False)
            + frame(message[5:], CONTINUATION)
        )
        assert await raw.frame(PONG) == b"still there?"
        await text_becomes(house, "x")


@pytest.mark.parametrize("letters", [200, 70_000])
async def test_sizes_of_two_and_of_eight_bytes(house: House, letters: int) -> None:
    async with connected(house) as raw:
        await raw.write(frame(write_update(pasted("y" * letters, client=9))))
        await text_becomes(house, "y" * letters)


@pytest.mark.parametrize(
    "data",
    [
        frame(b"x", flags=0x40),
        frame(b"x", CONTINUATION),
        frame(b"x", last=False) + frame(b"x"),
        frame(b"x", PING, last=False),
        frame(b"x" * 126, PING),
        frame(b"x", 3),
    ],
    ids=["reserved bit", "continues nothing", "within another", "ping in parts", "long", "unknown"],
)
async def test_what_is_no_frame_cuts_the_connection(house: House, data: bytes) -> None:
    async with connected(house) as raw:
        await raw.write(data)
        await raw.ended()


async def test_a_frame_that_is_too_large_is_refused_by_its_head(house: House) -> None:
    async with connected(house) as raw:
        await raw.write(struct.pack("!BBQ", 0x80 | BINARY, 0x80 | 127, 2**40) + bytes(4))
        assert (await raw.frame(CLOSE))[:2] == (1009).to_bytes(2, "big")
        await raw.ended()


async def test_closing_is_answered(house: House) -> None:
    async with connected(house) as raw:
        await raw.write(frame((1000).to_bytes(2, "big"), CLOSE))
        assert (await raw.frame(CLOSE))[:2] == (1000).to_bytes(2, "big")
        await raw.ended()


async def test_the_server_closes_and_is_answered(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await _closed_by_the_server(house, None)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def test_over_tls_the_server_closes_and_is_answered(
    house: House, tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    await _closed_by_the_server(house, tls)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def test_a_close_frame_whose_reason_is_no_text_cuts_the_connection(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await _closed_with_no_text(house, None)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def test_over_tls_a_close_frame_whose_reason_is_no_text_cuts_the_connection(
    house: House, tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    await _closed_with_no_text(house, tls)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def _closed_with_no_text(house: House, tls: ssl.SSLContext | None) -> None:
    async with connected(house, tls=tls) as raw:
        await raw.write(frame((1000).to_bytes(2, "big") + b"\xff\xfe", CLOSE))
        await raw.ended()
    assert house.documents.peers == 0


async def _closed_by_the_server(house: House, tls: ssl.SSLContext | None) -> None:
    async with connected(house, tls=tls) as raw:
        await raw.write(frame(b"no message at all"))
        reason = await raw.frame(CLOSE)
        await raw.write(frame(b"still on its way"))
        await asyncio.sleep(0.05)
        await raw.write(frame(reason, CLOSE))
        await raw.ended()
