"""The pages of a seat: lobby, JupyterLab and end; each leads to the right one of them."""

from __future__ import annotations

from typing import Any

from tornado import web

from interview_ext.api import views
from interview_ext.api.branch_cookie import set_branch_cookie
from interview_ext.door.base import DoorHandler, wants_page
from interview_ext.door.csp import page_policy
from interview_ext.door.page import AGAIN_SCRIPT, page_config, render, render_lab
from interview_ext.errors import Forbidden, InterviewError, NotFound, RoomNotLive
from interview_ext.rooms import roles
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import Branch, Role, Room
from interview_ext.rooms.roles import Action


def right_page(actor: Actor, room: Room) -> str:
    """Return where somebody belongs now: ``lobby``, ``lab`` or ``end``."""
    may = roles.allowed(actor.role, room.state, admitted=actor.admitted)
    if Action.DOCUMENT_READ in may and not room.state.is_over:
        return "lab"
    if room.state.is_over and actor.admitted:
        return "end"
    return "lobby"


class PageHandler(DoorHandler):
    """Base of the pages. A page sets the door's XSRF cookie, which its requests repeat."""

    async def here(self, page: str) -> Room | None:
        """Return the room if `page` is the right one; else send the browser there."""
        try:
            room = await self.context.services.rooms.get(self.actor.room_id)
        except NotFound as error:
            raise NotFound(
                "This interview has been deleted.", hint="Ask its host if that surprises you."
            ) from error
        right = right_page(self.actor, room)
        if page == right or (page == "lab" and right == "end" and self._may_look_back(room)):
            return room
        self.set_header("Cache-Control", "no-store")
        self.redirect(self.base_url + right)
        return None

    def show(self, page: str) -> None:
        """Finish with a page that no cache keeps."""
        self.xsrf_token  # noqa: B018 - makes the cookie
        self.set_header("Cache-Control", "no-store")
        self.finish(page, set_content_type="text/html; charset=utf-8")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer a person with a page, a script with the error's body."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        if not isinstance(error, InterviewError) or not wants_page(self.request):
            super().write_error(status_code, **kwargs)
            return
        self._use_page_policy()
        title = "This interview is gone" if isinstance(error, NotFound) else "This did not work"
        page = render(
            "refused.html",
            assets=self.context.assets,
            page={},
            title=title,
            message=error.message,
            hint=error.hint,
        )
        self.show(page)

    def _use_page_policy(self) -> None:
        policy = page_policy(self.settings["interview_scope"], inline_script=AGAIN_SCRIPT)
        self.set_header("Content-Security-Policy", policy)

    def _may_look_back(self, room: Room) -> bool:
        may = roles.allowed(self.actor.role, room.state, admitted=self.actor.admitted)
        return self.actor.role is not Role.CANDIDATE and Action.DOCUMENT_READ in may


class DoorPage(PageHandler):
    """The base URL: leads on."""

    @web.authenticated
    async def get(self) -> None:
        await self.here("")

    head = get


class SmallPage(PageHandler):
    """Lobby and end: light pages without JupyterLab; what they show they ask the API for."""

    @web.authenticated
    async def get(self, page: str) -> None:
        room = await self.here(page)
        if room is None:
            return
        config: dict[str, Any] = {
            "doorPath": self.base_url,
            "apiPath": f"{self.base_url}interview/api/rooms/{room.id}",
            "participantId": self.actor.id,
        }
        if page == "lobby":
            config["prefetch"] = self.context.first_load.urls()
        else:
            config["copies"] = await self._copies()
        self._use_page_policy()
        texts = {"title": room.title, "cells_run_in": self.context.options.cells_run_in}
        self.show(render(f"{page}.html", assets=self.context.assets, page=config, **texts))

    head = get

    async def _copies(self) -> list[dict[str, str]]:
        try:
            documents = await views.copyable(self.context.services, self.actor)
        except (Forbidden, RoomNotLive):
            return []
        return [{"id": d.id, "path": d.path} for d in documents if d.kind == "notebook"]


class LabPage(PageHandler):
    """JupyterLab in single-document mode on the room's notebook."""

    @web.authenticated
    async def get(self, path: str | None = None) -> None:
        room = await self.here("lab")
        if room is None:
            return
        documents = [d for d, _ in await self.context.services.rooms.documents(self.actor)]
        branch = await self._branch()
        # Who has a branch is on it, whatever address the browser remembers.
        notebooks = [d.path for d in documents if d.kind == "notebook"]
        notebook = branch.path if branch else next(iter(notebooks), "")
        others = {d.path for d in documents} - (set(notebooks) if branch else set())
        asked = path if path in others else None
        config = page_config(
            door_path=self.base_url,
            assets=self.context.assets,
            tree_path=asked or notebook,
            kernel=branch is None,
            room={
                "roomId": room.id,
                "participantId": self.actor.id,
                "role": str(self.actor.role),
                "apiUrl": f"{self.base_url}interview/api",
                "notebookPath": notebook,
                "documents": [{"id": d.id, "path": d.path, "kind": d.kind} for d in documents],
                "branch": None if branch is None else branch.id,
                "frameUrl": self.context.assets.url("frame/"),
            },
        )
        self.show(render_lab(config, assets=self.context.assets, title=room.title))

    head = get

    async def _branch(self) -> Branch | None:
        """Return the person's branch if this browser can open it.

        Its half of the key is given again: the answer that first had it may have been lost.
        """
        branches = self.context.services.branches
        branch = await branches.own(self.actor)
        secret = None if branch is None else branches.secret(branch)
        if branch is None or secret is None:
            return None
        set_branch_cookie(self, branch.id, secret, door=self.base_url)
        return branch
