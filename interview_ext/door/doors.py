"""The router before the Jupyter server's own: who has no seat comes no further.

It stands at the front of the web application's default router, takes every request below
``…/interview/r/``, asks for the seat and only then lets a handler see the request. So
deny-by-default comes before any handler's code, for WebSockets as for pages, and after a
restart of the server.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream
from tornado.routing import PathMatches, Router, Rule
from tornado.web import Application

from interview_ext.api.base import declared_length
from interview_ext.api.services import Services
from interview_ext.door.application import make_application
from interview_ext.door.assets import Assets, LabFiles
from interview_ext.door.context import ApiRoutes, DoorContext, DoorOptions, Kernels
from interview_ext.door.first_load import FirstLoad
from interview_ext.door.lab_settings import DoorSettings, LabSettings
from interview_ext.door.landing import RefusedHandler, StaticHandler, landing_routes
from interview_ext.door.links import Links
from interview_ext.door.page import room_extensions
from interview_ext.door.pass_on import PassOn, concerns_owner
from interview_ext.door.routes import door_rules
from interview_ext.door.seats import branch_secrets, keep_only_xsrf, seat_secrets
from interview_ext.errors import InterviewError, NotFound, SeatClosed, TooLarge
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.limits import RateLimit
from interview_ext.rooms.model import SeatState
from interview_ext.rooms.ports import Message, room_topic

log = logging.getLogger(__name__)

_ID = r"[A-Za-z0-9_]{1,64}"
_DOOR = re.compile(rf"^(?P<room>{_ID})/(?P<participant>{_ID})(?P<rest>/.*)?$")
_MAX_LANDING_BODY_BYTES = 16 * 1024
_MAX_ORIGINS = 4
"""Host names under which one browser may reach its door; each has an application."""
_SEATS_S = 2.0
_BODY_S = 60.0
"""How long a request's body may take; the largest that the API takes, at 35 kbit/s."""
_CLOSE_AFTER_S = 2.0
"""After a seat's closing, handlers have this long to say why on their sockets."""


@dataclass
class _Entry:
    """What the doors keep of one seat."""

    room_id: str
    settings: DoorSettings
    used_at: float
    applications: dict[tuple[Actor, str], Application] = field(default_factory=dict)
    sockets: set[IOStream] = field(default_factory=set)
    closed: bool = False
    """Whether nothing that is still on its way may be answered."""


