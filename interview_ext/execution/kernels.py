"""The one kernel of a room: its life, and its messages to whoever listens.

The id and the listeners stay when the process behind them is replaced, so a page's kernel
socket outlives restarts and deaths.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, Protocol

from interview_ext.errors import InterviewError, NotFound, SandboxGone
from interview_ext.execution.guard import MAX_ID
from interview_ext.execution.incoming import Incoming
from interview_ext.execution.ports import (
    Files,
    KernelDeath,
    KernelHandle,
    KernelLauncher,
    KernelResumed,
    WorkFiles,
)
from interview_ext.execution.restraint import Restraint
from interview_ext.execution.wire import KernelWire
from interview_ext.rooms.ids import Clock, new_id, now
from interview_ext.rooms.model import Room

log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
"""From a started sandbox to a kernel that answers: 0.6 s usually, 4 s with eight at once."""
AGAIN_S = 1.0
"""Until a sandbox that could not be frozen or thawed is told again."""
MAX_COMMS = 10_000
"""Open comms remembered; the oldest is forgotten first."""

INFO_BEFORE_START: dict[str, Any] = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "",
    "implementation_version": "",
    "banner": "",
    "help_links": [],
    "debugger": False,
}
"""What pages are told before the kernel has said it itself, with its profile's ``language_info``:
they wait for it to show a notebook.
"""


ALL_TAKEN = "All sandboxes are taken; yours starts as soon as one is free."
ENDED_OFTEN = "The kernel has ended several times in a minute; a fresh one starts in {pause_s:g} s."

RESTARTED = KernelDeath(reason="restarted", detail="Somebody restarted it.")

_NOT_OFFERED: dict[str, Any] = {"status": "ok", "debugger": False, "supported_features": []}
"""Debugger and subshells would need control messages that pages may not send."""


def kernel_id(room_id: str) -> str:
    """Return the id of a room's kernel, the same on every server and for the room's life."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, room_id))


class Owner(Protocol):
    """Whoever leads the room's runs; told first."""

    def kernel_started(self) -> None:
        """A process answers, or one was adopted and is about to be heard."""

    def kernel_resumed(self, resumed: KernelResumed) -> None:
        """What an adopted process has said since its last run began will come now, once more."""

    def kernel_message(self, message: Incoming) -> None:
        """Something came from the kernel."""

    def kernel_ended(self, death: KernelDeath) -> None:
        """The process is gone; the last messages have been told."""

    def kernel_goes_on(self) -> None:
        """After a pause it computes again, or whatever starts next will."""

    def kernel_changed(self) -> None:
        """The state is another one; not told of each change between ready and busy."""


class Listener(Protocol):
    """A page's kernel socket."""

    def kernel_message(self, message: Incoming) -> None:
        """Something came from the kernel."""

    def kernel_ended(self) -> None:
        """No answer will come any more to what was asked."""

    def kernel_moved(self) -> None:
        """Another server runs the room's cells from now on."""


