"""The door's sockets and sessions for JupyterLab's own, unmodified document client.

Handlers parse, make one call, write the answer. They are mounted in a door's Application
by `handlers`; the door's identity provider has put the person into ``current_user`` before
any of them runs.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol
from urllib.parse import urlsplit

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado.iostream import StreamClosedError

from interview_ext.collab.documents import Documents
from interview_ext.collab.inlet import Inlet, inlet_instead
from interview_ext.collab.limits import Limits, Paces
from interview_ext.collab.outlet import Outlet, binary_frame
from interview_ext.collab.relay import Relay
from interview_ext.collab.wire.framing import (
    AwarenessQuery,
    AwarenessUpdate,
    Save,
    SyncStep1,
    SyncUpdate,
    read_frame,
    write_saved,
)
from interview_ext.errors import (
    BadRequest,
    BranchGone,
    BranchLocked,
    Forbidden,
    InterviewError,
    RoomNotLive,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
    WireError,
)
from interview_ext.handshake import AttendedSocketHandler
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.limits import RateLimit
from interview_ext.rooms.model import Document, Room
from interview_ext.rooms.ports import Bus, Message, room_topic

log = logging.getLogger(__name__)

GOING_AWAY, POLICY, TRY_AGAIN = 1001, 1008, 1013
"""Close codes after which JupyterLab's client comes back with all it has; 1003, 4400, 4404
and 4500 would make it drop the document."""
_FORMATS = {"notebook": "json", "file": "text"}
_TURNS = frozenset({"room", "seat_closed", "people", "deleted", "gap"})
"""Messages on a room's topic after which a socket's rights are looked at again."""
_RECHECK_AGAIN_S = 0.5
_MAX_REASON = 120
"""Bytes; a close frame has 125 with its code."""


class Access(Protocol):
    """What the sockets ask of `rooms.service.Rooms`, which is it."""

    async def document(self, actor: Actor, document_id: str) -> tuple[Room, Document, bool]: ...

    async def document_by_path(self, actor: Actor, path: str) -> tuple[Room, Document, bool]: ...

    async def refused(self, actor: Actor, what: str) -> None: ...


@dataclass(kw_only=True)
class Desk:
    """What all document handlers of a server share. Made once by ``house.py``."""

    documents: Documents
    access: Access
    bus: Bus
    opens: RateLimit = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.opens = RateLimit(per_minute=self.limits.opens_per_minute)

    @property
    def limits(self) -> Limits:
        return self.documents.limits

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside a socket's messages; it is awaited or cancelled on `stop`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def note_refusal(self, actor: Actor, what: str) -> None:
        """Put a refused attempt onto the timeline, if the store can be written."""
        try:
            await self.access.refused(actor, what)
        except InterviewError as error:
            log.warning("A refused attempt could not be recorded: %s", error.message)

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def handlers(desk: Desk) -> list[tuple[str, type[JupyterHandler], dict[str, Any]]]:
    """Return the routes, relative to a door's base URL."""
    shared = {"desk": desk}
    return [
        (r"api/collaboration/session/(.+)", DocumentSessionHandler, shared),
        (r"api/collaboration/room/([^/]+)", DocumentSocketHandler, shared),
    ]


class _Seated(JupyterHandler):
    """A handler in a door."""

    desk: Desk

    def initialize(self, desk: Desk) -> None:
        self.desk = desk

    def seated(self) -> Actor:
        """Return who asks, as the door's authentication found."""
        actor = getattr(self.current_user, "actor", None)
        if not isinstance(actor, Actor):
            raise Unauthenticated("Nobody sits here.")
        return actor

    async def refuse_request(self, error: InterviewError, *, what: str) -> None:
        """Answer an HTTP request, or a handshake, with the error's status and body."""
        # Every page tries to come back when the room's state has changed, or its branch has
        # ended: no attempt.
        seated = isinstance(getattr(self.current_user, "actor", None), Actor)
        if seated and not isinstance(error, (RoomNotLive, BranchGone, BranchLocked)):
            await self.desk.note_refusal(self.seated(), what)
        self.set_status(error.status)
        self.set_header("Content-Type", "application/json")
        with suppress(StreamClosedError):  # whoever asked has gone meanwhile
            await self.finish(json.dumps(error.as_body()))


