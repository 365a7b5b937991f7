"""One's own copy of the notebook."""

from __future__ import annotations

import json

from interview_ext.api import views
from interview_ext.api.base import ApiHandler
from interview_ext.errors import NotFound


class CopyHandler(ApiHandler):
    """``/rooms/{room}/documents/{document}/copy``"""

    async def get(self, room: str, document: str) -> None:  # noqa: ARG002
        found = await views.copied(self.services, self.actor, document)
        content = await self.services.documents.content(found)
        if not isinstance(content, dict):
            raise NotFound("There is no such notebook in this interview.")
        self.set_attachment_header(found.path)
        self.set_header("Cache-Control", "no-store")
        await self.finish(
            json.dumps(content, ensure_ascii=False, indent=1),
            set_content_type=self.operations["GET"].media_type,
        )
