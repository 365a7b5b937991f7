"""The host's end of one container's stdio: numbered frames that survive a lost attachment.

All of it runs on the event loop and none of it blocks: `data_received` is called with what the
engine delivers, cuts it into frames and hands them on; whatever is not as it must be ends in
`failed`, once, and never in an exception on the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import struct
from collections.abc import Mapping
from typing import Any, Protocol, TypeGuard

from interview_ext.errors import EngineUnavailable, SandboxError, SandboxGone, SandboxProtocolError

from .broker import Resumed
from .budget import Budget, cost
from .engine import Attachment, Containers
from .frames import (
    OVERHEAD_BYTES,
    SYNC_BYTES,
    VERSION,
    Channel,
    Frame,
    FrameReader,
    Kind,
    ReplayBuffer,
    pack,
    pack_parts,
    unpack_parts,
)
from .profiles import MIB, Limits

log = logging.getLogger(__name__)

LIFELINE_S = 90
"""The shim ends the container when it has heard nothing from us for so long."""
PING_S = 15
ACK_FRAMES = 64
ACK_BYTES = 256 * 1024
ACK_S = 0.05
GREETING_S = 10
REQUEST_S = 30
REPLAY_BYTES = 32 * MIB
KEEP_BYTES = 16 * MIB
"""Output of the present run that the shim keeps for whoever takes over from us: about 25,000
lines printed one by one. It counts into the sandbox's memory."""
REATTACH_TRIES = 5
LONGEST_PAUSE_S = 1.0
MAX_NUMBER = 2**63
"""Above every count of frames or bytes, of a file too, that a shim can tell of."""
DIAGNOSTIC_CHARS = 2000
MAX_JSON_BYTES = 4 * MIB
"""Largest JSON object of the shim's own: the list of 2000 files takes 2 MB at worst."""


class LinkOwner(Protocol):
    """Whoever is told what comes out of the container."""

    def message(self, channel: Channel, parts: list[bytes]) -> None:
        """A kernel message, as untrusted as anything of a candidate's."""

    def notice(self, channel: Channel, notice: Mapping[str, Any]) -> None:
        """The shim has refused or dropped output: so many `bytes` in `count` messages, both numbers
        below `MAX_NUMBER`. All else in it is as untrusted as a message.
        """

    def writable(self) -> None:
        """Messages are taken again, after `Link.blocked` was true."""

    def failed(self, error: SandboxError) -> None:
        """The link is over; called once."""


