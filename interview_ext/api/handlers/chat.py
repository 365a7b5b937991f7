"""Lines of chat."""

from __future__ import annotations

from interview_ext.api import schemas, views
from interview_ext.api.base import ApiHandler


class ChatHandler(ApiHandler):
    """``/rooms/{room}/chat``"""

    async def post(self, room: str) -> None:  # noqa: ARG002
        said = await self.services.rooms.chat(self.actor, self.body(schemas.NewChat).text)
        self.answer(views.event(said))
