"""What the events sockets have in common: who may open one, order, bounds, pings, the end.

Messages wait in a bounded queue and are made ready one after the other, so they keep their
order and a page that does not read cannot fill the server's memory. What only says "read
it again" waits there once, however often it was said.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Hashable
from typing import Any

from pydantic import BaseModel, ValidationError
from tornado.websocket import WebSocketClosedError

from interview_ext.api.base import Asked
from interview_ext.api.messages import Ping, Pong
from interview_ext.api.operations import Where
from interview_ext.collab.outlet import Outlet, text_frame
from interview_ext.errors import BadRequest, Forbidden, InterviewError
from interview_ext.handshake import AttendedSocketHandler
from interview_ext.rooms.ports import Message

PING_INTERVAL_S = 25.0
PING_TIMEOUT_S = 20.0
MAX_MESSAGE_BYTES = 1024
"""A page sends nothing but pings."""
MAX_BACKLOG = 256 * 1024
"""Bytes of what is sent at once that may wait for such a page."""
MAX_PENDING = 500
"""Messages that may wait for a page that does not read; beyond it the page has to come again."""
CLOSING_S = 2.0
"""How long a page may take to answer the close frame before the connection is cut."""
_PONG: Message = {"type": "pong"}
_TOO_SLOW = 1013
_POLICY = 1008
_FAILED = 1011
_MAX_REASON_BYTES = 120
"""A close frame holds 123 bytes of reason."""


class EventsSocket(AttendedSocketHandler, Asked):
    """Base of the events sockets. Subclasses subscribe in `begin` and say what is `shown`."""

    def initialize(self, *, resource: str, where: Where) -> None:
        """See `Asked.initialize`."""
        Asked.initialize(self, resource=resource, where=where)
        self._pending: dict[Hashable, Message] = {}
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._outlet: Outlet | None = None
        self._idle = False
        self._unsubscribe: list[Callable[[], None]] = []

    # -- opening

    async def prepare(self) -> None:  # type: ignore[override]
        """Refuse before anything is upgraded or subscribed."""
        await super().prepare(_redirect_to_login=False)
        await self.admit_request()
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise BadRequest("This address is a WebSocket.")
        if self._where is Where.DOOR and "Origin" not in self.request.headers:
            raise Forbidden("A socket of a room is opened by the room's own page.")

    def check_origin(self, origin: str = "") -> bool:
        """Called by tornado for a request of another origin: as jupyter_server has it."""
        return Asked.check_origin(self, origin)

    async def open(self, *args: str, **kwargs: str) -> None:  # noqa: ARG002
        """Subscribe, then greet: nothing that happens in between is missed."""
        self.set_nodelay(True)
        stream = self.ws_connection.stream if self.ws_connection else None
        if stream is not None:
            self._outlet = Outlet(stream, max_backlog=MAX_BACKLOG, overflow=self._too_slow)
        await self.begin()
        if self.ws_connection is not None:
            self._pump = asyncio.create_task(self._work(), name=f"events of {self.request.path}")

    @abstractmethod
    async def begin(self) -> None:
        """Subscribe, and put the greeting first."""

    @abstractmethod
    async def shown(self, message: Message) -> list[BaseModel]:
        """Return what the person gets to see of a message."""

    def listen(self, subscribe: Callable[[], Callable[[], None]]) -> None:
        """Subscribe until the socket closes."""
        self._unsubscribe.append(subscribe())

    # -- sending

    def enqueue(self, message: Message, *, key: Hashable | None = None) -> None:
        """Queue a message; one with the key of a waiting one adds nothing."""
        if self.ws_connection is None:
            return
        if len(self._pending) >= MAX_PENDING:
            self._too_slow()
            return
        self._pending.setdefault(object() if key is None else key, message)
        self._news.set()

    def send_at_once(self, text: str) -> bool:
        """Send what is ready, if nothing is before it; return whether that was so."""
        if not self._idle or self._pending or self._outlet is None:
            return False
        self._outlet.write(text_frame(text))
        return True

    def _too_slow(self) -> None:
        self.end(_TOO_SLOW, "this page does not read fast enough")

    async def send(self, message: BaseModel) -> None:
        """Send, and wait until the connection has taken it."""
        await self.write_message(message.model_dump_json())

    def end(self, code: int, reason: str, *, last: BaseModel | None = None) -> None:
        """Close now, with a last message if there is one; never waits for the page."""
        connection = self.ws_connection
        if connection is None:
            return
        self._stop()
        if self._outlet is not None:
            self._outlet.shut()
        if last is not None:
            sent = self.write_message(last.model_dump_json())
            sent.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.close(code, reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore"))
        stream = getattr(connection, "stream", None)
        if stream is not None:
            asyncio.get_running_loop().call_later(CLOSING_S, stream.close)

    async def _work(self) -> None:
        """Make ready and send what waits, in order, until the socket closes."""
        try:
            while True:
                self._idle = True
                await self._news.wait()
                self._idle = False
                self._news.clear()
                while self._pending:
                    message = self._pending.pop(next(iter(self._pending)))
                    for one in await self._ready(message):
                        await self.send(one)
        except WebSocketClosedError:
            return
        except InterviewError as error:
            self.end(error.close_code, error.message)
        except Exception:
            # A page that misses a message without a word would show something wrong; closed,
            # it reconnects and reads everything anew.
            self.log.exception("An events socket failed")
            self.end(_FAILED, "the server failed; connect again")

    async def _ready(self, message: Message) -> list[BaseModel]:
        return [Pong(type="pong")] if message == _PONG else await self.shown(message)

    # -- receiving and closing

    def on_message(self, message: str | bytes) -> None:
        """Answer a ping, behind all that waits; whatever else comes is no page of ours."""
        try:
            Ping.model_validate_json(message)
        except ValidationError:
            self.end(_POLICY, "only pings are expected here")
            return
        self.enqueue(_PONG, key="pong")

    def on_close(self) -> None:
        """Called by tornado once the connection is gone."""
        self._stop()

    def _stop(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()
        self._pending.clear()
        if self._pump is not None and self._pump is not asyncio.current_task():
            self._pump.cancel()

    @property
    def ping_interval(self) -> float:
        """Seconds between the server's pings."""
        return PING_INTERVAL_S

    @property
    def ping_timeout(self) -> float:
        """Seconds until a page that does not answer is gone."""
        return PING_TIMEOUT_S

    @property
    def max_message_size(self) -> int:
        """Bytes a page may send at once."""
        return MAX_MESSAGE_BYTES

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """See `Asked.write_error`: before the upgrade a refusal is an ordinary answer."""
        Asked.write_error(self, status_code, **kwargs)
