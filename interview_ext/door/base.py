"""What the handlers of this folder have in common: who asks, headers, errors."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from interview_ext.api.base import as_interview_error
from interview_ext.door.context import DoorContext
from interview_ext.door.seats import SeatUser
from interview_ext.errors import BadRequest, Forbidden, InterviewError
from interview_ext.rooms.actor import Actor

_PLAIN_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def secure_headers(policy: str) -> dict[str, str]:
    """Return the headers of every answer below the rooms' path."""
    return {**_PLAIN_HEADERS, "Content-Security-Policy": policy}


def error_body(error: BaseException | None, status: int) -> bytes:
    """Return the body of an error: ours, and ``message`` where JupyterLab looks for it."""
    meant = as_interview_error(error, status)
    body: dict[str, Any] = meant.as_body()
    body["message"] = " ".join(part for part in (meant.message, meant.hint) if part)
    return json.dumps(body).encode()


def wants_page(request: HTTPServerRequest) -> bool:
    """Whether somebody opens an address, rather than a script asking for data."""
    return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", "")


class ErrorMixin(RequestHandler):
    """Answers an `InterviewError` with its own status, and logs no traceback for it."""

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        exc_info = kwargs.get("exc_info")
        if exc_info and isinstance(exc_info[1], InterviewError):
            status_code = exc_info[1].status
            kwargs["reason"] = exc_info[1].status.phrase
        super().send_error(int(status_code), **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "application/json")
        error = (kwargs.get("exc_info") or (None, None))[1]
        self.finish(error_body(error, status_code))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, InterviewError):
            super().log_exception(typ, value, tb)


class DoorHandler(ErrorMixin, APIHandler):
    """Base of what answers inside a door: the seat has been checked before it."""

    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

    @property
    def actor(self) -> Actor:
        """Whose door this is."""
        user = self.current_user
        if not isinstance(user, SeatUser):
            raise Forbidden("Only somebody with a seat may ask this.")
        return user.actor

    @property
    def context(self) -> DoorContext:
        """What all doors share."""
        context: DoorContext = self.settings["interview_door"]
        return context

    @property
    def content_security_policy(self) -> str:
        policy: str = self.settings["headers"]["Content-Security-Policy"]
        return policy

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        # `finish` of jupyter_server reads the query string, which may be what was wrong.
        self._track_activity = False
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        ErrorMixin.write_error(self, status_code, **kwargs)

    def answer(self, body: Any, *, status: int = 200) -> None:
        """Finish with a JSON body that no cache keeps."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(body))

    def json_body(self) -> dict[str, Any]:
        """Return the request's JSON object, or raise `BadRequest`."""
        try:
            body = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise BadRequest("The body is not valid JSON.") from error
        if not isinstance(body, dict):
            raise BadRequest("The body must be a JSON object.")
        return body
