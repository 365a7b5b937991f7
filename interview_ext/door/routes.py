"""What there is in a door. What is not on these lists does not exist for anybody in a room."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, Rule

from interview_ext.door import lab_api, pages_handlers
from interview_ext.door.base import DoorHandler
from interview_ext.door.context import ApiRoutes, Route
from interview_ext.errors import NotFound

_PATH = r"(?P<path>.*)"
_KERNEL = r"(?P<kernel_id>[A-Za-z0-9_-]{1,64})"

PAGE_ROUTES: tuple[Route, ...] = (
    (r"", pages_handlers.DoorPage),
    (r"(?P<page>lobby|end)/?", pages_handlers.SmallPage),
)
"""For every seat, the waiting ones included."""

LAB_ROUTES: tuple[Route, ...] = (
    (r"(?:lab|doc)(?:/tree/(?P<path>.*))?/?", pages_handlers.LabPage),
    (r"api/me", lab_api.MeHandler),
    (r"api/status", lab_api.StatusHandler),
    (r"lab/api/settings/?", lab_api.SettingsListHandler),
    (r"lab/api/settings/(?P<plugin>.+)", lab_api.SettingsHandler),
    (r"lab/api/translations/?(?P<locale>[A-Za-z0-9_-]*)", lab_api.TranslationsHandler),
    (r"lab/api/workspaces/?(?P<name>[A-Za-z0-9_-]*)", lab_api.WorkspaceHandler),
    (r"api/contents/?(?P<path>.*)/checkpoints", lab_api.CheckpointsHandler),
    (rf"api/contents/?{_PATH}", lab_api.ContentsHandler),
    (r"api/kernelspecs", lab_api.KernelSpecsHandler),
    (r"api/kernels", lab_api.KernelsHandler),
    (rf"api/kernels/{_KERNEL}", lab_api.KernelHandler),
    (rf"api/kernels/{_KERNEL}/(?P<action>interrupt|restart)", lab_api.KernelActionHandler),
    (r"api/sessions", lab_api.SessionsHandler),
    (r"api/sessions/(?P<session_id>[A-Za-z0-9-]{1,64})", lab_api.SessionHandler),
    (r"api/events/subscribe", lab_api.QuietEventsSocket),
    (r"(?:api/nbconvert|lsp/status)", lab_api.EmptyHandler),
)
"""For those who have been admitted."""


class _Below(PathMatches):
    """Matches what comes behind a door's own path, whichever door it is.

    So all doors have their rules in common. Rules of each door's own took 4 ms of compiling for
    each page that came, and a third of the server's memory with 500 rooms (624 to 410 MB).
    """

    def __init__(self, pattern: str, rooms_path: str) -> None:
        super().__init__(pattern)
        self._rooms_path = rooms_path

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Called by tornado: a door's path is room and participant below the rooms' path."""
        parts = request.path.removeprefix(self._rooms_path).split("/", 2)
        if len(parts) < len(("room", "participant", "rest")):
            return None
        return super().match(cast("HTTPServerRequest", SimpleNamespace(path=parts[2])))


def door_rules(*, admitted: bool, api: ApiRoutes, rooms_path: str) -> list[Rule]:
    """Return the routes behind the doors of those who have been admitted, or who wait.

    Parameters
    ----------
    api:
        The routes of the other parts: the rooms' API, documents, kernel.
    """
    own = PAGE_ROUTES + LAB_ROUTES if admitted else PAGE_ROUTES
    return [
        Rule(_Below(pattern.lstrip("/"), rooms_path), *rest)
        for pattern, *rest in (*own, *api(admitted))
    ]


class MissingHandler(DoorHandler):
    """Everything else: refused, and noted where the person and the interviewers see it."""

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        tried = f"{self.request.method} {self.request.path.removeprefix(self.base_url)[:200]}"
        await self.context.services.rooms.refused(self.actor, tried)
        raise NotFound("There is no such thing in this interview.")
