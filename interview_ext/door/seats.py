"""The seat of a request: its cookie, and what jupyter_server's handlers make of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler
from traitlets import Instance

from interview_ext.api.branch_cookie import PREFIX as _BRANCH_PREFIX
from interview_ext.errors import InterviewError
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.roles import Action
from interview_ext.rooms.service import Rooms

_COOKIE_PREFIX = "interview-seat-"
_COOKIE_LIFE_DAYS = 90
"""As long as the longest invite; the seat itself is closed on the server, not here."""
_PAIR = re.compile(r"^\s*([^=;\s]+)=(.*?)\s*$")


def cookie_name(participant_id: str) -> str:
    """Named after the participant: two of a room's people may sit in one browser."""
    return _COOKIE_PREFIX + participant_id


def seat_secrets(request: HTTPServerRequest) -> dict[str, str]:
    """Return every seat this browser shows, by participant id."""
    return {
        name.removeprefix(_COOKIE_PREFIX): value
        for name, value in _cookies(request)
        if name.startswith(_COOKIE_PREFIX)
    }


def branch_secrets(request: HTTPServerRequest) -> dict[str, str]:
    """Return the halves of branches' keys that this browser shows, by branch."""
    return {
        name.removeprefix(_BRANCH_PREFIX): value
        for name, value in _cookies(request)
        if name.startswith(_BRANCH_PREFIX)
    }


def set_seat_cookie(
    handler: RequestHandler, *, actor: Actor, secret: str, path: str, secure: bool
) -> None:
    """Give the browser its seat: unreadable to scripts, sent only from this very site.

    SameSite is Lax, not Strict: the invite's link is followed out of a mail or a chat, and
    the landing page has to see at once that this browser has a seat.
    """
    handler.set_cookie(
        cookie_name(actor.id),
        secret,
        path=path,
        expires_days=_COOKIE_LIFE_DAYS,
        httponly=True,
        samesite="Lax",
        secure=secure,
    )


def keep_only_xsrf(request: HTTPServerRequest) -> None:
    """Take from the request all that is no business of a door's handlers.

    The browser also sends the Jupyter server's login and other seats. Of several ``_xsrf``
    cookies the first is the door's own (browsers send the longest path first, and scripts
    read the first), while tornado would take the last.
    """
    xsrf = next((value for name, value in _cookies(request) if name == "_xsrf"), None)
    for header in ("Cookie", "Authorization"):
        if header in request.headers:
            del request.headers[header]
    if xsrf is not None:
        request.headers["Cookie"] = f"_xsrf={xsrf}"


def _cookies(request: HTTPServerRequest) -> list[tuple[str, str]]:
    pairs = ";".join(request.headers.get_list("Cookie")).split(";")
    return [match.groups() for pair in pairs if (match := _PAIR.match(pair))]  # type: ignore[misc]


@dataclass
class SeatUser(User):
    """The participant as jupyter_server's handlers see them: ``handler.current_user``."""

    actor: Actor = field(kw_only=True)

    @classmethod
    def of(cls, actor: Actor) -> SeatUser:
        """Return the user of a seat; the user name is the participant's id."""
        person = actor.participant
        name = person.name or str(person.role)
        return cls(
            username=person.id,
            name=name,
            display_name=name,
            initials="".join(word[0] for word in name.split()[:2]).upper(),
            color=person.colour,
            actor=actor,
        )


class SeatIdentity(IdentityProvider):
    """Says of every request that it is this seat's; the door has asked for the seat before.

    There is no token, no login page and nothing to change about oneself.
    """

    actor: Actor = Instance(Actor)  # type: ignore[assignment]

    def get_user(self, handler: RequestHandler) -> SeatUser:  # noqa: ARG002
        return SeatUser.of(self.actor)

    def identity_model(self, user: User) -> dict[str, Any]:
        return {f.name: getattr(user, f.name) for f in fields(User)}

    def get_handlers(self) -> list[tuple[str, object]]:
        return []

    def is_token_authenticated(self, handler: RequestHandler) -> bool:  # noqa: ARG002
        return False

    def should_check_origin(self, handler: RequestHandler) -> bool:  # noqa: ARG002
        return True

    @property
    def auth_enabled(self) -> bool:
        return True

    @property
    def login_available(self) -> bool:
        return False

    @property
    def logout_available(self) -> bool:
        return False


ACTIONS: Mapping[tuple[str, str], Action] = MappingProxyType(
    {
        ("api", "read"): Action.ROOM_READ,
        ("contents", "read"): Action.DOCUMENT_READ,
        ("contents", "write"): Action.DOCUMENT_WRITE,
        ("events", "execute"): Action.EVENTS,
        ("events", "read"): Action.EVENTS,
        ("kernels", "execute"): Action.KERNEL_ASK,
        ("kernels", "read"): Action.KERNEL_WATCH,
        ("kernels", "write"): Action.RUN,
        ("kernelspecs", "read"): Action.KERNEL_WATCH,
        ("sessions", "read"): Action.KERNEL_WATCH,
        ("sessions", "write"): Action.KERNEL_WATCH,
    }
)
"""What jupyter_server's resources and actions are in a room. All others are refused.
Writing a session is attaching to the room's kernel."""


class SeatAuthorizer(Authorizer):
    """Answers jupyter_server's handlers from the one table: role x state -> actions."""

    rooms: Rooms = Instance(Rooms)  # type: ignore[assignment]

    async def is_authorized(
        self,
        handler: JupyterHandler,  # noqa: ARG002
        user: User,
        action: str,
        resource: str,
    ) -> bool:
        wanted = ACTIONS.get((resource, action))
        if wanted is None or not isinstance(user, SeatUser):
            return False
        try:
            await self.rooms.check(user.actor, wanted)
        except InterviewError:
            return False
        return True
