"""A server of the attacker's: whatever reaches it has left the interview."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Attacker(ThreadingHTTPServer):
    """Listens on loopback by TCP and UDP, answers HTTP, and notes all that comes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._received: list[str] = []
        self._connections = 0
        self._asked = 0
        self._arrived = threading.Event()
        self._datagrams = socket.socket(type=socket.SOCK_DGRAM)
        self._datagrams.bind(self.server_address)
        self._datagrams.setblocking(False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def received(self) -> list[str]:
        """What has come so far: requests, other bytes, datagrams; not `bare` connections."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.note(f"a datagram of {len(self._datagrams.recv(2048))} bytes")
        return [*self._received]

    @property
    def bare(self) -> int:
        """Connections by TCP so far on which nothing has been sent."""
        return self._connections - self._asked

    def wait_for_connection(self, seconds: float) -> bool:
        """Wait until somebody connects; return whether somebody did."""
        return self._arrived.wait(seconds)

    def connected(self) -> None:
        self._connections += 1
        self._arrived.set()

    def asked(self, line: str) -> None:
        self._asked += 1
        self.note(line)

    def note(self, what: str) -> None:
        self._received.append(what)

    def server_close(self) -> None:
        super().server_close()
        self._datagrams.close()


class _Handler(BaseHTTPRequestHandler):
    server: Attacker
    raw_requestline: bytes

    def setup(self) -> None:
        self.server.connected()
        super().setup()

    def parse_request(self) -> bool:
        self.server.asked(self.raw_requestline.decode("latin-1").strip())
        return super().parse_request()

    def _take(self) -> None:
        body = b"self.canary && canary('script of another server')"
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Type", "text/javascript")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = _take  # noqa: N815 - as the library asks

    def log_message(self, *_: object) -> None:
        """Say nothing: what counts is in `Attacker.received`."""


@contextmanager
def listening() -> Iterator[Attacker]:
    attacker = Attacker()
    thread = threading.Thread(target=attacker.serve_forever, daemon=True)
    thread.start()
    try:
        yield attacker
    finally:
        attacker.shutdown()
        thread.join()
        attacker.server_close()
