"""The parts of jupyter_server's API that JupyterLab needs, answered for one room."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from jupyter_server._tz import isoformat, utcnow
from jupyterlab_server.translation_utils import (
    get_language_pack,
    get_language_packs,
    is_valid_locale,
)
from tornado import web
from tornado.websocket import WebSocketHandler

from interview_ext.door.base import DoorHandler
from interview_ext.door.lab_settings import DoorSettings
from interview_ext.door.managers import RoomContents, RoomKernels
from interview_ext.door.seats import ACTIONS
from interview_ext.errors import BadRequest, Forbidden, TooManyRequests
from interview_ext.rooms import roles
from interview_ext.rooms.roles import Action

_MAX_ASKED_PERMISSIONS = 100


class MeHandler(DoorHandler):
    """Who one is: the participant, and what jupyter_server's permissions they have."""

    @web.authenticated
    async def get(self) -> None:
        room = await self.context.services.rooms.check(self.actor, Action.ROOM_READ)
        may = roles.allowed(self.actor.role, room.state, admitted=self.actor.admitted)
        permissions: dict[str, list[str]] = {"updatable_fields": []}
        for resource, actions in self._asked().items():
            permissions[resource] = [a for a in actions if ACTIONS.get((resource, a)) in may]
        identity = self.identity_provider.identity_model(self.current_user)
        self.answer({"identity": identity, "permissions": permissions})

    def _asked(self) -> dict[str, list[str]]:
        try:
            asked = json.loads(self.get_query_argument("permissions", "{}"))
        except (ValueError, RecursionError) as error:
            raise BadRequest("`permissions` is not valid JSON.") from error
        if not isinstance(asked, dict) or len(asked) > _MAX_ASKED_PERMISSIONS:
            raise BadRequest("`permissions` names the actions of each resource.")
        for actions in asked.values():
            if not isinstance(actions, list) or not all(isinstance(a, str) for a in actions):
                raise BadRequest("`permissions` names the actions of each resource.")
        return asked


class StatusHandler(DoorHandler):
    """That the server is there."""

    @web.authenticated
    async def get(self) -> None:
        started = isoformat(self.settings.get("started") or utcnow())
        self.answer(
            {
                "started": started,
                "last_activity": isoformat(utcnow()),
                "connections": 0,
                "kernels": 0,
            }
        )


class SettingsListHandler(DoorHandler):
    """All settings of JupyterLab in this room."""

    @web.authenticated
    async def get(self) -> None:
        settings: DoorSettings = self.settings["interview_lab_settings"]
        ids_only = self.get_query_argument("ids_only", "") == "true"
        items = await asyncio.to_thread(settings.list, ids_only=ids_only)
        self.answer({"settings": items})


class SettingsHandler(DoorHandler):
    """One plugin's settings; what is changed lasts as long as the door."""

    @web.authenticated
    async def get(self, plugin: str) -> None:
        settings: DoorSettings = self.settings["interview_lab_settings"]
        self.answer(await asyncio.to_thread(settings.get, plugin))

    @web.authenticated
    async def put(self, plugin: str) -> None:
        settings: DoorSettings = self.settings["interview_lab_settings"]
        if not self.context.lab_settings.changes.take(self.actor.id):
            raise TooManyRequests("You have changed many settings within a minute.")
        await settings.put(plugin, self.json_body().get("raw"))
        self.set_status(204)
        self.finish()


class TranslationsHandler(DoorHandler):
    """The installed languages, and the texts of one."""

    @web.authenticated
    async def get(self, locale: str) -> None:
        if not locale:
            data, message = await asyncio.to_thread(get_language_packs)
        elif locale == "default" or not is_valid_locale(locale):
            data, message = {}, ""
        else:
            data, message = await asyncio.to_thread(get_language_pack, locale)
        self.answer({"data": data, "message": message})


class WorkspaceHandler(DoorHandler):
    """JupyterLab's layout: always the one a room begins with; nothing is kept."""

    @web.authenticated
    async def get(self, name: str) -> None:
        if not name:
            self.answer({"workspaces": {"ids": [], "values": []}})
            return
        self.answer({"data": {}, "metadata": {"id": name}})

    @web.authenticated
    async def put(self, name: str) -> None:  # noqa: ARG002
        self.set_status(204)
        self.finish()


