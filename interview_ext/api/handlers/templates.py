"""What an interview can begin from."""

from __future__ import annotations

import asyncio

from interview_ext.api import schemas
from interview_ext.api.base import ApiHandler


class TemplatesHandler(ApiHandler):
    """``/templates``"""

    async def get(self) -> None:
        found = await asyncio.to_thread(self.services.templates.list)
        self.answer(
            schemas.TemplateList(templates=tuple(schemas.Template(**vars(t)) for t in found))
        )
