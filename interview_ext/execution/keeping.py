"""The files that cells wrote: seen while the room lives, kept when it ends.

The container and its work folder go away at a room's end. What is in the folder then is
taken out first, as far as the caps and the time reach; what they leave behind is said.
"""

from __future__ import annotations

import asyncio
import logging

from interview_ext.errors import BadRequest, InterviewError, NotFound, TooLarge
from interview_ext.execution.kernels import RoomKernel
from interview_ext.execution.ports import ExecutionStore, WorkFile, WorkFiles
from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import EVERYONE, DataFile
from interview_ext.rooms.ports import Recorder

log = logging.getLogger(__name__)

MAX_KEPT_FILES = 200
MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Of a room, all files together; as much as a sandbox takes in by default."""
KEEP_S = 15.0
"""A room's end waits no longer for its files: 64 MB take under 2 s through the relay."""


class Keeper:
    """Keeps files of rooms at their ends, and gives them out afterwards. One per server."""

    def __init__(self, *, store: ExecutionStore, timeline: Recorder) -> None:
        self._store = store
        self._timeline = timeline

    async def keep(self, room_id: str, kernel: RoomKernel) -> None:
        """Take out what is in the kernel's work folder; never raises for a kernel's mistake."""
        try:
            kept, left = await self._collect(room_id, kernel)
            if kept or left:
                await self._timeline.record(
                    room_id,
                    "files.kept",
                    actor="server",
                    audience=EVERYONE,
                    payload={
                        "files": [{"path": f.path, "digest": f.digest} for f in kept],
                        "bytes": sum(f.size for f in kept),
                        "left_out": left,
                    },
                )
        except InterviewError as error:
            log.warning("the files of room %s were not kept: %s", room_id, error.message)

    async def _collect(self, room_id: str, kernel: RoomKernel) -> tuple[list[DataFile], int]:
        """Return what was stored, and how many files were not."""
        kept: list[DataFile] = []
        left, waiting = 0, 1
        try:
            async with asyncio.timeout(KEEP_S):
                found = await kernel.list_files()
                left, waiting = found.left_out + (not found.complete), len(found.files)
                given = {
                    (f"data/{f.path}", f.digest) for f in await self._store.list_data_files(room_id)
                }
                for listed in found.files:
                    waiting -= 1
                    room = MAX_KEPT_BYTES - sum(f.size for f in kept)
                    if len(kept) == MAX_KEPT_FILES or listed.size > room:
                        left += 1
                        continue
                    file = await self._take(room_id, kernel, listed.path, room, given)
                    if file is None:
                        left += 1
                    elif (file.path, file.digest) not in given:
                        kept.append(file)
        except TimeoutError:
            left += waiting
        return kept, left

    async def _take(
        self,
        room_id: str,
        kernel: RoomKernel,
        path: str,
        room: int,
        given: set[tuple[str, str]],
    ) -> DataFile | None:
        """Store one file unless it is one the host gave; None: it could not be had."""
        try:
            content = await kernel.read_file(path)
        except (BadRequest, NotFound, TooLarge):
            return None  # gone, grown or made a link of since it was listed
        if len(content) > room:
            return None
        file = DataFile(room_id=room_id, path=path, size=len(content), digest=digest(content))
        if (file.path, file.digest) not in given:
            await self._store.put_kept_file(file, content)
        return file

    async def listed(self, room_id: str) -> WorkFiles:
        """What was kept of a room."""
        files = await self._store.list_kept_files(room_id)
        return WorkFiles(files=tuple(WorkFile(path=f.path, size=f.size) for f in files))

    async def read(self, room_id: str, path: str) -> bytes:
        """Return a kept file. Raises NotFound."""
        for file in await self._store.list_kept_files(room_id):
            if file.path == path:
                return await self._store.read_content(file.digest)
        raise NotFound("No such file was kept.")
