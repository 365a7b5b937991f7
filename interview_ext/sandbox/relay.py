"""ZMQ endpoints on the host that stay, in front of sandboxes that come and go.

Jupyter's clients connect to Unix sockets in a folder that nobody but the server's user can enter.
Behind them stands whichever sandbox is attached; a restart puts a fresh one there and the clients
notice nothing but the new kernel.

Messages are signed with the session's key on the host side only. Inside the container there is no
key: it would be the candidate's to read.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import zmq

from .broker import SandboxHandle
from .frames import Channel
from .runclock import DELIMITER

log = logging.getLogger(__name__)

SUBSCRIBE = b"\x01"
IOPUB_HIGH_WATER_MESSAGES = 50_000
"""What a slow subscriber may owe. A result that does not fit is lost to that subscriber, as with
any kernel; ZMQ's default of 1000 is less than one cell can print."""
SIGNED_PARTS = 4
PORTS = {
    Channel.SHELL: 1,
    Channel.IOPUB: 2,
    Channel.STDIN: 3,
    Channel.CONTROL: 4,
    Channel.HEARTBEAT: 5,
}


class Relay:
    """Five endpoints and, behind them, at most one sandbox.

    Parameters
    ----------
    key:
        The session's key; empty turns signing off, as everywhere in Jupyter.
    server_id:
        Whose endpoints these are; see `remove_left_over`.
    """

    def __init__(self, *, key: bytes, server_id: str) -> None:
        self._hmac = hmac.new(key, digestmod=hashlib.sha256) if key else None
        self._loop = asyncio.get_running_loop()
        # /tmp rather than TMPDIR: a Unix socket's path holds 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix=_prefix(server_id), dir=_short_folder()))
        self._context = zmq.Context()
        self._sockets: dict[Channel, zmq.Socket[bytes]] = {}
        self._sandbox: SandboxHandle | None = None
        self._closed = False
        for channel in PORTS:
            self._bind(channel)
        self.publish()

    # -- endpoints --------------------------------------------------------------------------

    @property
    def connection_info(self) -> dict[str, Any]:
        """What a connection file says of the endpoints, without the key."""
        ports = {
            "shell_port": PORTS[Channel.SHELL],
            "iopub_port": PORTS[Channel.IOPUB],
            "stdin_port": PORTS[Channel.STDIN],
            "control_port": PORTS[Channel.CONTROL],
            "hb_port": PORTS[Channel.HEARTBEAT],
        }
        return {"transport": "ipc", "ip": str(self.folder / "kernel"), **ports}

    def publish(self) -> None:
        """Put the endpoints' names in place.

        jupyter_client removes the files of ipc endpoints at each restart; what it removes are
        only links to where the sockets are bound.
        """
        for port in PORTS.values():
            name = self.folder / f"kernel-{port}"
            if not name.is_symlink():
                name.symlink_to(f"bound-{port}")

    def _bind(self, channel: Channel) -> None:
        socket = self._context.socket(zmq.XPUB if channel is Channel.IOPUB else zmq.ROUTER)
        socket.linger = 0
        if channel is Channel.IOPUB:
            socket.sndhwm = IOPUB_HIGH_WATER_MESSAGES
            socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        else:
            socket.sndhwm = 0
            # A client that reconnects with its identity takes over from its dead connection.
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        socket.bind(f"ipc://{self.folder}/bound-{PORTS[channel]}")
        self._sockets[channel] = socket
        self._loop.add_reader(socket.fileno(), self._read, channel)

    def close(self) -> None:
        """Close the endpoints and remove their folder. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self.detach()
        for socket in self._sockets.values():
            self._loop.remove_reader(socket.fileno())
            socket.close()
        self._context.term()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- the sandbox ------------------------------------------------------------------------

    def attach(self, sandbox: SandboxHandle) -> None:
        """Put a sandbox behind the endpoints. Requests that waited go to it."""
        # What was meant for the old kernel, an interrupt for example, is not for the new one.
        self._read(Channel.CONTROL)
        self._sandbox = sandbox
        sandbox.connect(self)
        sandbox.on_death(lambda _: self.detach() if self._sandbox is sandbox else None)
        self.writable()

    def detach(self) -> None:
        """Nothing stands behind the endpoints: shell requests wait, control messages are lost."""
        if self._sandbox is not None:
            self._sandbox.connect(None)
            self._sandbox = None

    # -- clients to kernel ------------------------------------------------------------------

    def _takes(self, channel: Channel) -> bool:
        if channel in (Channel.IOPUB, Channel.CONTROL):
            return True
        if self._sandbox is None:
            # A heartbeat that waited would be answered late by a kernel it never asked.
            return channel is Channel.HEARTBEAT
        return not self._sandbox.blocked

    def _read(self, channel: Channel) -> None:
        """Take what the clients have sent; ZMQ tells once, so read until there is nothing."""
        if self._closed:
            return
        socket = self._sockets[channel]
        while self._takes(channel):
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if channel is Channel.IOPUB:
                self._subscribed(parts[0])
            elif self._sandbox is None:
                continue
            elif channel is Channel.HEARTBEAT or self._is_signed(parts):
                self._sandbox.send(channel, parts)
            else:
                log.warning("dropped a message with a wrong signature on %s", channel.name)

    def _is_signed(self, parts: list[bytes]) -> bool:
        """Check a client's signature, and blank it."""
        try:
            at = parts.index(DELIMITER)
        except ValueError:
            return False
        signed = parts[at + 2 : at + 2 + SIGNED_PARTS]
        if len(signed) < SIGNED_PARTS:
            return False
        good = hmac.compare_digest(self._signature(signed), parts[at + 1])
        parts[at + 1] = b""
        return good

    def _signature(self, parts: Sequence[bytes]) -> bytes:
        if self._hmac is None:
            return b""
        each = self._hmac.copy()
        for part in parts:
            each.update(part)
        return each.hexdigest().encode()

    def _subscribed(self, event: bytes) -> None:
        """A client listens from now on: tell it so, as kernels do since protocol 5.4."""
        if event[:1] == SUBSCRIBE:
            topic = event[1:]
            content = {"subscription": topic.decode("utf-8", "replace")}
            self._publish("iopub_welcome", content, {}, topic=topic)

    # -- kernel to clients ------------------------------------------------------------------

    def message(self, channel: Channel, parts: list[bytes]) -> None:
        """See :class:`Listener`. What is no message at all is dropped here."""
        if self._closed or channel not in self._sockets:
            return
        if channel is not Channel.HEARTBEAT:
            try:
                at = parts.index(DELIMITER)
            except ValueError:
                return
            signed = parts[at + 2 : at + 2 + SIGNED_PARTS]
            if len(signed) < SIGNED_PARTS:
                return
            parts[at + 1] = self._signature(signed)
        self._send(channel, parts)

    def _send(self, channel: Channel, parts: list[bytes]) -> None:
        socket = self._sockets[channel]
        try:
            socket.send_multipart(parts, zmq.NOBLOCK, copy=True)
        except zmq.ZMQError as error:
            log.debug("a client on %s is gone: %s", channel.name, error)
        # A send may have consumed the socket's signal that there is something to read.
        if cast("int", socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN and self._takes(channel):
            self._loop.call_soon(self._read, channel)

    def notice(self, channel: Channel, notice: Mapping[str, Any]) -> None:
        """See :class:`Listener`. Tell whoever watches the output that some is missing."""
        if channel is not Channel.IOPUB:
            log.warning("a sandbox refused a message on %s", channel.name)
            return
        size, count = notice["bytes"], notice["count"]
        megabytes = f"{size / 1e6:.1f} MB"
        if notice.get("what") == "refused":
            text = f"[An output of {megabytes} was not shown: it is larger than the limit.]\n"
        else:
            text = f"[{count} outputs, {megabytes}, were not shown: they came too fast.]\n"
        found = notice.get("parent_header")
        # Text only, as in every honest header: what is nested deep could not be written again.
        header = found.items() if isinstance(found, dict) else ()
        parent = {name: value for name, value in header if isinstance(value, str)}
        self._publish("stream", {"name": "stderr", "text": text}, parent, topic=b"stream.stderr")

    def writable(self) -> None:
        """See :class:`Listener`."""
        for channel in PORTS:
            self._loop.call_soon(self._read, channel)

    def _publish(
        self, kind: str, content: Mapping[str, Any], parent: Mapping[str, Any], *, topic: bytes
    ) -> None:
        head = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": "interview-sandbox",
            "username": "",
            "date": datetime.now(UTC).isoformat(),
            "version": "5.4",
        }
        signed = [json.dumps(each).encode() for each in (head, parent, {}, content)]
        self._send(Channel.IOPUB, [topic, DELIMITER, self._signature(signed), *signed])


def remove_left_over(server_id: str) -> None:
    """Remove the folders of endpoints that a killed server of this id has left.

    Called by a server before it has any endpoints of its own.
    """
    for folder in Path(_short_folder()).glob(f"{_prefix(server_id)}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _prefix(server_id: str) -> str:
    return f"interview-{server_id}-"


def _short_folder() -> str:
    return tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"  # noqa: S108
