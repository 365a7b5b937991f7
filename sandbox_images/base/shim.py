"""PID 1 of a sandbox: carries Jupyter messages between stdio and the kernel's ZMQ sockets.

The host reaches the container through nothing but its attached stdin and stdout. On them go frames

    u32 length of the payload | u8 kind | u8 channel | u16 zero | u64 sequence number | payload

(network byte order). HELLO, ACK and PING carry no number of their own; every other frame is
numbered from 1 in each direction, kept by its sender until the other side has acknowledged it, and
sent again after a lost attachment. What the host has acknowledged since the present run began is
kept on, within bounds: a host that was killed has lost what it had taken, greets as one that has
received nothing, and gets the run from its beginning. The next run ends that: it is sent only when
the one before has been stored.

A `docker attach` that breaks cuts the stream anywhere, so each side starts anew at the other's
*sync marker*: 16 random bytes that the host chose and sent in its first HELLO, before the kernel
existed, and that the kernel therefore cannot forge.

This file is complete in itself: Python's standard library, and Debian's
pyzmq. Its counterpart on the host is ``interview_ext/sandbox/frames.py``; a test holds the two
together. The kernel runs under another uid, which can neither signal this process nor read its
memory. What the kernel sends is passed on without a look inside, with one exception: what is too
large, or comes faster than the host takes it, is dropped and reported, never buffered without
bound. Nobody shall wait for ever: answers go ahead of the output that waits, one that is too large
is replaced by a short one, and when all else is dropped, the first few short messages that answer a
request of the host's are kept.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import stat
import struct
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import zmq

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 2
HEADER = struct.Struct("!IBBHQ")
HELLO, ACK, PING, MESSAGE, FILE, REPLY, NOTICE = range(1, 8)
SHELL, CONTROL, STDIN, IOPUB, HEARTBEAT = range(1, 6)
PORTS = {SHELL: "shell", CONTROL: "control", STDIN: "stdin", IOPUB: "iopub", HEARTBEAT: "hb"}
DELIMITER = b"<IDS|MSG>"
SYNC_BYTES = 16
DROPPABLE = {"stream", "display_data", "update_display_data", "execute_result", "comm_msg"}

CONNECTION_FILE = "/opt/interview/kernel.json"
WORK_FOLDER = b"/work"
DATA_SETS = b"/datasets"
DIGEST = re.compile(rb"[0-9a-f]{64}")
CHUNK_BYTES = 64 * 1024
ACK_EVERY = 32
REPLY_BYTES = 1024 * 1024
LIST_BYTES = 256 * 1024
LIST_ENTRIES = 2000
LIST_DEPTH = 8
ASKED_KEPT = 1000
ANSWERS_KEPT = 8


Answer = tuple[dict[str, Any], bytes]


class ProtocolError(Exception):
    """The host sent what no host of ours sends."""


class FrameReader:
    """Cuts a byte stream into frames; the sync marker discards everything before it."""

    def __init__(self, sync: bytes | None, max_payload: int) -> None:
        self.sync = sync
        self.max_payload = max_payload
        self.buffer = bytearray()
        self.tail = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield (kind, channel, number, payload)."""
        recent = self.tail + data
        at = recent.rfind(self.sync) if self.sync is not None else -1
        self.tail = recent[1 - SYNC_BYTES :]
        if at >= 0:
            self.buffer = bytearray(recent[at + SYNC_BYTES :])
        else:
            self.buffer += data
        start = 0
        while len(self.buffer) - start >= HEADER.size:
            length, kind, channel, zero, number = HEADER.unpack_from(self.buffer, start)
            if zero or length > self.max_payload:
                raise ProtocolError("bad header")
            end = start + HEADER.size + length
            if len(self.buffer) < end:
                break
            yield kind, channel, number, bytes(self.buffer[start + HEADER.size : end])
            start = end
        del self.buffer[:start]


def pack_parts(parts: list[bytes]) -> bytes:
    sizes = [len(part) for part in parts]
    return b"".join([struct.pack(f"!H{len(sizes)}I", len(sizes), *sizes), *parts])


