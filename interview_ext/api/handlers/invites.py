"""Invites: issue, list, revoke."""

from __future__ import annotations

from interview_ext.api import schemas, views
from interview_ext.api.base import ApiHandler


class InvitesHandler(ApiHandler):
    """``/rooms/{room}/invites``"""

    async def get(self, room: str) -> None:  # noqa: ARG002
        found = await self.services.admission.invites(self.actor)
        self.answer(schemas.InviteList(invites=tuple(views.invite(*pair) for pair in found)))

    async def post(self, room: str) -> None:
        wanted = self.body(schemas.NewInvite)
        invite, person, token = await self.services.admission.invite(
            self.actor, role=wanted.role, name=wanted.name or "", expires_in_s=wanted.expires_in
        )
        url = self.services.links.join(self.request, room, token)
        shown = views.invite(invite, person)
        self.answer(schemas.IssuedInvite(**shown.model_dump(), url=url))


class InviteHandler(ApiHandler):
    """``/rooms/{room}/invites/{invite}``"""

    async def delete(self, room: str, invite: str) -> None:  # noqa: ARG002
        await self.services.admission.revoke(self.actor, invite)
        self.answer()
