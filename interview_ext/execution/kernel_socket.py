"""``WS api/kernels/{id}/channels`` in a door: JupyterLab's own kernel client, guarded.

All pages share the room's one connection to the kernel. A page gets the kernel's
iopub messages that concern pages (status, widgets, what its own widgets print) and the
replies to its own questions; outputs of cells come to it through the document.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from jupyter_client.session import Session
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from interview_ext.errors import (
    BadRequest,
    Forbidden,
    InterviewError,
    NotFound,
    RoomNotLive,
    SandboxGone,
    TooManyRequests,
    Unauthenticated,
)
from interview_ext.execution import guard
from interview_ext.execution.guard import Asked, Handling
from interview_ext.execution.incoming import Incoming
from interview_ext.execution.kernels import RoomKernel
from interview_ext.execution.ledger import Ledger
from interview_ext.execution.ports import RoomAccess
from interview_ext.execution.service import Executions
from interview_ext.handshake import AttendedSocketHandler
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ports import Bus, Message, Recorder, room_topic
from interview_ext.rooms.roles import Action

log = logging.getLogger(__name__)

PROTOCOL = "v1.kernel.websocket.jupyter.org"
MAX_MESSAGE = 10 * 1024 * 1024
"""Bytes of one message: a file upload widget sends a file in one."""
MAX_BACKLOG = 32 * 1024 * 1024
"""Bytes that may wait for a slow page; then it is closed and comes back."""
MAX_PENDING = 64
"""Questions of one page that may wait for the kernel's reply."""
MAX_STATE_COMMS = 20
"""Comms on which one page asks for the widgets' state; JupyterLab closes each when done."""
MESSAGES_PER_S = 200
"""A slider drag sends about 60; a page that sends more is read more slowly."""
BYTES_PER_MESSAGE = 64 * 1024
"""A larger message counts as several."""
PING_S = 25.0
TRY_AGAIN = 1013
POLICY = 1008
RESTARTING = 1012

_FOR_PAGES = frozenset({"status", "comm_open", "comm_msg", "comm_close"})
_RECHECK = frozenset({"room", "people", "seat_closed", "deleted", "gap"})


class KernelDesk:
    """What all kernel sockets of a server share. Made once by ``house.py``."""

    def __init__(
        self, *, executions: Executions, access: RoomAccess, bus: Bus, timeline: Recorder
    ) -> None:
        self.executions = executions
        self.access = access
        self.bus = bus
        self.ledger = Ledger(timeline)
        self._tasks: set[asyncio.Task[None]] = set()

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside a socket's messages, cancelled and awaited by `stop`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.ledger.stop()

    async def note_refusal(self, actor: Actor, what: str) -> None:
        """Put a refused attempt onto the timeline, if the store can be written."""
        try:
            await self.access.refused(actor, what)
        except InterviewError as error:
            log.warning("a refused attempt could not be recorded: %s", error.message)


def routes(desk: KernelDesk) -> list[tuple[str, type[JupyterHandler], dict[str, Any]]]:
    """Return the routes, relative to a door's base URL."""
    pattern = r"api/kernels/([A-Za-z0-9_-]{1,64})/channels"
    return [(pattern, KernelSocketHandler, {"desk": desk})]


