"""What there is in a door. What is not on these lists does not exist for anybody in a room."""

from __future__ import annotations

import re

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


def any_door(rooms_path: str) -> str:
    """Return the pattern of every door's base URL: room and participant below the rooms' path."""
    return re.escape(rooms_path) + "[^/]+/[^/]+/"


def door_rules(*, admitted: bool, api: ApiRoutes, rooms_path: str) -> list[Rule]:
    """Return the routes behind the doors of all who have been admitted, or of all who wait.

    They match below every door's path: a door is given nobody else's requests. Rules of each
    door's own took 4 ms of compiling for each page that came, and a third of the server's
    memory with 500 rooms (624 to 410 MB).

    Parameters
    ----------
    api:
        The routes of the other parts: the rooms' API, documents, kernel.
    """
    own = PAGE_ROUTES + LAB_ROUTES if admitted else PAGE_ROUTES
    return [
        Rule(PathMatches(any_door(rooms_path) + pattern.lstrip("/")), *rest)
        for pattern, *rest in (*own, *api(admitted))
    ]


class MissingHandler(DoorHandler):
    """Everything else: refused, and noted where the person and the interviewers see it."""

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        tried = f"{self.request.method} {self.request.path.removeprefix(self.base_url)[:200]}"
        await self.context.services.rooms.refused(self.actor, tried)
        raise NotFound("There is no such thing in this interview.")
