"""The sockets of one started kernel: draining them, and sending.

The readers only drain. Parsing and everything after it is the pump's, a task of its
own, so that a flood of output never backs up into the kernel, which would then drop
messages: a half-millisecond hook in a reader loses a quarter of 20,000 lines.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from time import thread_time
from typing import Any, cast

import zmq
import zmq.asyncio
from jupyter_client.session import DELIM, Session

from interview_ext.errors import SandboxError
from interview_ext.execution.incoming import Incoming, MessageReader
from interview_ext.rooms.ids import new_id

log = logging.getLogger(__name__)

RECEIVE_MESSAGES = 100_000
"""Messages ØMQ holds for us (its own default of 1,000 drops output at once when this
process pauses); the sandbox's relay bounds their bytes."""
MAX_BACKLOG_BYTES = 64 * 1024 * 1024
"""Messages read and not yet handled; beyond it the readers wait."""
BURST = 50
"""Messages taken from a socket before others get their turn on the event loop."""
TURN_S = 0.005
"""Processor time after which others get their turn; on a busy machine the clock runs meanwhile."""
DEAR_S = 0.025
"""A turn of this length was that of a dear message; the next one then waits as long, so that a
room which sends nothing else leaves half of the event loop to the others."""
NUDGE_S = 0.1
IDENTITY = b"interview-server"
"""The same for every process of the server, or a kernel's answers to the last one's requests would
find nobody. One kernel has one wire."""
SETTLE_S = 0.2
"""How long a dead kernel's last messages are waited for."""

CHANNELS = ("shell", "iopub", "stdin", "control")


