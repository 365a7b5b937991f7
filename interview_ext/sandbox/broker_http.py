"""A broker's address, and requests to it: HTTP over TCP, TLS or a Unix socket."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.netutil import Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

from interview_ext import errors
from interview_ext.errors import (
    EngineUnavailable,
    InterviewError,
    SandboxError,
    SandboxGone,
    Unauthenticated,
)

from .datasets import CHUNK_BYTES
from .profiles import MIB

CONNECT_S = 5.0
REQUEST_S = 15.0
MAX_CLIENTS = 100
MAX_WS_BYTES = 2 * 1024 * 1024
PING_S = 10
SLOWEST_BYTES_PER_S = MIB
"""A data set that comes more slowly is given up by both ends: nobody keeps a place by sending
nothing."""
UPLOAD_PATIENCE_S = 60
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HINT = "See that the broker runs (`jupyter interview broker`) and that this server can reach it."


@dataclass(frozen=True, kw_only=True)
class BrokerAddress:
    """Where a broker listens: ``unix:///run/…/broker.sock``, ``http://…`` or ``https://…``.

    Raises
    ------
    ValueError
        By `parse`: it is none of these.
    """

    base: str
    socket_path: str = ""

    @classmethod
    def parse(cls, url: str) -> BrokerAddress:
        """Read an address."""
        parts = urlsplit(url)
        if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
            return cls(base="http://broker", socket_path=parts.path)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("http:// is for loopback only: it would show the token; use https://")
        if parts.scheme in ("http", "https") and parts.hostname and not parts.query:
            return cls(base=url.rstrip("/"))
        raise ValueError(
            "must be unix:///path/of/a/socket, https://host:port or http://127.0.0.1:80"
        )

    def host_and_port(self) -> tuple[str, int]:
        """Of an address that is no Unix socket."""
        parts = urlsplit(self.base)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


class _UnixResolver(Resolver):
    """Leads every name to one Unix socket."""

    def initialize(self, path: str) -> None:
        self._path = path

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        del host, port, family
        return [(socket.AF_UNIX, self._path)]

    def close(self) -> None:
        """Nothing is held."""


class BrokerHttp:
    """Requests to one broker, as one of its clients.

    Parameters
    ----------
    token_file:
        Read at each connection, so that a token can be replaced without a restart.
    ca_file:
        Certificates to trust, for HTTPS; None trusts the system's.
    """

    def __init__(
        self, address: BrokerAddress, *, token_file: Path, ca_file: Path | None = None
    ) -> None:
        self._address = address
        self._token_file = token_file
        self._tls: ssl.SSLContext | None = None
        if address.base.startswith("https:"):
            self._tls = ssl.create_default_context(cafile=ca_file)
        self._resolver = _UnixResolver(path=address.socket_path) if address.socket_path else None
        # Of its own: tornado would share one among all of the process's.
        self._client = SimpleAsyncHTTPClient(
            force_instance=True, resolver=self._resolver, max_clients=MAX_CLIENTS
        )

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send a request; the answer is its JSON.

        Raises
        ------
        EngineUnavailable
            No broker answers.
        InterviewError
            The broker's own, of its class.
        """
        request = self._request(method, path, REQUEST_S)
        if body is not None:
            request.body = json.dumps(body).encode()
        try:
            answer = await self._client.fetch(request)
        except HTTPClientError as error:
            raise _refusal(error) from None
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise _unreachable(error) from None
        found: dict[str, Any] = json.loads(answer.body) if answer.body else {}
        return found

    async def send_file(self, path: str, source: Path, *, size: int) -> None:
        """PUT a file's content; none of it is sent if it is refused. Raises as `ask` does."""

        async def produce(write: Callable[[bytes], Any]) -> None:
            with await asyncio.to_thread(source.open, "rb", buffering=0) as file:
                while data := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    await write(data)

        request = self._request("PUT", path, longest_s(size))
        request.headers["Content-Length"] = str(size)
        request.body_producer = produce  # type: ignore[assignment]  # tornado awaits it
        request.expect_100_continue = True
        try:
            await self._client.fetch(request)
        except HTTPClientError as error:
            raise _refusal(error) from None
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise _unreachable(error) from None

    async def open_stream(self, path: str) -> WebSocketClientConnection:
        """Open a WebSocket. Raises as `ask` does."""
        try:
            return await websocket_connect(
                self._request("GET", path, CONNECT_S, scheme="ws"),
                ping_interval=PING_S,
                max_message_size=MAX_WS_BYTES,
                resolver=self._resolver,
            )
        except HTTPClientError as error:
            raise _refusal(error) from None
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise _unreachable(error) from None

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _request(
        self, method: str, path: str, timeout_s: float, *, scheme: str = "http"
    ) -> HTTPRequest:
        try:
            token = self._token_file.read_text().strip()
        except OSError as error:
            raise EngineUnavailable(
                "The token for the sandbox broker cannot be read.",
                hint=f"Put it into {self._token_file}, readable by this server only.",
            ) from error
        return HTTPRequest(
            scheme + self._address.base.removeprefix("http") + path,
            method=method,
            headers={"Authorization": f"Bearer {token}"},
            connect_timeout=CONNECT_S,
            request_timeout=timeout_s,
            ssl_options=self._tls,
            follow_redirects=False,
            allow_nonstandard_methods=True,
        )


def longest_s(size: int) -> float:
    """How long a data set of so many bytes may take to a broker."""
    return UPLOAD_PATIENCE_S + size / SLOWEST_BYTES_PER_S


def _unreachable(error: BaseException) -> EngineUnavailable:
    return EngineUnavailable(
        f"The sandbox broker does not answer ({type(error).__name__}).", hint=_HINT
    )


def _refusal(error: HTTPClientError) -> InterviewError:
    """The error that a broker has answered, as the class it was raised as."""
    if error.response is None or error.code == 599:
        return _unreachable(error)
    try:
        body = json.loads(error.response.body)["error"]
        code, message, hint = str(body["code"]), str(body["message"]), str(body["hint"])
    except (ValueError, KeyError, TypeError):
        return EngineUnavailable(f"What answers is no sandbox broker ({error.code}).", hint=_HINT)
    if code == SandboxGone.code:
        return SandboxGone(message, reason=str(body.get("reason", "crash")), hint=hint)
    if code == Unauthenticated.code:  # not the person in front of the page: this server
        return EngineUnavailable(message, hint=hint)
    found = _BY_CODE.get(code, EngineUnavailable if error.code >= 500 else SandboxError)
    return found(message, hint=hint)


def _all(base: type[InterviewError]) -> list[type[InterviewError]]:
    return [base, *(each for sub in base.__subclasses__() for each in _all(sub))]


_BY_CODE = {
    each.code: each
    for each in _all(InterviewError)
    if each.__module__ == errors.__name__ and each not in (SandboxGone, InterviewError)
}
