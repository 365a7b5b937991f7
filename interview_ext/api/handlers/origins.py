"""How the asking page's own edits came about."""

from __future__ import annotations

from interview_ext.api import schemas
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
