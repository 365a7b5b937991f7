"""How the asking page's own edits came about."""

from __future__ import annotations

from interview_ext.api import schemas, views
from interview_ext.api.base import ApiHandler
from interview_ext.rooms.model import EditOrigin


class OriginsHandler(ApiHandler):
    """``/rooms/{room}/documents/{document}/origins``"""

    async def post(self, room: str, document: str) -> None:  # noqa: ARG002
        report = self.body(schemas.OriginReport)
        me = self.actor.id
        origins = [EditOrigin(participant_id=me, **dict(one)) for one in report.origins]
        await self.services.origins.report(self.actor, document, origins)
        self.answer()


class OriginCountsHandler(ApiHandler):
    """``/rooms/{room}/origins``"""

    async def get(self, room: str) -> None:  # noqa: ARG002
        pieces = await views.own_origins(self.services, self.actor)
        self.answer(schemas.OriginCounts(pieces=pieces))
