"""What answers without a seat: the landing page of a link, looking, joining, static files.

Opening a link has no effect, however often and by whomever: mail scanners and chat
previews open links too. The token is in the fragment, so it is in no request but the two
POSTs below, in their bodies.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from interview_ext.api import schemas
from interview_ext.door.base import ErrorMixin, error_body, secure_headers, wants_page
from interview_ext.door.context import DoorContext, Route
from interview_ext.door.csp import FRAME_POLICY, STATIC_POLICY, Scope, page_policy
from interview_ext.door.page import AGAIN_SCRIPT, render
from interview_ext.door.seats import seat_secrets, set_seat_cookie
from interview_ext.errors import (
    BadRequest,
    Forbidden,
    InterviewError,
    NotFound,
    SeatClosed,
    SeatRequired,
    TooManyRequests,
)

ModelT = TypeVar("ModelT", bound=BaseModel)

_IMMUTABLE = "public, max-age=31536000, immutable"


class PublicHandler(ErrorMixin):
    """Base of what needs no seat."""

    @property
    def context(self) -> DoorContext:
        context: DoorContext = self.settings["interview_door"]
        return context

    def set_default_headers(self) -> None:
        for name, value in secure_headers(STATIC_POLICY).items():
            self.set_header(name, value)
        self.set_header("Cache-Control", "no-store")

    def use_page_policy(self, path: str) -> None:
        """Let the answer be one of our own pages, which may talk to what is below `path`."""
        origin = self.context.links.origin(self.request)
        scope = Scope(origin=origin, door_path=path, static_path=self.context.assets.url_path)
        self.set_header("Content-Security-Policy", page_policy(scope, inline_script=AGAIN_SCRIPT))

    def get_current_user(self) -> None:
        """Nobody: without this, access logs would ask a login that is not there."""


class JoinPage(PublicHandler):
    """``GET …/{room}/join``: the same page for every room and token; it shows nothing itself."""

    def get(self, room_id: str) -> None:
        self.use_page_policy(self.context.links.room_path(room_id))
        page = {"roomPath": self.context.links.room_path(room_id)}
        self.finish(render("join.html", assets=self.context.assets, page=page))

    head = get


class SecretHandler(PublicHandler):
    """Base of the two requests that carry a secret. Only our own landing page sends them."""

    def prepare(self) -> None:
        links = self.context.links
        origin = self.request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != links.host(self.request):
            raise Forbidden("Only the landing page of this server may ask this.")
        kind = self.request.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise BadRequest("The body must be JSON (Content-Type: application/json).")
        if not self.context.attempts.take(links.remote_ip(self.request)):
            raise TooManyRequests("Too many attempts from this address.")

    def parse(self, model: type[ModelT]) -> ModelT:
        """Return the body, or raise `BadRequest` without repeating it: it holds a secret."""
        try:
            return model.model_validate_json(self.request.body)
        except ValidationError as error:
            places = sorted({".".join(map(str, e["loc"])) or "body" for e in error.errors()})
            raise BadRequest(f"This is not right: {', '.join(places)}.") from None

    def answer(self, model: BaseModel) -> None:
        """Finish with a model as JSON."""
        self.set_header("Content-Type", "application/json")
        self.finish(model.model_dump_json())


class LookHandler(SecretHandler):
    """``POST …/{room}/api/look``: what a link leads to. Changes nothing."""

    async def post(self, room_id: str) -> None:
        token = self.parse(schemas.LookRequest).token
        secrets = list(seat_secrets(self.request).values())
        look = await self.context.services.admission.look(room_id, token, secrets=secrets)
        policy = look.room.policy
        door = self.context.links.door_path(room_id, look.participant.id)
        self.answer(
            schemas.Look(
                title=look.room.title,
                starts_at=look.room.starts_at,
                duration_s=look.room.duration_s,
                role=look.participant.role,
                name=look.participant.name,
                hosts=look.hosts,
                policy=schemas.Policy(
                    assistant=policy.assistant,
                    recording=policy.recording,
                    signals=policy.signals,
                    branch=policy.branch,
                ),
                server_time=self.context.services.clock(),
                url=door if look.seated else None,
            )
        )


class JoinHandler(SecretHandler):
    """``POST …/{room}/api/join``: a seat for an invite's token or a host's ticket."""

    async def post(self, room_id: str) -> None:
        body = self.parse(schemas.JoinRequest)
        admission, links = self.context.services.admission, self.context.links
        if body.ticket is not None:
            actor, secret = await admission.redeem_ticket(room_id, body.ticket)
        else:
            actor, secret = await admission.join(
                room_id,
                token=body.token or "",
                name=body.name,
                secrets=list(seat_secrets(self.request).values()),
            )
        set_seat_cookie(
            self,
            actor=actor,
            secret=secret,
            path=links.room_path(room_id),
            secure=links.is_secure(self.request),
        )
        self.answer(schemas.Joined(url=links.door_path(room_id, actor.id)))


class StaticHandler(PublicHandler):
    """Static files: immutable under their address, compressed once for everybody."""

    def initialize(self, path: str) -> None:
        self._path = path

    async def get(self) -> None:
        assets = self.context.assets
        digest, _, path = self._path.partition("/")
        asset = assets.get(path) if digest == assets.digest else None
        if asset is None:
            raise NotFound("There is no such file.")
        compressed = asset.compressible and "gzip" in self.request.headers.get(
            "Accept-Encoding", ""
        )
        self.set_header("Content-Type", asset.content_type)
        self.set_header("Cache-Control", _IMMUTABLE)
        if path == "frame/":
            self.set_header("Content-Security-Policy", FRAME_POLICY)
            self.clear_header("Cross-Origin-Opener-Policy")
        if asset.compressible:
            self.set_header("Vary", "Accept-Encoding")
        if compressed:
            self.set_header("Content-Encoding", "gzip")
        self.context.first_load.note(self.request, path)
        self.finish(await asyncio.to_thread(assets.body, asset, compressed=compressed))

    head = get

    def compute_etag(self) -> None:
        """None: what never changes needs no check whether it has changed."""


class RefusedHandler(PublicHandler):
    """Answers with one error: a small page to a person, the error body to a script."""

    def initialize(self, error: InterviewError) -> None:
        self._error = error

    def prepare(self) -> None:
        error = self._error
        self.set_status(error.status)
        if not wants_page(self.request):
            self.set_header("Content-Type", "application/json")
            self.finish(error_body(error, error.status))
            return
        self.use_page_policy(self.context.links.rooms_path)
        self.finish(
            render(
                "refused.html",
                assets=self.context.assets,
                page={},
                title=_refusal_title(error),
                message=error.message,
                hint=error.hint,
            )
        )


class NothingHandler(PublicHandler):
    """Whatever else lies below the rooms' path."""

    def prepare(self) -> None:
        raise NotFound("There is nothing here.", hint="Open the invite link you were sent.")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if not wants_page(self.request):
            super().write_error(status_code, **kwargs)
            return
        error = NotFound("There is nothing here.", hint="Open the invite link you were sent.")
        self.use_page_policy(self.context.links.rooms_path)
        self.finish(
            render(
                "refused.html",
                assets=self.context.assets,
                page={},
                title="Nothing here",
                message=error.message,
                hint=error.hint,
            )
        )


def landing_routes(rooms_path: str) -> list[Route]:
    """Return the routes that need no seat."""
    room = re.escape(rooms_path) + r"([A-Za-z0-9_]{1,64})/"
    return [
        (room + r"join/?", JoinPage),
        (room + r"api/look", LookHandler),
        (room + r"api/join", JoinHandler),
        (r".*", NothingHandler),
    ]


def _refusal_title(error: InterviewError) -> str:
    if isinstance(error, SeatClosed):
        return "Your seat was closed"
    if isinstance(error, SeatRequired):
        return "You need your invite link"
    return "This did not work"