class DocumentSessionHandler(_Seated, APIHandler):
    """``PUT api/collaboration/session/{path}``: tells a page the id of a document's socket."""

    _track_activity = False  # it would be looked up in a query string that may be malformed

    async def put(self, path: str) -> None:
        try:
            _, document, _ = await self.desk.access.document_by_path(self.seated(), path)
            self._check_kind(document)
        except InterviewError as error:
            await self.refuse_request(error, what="document.session")
            return
        answer = {
            "format": _FORMATS[document.kind],
            "type": document.kind,
            "fileId": document.id,
            "sessionId": document.room_id,
        }
        await self.finish(json.dumps(answer))

    def _check_kind(self, document: Document) -> None:
        """The client opens a document as what it is, or its model would misread it."""
        try:
            body = json.loads(self.request.body)
        except (ValueError, RecursionError) as error:
            raise BadRequest("The body is not JSON.") from error
        asked = (body.get("format"), body.get("type")) if isinstance(body, dict) else None
        if asked != (_FORMATS[document.kind], document.kind):
            raise BadRequest(f"{document.path} is opened as {document.kind}.")


class DocumentSocketHandler(AttendedSocketHandler, _Seated):
    """``WS api/collaboration/room/{format:type:docId}``: one page on one document.

    It is the `relay.Peer` of the document's relay.
    """

    def initialize(self, desk: Desk) -> None:
        super().initialize(desk)
        self.writable = False
        self._document: Document | None = None
        self._relay: Relay | None = None
        self._outlet: Outlet | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._checked = asyncio.Event()
        self._checked.set()
        self._check_again = False
        self._paces = Paces(desk.limits, monotonic=monotonic)

    @property
    def max_message_size(self) -> int:
        return self.desk.limits.max_message

    @property
    def ping_interval(self) -> float:
        return self.desk.limits.ping_interval_s

    @property
    def ping_timeout(self) -> float:
        return self.desk.limits.ping_interval_s

    def get_websocket_protocol(self) -> Inlet | None:
        """Called by tornado at the handshake: the same protocol, read in larger pieces."""
        return inlet_instead(super().get_websocket_protocol())

    def check_origin(self, origin: str = "") -> bool:
        """Only pages of this very origin; a program without an Origin has the seat's cookie."""
        return urlsplit(origin).netloc.lower() == self.request.headers.get("Host", "").lower()

    # -- the handshake

    async def prepare(self) -> None:  # type: ignore[override]
        """Authenticate; a socket is never sent to a login page."""
        result = super().prepare(_redirect_to_login=False)
        if inspect.isawaitable(result):
            await result

    async def get(self, *args: str, **kwargs: str) -> None:
        """Check everything, then accept. Nothing is opened for somebody who may not."""
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.check_origin(origin):
            await self.refuse_request(Forbidden("Another site's page asked."), what="origin")
            return
        try:
            actor = self.seated()
            _, self._document, self.writable = await self._find(actor, args[0])
            self._relay = (await self.desk.documents.open(self._document)).relay
        except InterviewError as error:
            await self.refuse_request(error, what="document.socket")
            return
        self._me = actor
        await super().get(*args, **kwargs)

    async def _find(self, actor: Actor, room_name: str) -> tuple[Room, Document, bool]:
        form, _, rest = room_name.partition(":")
        kind, _, document_id = rest.partition(":")
        found = await self.desk.access.document(actor, document_id)
        document = found[1]
        if (form, kind) != (_FORMATS[document.kind], document.kind):
            raise BadRequest(f"{document.path} is opened as {document.kind}.")
        if not self.desk.opens.take(f"{actor.id} {document_id}"):
            raise TooManyRequests("This page connects too often.")
        return found

    async def open(self, *_args: str, **_kwargs: str) -> None:
        stream = self.ws_connection.stream if self.ws_connection else None
        if self._relay is None or self._document is None or stream is None:
            return
        self.set_nodelay(True)
        self._outlet = Outlet(
            stream,
            max_backlog=self.desk.limits.max_backlog,
            overflow=self._too_slow,
        )
        topic = room_topic(self._document.room_id)
        self._unsubscribe = self.desk.bus.subscribe(topic, self._on_room)
        self._relay.join(self, writable=self.writable)
        self._recheck()

    # -- what the page sends

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Take one frame; return what to wait for until the page may send the next."""
        # After a turn in the room, frames wait for what the page may do now.
        return self._take(message) if self._checked.is_set() else self._take_later(message)

    async def _take_later(self, message: str | bytes) -> None:
        await self._checked.wait()
        waiting = self._take(message)
        if waiting is not None:
            await waiting

    def _take(self, message: str | bytes) -> Awaitable[None] | None:
        relay = self._relay
        if relay is None:
            return None
        began = monotonic()
        try:
            queued = self._dispatch(relay, message)
        except InterviewError as error:
            self.refuse(error)
            return None
        wait_s = self._paces.spend(size=len(message), began=began)
        full = queued and relay.full
        return self._rest(relay, wait_s, full=full) if wait_s or full else None

    async def _rest(self, relay: Relay, wait_s: float, *, full: bool) -> None:
        if wait_s:
            await asyncio.sleep(wait_s)
        if full:
            await relay.has_room()

    def _dispatch(self, relay: Relay, message: str | bytes) -> bool:
        """Do what the frame says; return whether something has been put into the queue."""
        if isinstance(message, str):
            raise WireError("A frame is text.")
        frame = read_frame(message)
        if isinstance(frame, SyncUpdate):
            if self.writable:
                relay.take(self, frame.update, answer=frame.answer)
        elif isinstance(frame, AwarenessUpdate):
            relay.show(self, frame.entries)
        elif isinstance(frame, SyncStep1):
            relay.answer(self, frame.state)
        elif isinstance(frame, Save):
            number = frame.number
            relay.after_commit(lambda: relay.send(self, binary_frame(write_saved(number))))
        elif isinstance(frame, AwarenessQuery):
            relay.show_present(self)
        return isinstance(frame, (SyncUpdate, Save))

    def on_close(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._outlet is not None:
            self._outlet.shut()
        if self._relay is not None:
            self._relay.leave(self)

    # -- what the relay does with the page

    @property
    def actor(self) -> Actor:
        return self._me

    def send(self, frames: bytes, *, counted: bool = True) -> None:
        if self._outlet is not None:
            self._outlet.write(frames, counted=counted)

    def refuse(self, error: InterviewError) -> None:
        if self._closing():
            return
        log.info("A document socket of %s is closed: %s", self._me.id, error.message)
        self.desk.own(self.desk.note_refusal(self._me, f"document.{error.code}"))
        self._shut(error.close_code, error.message)

    def go_away(self) -> None:
        self._shut(GOING_AWAY, "The document is being closed here.")

    def _too_slow(self) -> None:
        self._shut(TRY_AGAIN, "This connection is too slow.")

    def _closing(self) -> bool:
        return self.ws_connection is None or self.ws_connection.is_closing()

    def _shut(self, code: int, reason: str) -> None:
        """Close and take nothing more; the page comes back with all it has."""
        self.writable = False
        if self._outlet is not None:
            self._outlet.shut()
        if self._relay is not None:
            self._relay.leave(self)
        self.close(code, reason.encode()[:_MAX_REASON].decode(errors="ignore"))

    # -- what happens in the room

    def _on_room(self, message: Message) -> None:
        kind = message.get("type")
        if kind not in _TURNS:
            return
        seat = self._me.seat
        if kind == "seat_closed" and seat is not None and message.get("seat_id") == seat.id:
            self._shut(POLICY, f"Your seat was closed: {message.get('reason')}.")
        else:
            self._recheck()

    def _recheck(self) -> None:
        """Look at the rights again, once at a time."""
        self._check_again = True
        if self._checked.is_set():
            self._checked.clear()
            self.desk.own(self._check_rights())

    async def _check_rights(self) -> None:
        try:
            while self._check_again and not self._closing():
                self._check_again = False
                await self._check_once()
        finally:
            self._checked.set()

    async def _check_once(self) -> None:
        if self._document is None or self._relay is None:
            return
        try:
            _, _, writable = await self.desk.access.document(self._me, self._document.id)
        except StoreUnavailable:
            self._check_again = True
            await asyncio.sleep(_RECHECK_AGAIN_S)
        except InterviewError as error:
            self._shut(POLICY, error.message)
        else:
            before, self.writable = self.writable, writable
            if writable and not before:
                self._relay.became_writable(self)
