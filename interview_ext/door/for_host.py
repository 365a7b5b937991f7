"""How a server asks another one in the place of a host who has shown it their login.

It takes a seat for the host, as a ticket would give it to the host's browser, and knocks at the
host's own door on the other server: no secret is shared between servers and no new way in is
opened. The seat's secret stays in this process's memory; the store has its digest, so what a dead
server leaves there is worth nothing to anybody.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from tornado.httpclient import AsyncHTTPClient, HTTPError
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from interview_ext.api.services import Answer
from interview_ext.door.links import Links
from interview_ext.door.pass_on import PASSED, Elsewhere
from interview_ext.door.seats import cookie_name
from interview_ext.errors import OwnerUnknown
from interview_ext.rooms.actor import Actor

ANSWER_S = 90.0
"""Starting a kernel may take as long on a busy machine."""
MAX_BODY_BYTES = 64 * 1024 * 1024

Seat = Callable[[Actor], Awaitable[str]]
"""Seats the host and returns the seat's secret."""


class ForHost:
    """See `api.services.Asking`. Made once by ``house.py`` where servers share the rooms."""

    def __init__(self, *, elsewhere: Elsewhere, seat: Seat, links: Links) -> None:
        self._find = elsewhere
        self._seat = seat
        self._links = links
        self._secrets: dict[str, str] = {}
        self._client: AsyncHTTPClient | None = None

    async def ask(self, actor: Actor, method: str, tail: str, body: bytes) -> Answer | None:
        """See `api.services.Asking.ask`."""
        lease = await self._find(actor.room_id)
        if lease is None:
            return None
        if actor.id not in self._secrets:
            self._secrets[actor.id] = await self._seat(actor)
        door = self._links.door_path(actor.room_id, actor.id)
        xsrf = secrets.token_hex(16)
        cookie = f"{cookie_name(actor.id)}={self._secrets[actor.id]}; _xsrf={xsrf}"
        try:
            answer = await self._http().fetch(
                f"{lease.address}{door}interview/api/rooms/{actor.room_id}{tail}",
                method=method,
                headers={"Cookie": cookie, "X-XSRFToken": xsrf, PASSED: "1"},
                body=body if method == "POST" else None,
                raise_error=False,
                follow_redirects=False,
                connect_timeout=1.0,
                request_timeout=ANSWER_S,
            )
        except (HTTPError, OSError) as error:
            raise _silent() from error
        if answer.error is not None and answer.code == 599:
            raise _silent()
        return Answer(status=answer.code, headers=dict(answer.headers), body=answer.body or b"")

    def stop(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _http(self) -> AsyncHTTPClient:
        if self._client is None:
            self._client = SimpleAsyncHTTPClient(
                force_instance=True, max_clients=100, max_body_size=MAX_BODY_BYTES
            )
        return self._client


def _silent() -> OwnerUnknown:
    return OwnerUnknown("The server that runs this interview's cells does not answer.")
