"""The bus between servers: Redis' publish and subscribe.

Nothing is kept by Redis, and nothing of this is the truth: that is the store. What the bus
owes is therefore not that every message arrives, but that whoever may have missed one learns
of it. Each listener then gets ``{"type": "gap"}`` (`interview_ext.rooms.ports.GAP`) and reads
again what it shows. A stream, which keeps messages, would not change that: Redis too can be
restarted, and a server that was away for long would have to read everything again anyhow.
What no other server listens to is not sent (`redis_listeners`).

Two connections, so that a reader that waits keeps no message from going out. Listeners of this
server are called at once, whether Redis answers or not.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from interview_ext.errors import BusUnavailable
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.ports import GAP, Listener, Message
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.redis_listeners import Elsewhere, OwnTopics
from interview_ext.storage.redis_url import end

log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 32 * 1024 * 1024
"""Messages that wait for Redis; beyond it all of them are dropped, and others told of a gap."""
MAX_AT_ONCE = 200
GATHER_S = 0.002
"""How long a message waits for others that go out with it, in one write."""
CONNECT_S = 5.0
ANSWER_S = 10.0
PING_EVERY_S = 3.0
"""How often a reader without messages asks whether Redis is still there, and a server says that
it is."""
FLUSH_S = 2.0
_RETRY_FIRST_S, _RETRY_LAST_S = 0.05, 2.0
_SERVERS = "servers"
"""What is told to every server, whatever it listens to."""
_TROUBLE = (RedisError, OSError, TimeoutError)


class RedisBus:
    """See `interview_ext.rooms.ports.Bus`. Made by ``backends.bus_of``.

    Parameters
    ----------
    url:
        As redis-py has it, checked by ``redis_url.check``. Servers on different database
        numbers do not hear each other.
    """

    shared = True
    from_elsewhere = False

    def __init__(self, url: str) -> None:
        self.server_id = new_id("server")
        self._local = MemoryBus()
        self._pool: ConnectionPool = ConnectionPool.from_url(
            url,
            socket_connect_timeout=CONNECT_S,
            socket_keepalive=True,
            protocol=2,
        )
        kwargs = self._pool.connection_kwargs
        self._where = str(kwargs.get("path") or f"{kwargs.get('host')}:{kwargs.get('port', 6379)}")
        self._prefix = f"interview:{kwargs.get('db') or 0}:"
        self._listening: dict[str, int] = {}
        self._subscribed: set[str] = set()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._waiting_bytes = 0
        self._lost = False
        self._elsewhere = Elsewhere()
        self._own = OwnTopics()
        self._alive_said_at = 0.0
        self._sent = asyncio.Event()
        self._sent.set()
        self._news = asyncio.Event()
        self._topics_changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._lame: set[str] = set()
        self._stopping = False

    @property
    def about(self) -> str:
        """What and where it is, for people, without secrets."""
        return f"Redis at {self._where}"

    # -- life

    async def start(self) -> None:
        """Connect.

        Raises
        ------
        BusUnavailable
        """
        self._stopping = False
        opened: list[AbstractConnection] = []
        try:
            opened.append(await self._connect())
            opened.append(await self._connect())
            await _ask(opened[1], "SUBSCRIBE", self._channel(_SERVERS))
        except _TROUBLE as error:
            for connection in opened:
                await _close(connection)
            raise BusUnavailable(f"{self.about} cannot be used: {_reason(error)}") from None
        self._tasks = [
            asyncio.create_task(self._keep("writer", self._write, opened[0]), name="bus writer"),
            asyncio.create_task(self._keep("reader", self._read, opened[1]), name="bus reader"),
        ]

    async def stop(self) -> None:
        """Send what waits, if Redis takes it soon, and forget all listeners."""
        self._stopping = True
        if self._tasks and not self._lame:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._sent.wait()
        await end(self._tasks)
        self._tasks = []
        self._listening.clear()
        await self._local.stop()
        await self._pool.aclose()

    # -- the port

    def publish(self, topic: str, message: Message) -> None:
        """See `interview_ext.rooms.ports.Bus.publish`."""
        elsewhere, self.from_elsewhere = self.from_elsewhere, False
        self._local.publish(topic, message)
        self.from_elsewhere = elsewhere
        if not self.heard_elsewhere(topic):
            return
        try:
            data = self._signed(message)
        except (TypeError, ValueError):
            log.exception("A %s message of %s cannot be sent", message.get("type"), topic)
            return
        self._send(topic, data)

    def heard_elsewhere(self, topic: str) -> bool:
        """See `interview_ext.rooms.ports.Bus.heard_elsewhere`."""
        return self._elsewhere.listens(topic)

    def subscribe(self, topic: str, listener: Listener) -> Callable[[], None]:
        """See `interview_ext.rooms.ports.Bus.subscribe`."""
        stop_local = self._local.subscribe(topic, listener)
        self._listening[topic] = self._listening.get(topic, 0) + 1
        self._topics_changed.set()
        stopped = False

        def unsubscribe() -> None:
            nonlocal stopped
            stop_local()
            if stopped or topic not in self._listening:
                return
            stopped = True
            self._listening[topic] -= 1
            if not self._listening[topic]:
                del self._listening[topic]
                self._topics_changed.set()

        return unsubscribe

    # -- connections

    async def _connect(self) -> AbstractConnection:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(CONNECT_S):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await _close(connection)
            raise
        return connection

    async def _keep(
        self,
        part: str,
        work: Callable[[AbstractConnection], Awaitable[None]],
        connection: AbstractConnection | None,
    ) -> None:
        """Do the work on a connection; when it is lost, on the next."""
        wait_s = _RETRY_FIRST_S
        while True:
            try:
                connection = connection or await self._connect()
                wait_s = _RETRY_FIRST_S
                await work(connection)
            except _TROUBLE as error:
                self._is_down(part, error)
            finally:
                if connection is not None:
                    await _close(connection)
                    connection = None
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _RETRY_LAST_S)

    def _is_down(self, part: str, error: BaseException) -> None:
        known = bool(self._lame)
        self._lame.add(part)
        if not known and not self._stopping:
            log.warning(
                "%s is lost (%s): servers do not hear each other at once until it is back",
                self.about,
                _reason(error),
            )

    def _is_up(self, part: str) -> None:
        if part not in self._lame:
            return
        self._lame.discard(part)
        if not self._lame:
            log.warning("%s is back", self.about)

    def _channel(self, topic: str) -> str:
        return self._prefix + topic

    # -- sending

    def _send(self, topic: str, data: bytes) -> None:
        if self._waiting_bytes + len(data) > MAX_WAITING_BYTES:
            self._waiting.clear()
            self._waiting_bytes = 0
            self._own.repeat()
            self._somebody_missed_something()
            return
        self._waiting.append((topic, data))
        self._sent.clear()
        self._waiting_bytes += len(data)
        self._news.set()

    def _somebody_missed_something(self) -> None:
        self._lost = True
        self._news.set()

    def _say(self) -> None:
        """Let the others know what is listened to here, if they do not yet, and that one lives."""
        now = asyncio.get_running_loop().time()
        news = self._own.news()
        if news is None and now - self._alive_said_at >= PING_EVERY_S:
            news = self._own.sign_of_life()
            self._elsewhere.drop_silent()
        if news is not None:
            self._alive_said_at = now
            self._send(_SERVERS, self._signed(news))
        if self._elsewhere.overflows:
            self._elsewhere.forget()
            self._ask_who_listens()
            self._somebody_missed_something()

    def _ask_who_listens(self) -> None:
        self._elsewhere.asked()
        self._send(_SERVERS, self._signed({"type": "who"}))

    async def _write(self, connection: AbstractConnection) -> None:
        """Send what waits, in its order, for as long as the connection lives."""
        self._own.repeat()
        while True:
            self._say()
            if self._lost:
                await self._tell_gap(connection)
            while self._waiting and not self._lost:
                await self._send_some(connection)
                self._say()
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_EVERY_S):
                    await self._news.wait()
                await asyncio.sleep(GATHER_S)
            self._news.clear()

    async def _tell_gap(self, connection: AbstractConnection) -> None:
        told = self._signed(GAP)
        self._lost = False
        try:
            await _ask(connection, "PUBLISH", self._channel(_SERVERS), told)
        except BaseException:
            self._lost = True
            raise

    async def _send_some(self, connection: AbstractConnection) -> None:
        some = [self._waiting.popleft() for _ in range(min(MAX_AT_ONCE, len(self._waiting)))]
        self._waiting_bytes -= sum(len(data) for _, data in some)
        commands = [("PUBLISH", self._channel(topic), data) for topic, data in some]
        try:
            async with asyncio.timeout(ANSWER_S):
                await connection.send_packed_command(connection.pack_commands(commands))
                for _ in commands:
                    await connection.read_response()
        except BaseException:
            self._lost = True  # which of them went out is not known, and none is sent twice
            raise
        self._is_up("writer")
        if not self._waiting:
            self._sent.set()

    # -- hearing

    async def _read(self, connection: AbstractConnection) -> None:
        """Follow the topics that somebody listens to, for as long as the connection lives."""
        self._topics_changed.set()
        await connection.send_command("SUBSCRIBE", self._channel(_SERVERS))
        following = asyncio.create_task(self._follow(connection), name="bus topics")
        try:
            while True:
                async with asyncio.timeout(PING_EVERY_S + ANSWER_S):
                    response = await connection.read_response()
                self._is_up("reader")
                self._take(response)
                if following.done():
                    following.result()
        finally:
            await end([following])
            self._subscribed = set()
            self._own.forget()
            if self._elsewhere.forget():
                self._somebody_missed_something()

    async def _follow(self, connection: AbstractConnection) -> None:
        """Tell Redis which topics to send, and that this reader still reads."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_EVERY_S):
                    await self._topics_changed.wait()
            self._topics_changed.clear()
            new = sorted(self._listening.keys() - self._subscribed)
            old = sorted(self._subscribed - self._listening.keys())
            self._subscribed = set(self._listening)
            if new:
                await connection.send_command("SUBSCRIBE", *map(self._channel, new))
            if old:
                for topic in old:
                    self._own.ends(topic)
                self._news.set()
                await connection.send_command("UNSUBSCRIBE", *map(self._channel, old))
            if not new and not old:
                await connection.send_command("PING")

    def _take(self, response: Any) -> None:
        if not isinstance(response, list) or len(response) < 2:
            return
        kind = response[0]
        topic = response[1].decode().removeprefix(self._prefix)
        if kind == b"subscribe" and topic == _SERVERS:
            self._ask_who_listens()
        elif kind == b"subscribe" and topic in self._subscribed:
            # What was sent between the wish and this moment has gone past.
            self._local.publish(topic, GAP)
            self._own.begins(topic)
            self._news.set()
        elif kind == b"message":
            self._hear(topic, response[2])

    def _signed(self, message: Message) -> bytes:
        """Return a message as it is sent. Whose it is comes first: one's own is not parsed."""
        return f"{self.server_id} {json.dumps(message)}".encode()

    def _hear(self, topic: str, data: bytes) -> None:
        source, _, body = data.partition(b" ")
        if source == self.server_id.encode():
            return
        try:
            message = json.loads(body)
        except ValueError:
            message = None
        if not isinstance(message, dict) or "type" not in message:
            log.warning("Something on %s is no message of a server of ours", topic)
            return
        if topic == _SERVERS:
            self._hear_server(source.decode(), message)
            return
        self.from_elsewhere = True
        try:
            self._local.publish(topic, message)
        finally:
            self.from_elsewhere = False

    def _hear_server(self, server_id: str, message: Message) -> None:
        kind = message["type"]
        if kind == GAP["type"]:
            for known in list(self._listening):
                self._local.publish(known, GAP)
        elif kind == "who":
            self._own.repeat()
            self._news.set()
        elif kind in ("listens", "here"):
            try:
                learned = self._elsewhere.heard(server_id, message)
            except (KeyError, TypeError, ValueError):
                log.warning("Server %s says what no server of ours says", server_id)
                return
            for topic in learned.missed:
                self._send(topic, self._signed(GAP))
            if learned.ask:
                self._ask_who_listens()


async def _ask(connection: AbstractConnection, *command: str | bytes) -> Any:
    async with asyncio.timeout(ANSWER_S):
        await connection.send_command(*command)
        return await connection.read_response()


async def _close(connection: AbstractConnection) -> None:
    with suppress(*_TROUBLE):
        await connection.disconnect(nowait=True)


def _reason(error: BaseException) -> str:
    """Return what went wrong; redis-py names hosts and ports there, and no secrets."""
    return str(error).rstrip(".") or type(error).__name__