class Doors(Router):
    """All doors of this server. Made once by ``house.py``, which calls `install`."""

    def __init__(
        self,
        services: Services,
        *,
        kernels: Kernels,
        links: Links,
        server_settings: Mapping[str, Any],
        options: DoorOptions | None = None,
        api_routes: ApiRoutes | None = None,
        lab: LabFiles | None = None,
        cache_dir: Path | None = None,
        pass_on: PassOn | None = None,
    ) -> None:
        options = options or DoorOptions()
        lab = lab or LabFiles.installed()
        extensions = room_extensions(lab, options.extensions)
        assets = Assets(lab, extensions=extensions, rooms_path=links.rooms_path)
        self.context = DoorContext(
            services=services,
            kernels=kernels,
            options=options,
            links=links,
            assets=assets,
            first_load=FirstLoad(assets, folder=cache_dir, is_page=self._is_page),
            lab_settings=LabSettings(lab, extensions=extensions),
            attempts=RateLimit(per_minute=options.join_attempts_per_minute),
            api_routes=api_routes or (lambda _admitted: ()),
        )
        self._server_settings = server_settings
        self._landing = Application(
            landing_routes(links.rooms_path),
            interview_door=self.context,
            **{k: v for k, v in server_settings.items() if k == "log_function"},
        )
        self._pass_on = pass_on
        self._rules: dict[bool, list[Rule]] = {}
        self._seat_watch: asyncio.Task[None] | None = None
        self._entries: dict[str, _Entry] = {}
        self._topics: dict[str, Callable[[], None]] = {}
        self._closings: set[asyncio.Task[None]] = set()

    def install(self, web_app: Application) -> None:
        """Stand before everything the server answers. Called once, at the server's start."""
        pattern = re.escape(self.context.links.rooms_path) + ".*"
        web_app.default_router.rules.insert(0, Rule(PathMatches(pattern), self))

    async def stop(self) -> None:
        """Close what is open and keep what was learned."""
        if self._seat_watch is not None:
            self._seat_watch.cancel()
        if self._pass_on is not None:
            await self._pass_on.stop()
        for seat_id in list(self._entries):
            self._drop(seat_id)
        for task in list(self._closings):
            task.cancel()
        await asyncio.gather(*self._closings, return_exceptions=True)
        await asyncio.to_thread(self.context.first_load.save)

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate:
        """Called by tornado for every request below the rooms' path."""
        return _DoorDelegate(self, request)

    # -- for the delegate

    async def way_of(self, request: HTTPServerRequest) -> _Way:
        """Return what will answer the request."""
        path = request.path.removeprefix(self.context.links.rooms_path)
        if path.startswith("static/"):
            kwargs = {"path": path.removeprefix("static/")}
            static = self._landing.get_handler_delegate(request, StaticHandler, kwargs)
            return _Way(static, _MAX_LANDING_BODY_BYTES)
        match = _DOOR.match(path)
        if match is None or match["participant"] in ("join", "api"):
            return _Way(self._landing.find_handler(request), _MAX_LANDING_BODY_BYTES)
        room_id, participant_id = match["room"], match["participant"]
        actor = await self.context.services.admission.seated(
            room_id, participant_id, seat_secrets(request).get(participant_id)
        )
        entry = self._entry(actor)
        if self._pass_on is not None and concerns_owner(request.method or "", match["rest"] or ""):
            if declared_length(request.headers) > self.context.options.max_body_bytes:
                raise TooLarge("This request is too large.")
            found = await self._pass_on.reach(room_id, request)
            if found is not None:
                self._keep(entry, self._pass_on.send(request, found))
                # The other server bounds the body, and looks at the seat itself.
                return _Way(HTTPMessageDelegate(), sys.maxsize)
        application = self._application(entry, actor, request)
        await self.context.services.branches.show(actor, branch_secrets(request))
        keep_only_xsrf(request)
        self._as_the_browser_sees_it(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            self._watch(entry, request)
        handler = application.find_handler(request)
        return _Way(handler, self.context.options.max_body_bytes, entry)

    def refusal(self, request: HTTPServerRequest, error: InterviewError) -> HTTPMessageDelegate:
        """Return what answers a request with an error and nothing else."""
        return self._landing.get_handler_delegate(request, RefusedHandler, {"error": error})

    def _is_page(self, path: str) -> bool:
        """Whether a URL path lies behind a door that somebody in a room has open here."""
        match = _DOOR.match(path.removeprefix(self.context.links.rooms_path))
        return match is not None and any(
            (actor.room_id, actor.id, actor.admitted) == (match["room"], match["participant"], True)
            for entry in self._entries.values()
            for actor, _ in entry.applications
        )

    # -- applications

    def _entry(self, actor: Actor) -> _Entry:
        if actor.seat is None:
            raise NotFound("There is no such seat.")
        now = asyncio.get_running_loop().time()
        entry = self._entries.get(actor.seat.id)
        if entry is None:
            self._drop_idle(now)
            settings = DoorSettings(self.context.lab_settings)
            entry = _Entry(room_id=actor.room_id, settings=settings, used_at=now)
            self._entries[actor.seat.id] = entry
            self._listen(actor.room_id)
        entry.used_at = now
        return entry

    def _application(self, entry: _Entry, actor: Actor, request: HTTPServerRequest) -> Application:
        origin = self.context.links.origin(request)
        key = (actor, origin)
        application = entry.applications.get(key)
        if application is None:
            application = make_application(
                actor,
                origin=origin,
                secure=self.context.links.is_secure(request),
                context=self.context,
                server_settings=self._server_settings,
                own_settings=entry.settings,
                rules=self._rules_of(actor),
            )
            while len(entry.applications) >= _MAX_ORIGINS:
                entry.applications.pop(next(iter(entry.applications)))
            entry.applications[key] = application
        return application

    def _rules_of(self, actor: Actor) -> list[Rule]:
        rules = self._rules.get(actor.admitted)
        if rules is None:
            rules = self._rules[actor.admitted] = door_rules(
                admitted=actor.admitted,
                api=self.context.api_routes,
                rooms_path=self.context.links.rooms_path,
            )
        return rules

    def _as_the_browser_sees_it(self, request: HTTPServerRequest) -> None:
        """Give handlers the host of the address bar: they compare it with a page's Origin."""
        links = self.context.links
        request.protocol = "https" if links.is_secure(request) else "http"
        request.host = links.host(request)
        request.headers["Host"] = request.host

    def _watch(self, entry: _Entry, request: HTTPServerRequest) -> None:
        stream = getattr(request.connection, "stream", None)
        if isinstance(stream, IOStream):
            self._keep(entry, stream)

    def _keep(self, entry: _Entry, stream: IOStream) -> None:
        entry.sockets = {s for s in entry.sockets if not s.closed()}
        entry.sockets.add(stream)

    def _drop_idle(self, now: float) -> None:
        for seat_id, entry in list(self._entries.items()):
            open_sockets = any(not s.closed() for s in entry.sockets)
            if not open_sockets and now - entry.used_at > self.context.options.idle_s:
                self._drop(seat_id)

    def _drop(self, seat_id: str) -> None:
        entry = self._entries.pop(seat_id, None)
        if entry is None:
            return
        entry.closed = True
        self.context.services.admission.forget(seat_id)  # whose end is heard here no more
        for stream in entry.sockets:
            stream.close()
        if all(other.room_id != entry.room_id for other in self._entries.values()):
            unsubscribe = self._topics.pop(entry.room_id, None)
            if unsubscribe is not None:
                unsubscribe()

    # -- closing

    def _listen(self, room_id: str) -> None:
        if room_id in self._topics:
            return
        self._topics[room_id] = self.context.services.bus.subscribe(
            room_topic(room_id), lambda message: self._heard(room_id, message)
        )

    def _heard(self, room_id: str, message: Message) -> None:
        """Close the doors of a closed seat or a deleted room; sockets say why, first."""
        if message["type"] in ("seat_closed", "admitted"):
            self.context.services.admission.forget(message["seat_id"])
        if message["type"] == "seat_closed":
            self._close_later([message["seat_id"]])
        elif message["type"] == "deleted":
            # Whatever is on its way finds no room; the page says so.
            self._own(self._close([s for s, e in self._entries.items() if e.room_id == room_id]))
        elif message["type"] == "gap":
            self._own(self._close_unheard(room_id))

    def watch_seats(self) -> None:
        """Look after the seats of open doors: another server's word that one is closed may be
        lost. Called once by ``house.py`` where servers share the rooms.
        """
        self._seat_watch = asyncio.create_task(self._look_at_seats(), name="seats")

    async def _look_at_seats(self) -> None:
        services = self.context.services
        while True:
            await asyncio.sleep(_SEATS_S)
            for room_id in {entry.room_id for entry in self._entries.values()}:
                try:
                    seats = {seat.id: seat for seat in await services.store.list_seats(room_id)}
                except InterviewError as error:
                    log.info("seats of room %s could not be read: %s", room_id, error.message)
                    continue
                for seat_id, entry in list(self._entries.items()):
                    if entry.room_id == room_id and seat_id not in seats:
                        self._close_later([seat_id])
                    elif entry.room_id == room_id and seats[seat_id].state is SeatState.CLOSED:
                        services.admission.tell_closed([seats[seat_id]])

    def _close_later(self, seat_ids: list[str]) -> None:
        for seat_id in self._entries.keys() & seat_ids:
            self._entries[seat_id].closed = True
        self._own(self._close(seat_ids))

    async def _close_unheard(self, room_id: str) -> None:
        """Close the doors of seats whose end another server may have told in vain."""
        store = self.context.services.store
        for seat_id in [s for s, e in self._entries.items() if e.room_id == room_id]:
            try:
                seat = await store.get_seat(seat_id)
            except InterviewError:
                return  # a request asks for the seat itself
            if seat is None or seat.state is SeatState.CLOSED:
                self._close_later([seat_id])

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)

    async def _close(self, seat_ids: list[str]) -> None:
        await asyncio.sleep(_CLOSE_AFTER_S)
        for seat_id in seat_ids:
            self._drop(seat_id)


