"""The broker over HTTP: thin handlers on `BrokerDesk`.

    GET    /v1/status                  engine, and the limits of each profile
    POST   /v1/packages                {profile, packages, again} → {state, line, problem}
    GET    /v1/claims                  what this client has
    POST   /v1/claims                  {profile, room, run_limit} → {id, sync, …}
    GET    /v1/claims/{id}             → {running, frozen, death}
    GET    /v1/claims/{id}/usage
    POST   /v1/claims/{id}/freeze
    POST   /v1/claims/{id}/thaw
    DELETE /v1/claims/{id}
    GET    /v1/datasets/{digest}       → {size}; 404: it has to be sent
    PUT    /v1/datasets/{digest}       the content, streamed
    DELETE /v1/datasets/{digest}
    WS     /v1/claims/{id}/stream      binary: the container's stdio; text: {"death": …}

Every request carries ``Authorization: Bearer …``. Errors are the package's own, by code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import asdict
from datetime import datetime
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from tornado.iostream import StreamClosedError
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from interview_ext.errors import BadRequest, InterviewError, NotFound, Unauthenticated

from .broker import MAX_PLANNED
from .broker_clients import BrokerUsers
from .broker_desk import BrokerDesk
from .broker_requests import Authenticated
from .broker_uploads import Dataset
from .deaths import Death
from .engine import Attachment
from .kinds import wanted

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
"""A plan of `MAX_PLANNED` rooms, each with packages of its own."""
MAX_WS_BYTES = 2 * 1024 * 1024
MAX_UNSENT_BYTES = 1024 * 1024
PING_S = 10
MAX_ROOM_CHARS = 200
_CLAIM = "A claim names a ticket, a profile and a room, and says whether runs have a limit."
_PLAN = f"A plan names the start of at most {MAX_PLANNED} rooms, by profile and room."
_PACKAGES = "Packages are asked for with a profile, a list of names, and whether to try again."
TOKEN_CHECK_S = 10.0


class _Call(Authenticated):
    """One that is answered as soon as the engine has done its part."""

    _calls: asyncio.Semaphore | None = None

    async def prepare(self) -> None:  # type: ignore[override]
        super().prepare()
        calls = self.desk.calls[self.user.name]
        await calls.acquire()
        self._calls = calls

    def on_finish(self) -> None:
        if self._calls is not None:
            self._calls.release()


class _Status(_Call):
    async def get(self) -> None:
        sandboxes = self.desk.sandboxes
        names = sandboxes.profiles
        self.finish(
            {
                "engine": asdict(await self.desk.engine_status()),
                "profiles": {name: asdict(sandboxes.limits(name)) for name in names},
                "pools": {name: asdict(sandboxes.pool_state(name)) for name in names},
            }
        )


class _Metrics(_Call):
    def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(generate_latest(self.desk.registry))


class _Plan(_Call):
    async def put(self) -> None:
        try:
            body = json.loads(self.request.body)
            schedule = {
                str(profile): {str(room): _moment(at) for room, at in rooms.items()}
                for profile, rooms in body.items()
            }
        except (ValueError, AttributeError, TypeError) as error:
            raise BadRequest(_PLAN) from error
        if sum(len(rooms) for rooms in schedule.values()) > MAX_PLANNED:
            raise BadRequest(_PLAN)
        await self.desk.plan(self.user, schedule)
        self.set_status(204)


class _Packages(_Call):
    async def post(self) -> None:
        try:
            body = json.loads(self.request.body)
        except ValueError as error:
            raise BadRequest(_PACKAGES) from error
        match body:
            case {"profile": str() as profile, "packages": [*names], "again": bool() as again}:
                if not all(isinstance(name, str) for name in names):
                    raise BadRequest(_PACKAGES)
            case _:
                raise BadRequest(_PACKAGES)
        packages = wanted(names)
        self.finish(asdict(await self.desk.prepare(profile, packages, again=again)))


class _Claims(Authenticated):
    def get(self) -> None:
        self.finish({"claims": [_shown(claim) for claim in self.desk.claims(self.user)]})

    async def post(self) -> None:
        try:
            body = json.loads(self.request.body)
        except ValueError as error:
            raise BadRequest(_CLAIM) from error
        match body:
            case {
                "ticket": str() as ticket,
                "profile": str() as profile,
                "room": str() as room,
                "run_limit": bool() as limit,
                "waits": bool() as waits,
            }:
                if max(len(room), len(ticket)) > MAX_ROOM_CHARS:
                    raise BadRequest(_CLAIM)
            case _:
                raise BadRequest(_CLAIM)
        answer = await self.desk.claim(
            self.user, ticket, profile, room, run_limit=limit, waits=waits
        )
        if isinstance(answer, bool):
            self.set_status(202)
            self.finish({"waits": answer})
            return
        self.set_status(201)
        self.finish(_shown(answer))


class _Claim(_Call):
    def get(self, name: str) -> None:
        death = self.desk.death(self.user, name)
        frozen = death is None and self.desk.is_frozen(self.user, name)
        self.finish({"running": death is None, "frozen": frozen, "death": _told(death)})

    async def delete(self, name: str) -> None:
        await self.desk.release(self.user, name)
        self.set_status(204)


class _Freeze(_Call):
    async def post(self, name: str) -> None:
        await self.desk.freeze(self.user, name)
        self.set_status(204)


class _Thaw(_Call):
    async def post(self, name: str) -> None:
        await self.desk.thaw(self.user, name)
        self.set_status(204)


class _Usage(_Call):
    async def get(self, name: str) -> None:
        self.finish(asdict(await self.desk.measure(self.user, name)))


class _Stream(Authenticated, WebSocketHandler):
    """A container's stdio. What one side cannot take, the other is not asked for."""

    attachment: Attachment | None = None

    def check_origin(self, origin: str) -> bool:
        del origin
        return False  # only browsers send one, and none has business here

    async def get(self, *args: Any, **kwargs: Any) -> None:
        self._name = args[0]
        self._takes = asyncio.Event()
        self._takes.set()
        self._unsent = 0
        self._watch: asyncio.Task[None] | None = None
        self._is_open = False
        self.desk.death(self.user, self._name)  # NotFound before the upgrade
        await super().get(*args, **kwargs)

    async def open(self, *args: str, **kwargs: str) -> None:
        del args, kwargs
        self._is_open = True
        self.set_nodelay(True)
        self._watch = asyncio.create_task(self._tell_death())
        try:
            attachment = await self.desk.attach(self.user, self._name, self)
        except InterviewError as error:
            log.info("no stream for a client: %s", error.message)
            self.close(1011)
            return
        if self._is_open:
            self.attachment = attachment
        else:
            self.desk.detach(self._name, attachment)

    async def on_message(self, message: str | bytes) -> None:
        if isinstance(message, bytes) and self.attachment is not None:
            self.attachment.write(message)
            await self._takes.wait()  # tornado reads no further until then

    def on_close(self) -> None:
        self._is_open = False
        self._takes.set()
        if self._watch is not None:
            self._watch.cancel()
        attachment, self.attachment = self.attachment, None
        if attachment is not None:
            self.desk.detach(self._name, attachment)

    async def _tell_death(self) -> None:
        with contextlib.suppress(NotFound):
            while not await self._has_ended():
                try:
                    self._users.by_token(self._token)
                except Unauthenticated:  # it was replaced
                    self.close(1008)
                    return
        death = self.desk.death(self.user, self._name)
        with contextlib.suppress(WebSocketClosedError, StreamClosedError):
            await self.write_message(json.dumps({"death": _told(death)}))
        self.close(1000)

    async def _has_ended(self) -> bool:
        """Whether the sandbox has ended, after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TOKEN_CHECK_S):
                await self.desk.end(self.user, self._name)
                return True
        return False

    # -- engine.Receiver --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._unsent += len(data)
        try:
            sent = asyncio.ensure_future(self.write_message(data, binary=True))
        except WebSocketClosedError:
            return
        sent.add_done_callback(lambda done: self._sent(done, len(data)))
        if self._unsent > MAX_UNSENT_BYTES and self.attachment is not None:
            self.attachment.pause()

    def _sent(self, done: asyncio.Future[None], size: int) -> None:
        failed = done.cancelled() or done.exception() is not None
        self._unsent -= size
        if not failed and self._unsent <= MAX_UNSENT_BYTES // 2 and self.attachment is not None:
            self.attachment.resume()

    def diagnostics_received(self, data: bytes) -> None:
        log.info("sandbox of %s: %s", self.user.name, data[:2000].decode("utf-8", "replace"))

    def stream_lost(self) -> None:
        self.attachment = None
        if self._is_open and self._watch is not None and not self._is_ending():
            self.close(1012)

    def _is_ending(self) -> bool:
        """Whether a word about its death is on its way, which must not be cut off."""
        with contextlib.suppress(NotFound):
            return self.desk.death(self.user, self._name) is not None
        return False

    def writing_paused(self, *, paused: bool) -> None:
        if paused:
            self._takes.clear()
        else:
            self._takes.set()


def _shown(claim: Any) -> dict[str, Any]:
    shown = ("id", "profile", "room", "sync", "run_limit", "frozen")
    return {name: getattr(claim, name) for name in shown}


def _moment(at: str) -> datetime:
    """A moment with a time zone. Raises ValueError, TypeError."""
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError("There is no time zone.")
    return moment


def _told(death: Death | None) -> dict[str, str] | None:
    if death is None:
        return None
    return {"reason": death.reason, "detail": death.detail, "at": death.at.isoformat()}


def application(desk: BrokerDesk, users: BrokerUsers) -> Application:
    """The broker's web application."""
    parts = {"desk": desk, "users": users}
    claim = r"/v1/claims/([0-9a-f]{32})"
    dataset = r"/v1/datasets/([0-9a-f]{64})"
    return Application(
        [
            (r"/v1/status", _Status, parts),
            (r"/v1/metrics", _Metrics, parts),
            (r"/v1/packages", _Packages, parts),
            (r"/v1/plan", _Plan, parts),
            (r"/v1/claims", _Claims, parts),
            (claim, _Claim, parts),
            (claim + "/usage", _Usage, parts),
            (claim + "/freeze", _Freeze, parts),
            (claim + "/thaw", _Thaw, parts),
            (claim + "/stream", _Stream, parts),
            (dataset, Dataset, parts),
        ],
        websocket_ping_interval=PING_S,
        websocket_max_message_size=MAX_WS_BYTES,
        # Paths hold the names of claims, which are secrets of their owners.
        log_function=lambda _: None,
    )
