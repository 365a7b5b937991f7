"""The files that cells wrote. Everything about them was chosen by whoever's code ran."""

from __future__ import annotations

from urllib.parse import quote

from interview_ext.api import schemas
from interview_ext.api.base import ApiHandler

_POLICY = "sandbox; default-src 'none'"


class FilesHandler(ApiHandler):
    """``/rooms/{room}/files``"""

    async def get(self, room: str) -> None:
        found = await self.services.executions.files(self.actor)
        state = (await self.services.rooms.get(room)).state
        self.answer(
            schemas.FileList(
                files=tuple(
                    schemas.WorkFile(path=file.path, size_bytes=file.size) for file in found.files
                ),
                left_out=found.left_out,
                complete=found.complete,
                kept=state.is_over,
            )
        )


class FileHandler(ApiHandler):
    """``/rooms/{room}/files/{path}``: never shown by a browser, only saved."""

    async def get(self, room: str, path: str) -> None:  # noqa: ARG002
        content = await self.services.executions.file(self.actor, path)
        name = quote(path.rpartition("/")[2], safe="")
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{name}")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Cache-Control", "no-store")
        await self.finish(content, set_content_type=self.operations["GET"].media_type)