class Link:
    """Frames to and from one container.

    Parameters
    ----------
    sync:
        The marker of a shim that an earlier link has greeted, to take over from it; None makes a
        new one for a new container.
    patience_s:
        How long an engine that does not answer is asked again after the attachment is lost.

    Attributes
    ----------
    resumed:
        Where the kernel stood when this link took over.
    """

    def __init__(
        self,
        *,
        containers: Containers,
        container: str,
        limits: Limits,
        owner: LinkOwner,
        sync: bytes | None = None,
        patience_s: float = 0,
    ) -> None:
        self._containers = containers
        self._container = container
        self._limits = limits
        self._owner = owner
        self.sync = sync or secrets.token_bytes(SYNC_BYTES)
        self.resumed: Resumed | None = None
        self._takes_over = sync is not None
        self._patience_s = patience_s
        self._reader = FrameReader(
            sync=self.sync, max_payload_bytes=limits.message_bytes + OVERHEAD_BYTES
        )
        self._replay = ReplayBuffer(REPLAY_BYTES)
        self._attachment: Attachment | None = None
        self._greeted = asyncio.Event()
        self._news = asyncio.Event()
        self._introduced = self._takes_over
        self._received = 0
        self._acked = 0
        self._unacked_bytes = 0
        self._ack_timer: asyncio.TimerHandle | None = None
        now = asyncio.get_running_loop().time()
        self._bytes = Budget(
            per_s=limits.output_bytes_per_s, burst=limits.output_burst_bytes, now=now
        )
        self._frames = Budget(
            per_s=limits.output_frames_per_s, burst=limits.output_burst_frames, now=now
        )
        self._rate_timer: asyncio.TimerHandle | None = None
        self._stalled = False
        self._requests: dict[int, asyncio.Future[tuple[dict[str, Any], bytes]]] = {}
        self._last_request = 0
        self._reattaching: asyncio.Task[None] | None = None
        self._closed = False

    # -- life -------------------------------------------------------------------------------

    async def attach(self) -> None:
        """Connect to the container's stdio, before it is started."""
        self._attachment = await self._containers.attach(self._container, self)

    async def greet(self, *, once: bool = False) -> None:
        """Introduce ourselves to the shim, and wait for its answer.

        Parameters
        ----------
        once:
            Whether to give up when the attachment is lost meanwhile, instead of waiting for what
            the next one brings.

        Raises
        ------
        SandboxProtocolError
            It did not answer in time.
        """
        hello = {
            "version": VERSION,
            "sync": self.sync.hex(),
            "received": self._received,
            "max_message_bytes": self._limits.message_bytes,
            "backlog_bytes": self._limits.backlog_bytes,
            "lifeline_s": LIFELINE_S,
            "keep_bytes": KEEP_BYTES,
        }
        frame = pack(Kind.HELLO, Channel.NONE, 0, json.dumps(hello).encode())
        # The shim knows the marker from the first HELLO on.
        self._write(self.sync + frame if self._introduced else frame)
        self._introduced = True
        try:
            async with asyncio.timeout(GREETING_S):
                while not self._greeted.is_set():
                    if once and self._attachment is None:
                        raise SandboxProtocolError("The container's stdio was lost again.")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise SandboxProtocolError("The container's shim does not answer.") from None

    async def close(self) -> None:
        """Let go of the container. Idempotent."""
        self._closed = True
        for timer in (self._ack_timer, self._rate_timer):
            if timer is not None:
                timer.cancel()
        if self._attachment is not None:
            self._attachment.close()
        self._abandon(SandboxGone("The container has ended.", reason="stopped"))
        task = self._reattaching
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _abandon(self, error: SandboxError) -> None:
        requests, self._requests = self._requests, {}
        for request in requests.values():
            if not request.done():
                request.set_exception(error)

    def _fail(self, error: SandboxError) -> None:
        if not self._closed:
            self._closed = True
            self._abandon(error)
            if self._attachment is not None:
                self._attachment.close()
            self._owner.failed(error)

    # -- to the container -------------------------------------------------------------------

    @property
    def blocked(self) -> bool:
        """Whether the container takes nothing right now; `LinkOwner.writable` tells when."""
        return self._stalled or self._replay.full or self._takes_over

    def send(self, channel: Channel, parts: list[bytes]) -> None:
        """Send a message to the kernel. One above the size limit is dropped, and logged."""
        payload = pack_parts(parts)
        if len(payload) > self._limits.message_bytes:
            log.warning("dropped a message of %d bytes to a sandbox", len(payload))
            return
        self._send(Kind.MESSAGE, channel, payload)

    def ping(self) -> None:
        """Show the shim that somebody is here."""
        if self._greeted.is_set():
            self._write(pack(Kind.PING, Channel.NONE, 0))

    async def request(
        self, do: str, *, path: str = "", offset: int = 0, data: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """Ask the shim to do something with a file; the answer may hold ``errno``."""
        self._last_request += 1
        number = self._last_request
        head = json.dumps({"id": number, "do": do, "path": path, "offset": offset}).encode()
        future: asyncio.Future[tuple[dict[str, Any], bytes]]
        future = asyncio.get_running_loop().create_future()
        if self._closed:
            raise SandboxGone("The container has ended.", reason="stopped")
        self._requests[number] = future
        try:
            self._send(Kind.FILE, Channel.NONE, struct.pack("!I", len(head)) + head + data)
            async with asyncio.timeout(REQUEST_S):
                return await future
        except TimeoutError:
            raise SandboxError("The container did not answer in time.") from None
        finally:
            self._requests.pop(number, None)

    def _send(self, kind: Kind, channel: Channel, payload: bytes) -> None:
        frame = self._replay.add(kind, channel, payload)
        if self._greeted.is_set():
            self._write(frame)

    def _write(self, data: bytes) -> None:
        if self._attachment is not None:
            self._attachment.write(data)

    # -- from the container -----------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See :class:`Receiver`."""
        if self._closed:
            return
        was_blocked = self.blocked
        frames = 0
        try:
            for frame in self._reader.feed(data):
                frames += cost(frame.payload)
                if not self._take(frame):
                    return
        except SandboxProtocolError as error:
            self._fail(error)
            return
        self._spend(len(data), frames)
        if was_blocked and not self.blocked:
            self._owner.writable()

    def _take(self, frame: Frame) -> bool:
        """Handle one frame; the answer is whether to go on."""
        if frame.kind is Kind.ACK:
            self._replay.acknowledge(frame.number)
        elif frame.kind is Kind.HELLO:
            self._welcome(frame.payload)
        elif frame.number > self._received:  # else sent again, and it had arrived
            self._take_numbered(frame)
        return not self._closed

    def _take_numbered(self, frame: Frame) -> None:
        if frame.number != self._received + 1:
            raise SandboxProtocolError("A frame is missing.")
        self._received = frame.number
        self._note_for_ack(len(frame.payload))
        if frame.kind is Kind.MESSAGE:
            self._owner.message(frame.channel, unpack_parts(frame.payload))
        elif frame.kind is Kind.NOTICE:
            self._owner.notice(frame.channel, _notice(frame.payload))
        elif frame.kind is Kind.REPLY:
            self._answer(frame.payload)
        else:
            raise SandboxProtocolError("A frame goes the wrong way.")

    def _welcome(self, payload: bytes) -> None:
        greeting = _object(payload)
        received = greeting.get("received")
        if self._greeted.is_set() or greeting.get("version") != VERSION:
            raise SandboxProtocolError("The container greets out of turn.")
        if not is_number(received):
            raise SandboxProtocolError("The container's greeting is incomplete.")
        if self._takes_over:
            self._begin_from(greeting, received)
        self._replay.acknowledge(received)
        self._greeted.set()
        self._news.set()
        for frame in self._replay.rest():
            self._write(frame)

    def _begin_from(self, greeting: Mapping[str, Any], received: int) -> None:
        """Go on where an earlier link has been."""
        match greeting:
            case {"next": first, "run": str() as run, "lost_bytes": lost}:
                if not (is_number(first) and first and is_number(lost)):
                    raise SandboxProtocolError("The container's greeting cannot be.")
            case _:
                raise SandboxProtocolError("The container's greeting is incomplete.")
        self._takes_over = False
        self._received = self._acked = first - 1
        self._replay.begin_after(received)
        self.resumed = Resumed(run=run, lost_bytes=lost)

    def _answer(self, payload: bytes) -> None:
        if len(payload) < 4:
            raise SandboxProtocolError("A reply is cut off.")
        (size,) = struct.unpack_from("!I", payload)
        if size > len(payload) - 4:
            raise SandboxProtocolError("A reply is cut off.")
        head = _object(payload[4 : 4 + size])
        number = head.get("id")
        if not is_number(number):
            raise SandboxProtocolError("A reply is to no request.")
        future = self._requests.get(number)
        if future is not None and not future.done():
            future.set_result((head, payload[4 + size :]))

    def _note_for_ack(self, size: int) -> None:
        self._unacked_bytes += size
        if self._received - self._acked >= ACK_FRAMES or self._unacked_bytes >= ACK_BYTES:
            self._ack()
        elif self._ack_timer is None:
            self._ack_timer = asyncio.get_running_loop().call_later(ACK_S, self._ack)

    def _ack(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        self._acked = self._received
        self._unacked_bytes = 0
        if self._greeted.is_set():
            self._write(pack(Kind.ACK, Channel.NONE, self._received))

    def _spend(self, size: int, frames: int) -> bool:
        """Read no faster than the profile allows; what is not read waits in the container.

        The answer is whether something waits.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        wait_s = max(self._bytes.spend(size, now), self._frames.spend(frames, now))
        if wait_s and self._rate_timer is None and self._attachment is not None:
            self._attachment.pause()
            self._rate_timer = loop.call_later(wait_s, self._read_again)
        return wait_s > 0

    def _read_again(self) -> None:
        self._rate_timer = None
        # What was on its way when reading stopped has added to the debt.
        if not self._spend(0, 0) and self._attachment is not None:
            self._attachment.resume()

    def diagnostics_received(self, data: bytes) -> None:
        """See :class:`Receiver`. The shim's stderr: its traceback, if it fails."""
        log.info(
            "sandbox %.12s: %s", self._container, data[:DIAGNOSTIC_CHARS].decode("utf-8", "replace")
        )

    def writing_paused(self, *, paused: bool) -> None:
        """See :class:`Receiver`."""
        self._stalled = paused
        if not self.blocked:
            self._owner.writable()

    # -- a lost attachment ------------------------------------------------------------------

    def stream_lost(self) -> None:
        """See :class:`Receiver`."""
        self._attachment = None
        self._greeted.clear()
        self._news.set()
        self._stalled = False
        if not self._closed and self._reattaching is None:
            self._reattaching = asyncio.get_running_loop().create_task(self._reattach())

    async def _reattach(self) -> None:
        """Attach again if the container still runs; whoever owns us learns of an exit elsewhere."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        tries = 0
        pause_s = 0.1
        try:
            while tries < REATTACH_TRIES:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                try:
                    if await self._is_frozen():
                        until = loop.time() + self._patience_s
                        continue  # nothing can be attached to, and nobody waits for an answer
                    if await self._attach_again():
                        return
                except EngineUnavailable:
                    if loop.time() > until:
                        raise
                else:
                    # A broker whose engine is away lets one attach, and finds out then.
                    if self._attachment is not None or loop.time() > until:
                        tries += 1
            raise SandboxProtocolError("The container's shim does not answer.")
        except SandboxError as error:
            self._fail(error)
        finally:
            self._reattaching = None

    async def _is_frozen(self) -> bool:
        """Whether the container stands still. Raises SandboxGone if it has ended."""
        found = await self._containers.inspect(self._container)
        if found is None or not found["State"]["Running"]:
            raise SandboxGone("The container has ended.", reason="crash")
        return bool(found["State"].get("Paused"))

    async def _attach_again(self) -> bool:
        self._reader.restart()
        self._attachment = await self._containers.attach(self._container, self)
        with contextlib.suppress(SandboxProtocolError):
            await self.greet(once=True)
            log.info("sandbox %.12s: attached again", self._container)
            return True
        if self._attachment is not None:  # else it was lost again meanwhile
            self._attachment.close()
        return False


def is_number(value: object) -> TypeGuard[int]:
    """Whether it is a count that a shim can tell of, and that is safe to reckon with."""
    return type(value) is int and 0 <= value < MAX_NUMBER


def _notice(payload: bytes) -> dict[str, Any]:
    """What the shim says of missing output. Raises SandboxProtocolError."""
    notice = _object(payload)
    if not (is_number(notice.get("bytes")) and is_number(notice.get("count"))):
        raise SandboxProtocolError("A notice counts what cannot be.")
    return notice


def _object(payload: bytes) -> dict[str, Any]:
    """A JSON object from a container. Raises SandboxProtocolError."""
    if len(payload) > MAX_JSON_BYTES:
        raise SandboxProtocolError("A frame holds more JSON than a shim ever sends.")
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise SandboxProtocolError("A frame holds no JSON.") from error
    if not isinstance(value, dict):
        raise SandboxProtocolError("A frame holds no JSON object.")
    return value