def unpack_parts(payload: bytes) -> list[bytes]:
    (count,) = struct.unpack_from("!H", payload)
    sizes = struct.unpack_from(f"!{count}I", payload, 2)
    at = 2 + 4 * count
    parts = []
    for size in sizes:
        parts.append(payload[at : at + size])
        at += size
    if at != len(payload):
        raise ProtocolError("sizes do not add up")
    return parts


class Outbox:
    """Frames: those not yet written, and those not yet acknowledged.

    A frame gets its number when it is its turn, since answers go ahead of the output that waits.
    """

    def __init__(self) -> None:
        self.frames: deque[tuple[int, bytes]] = deque()  # numbered, oldest first
        self.last = 0
        self.size = 0
        self.kept: deque[tuple[int, bytes]] = deque()  # acknowledged, of the present run
        self.kept_size = 0
        self.keep = 0
        self.lost = 0
        self.answers: deque[tuple[int, int, bytes]] = deque()
        self.output: deque[tuple[int, int, bytes]] = deque()
        self.unsent: deque[bytes] = deque()  # goes before both
        self.partial: bytes | memoryview = b""

    def add(self, kind: int, channel: int, payload: bytes) -> None:
        waiting = self.output if channel == IOPUB else self.answers
        waiting.append((kind, channel, payload))
        self.size += HEADER.size + len(payload)

    def add_unnumbered(self, kind: int, number: int) -> None:
        self.unsent.append(HEADER.pack(0, kind, 0, 0, number))

    def acknowledge(self, number: int) -> None:
        while self.frames and self.frames[0][0] <= number:
            taken, frame = self.frames.popleft()
            self.size -= len(frame)
            if frame[4] == REPLY:  # only its number is needed again
                frame = HEADER.pack(6, REPLY, 0, 0, taken) + struct.pack("!I", 2) + b"{}"
            self.kept.append((taken, frame))
            self.kept_size += len(frame)
        while self.kept_size > self.keep:
            size = len(self.kept.popleft()[1])
            self.kept_size -= size
            self.lost += size

    def begin_run(self) -> None:
        """What was acknowledged before is not needed again."""
        self.kept.clear()
        self.kept_size = self.lost = 0

    def restart(self, greeting: bytes) -> None:
        """After a new attachment: nothing is under way, the greeting goes first."""
        self.partial = greeting
        self.unsent.clear()

    def resend_after(self, number: int) -> None:
        self.acknowledge(number)
        again = [frame for kept, frame in self.kept if kept > number]
        self.unsent = deque([*again, *(frame for _, frame in self.frames)])

    def next_after(self, number: int) -> int:
        """Number of the first frame that `resend_after` sends."""
        kept = next((kept for kept, _ in self.kept if kept > number), 0)
        return kept or (self.frames[0][0] if self.frames else self.last + 1)

    @property
    def waiting(self) -> bool:
        return bool(self.unsent or self.answers or self.output)

    @property
    def pending(self) -> bool:
        return bool(self.partial) or self.waiting

    def next_frame(self) -> bytes:
        if self.unsent:
            return self.unsent.popleft()
        kind, channel, payload = (self.answers or self.output).popleft()
        self.last += 1
        frame = HEADER.pack(len(payload), kind, channel, 0, self.last) + payload
        self.frames.append((self.last, frame))
        return frame

    def write(self, descriptor: int) -> None:
        """Write until the pipe is full."""
        while self.pending:
            if len(self.partial) < CHUNK_BYTES and self.waiting:
                pieces, size = [self.partial], len(self.partial)
                while self.waiting and size < CHUNK_BYTES:
                    pieces.append(self.next_frame())
                    size += len(pieces[-1])
                self.partial = memoryview(b"".join(pieces))
            try:
                written = os.write(descriptor, self.partial[:CHUNK_BYTES])
            except BlockingIOError:
                return
            self.partial = self.partial[written:]


