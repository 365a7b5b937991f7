"""The contract itself."""

from __future__ import annotations

import json

from jupyter_server.utils import url_path_join

from interview_ext.api.base import ApiHandler
from interview_ext.api.openapi import document
from interview_ext.api.operations import PREFIX


class OpenApiHandler(ApiHandler):
    """``/openapi.json``"""

    async def get(self) -> None:
        described = document(server_url=url_path_join(self.base_url, PREFIX), where=self._where)
        await self.finish(json.dumps(described))