class KernelSocketHandler(AttendedSocketHandler, JupyterHandler):
    """One page on the room's kernel. It is a `kernels.Listener`."""

    def initialize(self, desk: KernelDesk) -> None:
        self.desk = desk
        self._kernel: RoomKernel | None = None
        self._session = Session()
        self._pending: dict[str, Asked] = {}
        self._state_comms: set[str] = set()
        self._backlog = 0
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def max_message_size(self) -> int:
        return MAX_MESSAGE

    @property
    def ping_interval(self) -> float:
        return PING_S

    @property
    def ping_timeout(self) -> float:
        return PING_S

    def check_origin(self, origin: str = "") -> bool:
        """Only pages of this very origin; a program without an Origin has the seat's cookie."""
        return WebSocketHandler.check_origin(self, origin)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return PROTOCOL if PROTOCOL in subprotocols else None

    # -- the handshake

    async def prepare(self) -> None:  # type: ignore[override]
        """Authenticate; a socket is never sent to a login page."""
        result = super().prepare(_redirect_to_login=False)
        if inspect.isawaitable(result):
            await result

    async def get(self, kernel_id: str) -> None:
        """Check everything, then accept."""
        try:
            self._me = self._seated()
            kernel = await self.desk.executions.kernel(self._me)
            self._check_handshake()
            if kernel.id != kernel_id:
                raise NotFound("There is no such kernel in this interview.")
        except InterviewError as error:
            await self._refuse_handshake(error)
            return
        self._kernel = kernel
        await super().get(kernel_id)

    def _seated(self) -> Actor:
        actor = getattr(self.current_user, "actor", None)
        if not isinstance(actor, Actor):
            raise Unauthenticated("Nobody sits here.")
        return actor

    def _check_handshake(self) -> None:
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.check_origin(origin):
            raise Forbidden("Another site's page asked.")
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        if PROTOCOL not in [name.strip() for name in offered.split(",")]:
            raise BadRequest(f"The kernel is spoken to by the subprotocol {PROTOCOL}.")

    async def _refuse_handshake(self, error: InterviewError) -> None:
        actor = getattr(self.current_user, "actor", None)
        # Every page looks for its kernel again when the room's state has changed: no attempt.
        if isinstance(actor, Actor) and not isinstance(error, RoomNotLive):
            await self.desk.note_refusal(actor, "kernel.socket")
        self.set_status(error.status)
        self.set_header("Content-Type", "application/json")
        with suppress(StreamClosedError):  # whoever asked has gone meanwhile
            await self.finish(json.dumps(error.as_body()))

    async def open(self, kernel_id: str) -> None:  # noqa: ARG002
        if self._kernel is None:
            return
        self.set_nodelay(True)
        self._unsubscribe = self.desk.bus.subscribe(room_topic(self._me.room_id), self._on_room)
        self._kernel.listen(self)
        self.desk.own(self._begin())

    async def _begin(self) -> None:
        """Have a kernel ready for whoever may ask it, and close what was refused meanwhile."""
        await self._recheck()
        try:
            room = await self.desk.access.check(self._me, Action.KERNEL_ASK)
        except InterviewError:
            return
        if self._kernel is not None and self._kernel.state == "off":
            await self.desk.executions.warm(room)

    def on_close(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._kernel is not None:
            self._kernel.leave(self)
        self._pending.clear()

    # -- what the page says

    async def on_message(self, message: str | bytes) -> None:
        """Take one message; returns when the page may send the next."""
        if self._kernel is None:
            return
        try:
            asked = guard.read(message if isinstance(message, bytes) else b"")
        except BadRequest as error:
            await self.desk.note_refusal(self._me, "kernel.message")
            self._shut(error.close_code, error.message)
            return
        await self._take(self._kernel, asked)
        await asyncio.sleep((1 + len(message) / BYTES_PER_MESSAGE) / MESSAGES_PER_S)

    async def _take(self, kernel: RoomKernel, asked: Asked) -> None:
        how = guard.handling(asked, own_comms=self._state_comms)
        try:
            if how is Handling.REFUSE:
                raise Forbidden("Cells are run, interrupted and answered through the interview.")
            action = Action.KERNEL_ASK if how is Handling.ASK else Action.KERNEL_WATCH
            await self.desk.access.check(self._me, action)
            if how is Handling.ANSWER:
                self._reply(asked, _answer(kernel, asked))
            else:
                self._pass_on(kernel, asked, record=how is Handling.ASK)
        except InterviewError as error:
            self._reply(asked, guard.refusal(asked.msg_type, error.code, error.message))
            honest = isinstance(error, RoomNotLive) and asked.msg_type in guard.REPLIED
            if not honest and not isinstance(error, SandboxGone):
                await self.desk.note_refusal(self._me, f"kernel.{asked.msg_type[:40]}")

    def _pass_on(self, kernel: RoomKernel, asked: Asked, *, record: bool) -> None:
        if not kernel.running:
            raise SandboxGone(
                "The kernel is not running; run a cell to start it.", reason="stopped"
            )
        if asked.msg_type in guard.REPLIED:
            if len(self._pending) >= MAX_PENDING:
                raise TooManyRequests("Too many questions wait for the kernel.")
            self._pending[asked.msg_id] = asked
        if guard.opens_state_comm(asked):
            if len(self._state_comms) >= MAX_STATE_COMMS:
                raise TooManyRequests("This page asks for the widgets' state too often.")
            self._state_comms.add(str(asked.content.get("comm_id")))
        elif asked.msg_type == "comm_close":
            self._state_comms.discard(str(asked.content.get("comm_id")))
        if record and asked.msg_type in guard.RUNS_CODE:
            self.desk.ledger.note(self._me, asked)
        kernel.send_parts(asked.channel, guard.passed_on(asked, self._me.id))

    # -- what the kernel says (see kernels.Listener)

    def kernel_message(self, message: Incoming) -> None:
        """See `kernels.Listener`."""
        if message.channel == "iopub":
            if _is_for_pages(message):
                self._write(message.frame)
        elif self._pending.pop(message.parent_id, None) is not None:
            self._write(message.frame)

    def kernel_ended(self) -> None:
        """See `kernels.Listener`: no page waits for ever."""
        pending, self._pending = self._pending, {}
        self._state_comms.clear()
        for asked in pending.values():
            self._reply(asked, guard.refusal(asked.msg_type, "sandbox_gone", "The kernel ended."))

    def kernel_moved(self) -> None:
        """See `kernels.Listener`: the page comes again, and is led to the other server."""
        self._shut(RESTARTING, "Another server runs this interview's cells now.")

    # -- the way back

    def _reply(self, asked: Asked, content: dict[str, Any]) -> None:
        """Reply as a kernel does: a page takes a question as done at the reply *and* ``idle``."""
        if asked.msg_type.endswith("_request") and asked.channel in ("shell", "control"):
            kind = asked.msg_type.removesuffix("_request") + "_reply"
            self._write(self._frame(asked.channel, kind, content, asked.header))
        idle = {"execution_state": "idle"}
        self._write(self._frame("iopub", "status", idle, asked.header))

    def _frame(
        self, channel: str, msg_type: str, content: dict[str, Any], parent: dict[str, Any]
    ) -> bytes:
        message = self._session.msg(msg_type, content=content, parent={"header": parent})
        message["parent_header"] = parent
        frame: bytes = serialize_msg_to_ws_v1(  # type: ignore[no-untyped-call]
            message, channel, self._session.pack
        )
        return frame

    def _write(self, frame: bytes) -> None:
        if self._backlog > MAX_BACKLOG:
            self._shut(TRY_AGAIN, "This connection is too slow.")
            return
        try:
            written = self.write_message(frame, binary=True)
        except WebSocketClosedError:
            return
        size = len(frame)
        self._backlog += size

        def done(future: asyncio.Future[None]) -> None:
            self._backlog -= size
            if not future.cancelled():
                future.exception()  # the connection's end is told by `on_close`

        asyncio.ensure_future(written).add_done_callback(done)

    def _shut(self, code: int, reason: str) -> None:
        if self._kernel is not None:
            self._kernel.leave(self)
        self.close(code, reason[:120])

    # -- what happens in the room

    def _on_room(self, message: Message) -> None:
        if message["type"] in _RECHECK:
            seat = self._me.seat
            if seat is not None and message.get("seat_id") == seat.id:
                self._shut(POLICY, "Your seat was closed.")
            else:
                self.desk.own(self._recheck())

    async def _recheck(self) -> None:
        try:
            await self.desk.access.check(self._me, Action.KERNEL_WATCH)
        except InterviewError as error:
            self._shut(POLICY, error.message)


def _answer(kernel: RoomKernel, asked: Asked) -> dict[str, Any]:
    """Answer what the server knows itself."""
    if asked.msg_type == "kernel_info_request":
        return kernel.info
    wanted = asked.content.get("target_name")
    comms = {
        comm_id: {"target_name": target}
        for comm_id, target in kernel.comms.items()
        if wanted in (None, target)
    }
    return {"status": "ok", "comms": comms}


def _is_for_pages(message: Incoming) -> bool:
    """Whether pages get it: outputs of cells come to them through the document."""
    parent = message.parent_id
    if message.msg_type == "status":
        return not parent.startswith("srv_")
    return message.msg_type in _FOR_PAGES or not parent.startswith(guard.RESERVED)
