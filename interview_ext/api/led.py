"""The host's dashboard asks any server; what concerns a room's cells is answered by their own.

In a door the request itself is led there (`door.pass_on`). Outside, the host's login is this
server's alone and means nothing to another one, so the server asks in the host's place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType

from interview_ext.api.base import ApiHandler, Asked
from interview_ext.rooms.actor import Actor

_KEPT = ("Content-Type", "Content-Disposition", "Content-Security-Policy")


def led(handler: type[Asked], path: str) -> type[Asked]:
    """Return the handler of a path with those methods that the server of the room's cells has to
    answer answered by that.
    """
    methods = {
        name: _led(method)
        for name, method in vars(handler).items()
        if name in RESOURCES.get(path, ())
    }
    if not methods:
        return handler
    return type(handler.__name__, (handler,), methods)


def _led(method: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def answer(self: ApiHandler, **kwargs: str) -> None:
        asking = self.services.asking
        found = await asking.ask(*_asked(self)) if asking is not None else None
        if found is None:
            await method(self, **kwargs)
            return
        self.set_status(found.status, HTTPStatus(found.status).phrase)
        self.set_header("Cache-Control", "no-store")
        for name in _KEPT:
            if name in found.headers:
                self.set_header(name, found.headers[name])
        if found.body:
            await self.finish(found.body, set_content_type=found.headers.get("Content-Type"))
        else:
            await self.finish()

    return answer


def _asked(handler: ApiHandler) -> tuple[Actor, str, str, bytes]:
    request = handler.request
    tail = (request.uri or "").partition(f"/rooms/{handler.actor.room_id}")[2]
    return handler.actor, request.method or "GET", tail, handler.raw_body


_READ = frozenset({"get"})
_WRITE = frozenset({"post", "delete"})
RESOURCES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # Run records stand in the store: any server reads them.
        "/rooms/{room}/executions": _WRITE,
        "/rooms/{room}/executions/{run}": _WRITE,
        "/rooms/{room}/executions/{run}/extend": _WRITE,
        "/rooms/{room}/executions/{run}/input": _WRITE,
        "/rooms/{room}/sandbox": _READ,
        "/rooms/{room}/sandbox/restart": _WRITE,
        "/rooms/{room}/sandbox/interrupt": _WRITE,
        "/rooms/{room}/sandbox/keep": _WRITE,
        "/rooms/{room}/files": _READ,
        "/rooms/{room}/files/{path}": _READ,
    }
)
"""What of the table is about a room's cells, and which of its methods."""
