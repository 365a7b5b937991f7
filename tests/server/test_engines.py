"""Servers with an engine that is no container: what everybody in a room is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import serve


@pytest.mark.parametrize(
    ("engine", "isolation", "words", "in_lobby"),
    [
        ("docker", "container", "Python (interview sandbox)", "container without network"),
        (
            "wasm",
            "webassembly",
            "Python (interview sandbox) (standard library only)",
            "standard library only",
        ),
        ("process", "none", "Python (interview sandbox) (not isolated)", "not isolated"),
    ],
)
async def test_a_room_says_what_its_cells_run_in(
    tmp_path: Path, engine: str, isolation: str, words: str, in_lobby: str
) -> None:
    async with serve(tmp_path, sandbox_engine=engine) as server:
        room = await server.room()
        waiting = await server.candidate(room, admitted=False)
        lobby = (await waiting.get("lobby")).text
        assert in_lobby in lobby
        for person in (await server.candidate(room), await server.host(room)):
            specs = (await person.get("api/kernelspecs")).json()["kernelspecs"]
            assert [spec["spec"]["display_name"] for spec in specs.values()] == [words]
            path = f"interview/api/rooms/{room.id}/sandbox"
            assert (await person.get(path)).json()["isolation"] == isolation
