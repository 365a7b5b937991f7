"""Which handler answers which path of the table of operations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from interview_ext.api.base import Asked, UnknownHandler
from interview_ext.api.events import HostEventsSocket, RoomEventsSocket
from interview_ext.api.handlers import (
    branches,
    chat,
    documents,
    executions,
    files,
    invites,
    openapi,
    origins,
    participants,
    profiles,
    replay,
    rooms,
    sandbox,
    templates,
    timeline,
)
from interview_ext.api.led import led
from interview_ext.api.operations import OPERATIONS, PREFIX, Where
from interview_ext.api.schemas import ID_PATTERN

Route = tuple[str, type[Asked], dict[str, Any]]
"""Pattern below the base URL, handler, keyword arguments of its `initialize`."""

_ROOM = "/rooms/{room}"

HANDLERS: Mapping[str, type[Asked]] = MappingProxyType(
    {
        "/rooms": rooms.RoomsHandler,
        "/templates": templates.TemplatesHandler,
        "/profiles": profiles.ProfilesHandler,
        "/events": HostEventsSocket,
        "/openapi.json": openapi.OpenApiHandler,
        _ROOM: rooms.RoomHandler,
        f"{_ROOM}/state": rooms.StateHandler,
        f"{_ROOM}/preparation": rooms.PreparationHandler,
        f"{_ROOM}/enter": rooms.EnterHandler,
        f"{_ROOM}/invites": invites.InvitesHandler,
        f"{_ROOM}/invites/{{invite}}": invites.InviteHandler,
        f"{_ROOM}/participants": participants.ParticipantsHandler,
        f"{_ROOM}/participants/{{participant}}": participants.ParticipantHandler,
        f"{_ROOM}/participants/{{participant}}/admit": participants.AdmitHandler,
        f"{_ROOM}/participants/{{participant}}/erasure": participants.ErasureHandler,
        f"{_ROOM}/hold": rooms.HoldHandler,
        f"{_ROOM}/chat": chat.ChatHandler,
        f"{_ROOM}/branches": branches.BranchesHandler,
        f"{_ROOM}/branches/{{branch}}": branches.BranchHandler,
        f"{_ROOM}/branches/{{branch}}/merge": branches.MergeHandler,
        f"{_ROOM}/executions": executions.ExecutionsHandler,
        f"{_ROOM}/executions/{{run}}": executions.ExecutionHandler,
        f"{_ROOM}/executions/{{run}}/extend": executions.ExtendHandler,
        f"{_ROOM}/executions/{{run}}/input": executions.InputHandler,
        f"{_ROOM}/sandbox": sandbox.SandboxHandler,
        f"{_ROOM}/sandbox/restart": sandbox.RestartHandler,
        f"{_ROOM}/sandbox/interrupt": sandbox.InterruptHandler,
        f"{_ROOM}/sandbox/keep": sandbox.KeepHandler,
        f"{_ROOM}/files": files.FilesHandler,
        f"{_ROOM}/files/{{path}}": files.FileHandler,
        f"{_ROOM}/timeline": timeline.TimelineHandler,
        f"{_ROOM}/documents/{{document}}/copy": documents.CopyHandler,
        f"{_ROOM}/documents/{{document}}/origins": origins.OriginsHandler,
        f"{_ROOM}/origins": origins.OriginCountsHandler,
        f"{_ROOM}/documents/{{document}}/at": replay.AtHandler,
        f"{_ROOM}/documents/{{document}}/changes": replay.ChangesHandler,
        f"{_ROOM}/documents/{{document}}/replay": replay.ReplayHandler,
        f"{_ROOM}/events": RoomEventsSocket,
    }
)


def routes(where: Where | str) -> list[Route]:
    """Return the API's routes for one of the two web applications.

    Patterns are relative to the application's base URL. The last one takes whatever
    else lies under the API's prefix and answers 404.
    """
    here = Where(where)
    paths = dict.fromkeys(o.path for o in OPERATIONS if here in o.where)
    found: list[Route] = [
        (
            pattern(path),
            led(HANDLERS[path], path) if here is Where.SERVER else HANDLERS[path],
            {"resource": path, "where": here},
        )
        for path in paths
    ]
    found.append((rf"{PREFIX}(?:/.*)?", UnknownHandler, {"resource": "", "where": here}))
    return found


def pattern(path: str) -> str:
    """Return the regular expression of a path of the table."""
    one_id = ID_PATTERN.removeprefix("^").removesuffix("$")
    parts = re.split(r"{(\w+)}", path)
    shapes = {"path": ".+"}
    named = (
        f"(?P<{part}>{shapes.get(part, one_id)})" if i % 2 else re.escape(part)
        for i, part in enumerate(parts)
    )
    return PREFIX + "".join(named)