class WorkFolder:
    """Files in the work folder, for the host.

    The folder belongs to the kernel, which may turn anything in it into a link at any moment:
    each part of a path is opened by its own, relative to the one before, without following links.
    """

    def __init__(self) -> None:
        self.list_room = 0

    def open_folder(self, parts: list[bytes], *, make: bool) -> int:
        here = os.open(WORK_FOLDER, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in parts:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o775, dir_fd=here)
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                below = os.open(part, flags, dir_fd=here)
                os.close(here)
                here = below
        except OSError:
            os.close(here)
            raise
        return here

    @staticmethod
    def split(path: str) -> list[bytes]:
        parts = os.fsencode(path).split(b"/")
        if not all(parts) or any(part in (b".", b"..") or b"\0" in part for part in parts):
            raise OSError(errno.EINVAL, "not a path below the work folder")
        return parts

    def put(self, path: str, offset: int, data: bytes) -> Answer:
        """Write a piece of a file; the first piece replaces whatever bears the name."""
        *parents, name = self.split(path)
        folder = self.open_folder(parents, make=True)
        try:
            flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            if offset == 0:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
                flags |= os.O_CREAT | os.O_EXCL
            file = os.open(name, flags, 0o664, dir_fd=folder)
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise OSError(errno.EINVAL, "not a regular file")
                while data:
                    written = os.pwrite(file, data, offset)
                    data, offset = data[written:], offset + written
            finally:
                os.close(file)
        finally:
            os.close(folder)
        return {}, b""

    def link(self, path: str, digest: bytes) -> Answer:
        """Make a data set known under a name, replacing what bears it; never anything else."""
        if not DIGEST.fullmatch(digest):
            raise OSError(errno.EINVAL, "not a digest")
        target = DATA_SETS + b"/" + digest
        status = os.stat(target, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        *parents, name = self.split(path)
        folder = self.open_folder(parents, make=True)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            os.symlink(target, name, dir_fd=folder)
        finally:
            os.close(folder)
        return {"linked": status.st_size}, b""

    def get(self, path: str, offset: int) -> Answer:
        *parents, name = self.split(path)
        folder = self.open_folder(parents, make=False)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            file = os.open(name, flags, dir_fd=folder)
        finally:
            os.close(folder)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            return {"size": status.st_size}, os.pread(file, REPLY_BYTES, offset)
        finally:
            os.close(file)

    def list_all(self) -> Answer:
        found: list[list[Any]] = []
        self.list_room = LIST_BYTES
        top = os.open(WORK_FOLDER, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.list_below(top, "", LIST_DEPTH, found)
        finally:
            os.close(top)
        complete = len(found) < LIST_ENTRIES and self.list_room > 0
        return {"files": found, "complete": complete}, b""

    def list_below(self, folder: int, prefix: str, depth: int, found: list[list[Any]]) -> None:
        for name in sorted(os.listdir(folder)):
            if len(found) >= LIST_ENTRIES or self.list_room <= 0:
                return
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    shown = (prefix + name).encode("utf-8", "replace").decode()
                    self.list_room -= len(shown)
                    found.append([shown, status.st_size])
                elif stat.S_ISDIR(status.st_mode) and depth > 1:
                    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                    below = os.open(name, flags, dir_fd=folder)
                    try:
                        self.list_below(below, f"{prefix}{name}/", depth - 1, found)
                    finally:
                        os.close(below)
            except OSError:
                continue  # gone, or closed to us, since it was listed


class Shim:
    """The process: one loop between stdin, stdout and five sockets."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self.sockets: dict[int, zmq.Socket[bytes]] = {}
        self.channels: dict[Any, int] = {}
        self.outbox = Outbox()
        self.reader = FrameReader(None, 64 * 1024)
        self.files = WorkFolder()
        self.received = 0
        self.unacknowledged = 0
        self.run_id: object = ""
        self.dropped = [0, 0]
        self.asked: dict[str, int] = {}  # by id: how many answers are still kept at all costs
        self.settings: dict[str, Any] = {}
        self.awake = time.monotonic()
        self.silent_s = 0.0

    # -- from the host ----------------------------------------------------------------------

    def read_host(self) -> None:
        try:
            data = os.read(0, CHUNK_BYTES)
        except BlockingIOError:
            return
        if not data:
            sys.exit(0)  # the host has closed our stdin: nobody is left to work for
        self.silent_s = 0.0
        for kind, channel, number, payload in self.reader.feed(data):
            if kind == HELLO:
                self.greet(json.loads(payload))
            elif kind == ACK:
                self.outbox.acknowledge(number)
            elif kind != PING:
                self.take(kind, channel, number, payload)

    def greet(self, hello: dict[str, Any]) -> None:
        if not self.settings:
            self.settings = hello
            self.reader.sync = bytes.fromhex(hello["sync"])
            self.reader.max_payload = hello["max_message_bytes"] + 64 * 1024
            self.outbox.keep = hello["keep_bytes"]
            self.connect()
        self.outbox.acknowledge(hello["received"])
        answer = json.dumps(
            {
                "version": VERSION,
                "received": self.received,
                "next": self.outbox.next_after(hello["received"]),
                "run": self.run_id,
                "lost_bytes": self.outbox.lost,
            }
        ).encode()
        greeting = HEADER.pack(len(answer), HELLO, 0, 0, 0) + answer
        self.outbox.restart(self.reader.sync + greeting)
        self.outbox.resend_after(hello["received"])

    def take(self, kind: int, channel: int, number: int, payload: bytes) -> None:
        if number <= self.received:
            return  # sent again after a lost attachment, and it had arrived
        if number != self.received + 1:
            raise ProtocolError("a gap in the numbers")
        self.received = number
        self.unacknowledged += 1
        if self.unacknowledged >= ACK_EVERY:
            self.send_ack()
        if kind == MESSAGE:
            parts = unpack_parts(payload)
            if channel == SHELL:
                self.note_run(parts)
            self.note_request(parts)
            self.sockets[channel].send_multipart(parts)
        elif kind == FILE:
            self.answer_file(payload)
        else:
            raise ProtocolError("unknown kind of frame")

    def note_run(self, parts: list[bytes]) -> None:
        header = self.header_of(parts, 0)
        if header.get("msg_type") == "execute_request":
            self.run_id = header.get("msg_id")
            self.outbox.begin_run()

    def send_ack(self) -> None:
        self.unacknowledged = 0
        self.outbox.add_unnumbered(ACK, self.received)

    def answer_file(self, payload: bytes) -> None:
        (size,) = struct.unpack_from("!I", payload)
        request = json.loads(payload[4 : 4 + size])
        do, path, offset = request["do"], request.get("path", ""), request.get("offset", 0)
        try:
            if do == "put":
                answer, data = self.files.put(path, offset, payload[4 + size :])
            elif do == "link":
                answer, data = self.files.link(path, payload[4 + size :])
            elif do == "get":
                answer, data = self.files.get(path, offset)
            else:
                answer, data = self.files.list_all()
        except OSError as error:
            answer, data = {"errno": error.errno, "error": os.strerror(error.errno or 0)}, b""
        answer["id"] = request["id"]
        head = json.dumps(answer).encode()
        self.outbox.add(REPLY, 0, struct.pack("!I", len(head)) + head + data)

    # -- from the kernel --------------------------------------------------------------------

    def connect(self) -> None:
        with open(CONNECTION_FILE, encoding="utf-8") as file:
            connection = json.load(file)
        for channel, name in PORTS.items():
            socket = self.context.socket(zmq.SUB if channel == IOPUB else zmq.DEALER)
            socket.linger = 0
            socket.sndhwm = 0
            # What the kernel publishes is taken at once and bounded here, where it can be told
            # apart; ZMQ would drop a result as readily as a line of output.
            socket.rcvhwm = 0
            socket.reconnect_ivl = 10
            if channel == IOPUB:
                socket.subscribe(b"")
            else:
                # The kernel asks for input by the identity that sent the run: both must be one.
                socket.identity = b"interview"
            base = f"{connection['transport']}://{connection['ip']}"
            socket.connect(f"{base}:{connection[name + '_port']}")
            self.sockets[channel] = socket
            self.channels[socket] = channel

    def read_kernel(self, channel: int) -> None:
        socket = self.sockets[channel]
        for _ in range(200):  # a flood on one channel must not starve the others
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self.pass_on(channel, parts)

    def pass_on(self, channel: int, parts: list[bytes]) -> None:
        size = sum(map(len, parts))
        too_large = size > self.settings["max_message_bytes"] or len(parts) > 1000
        if too_large:
            self.refuse(channel, parts, size)
            return
        backlog = self.settings["backlog_bytes"]
        if self.outbox.size > backlog and self.may_be_dropped(channel, parts, size):
            self.dropped[0] += 1
            self.dropped[1] += size
            return
        if self.dropped[0] and channel == IOPUB and self.outbox.size <= backlog:
            self.send_notice("dropped", channel, parts, self.dropped[1], count=self.dropped[0])
            self.dropped = [0, 0]
        self.outbox.add(MESSAGE, channel, pack_parts(parts))

    def may_be_dropped(self, channel: int, parts: list[bytes], size: int) -> bool:
        """Beyond the backlog that is output; beyond twice as much, all that nobody waits for."""
        kind = self.kind_of(parts)
        if self.outbox.size <= 2 * self.settings["backlog_bytes"]:
            return channel == IOPUB and kind in DROPPABLE
        if size < CHUNK_BYTES and (channel != IOPUB or kind == "status"):
            return not self.answers(str(self.header_of(parts, 1).get("msg_id")))
        return True

    def note_request(self, parts: list[bytes]) -> None:
        """Remember what the host has asked, so that a flood does not drown the answer."""
        asked = self.header_of(parts, 0).get("msg_id")
        if isinstance(asked, str):
            self.asked[asked] = ANSWERS_KEPT
            if len(self.asked) > ASKED_KEPT:
                del self.asked[next(iter(self.asked))]

    def answers(self, asked: str) -> bool:
        """Whether a message with this parent is one of the few that are kept."""
        left = self.asked.pop(asked, 0)
        if left > 1:
            self.asked[asked] = left - 1
        return left > 0

    def refuse(self, channel: int, parts: list[bytes], size: int) -> None:
        """Say that a message is too large: in its place if it is a reply, else beside it."""
        header, parent = self.header_of(parts, 0), self.header_of(parts, 1)
        if channel == IOPUB or not str(header.get("msg_type")).endswith("_reply"):
            self.send_notice("refused", channel, parts, size)
            return
        content = {
            "status": "error",
            "ename": "ReplyTooLarge",
            "evalue": f"The kernel's reply of {size / 1e6:.1f} MB is larger than the limit.",
            "traceback": [],
        }
        rest = [json.dumps(each).encode() for each in (header, parent, {}, content)]
        idents = parts[: parts.index(DELIMITER)]
        self.outbox.add(MESSAGE, channel, pack_parts([*idents, DELIMITER, b"", *rest]))

    @staticmethod
    def header_of(parts: list[bytes], place: int) -> dict[str, Any]:
        """A message's own header (0) or its parent's (1); {} where there is none to be read."""
        with contextlib.suppress(ValueError, IndexError, RecursionError):
            raw = parts[parts.index(DELIMITER) + 2 + place]
            if len(raw) < CHUNK_BYTES:
                header = json.loads(raw)
                if isinstance(header, dict):
                    return header
        return {}

    def kind_of(self, parts: list[bytes]) -> object:
        return self.header_of(parts, 0).get("msg_type")

    def send_notice(
        self, what: str, channel: int, parts: list[bytes], size: int, count: int = 1
    ) -> None:
        notice = {
            "what": what,
            "bytes": size,
            "count": count,
            "header": self.header_of(parts, 0),
            "parent_header": self.header_of(parts, 1),
        }
        self.outbox.add(NOTICE, channel, json.dumps(notice).encode())

    # -- the loop ---------------------------------------------------------------------------

    def run(self) -> None:
        os.set_blocking(0, False)
        os.set_blocking(1, False)
        os.umask(0o002)
        # As PID 1 this inherits whatever the kernel's children leave: dead, they would count on.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        poller = zmq.Poller()
        poller.register(0, zmq.POLLIN)
        while True:
            for socket in self.channels:
                poller.register(socket, zmq.POLLIN)
            poller.register(1, zmq.POLLOUT if self.outbox.pending else zmq.POLLERR)
            ready = dict(poller.poll(1000))
            if 0 in ready:
                self.read_host()
            for socket in ready.keys() & self.channels.keys():
                self.read_kernel(self.channels[socket])
            if not ready and self.unacknowledged:
                self.send_ack()
            self.outbox.write(1)
            self.count_silence()
            if self.settings and self.silent_s > self.settings["lifeline_s"]:
                sys.exit(0)  # the host has not been heard for so long that it must be gone

    def count_silence(self) -> None:
        """Time in which this process was frozen is no silence of the host's."""
        now = time.monotonic()
        self.silent_s += min(now - self.awake, 2.0)
        self.awake = now


if __name__ == "__main__":
    Shim().run()
