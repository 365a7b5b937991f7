"""What happened, as far as one may see it."""

from __future__ import annotations

from interview_ext.api import schemas, views
from interview_ext.api.base import ApiHandler


class TimelineHandler(ApiHandler):
    """``/rooms/{room}/timeline``"""

    async def get(self, room: str) -> None:  # noqa: ARG002
        given = {query.name: self.query(query) for query in self.operations["GET"].query}
        found = await self.services.rooms.timeline(
            self.actor, after=given["after"], limit=given["limit"]
        )
        self.answer(schemas.EventList(events=tuple(views.event(event) for event in found)))