class RoomKernel:
    """The kernel of one room.

    Attributes
    ----------
    id, name:
        As Jupyter's kernel list shows them; the id stays for the room's life.
    language:
        What the room's profile speaks.
    state:
        ``off``, ``starting``, ``ready``, ``busy`` or ``dead``.
    death:
        Why the last process ended, until the next one runs.
    adopt:
        Set before the first start: the process that the server's last one has left.
    resumed:
        Where that process stood when it was taken over.
    waiting:
        Whether it starts as soon as somebody else's sandbox has ended, packages are installed, or
        a pause is over that follows too many ends.
    notice:
        Why it waits, as everybody in the room may know.
    """

    def __init__(
        self,
        room: Room,
        *,
        launcher: KernelLauncher,
        files: Files,
        owner: Owner,
        clock: Clock = now,
    ) -> None:
        self.id = kernel_id(room.id)
        self.name = launcher.kernel_name(room.profile)
        self.language = launcher.language(room.profile)
        self.room_id = room.id
        self.state = "off"
        self.waiting = False
        self.notice = ""
        self.last_activity: datetime = clock()
        self.adopt = ""
        self.resumed: KernelResumed | None = None
        self.death: KernelDeath | None = None
        self.died_at: datetime | None = None
        self.info: dict[str, Any] = {
            **INFO_BEFORE_START,
            "language_info": dict(self.language.info),
        }
        self._room = room
        self._launcher = launcher
        self._files = files
        self._owner = owner
        self._clock = clock
        self._listeners: list[Listener] = []
        self._comms: dict[str, str] = {}
        self._held: list[Incoming] | None = None
        self._handle: KernelHandle | None = None
        self._wire: KernelWire | None = None
        self._watch: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._stopped = False
        self._restraint = Restraint()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._again: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None

    def is_gone(self, death: KernelDeath) -> None:
        """The room's kernel was another server's, and is gone with that."""
        self.death, self.died_at = death, self._clock()
        self._set("dead")

    # -- what the door shows

    @property
    def death_body(self) -> Mapping[str, Any] | None:
        """Why and when the last process ended, as JSON."""
        if self.death is None or self.died_at is None:
            return None
        return {
            "reason": self.death.reason,
            "detail": self.death.detail,
            "at": self.died_at.isoformat(),
        }

    @property
    def execution_state(self) -> str:
        """The state in Jupyter's words. Never ``dead``: pages would drop the kernel for good."""
        return {"starting": "starting", "busy": "busy"}.get(self.state, "idle")

    @property
    def comms(self) -> Mapping[str, str]:
        """Open comms by id, with the names of their targets."""
        return self._comms

    # -- life

    async def start(self) -> None:
        """Return when a kernel answers, starting one if there is none.

        Raises
        ------
        SandboxError
        """
        if self._starting is None or self._starting.done():
            self._begin(self._start_if_none())
        await self._begun()

    def use(self, room: Room) -> None:
        """Start the next process as the room is now; one that runs goes on as it is."""
        self._room = room

    async def restart(self, death: KernelDeath = RESTARTED) -> None:
        """Replace the process; the owner is told of the old one's end first."""
        if self.waiting:
            return  # a fresh one is on its way, and nothing runs that could be replaced
        self._begin(self._restart(death))
        await self._begun()

    async def stop(self, reason: str) -> None:
        """End the process, if there is one, for good: there is no start after it."""
        self._stopped = True
        if self._again is not None:
            self._again.cancel()
        if self.waiting and self._starting is not None:
            # Nothing has been started yet, and it may take minutes until something is.
            self._starting.cancel()
        async with self._lock:
            await self._end(KernelDeath(reason=reason))
            self._set("off")

    async def end(self, death: KernelDeath, *, unless: Callable[[], bool]) -> None:
        """End the process, if there is one and `unless` is not so; the next one is fresh."""
        async with self._lock:
            if self._handle is not None and not unless():
                await self._end_as(death)

    async def freeze(self) -> None:
        """Let neither this process nor its successors compute, until `thaw`."""
        self._thawed.clear()
        await self._follow_pause()

    async def thaw(self) -> None:
        """Let it go on; the owner is told once it does."""
        self._thawed.set()
        await self._follow_pause()

    @property
    def frozen(self) -> bool:
        """Whether it may not compute."""
        return not self._thawed.is_set()

    async def thawed(self) -> None:
        """Return once it is not frozen."""
        await self._thawed.wait()

    async def _follow_pause(self) -> None:
        if not self.waiting:
            async with self._lock:
                await self._freeze_or_thaw()
        elif self._thawed.is_set():  # what starts after the wait looks by itself
            self._owner.kernel_goes_on()

    async def _freeze_or_thaw(self) -> None:
        """Bring the process to what holds now; while the engine is away, again and again."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        try:
            if self._handle is not None:
                await (self._handle.thaw() if self._thawed.is_set() else self._handle.freeze())
        except InterviewError as error:
            log.warning("the sandbox of room %s does not follow: %s", self.room_id, error.message)
            self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._follow_again)
            return
        if self._thawed.is_set():
            self._owner.kernel_goes_on()

    def _follow_again(self) -> None:
        self._again = None
        self._following = asyncio.create_task(self._follow_pause(), name="kernel pause")

    async def interrupt(self) -> None:
        """Interrupt what runs; nothing if nothing does."""
        if self._handle is not None:
            await self._handle.interrupt()

    async def usage(self) -> Mapping[str, float] | None:
        """What the sandbox uses now, or None."""
        return None if self._handle is None else await self._handle.usage()

    async def list_files(self) -> WorkFiles:
        """What stands in the work folder; nothing before the first start.

        Raises
        ------
        SandboxGone
            The process has ended, and its files with it.
        """
        handle = self._with_files()
        return WorkFiles() if handle is None else await handle.list_files()

    async def read_file(self, path: str) -> bytes:
        """One of them. Raises NotFound, TooLarge and as `list_files` does."""
        handle = self._with_files()
        if handle is None:
            raise NotFound("There is no such file.")
        return await handle.read_file(path)

    def _with_files(self) -> KernelHandle | None:
        if self._handle is None and self.death is not None:
            raise SandboxGone(
                f"The kernel ended ({self.death.reason}); its files are gone.",
                reason=self.death.reason,
                hint="Run the cells that write them again.",
            )
        return self._handle

    # -- messages

    @property
    def connections(self) -> int:
        """Pages that listen now."""
        return len(self._listeners)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of each message, until `leave`."""
        self._listeners.append(listener)

    def move(self) -> None:
        """Send all listeners away: another server has the room's cells."""
        for listener in list(self._listeners):
            listener.kernel_moved()
        self._listeners.clear()

    def leave(self, listener: Listener) -> None:
        """Tell `listener` no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    @property
    def running(self) -> bool:
        """Whether a process is connected."""
        return self._wire is not None

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
        """Send a message of the server's own; lost if no process is connected."""
        if self._wire is not None:
            self._wire.send(
                channel, msg_type, content, msg_id=msg_id, parent=parent, metadata=metadata
            )

    def send_parts(self, channel: str, parts: list[bytes]) -> None:
        """Send a page's message; lost if no process is connected."""
        if self._wire is not None:
            self.last_activity = self._clock()
            self._wire.send_parts(channel, parts)

    def tell_pages(
        self, msg_type: str, content: dict[str, Any], parent: dict[str, Any] | None = None
    ) -> None:
        """Send an iopub message of the server's own to all pages."""
        if self._wire is not None:
            message = self._wire.own_frame(msg_type, content, parent or {})
            self._tell(message)

    # -- inside

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._starting = asyncio.create_task(work, name="kernel start")
        self._starting.add_done_callback(_retrieve)

    async def _begun(self) -> None:
        # Whoever waits may be cancelled; a half-started sandbox must not be left behind.
        starting = self._starting
        if starting is None:
            return
        await asyncio.wait({starting})
        if starting.cancelled():
            raise SandboxGone("The kernel was stopped.", reason="stopped")
        starting.result()

    async def _restart(self, death: KernelDeath) -> None:
        async with self._lock:
            await self._end(death)
            await self._start()

    async def _start_if_none(self) -> None:
        async with self._lock:
            if self._wire is None:
                await self._start()

    async def _start(self) -> None:
        if self._stopped:
            raise SandboxGone("The kernel was stopped.", reason="stopped")
        self._set("starting")
        adopt, self.adopt = self.adopt, ""
        handle: KernelHandle | None = None
        try:
            if not adopt:
                await self._pause()
            handle = await self._launcher.launch(
                self._room,
                kernel_id=self.id,
                files=self._files,
                adopt=adopt,
                on_wait=self._waits,
            )
            wire = KernelWire(handle.connection, self._on_message)
            self._wire = wire
            if adopt:
                await self._resume(wire, handle)
            else:
                self.info = {**await _opened(wire, handle), **_NOT_OFFERED}
                self._owner.kernel_started()
        except BaseException:
            wire_left, self._wire = self._wire, None
            self._set("dead" if self.death else "off")
            if wire_left is not None:
                await wire_left.close()
            if handle is not None:
                await handle.stop()
            raise
        self._handle = handle
        self.death = self.died_at = None
        self._watch = asyncio.create_task(self._wait(handle), name=f"kernel of {self.room_id}")
        if not adopt:  # else it is ready or busy, as it has said
            self._set("ready")
        if adopt or not self._thawed.is_set():
            # Adopted: the server may have ended between the room's going on and its kernel's.
            await self._freeze_or_thaw()

    async def _resume(self, wire: KernelWire, handle: KernelHandle) -> None:
        """Listen, then have all come again that was said since the last run began."""
        await wire.listen(START_TIMEOUT_S)
        self._owner.kernel_started()
        self._set("ready")
        # What is lost is said before what is left.
        held: list[Incoming] = []
        self._held = held
        try:
            self.resumed = await handle.resume()
            self._owner.kernel_resumed(self.resumed)
        finally:
            self._held = None
        for message in held:
            self._on_message(message)
        # Answered when the kernel is idle again; see `_learn`.
        for question in ("kernel_info_request", "comm_info_request"):
            wire.send("shell", question, {}, msg_id=new_id("srv"))

    def _learn(self, message: Incoming) -> None:
        """Take what only the server's last process had heard."""
        content = message.content
        if message.msg_type == "kernel_info_reply":
            self.info = {**content, **_NOT_OFFERED}
        elif message.msg_type == "comm_info_reply" and isinstance(content.get("comms"), dict):
            for comm_id, comm in list(content["comms"].items())[:MAX_COMMS]:
                if isinstance(comm, dict) and len(comm_id) <= MAX_ID:
                    self._comms.setdefault(comm_id, str(comm.get("target_name"))[:MAX_ID])

    def _waits(self, waiting: bool, notice: str = ALL_TAKEN) -> None:  # noqa: FBT001  (see `ports.OnWait`)
        self.waiting = waiting
        self.notice = notice if waiting else ""
        self._owner.kernel_changed()

    async def _pause(self) -> None:
        """Let some time go by if the room's kernels have ended too often."""
        pause_s = self._restraint.pause_s(self._clock())
        if pause_s:
            self._waits(True, ENDED_OFTEN.format(pause_s=pause_s))
            try:
                await asyncio.sleep(pause_s)
            finally:
                self._waits(False)

    async def _wait(self, handle: KernelHandle) -> None:
        death = await handle.wait()
        self._restraint.ended(self._clock())
        if self._wire is not None:
            await self._wire.settle()
        async with self._lock:
            if self._handle is handle:
                self._watch = None
                await self._end_as(death)

    async def _end_as(self, death: KernelDeath) -> None:
        self.died_at = self._clock()
        await self._end(death)
        self.death = death
        self._set("dead")

    async def _end(self, death: KernelDeath) -> None:
        """Take the present process away and tell the owner and the pages."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        handle, self._handle = self._handle, None
        if handle is None:
            return
        for comm_id in list(self._comms):
            self.tell_pages("comm_close", {"comm_id": comm_id, "data": {}})
        self._comms.clear()
        self.tell_pages("status", {"execution_state": "idle"})
        wire, self._wire = self._wire, None
        self._owner.kernel_ended(death)
        for listener in list(self._listeners):
            listener.kernel_ended()
        if wire is not None:
            await wire.close()
        try:
            await handle.stop()
        except InterviewError as error:
            log.warning("the kernel of room %s was not stopped: %s", self.room_id, error.message)

    def _on_message(self, message: Incoming) -> None:
        if self._held is not None:
            self._held.append(message)
            return
        self.last_activity = self._clock()
        if message.channel == "iopub":
            self._follow(message)
        elif message.channel == "shell" and self.resumed is not None:
            self._learn(message)
        self._owner.kernel_message(message)
        self._tell(message)

    def _tell(self, message: Incoming) -> None:
        for listener in list(self._listeners):
            listener.kernel_message(message)

    def _follow(self, message: Incoming) -> None:
        comm_id = message.content.get("comm_id")
        if message.msg_type == "status" and self.state in ("ready", "busy"):
            # Not told to the owner: a slider's drag alone would tell it 50 times a second.
            busy = message.content.get("execution_state") == "busy"
            self.state = "busy" if busy else "ready"
        elif message.msg_type == "comm_close" and isinstance(comm_id, str):
            self._comms.pop(comm_id, None)
        elif message.msg_type == "comm_open" and isinstance(comm_id, str):
            if len(comm_id) <= MAX_ID:
                self._comms[comm_id] = str(message.content.get("target_name"))[:MAX_ID]
            if len(self._comms) > MAX_COMMS:
                self._comms.pop(next(iter(self._comms)))

    def _set(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._owner.kernel_changed()


async def _opened(wire: KernelWire, handle: KernelHandle) -> dict[str, Any]:
    """Return the kernel's info; do not wait for a process that has ended meanwhile."""
    opening = asyncio.ensure_future(wire.open(START_TIMEOUT_S))
    ending = asyncio.ensure_future(handle.wait())
    try:
        await asyncio.wait({opening, ending}, return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            return opening.result()
        death = ending.result()
        raise SandboxGone(
            f"The kernel ended while it started: {death.reason}.",
            reason=death.reason,
            hint="Run the cell again.",
        )
    finally:
        for task in (opening, ending):
            task.cancel()
        await asyncio.gather(opening, ending, return_exceptions=True)


def _retrieve(task: asyncio.Task[None]) -> None:
    """Take a failure that nobody waits for any more; the next start shows it again."""
    if not task.cancelled():
        task.exception()