class _Way(NamedTuple):
    """What answers a request, the largest body it takes, in bytes, and whose door it is."""

    delegate: HTTPMessageDelegate
    max_bytes: int
    entry: _Entry | None = None


class _DoorDelegate(HTTPMessageDelegate):
    """One request on its way in: waits for the seat, then hands everything on.

    A body may take its time, in which the seat may be closed: the door looks again at its end.
    """

    def __init__(self, doors: Doors, request: HTTPServerRequest) -> None:
        self._doors = doors
        self._request = request
        self._inner: HTTPMessageDelegate | None = None
        self._entry: _Entry | None = None
        self._left_bytes = 0
        self._gone = False
        self._refused = False

    async def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        try:
            self._inner, self._left_bytes, self._entry = await self._doors.way_of(self._request)
            if declared_length(headers) > self._left_bytes:
                self._refuse(TooLarge("This request is too large."))
        except InterviewError as error:
            self._refuse(error)
        except Exception:
            log.exception("The door failed for %s %s", self._request.method, self._request.path)
            self._refuse(InterviewError("The server failed to answer this."))
        if self._gone or self._inner is None:
            return
        connection = self._request.connection
        if isinstance(connection, HTTP1Connection):
            connection.set_body_timeout(_BODY_S)
        waiting = self._inner.headers_received(start_line, headers)
        if waiting is not None:
            await waiting

    def data_received(self, chunk: bytes) -> Any:
        self._left_bytes -= len(chunk)
        streams = getattr(self._inner, "stream_request_body", False)
        if self._left_bytes < 0 and not self._refused and not streams:
            self._refuse(TooLarge("This request is too large."))
        if self._refused:
            return None
        return self._inner.data_received(chunk) if self._inner else None

    def finish(self) -> None:
        if self._inner is None:
            return
        if self._entry is not None and self._entry.closed and not self._refused:
            self._inner.on_connection_close()  # for a handler that takes the body as it comes
            self._refuse(SeatClosed("Your seat was closed meanwhile."))
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._gone = True
        if self._inner is not None:
            self._inner.on_connection_close()

    def _refuse(self, error: InterviewError) -> None:
        self._refused = True
        self._inner = self._doors.refusal(self._request, error)
