"""The one base handler: who asks, may they, is the body right; and the one error map.

A request is refused here unless the table of operations has it. Nothing that a client
sends leads to a 500: what is wrong with it is an `InterviewError` or a tornado
`HTTPError`, and each has its answer in `as_interview_error`.
"""

from __future__ import annotations

import json
import sys
from http import HTTPStatus
from typing import Any, TypeVar

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from pydantic import BaseModel, ValidationError
from tornado.httputil import HTTPHeaders
from tornado.web import HTTPError, stream_request_body

from interview_ext.access.login import owner_name
from interview_ext.api.operations import OPERATIONS, Operation, Query, Where
from interview_ext.api.services import SETTING, Services
from interview_ext.errors import (
    BadRequest,
    Forbidden,
    InterviewError,
    NotFound,
    RoomNotLive,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
)
from interview_ext.rooms.actor import Actor

MAX_BODY_BYTES = 256 * 1024
"""Of any request to the API; the longest brief fits in, also escaped."""
AUTH_RESOURCE = "interviews"
"""Resource that the server's own authorizer is asked about, outside the doors."""
_AUTH_ACTIONS = {"GET": "read", "HEAD": "read"}
_SHOWN_PROBLEMS = 5

M = TypeVar("M", bound=BaseModel)


def problems(error: ValidationError) -> str:
    """Return what is wrong with a body, without the body's values: they may be secrets."""
    shown = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"])
        shown.append(f"{where}: {problem['msg']}" if where else problem["msg"])
    more = len(shown) - _SHOWN_PROBLEMS
    return "; ".join(shown[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "") + "."


def as_interview_error(error: BaseException | None, status: int) -> InterviewError:
    """Return what an exception means for the person who asked."""
    if isinstance(error, InterviewError):
        return error
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return InterviewError(
            "The server failed to answer this.", hint="Its log says more; try again."
        )
    kind = {
        401: Unauthenticated,
        403: Forbidden,
        404: NotFound,
        413: TooLarge,
        429: TooManyRequests,
    }
    said = error.log_message if isinstance(error, HTTPError) else None
    return kind.get(status, BadRequest)(said or HTTPStatus(status).phrase)


class Asked(JupyterHandler):
    """What HTTP handlers and sockets of the API share: who asks, and the error map."""

    _resource: str
    _where: Where
    _actor: Actor | None = None

    def initialize(self, *, resource: str, where: Where) -> None:
        """Be told which path of the table this is, and in which web application."""
        self._resource = resource
        self._where = where

    # -- who asks

    @property
    def services(self) -> Services:
        """What the handlers call."""
        services: Services = self.settings[SETTING]
        return services

    @property
    def actor(self) -> Actor:
        """Who asks, in the room that the path names."""
        if self._actor is None:
            raise NotFound("There is no such interview.", hint="Check the address.")
        return self._actor

    @property
    def door_actor(self) -> Actor:
        """Whose door this is."""
        actor = getattr(self.current_user, "actor", None)
        if not isinstance(actor, Actor):
            raise Forbidden("Only somebody with a seat may ask this.")
        return actor

    @property
    def operations(self) -> dict[str, Operation]:
        """The methods that the table has for this path here."""
        return {
            operation.method: operation
            for operation in OPERATIONS
            if operation.path == self._resource and self._where in operation.where
        }

    async def admit_request(self) -> None:
        """Refuse whoever is not signed in, and whatever the table does not have or allow."""
        if self.current_user is None:
            raise Unauthenticated("Nobody is signed in on this server.")
        operation = self.operations.get(self.request.method or "")
        if operation is None:
            if not self.operations:
                raise NotFound("There is no such address in the interviews' API.")
            raise HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        await self._authorize_login()
        room_id = self.path_kwargs.get("room")
        if room_id is None:
            return
        self._actor = await self._find_actor(room_id)
        if operation.action is not None:
            try:
                await self.services.rooms.check(self._actor, operation.action)
            except RoomNotLive:
                # A page goes on reading for a moment after a pause or the end: no attempt.
                if operation.method != "GET":
                    await self._note_refusal(self._actor, operation.id)
                raise
            except Forbidden:
                await self._note_refusal(self._actor, operation.id)
                raise

    async def _authorize_login(self) -> None:
        """Outside the doors the server's own authorizer has a say, as with all its handlers."""
        if self._where is Where.DOOR:
            return
        action = _AUTH_ACTIONS.get(self.request.method or "", "write")
        user = self.current_user
        if not await ensure_async(self.authorizer.is_authorized(self, user, action, AUTH_RESOURCE)):
            raise Forbidden(f"Your login may not {action} interviews on this server.")

    async def _find_actor(self, room_id: str) -> Actor:
        if self._where is Where.SERVER:
            return await self.services.rooms.host_actor(room_id, owner=owner_name(self))
        if self.door_actor.room_id != room_id:
            raise NotFound("There is no such interview.", hint="Check the address.")
        return self.door_actor

    async def _note_refusal(self, actor: Actor, what: str) -> None:
        try:
            await self.services.rooms.refused(actor, what)
        except InterviewError as error:
            self.log.warning("A refusal could not be recorded: %s", error.message)

    # -- errors

    def get_login_url(self) -> str:
        """Called by jupyter_server for a request without a login, to redirect it: refuse it."""
        raise Unauthenticated("Nobody is signed in on this server.")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log only what is the server's own fault with a traceback."""
        if not isinstance(value, InterviewError):
            super().log_exception(typ, value, tb)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Give an exception the status that its meaning has."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        refused = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        if isinstance(error, InterviewError):
            status_code = error.status
        elif status_code in refused and getattr(self, "_jupyter_current_user", None) is None:
            status_code = HTTPStatus.UNAUTHORIZED
        kwargs["reason"] = HTTPStatus(status_code).phrase
        super().send_error(int(status_code), **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write the error body."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        body = as_interview_error(error, status_code).as_body()
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            methods = ", ".join(sorted(self.operations))
            self.set_header("Allow", methods)
            body["error"] |= {
                "code": "method_not_allowed",
                "message": f"{self.request.method} is not possible here.",
                "hint": f"Possible: {methods}.",
            }
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(body))


@stream_request_body
class ApiHandler(Asked, APIHandler):
    """Base of all HTTP handlers of the API.

    The body is taken in as it comes and no further than `MAX_BODY_BYTES`, so that
    nobody fills the server's memory, signed in or not.
    """

    def initialize(self, *, resource: str, where: Where) -> None:
        """See `Asked.initialize`."""
        super().initialize(resource=resource, where=where)
        self._body = bytearray()
        self._too_large = False

    async def prepare(self) -> None:  # type: ignore[override]
        """Refuse early; the handler's method is called for nothing that stands refused here."""
        await super().prepare()
        if self.request.method == "OPTIONS" and (self.allow_origin or self.allow_origin_pat):
            return
        await self.admit_request()
        if declared_length(self.request.headers) > MAX_BODY_BYTES:
            raise _body_too_large()

    def data_received(self, chunk: bytes) -> None:
        """Called by tornado with each part of the body."""
        if len(self._body) + len(chunk) > MAX_BODY_BYTES:
            self._too_large = True
        else:
            self._body += chunk

    @property
    def raw_body(self) -> bytes:
        """The request's body as it came; raises `TooLarge`."""
        if self._too_large:
            raise _body_too_large()
        return bytes(self._body)

    def body(self, model: type[M]) -> M:
        """Return the request's body as `model`.

        Raises
        ------
        BadRequest, TooLarge
        """
        if self._too_large:
            raise _body_too_large()
        try:
            return model.model_validate_json(bytes(self._body))
        except ValidationError as error:
            raise BadRequest(problems(error)) from None

    def query(self, query: Query) -> int:
        """Return an integer of the query string, or its default."""
        given = self.get_query_argument(query.name, None)
        if given is None:
            return query.default
        if given.isascii() and given.isdigit() and len(given) < 20:
            value = int(given)
            if query.minimum <= value <= query.maximum:
                return value
        raise BadRequest(
            f"`{query.name}` must be a number from {query.minimum} to {query.maximum}."
        )

    def answer(self, model: BaseModel | None = None) -> None:
        """Finish with the status that the table has for this operation, and with `model`."""
        self.set_status(self.operations[self.request.method or ""].status)
        self.set_header("Cache-Control", "no-store")
        if model is None:
            self.finish()
        else:
            self.finish(model.model_dump_json())

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """See `Asked.write_error`."""
        # It reads the query string, which may be what was wrong.
        self._track_activity = False
        Asked.write_error(self, status_code, **kwargs)


class UnknownHandler(ApiHandler):
    """Whatever lies under the API's prefix and is not in the table: a 404 with the error body."""


def declared_length(headers: HTTPHeaders) -> int:
    """Return the bytes that a request says its body has; 0 if it says nothing that is a number."""
    length = headers.get("Content-Length", "0")
    if not (length.isascii() and length.isdigit()):
        return 0
    return int(length) if len(length) < 16 else sys.maxsize


def _body_too_large() -> TooLarge:
    return TooLarge(f"A request may have at most {MAX_BODY_BYTES // 1024} KiB.")