class KernelWire:
    """Connected to one kernel process from `open` to `close`.

    Parameters
    ----------
    connection:
        As in a Jupyter connection file.
    on_message:
        Called with each message in the order it came.
    """

    def __init__(
        self, connection: Mapping[str, Any], on_message: Callable[[Incoming], None]
    ) -> None:
        key = connection["key"]
        self._connection = connection
        self._on_message = on_message
        self._session = Session(
            key=key if isinstance(key, bytes) else str(key).encode(),
            signature_scheme=str(connection.get("signature_scheme") or "hmac-sha256"),
        )
        self._reader = MessageReader(self._session)
        self._context = zmq.asyncio.Context()
        self._sockets: dict[str, zmq.asyncio.Socket] = {}
        self._backlog: deque[tuple[str, list[bytes]]] = deque()
        self._backlog_bytes = 0
        self._more = asyncio.Event()
        self._worked_off = asyncio.Event()
        self._space = asyncio.Event()
        self._space.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._info: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._heard_iopub: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def open(self, timeout_s: float) -> dict[str, Any]:
        """Connect, and return the kernel's info once it answers and iopub is heard.

        Raises
        ------
        SandboxError
            It did not within `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._connect_all()
                answered = (self._info, self._heard_iopub)
                while not all(sign.done() for sign in answered):
                    self.send("shell", "kernel_info_request", {}, msg_id=new_id("srv"))
                    await asyncio.wait(answered, timeout=NUDGE_S)
        except TimeoutError:
            await self.close()
            raise SandboxError(
                "The kernel did not start in time.", hint="Run the cell again."
            ) from None
        except BaseException:
            await self.close()
            raise
        return self._info.result()

    async def listen(self, timeout_s: float) -> None:
        """Connect to a kernel that may be busy and not answer; return when all it says is heard.

        Raises
        ------
        SandboxError
            That did not come within `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._connect_all()
                await self._heard_iopub
        except TimeoutError:
            await self.close()
            raise SandboxError("The kernel cannot be heard.", hint="Run the cell again.") from None

    async def _connect_all(self) -> None:
        """Connect all channels; return when the kernel could answer, and ask on stdin.

        It silently drops what is for somebody whom it does not know yet.
        """
        for channel in CHANNELS:
            self._sockets[channel] = self._make_socket(channel, IDENTITY)
        asking = [self._sockets[channel] for channel in ("shell", "stdin")]
        shaken = [each.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) for each in asking]
        for channel, socket in self._sockets.items():
            socket.connect(_url(self._connection, channel))
            self._start(self._read(channel, socket), f"kernel {channel}")
        self._start(self._pump(), "kernel messages")
        try:
            for each in shaken:
                await each.recv_multipart()
        finally:
            for socket, each in zip(asking, shaken, strict=True):
                socket.disable_monitor()
                each.close(linger=0)

    async def settle(self) -> None:
        """Let the last messages of a kernel that has ended come in."""
        await asyncio.sleep(SETTLE_S)
        if self._backlog:
            await self._worked_off.wait()

    async def close(self) -> None:
        """Disconnect."""
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:  # also when whoever closes is cancelled meanwhile
            self._tasks.clear()
            for socket in self._sockets.values():
                socket.close(linger=0)
            self._sockets.clear()
            self._context.term()

    def send(
        self,
        channel: str,
        msg_type: str,
        content: dict[str, Any],
        *,
        msg_id: str,
        parent: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Send a message of the server's own."""
        session = self._session
        header = session.msg_header(msg_type)
        header["msg_id"] = msg_id
        pack = session.pack
        self.send_parts(
            channel, [pack(header), pack(parent or {}), pack(metadata or {}), pack(content)]
        )

    def send_parts(self, channel: str, parts: list[bytes]) -> None:
        """Send header, parent header, metadata, content and buffers, signed."""
        socket = self._sockets.get(channel)
        if socket is None:
            return
        # Not by `Session.send_raw`: it sends past the asyncio socket, and ØMQ's one signal that
        # something can be read is then lost if it comes during the send.
        message = [DELIM, self._session.sign(parts[:4]), *parts]
        sent = cast(asyncio.Future[Any], socket.send_multipart(message, flags=zmq.NOBLOCK))
        if sent.exception() is not None:
            log.warning("a %s message was dropped: the kernel takes none", channel)

    def own_frame(self, msg_type: str, content: dict[str, Any], parent: dict[str, Any]) -> Incoming:
        """Make an iopub message of the server's own, for pages."""
        return self._reader.own("iopub", msg_type, content, parent)

    def _make_socket(self, channel: str, identity: bytes) -> zmq.asyncio.Socket:
        kind = zmq.SUB if channel == "iopub" else zmq.DEALER
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.rcvhwm = RECEIVE_MESSAGES
        if kind == zmq.SUB:
            socket.subscribe(b"")
        else:
            socket.identity = identity
        secret, public = (self._connection.get(f"curve_{n}key") for n in ("secret", "public"))
        if secret and public:
            socket.curve_secretkey = _as_bytes(secret)
            socket.curve_publickey = socket.curve_serverkey = _as_bytes(public)
        return socket

    def _start(self, work: Any, name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _read(self, channel: str, socket: zmq.asyncio.Socket) -> None:
        since_turn = 0
        while True:
            parts = await socket.recv_multipart()
            self._backlog.append((channel, parts))
            self._backlog_bytes += sum(map(len, parts))
            self._more.set()
            since_turn += 1
            if since_turn % BURST == 0:
                await asyncio.sleep(0)
            if self._backlog_bytes > MAX_BACKLOG_BYTES:
                self._space.clear()
                await self._space.wait()

    async def _pump(self) -> None:
        while True:
            self._worked_off.set()
            await self._more.wait()
            self._more.clear()
            self._worked_off.clear()
            began = thread_time()
            while self._backlog:
                channel, parts = self._backlog.popleft()
                self._backlog_bytes -= sum(map(len, parts))
                if self._backlog_bytes <= MAX_BACKLOG_BYTES // 2:
                    self._space.set()
                self._handle(channel, parts)
                took_s = thread_time() - began
                if took_s > TURN_S:
                    await asyncio.sleep(took_s if took_s > DEAR_S else 0)
                    began = thread_time()

    def _handle(self, channel: str, parts: list[bytes]) -> None:
        try:
            incoming = self._reader.read(channel, parts)
        except Exception:  # hostile code writes these: anything may be in them
            log.debug("a malformed %s message was dropped", channel, exc_info=True)
            return
        if incoming is None:
            return
        if channel == "iopub" and not self._heard_iopub.done():
            self._heard_iopub.set_result(None)
        if incoming.msg_type == "kernel_info_reply" and not self._info.done():
            self._info.set_result(incoming.content)
        try:
            self._on_message(incoming)
        except Exception:
            log.exception("a %s message could not be handled", incoming.msg_type)


def _url(connection: Mapping[str, Any], channel: str) -> str:
    transport, ip = connection["transport"], connection["ip"]
    port = connection[f"{channel}_port"]
    return f"ipc://{ip}-{port}" if transport == "ipc" else f"{transport}://{ip}:{port}"


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