class ContentsHandler(DoorHandler):
    """The documents and data files of the room, to read. Edits come by the document socket."""

    @web.authenticated
    async def get(self, path: str) -> None:
        content = self.get_query_argument("content", "1") != "0"
        model = await RoomContents(self.context.services).get(self.actor, path, content=content)
        wanted = self.get_query_argument("type", None)
        if wanted == "directory" and model["type"] != "directory":
            raise BadRequest(f"{path} is not a folder.")
        if model["type"] == "directory" and wanted not in (None, "directory"):
            raise BadRequest(f"{path} is a folder.")
        self.answer(model)

    @web.authenticated
    async def put(self, path: str) -> None:
        tried = f"{self.request.method} contents {path[:200]}"
        await self.context.services.rooms.refused(self.actor, tried)
        raise Forbidden(
            "Files of an interview are not written, made, renamed or deleted this way.",
            hint="What you type in the shared documents is saved as you type.",
        )

    post = patch = delete = put


class CheckpointsHandler(DoorHandler):
    """The update log keeps every version, so there is nothing to add to it here."""

    @web.authenticated
    async def get(self, path: str) -> None:
        model = await RoomContents(self.context.services).get(self.actor, path, content=False)
        self.answer([{"id": "log", "last_modified": model["last_modified"]}])

    @web.authenticated
    async def post(self, path: str) -> None:
        model = await RoomContents(self.context.services).get(self.actor, path, content=False)
        self.answer({"id": "log", "last_modified": model["last_modified"]}, status=201)


class KernelSpecsHandler(DoorHandler):
    """The one kernel spec of the room."""

    @web.authenticated
    async def get(self) -> None:
        kernels = RoomKernels(self.context)
        self.answer(await kernels.specs(self.actor))


class KernelsHandler(DoorHandler):
    """The room's kernel; starting one gives that one."""

    @web.authenticated
    async def get(self) -> None:
        self.answer([await RoomKernels(self.context).the_kernel(self.actor)])

    @web.authenticated
    async def post(self) -> None:
        self.answer(await RoomKernels(self.context).the_kernel(self.actor), status=201)


class KernelHandler(DoorHandler):
    """The room's kernel by its id. It ends with the room, not by anybody's request."""

    @web.authenticated
    async def get(self, kernel_id: str) -> None:
        self.answer(await RoomKernels(self.context).get(self.actor, kernel_id))

    @web.authenticated
    async def delete(self, kernel_id: str) -> None:  # noqa: ARG002
        raise Forbidden(
            "The kernel belongs to everybody in the interview and ends with it.",
            hint="Restart it to begin afresh.",
        )


class KernelActionHandler(DoorHandler):
    """Interrupt and restart."""

    @web.authenticated
    async def post(self, kernel_id: str, action: str) -> None:
        kernels = RoomKernels(self.context)
        if action == "restart":
            self.answer(await kernels.restart(self.actor, kernel_id))
            return
        await kernels.interrupt(self.actor, kernel_id)
        self.set_status(204)
        self.finish()


class SessionsHandler(DoorHandler):
    """The notebooks' sessions: all of them on the room's kernel."""

    @web.authenticated
    async def get(self) -> None:
        self.answer(await RoomKernels(self.context).sessions(self.actor))

    @web.authenticated
    async def post(self) -> None:
        path = self.json_body().get("path")
        session = await RoomKernels(self.context).attach(self.actor, path)
        self.answer(session, status=201)


class SessionHandler(DoorHandler):
    """One session. Asking for another kernel or name changes nothing: it says what is."""

    @web.authenticated
    async def get(self, session_id: str) -> None:
        self.answer(await RoomKernels(self.context).session(self.actor, session_id))

    @web.authenticated
    async def patch(self, session_id: str) -> None:
        self.answer(await RoomKernels(self.context).session(self.actor, session_id))

    @web.authenticated
    async def delete(self, session_id: str) -> None:
        await RoomKernels(self.context).session(self.actor, session_id)
        self.set_status(204)
        self.finish()


class QuietEventsSocket(WebSocketHandler, DoorHandler):
    """Where JupyterLab listens for the server's events: there are none of them in a room.

    A page that is refused here tries again for ever.
    """

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise BadRequest("This address is a WebSocket.")
        await self.context.services.rooms.check(self.actor, Action.EVENTS)

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        return DoorHandler.check_origin(self, origin_to_satisfy_tornado)

    async def get(self, *args: Any, **kwargs: Any) -> None:
        await WebSocketHandler.get(self, *args, **kwargs)

    def on_message(self, message: str | bytes) -> None:
        """Nobody speaks here."""


class EmptyHandler(DoorHandler):
    """What every JupyterLab asks for by itself and a room has none of: export formats of the
    server, language servers. A refusal would be an error in the page and on the timeline.
    """

    @web.authenticated
    async def get(self) -> None:
        lsp = {"version": 2, "sessions": {}, "specs": {}}
        self.answer(lsp if self.request.path.endswith("lsp/status") else {})
