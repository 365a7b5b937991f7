"""What no page sends: it is answered as wrong, and is no failure of the server's in its log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.server.conftest import Person, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_UTF8 = "no_track_activity=%ff"
PAGE = {"Accept": "text/html"}


class _Texts(logging.Handler):
    """Keeps lines as a log file has them, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def candidate(server: Server) -> Person:
    return await server.candidate(await server.room())


@pytest.fixture
def log(server: Server) -> Iterator[list[str]]:
    """What the server logs meanwhile."""
    texts = _Texts()
    loggers = (logging.getLogger(), server.app.log)
    for logger in loggers:
        logger.addHandler(texts)
    yield texts.lines
    for logger in loggers:
        logger.removeHandler(texts)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"api/status?{NOT_UTF8}", {}),
        (f"api/contents/nothing.md?{NOT_UTF8}", {}),
        (f"lab?{NOT_UTF8}", PAGE),
        (f"lobby?{NOT_UTF8}", PAGE),
        (f"nothing/here?{NOT_UTF8}", PAGE),
        ("api/contents?content=%ff", {}),
        (f"api/me?permissions={'[' * 20_000}", {}),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)
async def test_malformed_addresses(
    candidate: Person, log: list[str], path: str, headers: dict[str, str]
) -> None:
    answer = await candidate.get(path, headers=headers, follow_redirects=True)
    assert 400 <= answer.status_code < 500, answer.text
    assert [line for line in log if "Traceback" in line] == []


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"path": ' * 20_000, b"\xff", b"NaN"])
async def test_malformed_bodies(candidate: Person, log: list[str], body: bytes) -> None:
    answer = await candidate.send("POST", "api/sessions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"
    assert [line for line in log if "Traceback" in line] == []


@pytest.mark.parametrize("seated", [True, False], ids=["seated", "nobody"])
@pytest.mark.parametrize(
    "length",
    ["\xb2", "9" * 5_000, "9" * 20, "-1"],
    ids=["superscript", "long", "large", "negative"],
)
async def test_malformed_lengths(
    server: Server, candidate: Person, log: list[str], length: str, *, seated: bool
) -> None:
    room = server.doors.context.links.room_path(candidate.room_id)
    path = f"{candidate.door}api/sessions" if seated else f"{room}api/look"
    where = urlsplit(server.origin)
    lines = [f"POST {path} HTTP/1.1", f"Host: {where.netloc}", f"Content-Length: {length}"]
    if seated:
        lines.append(f"Cookie: interview-seat-{candidate.participant_id}={candidate.seat}")
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    status = await reader.readline()
    writer.close()
    assert status.split()[1].startswith(b"4"), status
    assert [line for line in log if "Traceback" in line] == []
