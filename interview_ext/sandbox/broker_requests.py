"""What every request to a broker has in common: whose it is, and how it is refused."""

from __future__ import annotations

from typing import Any

from tornado.web import RequestHandler

from interview_ext.errors import InterviewError, NotFound, Unauthenticated

from .broker_clients import BrokerUser, BrokerUsers
from .broker_desk import BrokerDesk

BEARER = "Bearer "


class Authenticated(RequestHandler):
    """A request of a client's."""

    def initialize(self, desk: BrokerDesk, users: BrokerUsers) -> None:
        self.desk = desk
        self._users = users

    def prepare(self) -> None:
        header = self.request.headers.get("Authorization", "")
        if not header.startswith(BEARER):
            raise Unauthenticated("A token is needed.")
        self._token = header.removeprefix(BEARER).strip()
        self.user: BrokerUser = self._users.by_token(self._token)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if not isinstance(error, InterviewError):
            error = InterviewError("The broker failed.") if status_code >= 500 else NotFound("No.")
        self.set_status(error.status)
        body = error.as_body()
        if hasattr(error, "reason"):
            body["error"]["reason"] = str(error.reason)
        self.finish(body)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, InterviewError):
            super().log_exception(typ, value, tb)
