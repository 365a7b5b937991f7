"""What a browser is told about files whose names and bytes a kernel chose."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import DataFile, RoomState
from tests.server.api_support import Asker, put_into, server_without_engine
from tests.server.conftest import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
server = server_without_engine


async def test_a_kept_file_is_only_ever_saved(server: Server) -> None:
    room = await server.room()
    path, content = "deep/\"; evil='é.html", b"<script>alert(1)</script>"
    file = DataFile(room_id=room.id, path=path, size=len(content), digest=digest(content))
    await server.services.store.put_kept_file(file, content)
    who = Asker(name="candidate", server=server, person=await server.candidate(room))
    await put_into(server, room, RoomState.ENDED)
    listed = (await who.ask("GET", f"/rooms/{room.id}/files")).json()
    assert listed == {
        "files": [{"path": path, "size_bytes": len(content)}],
        "left_out": 0,
        "complete": True,
        "kept": True,
    }
    for encoded in (quote(path, safe=""), quote(path)):
        answer = await who.ask("GET", f"/rooms/{room.id}/files/{encoded}")
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
        assert answer.headers["Content-Disposition"] == (
            "attachment; filename*=UTF-8''%22%3B%20evil%3D%27%C3%A9.html"
        )
    for wrong in ("%ff", "..%2f..%2fetc%2fpasswd", "deep", "%00"):
        answer = await who.ask("GET", f"/rooms/{room.id}/files/{wrong}")
        assert answer.status_code in (400, 404), wrong
