"""A whole server whose interviews are in MongoDB, by `InterviewApp.store_url`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interview_ext.rooms.ids import new_id
from tests.server.api_support import host_outside
from tests.server.conftest import serve
from tests.services.mongodb import ReplicaSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server.conftest import Server


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")  # nobody listens there


@pytest.fixture
def database(tmp_path: Path) -> Iterator[ReplicaSet]:
    """One of this test's own, for it is killed."""
    replica_set = ReplicaSet(tmp_path / "mongodb")
    try:
        replica_set.start()
        yield replica_set
    finally:
        replica_set.stop()


async def titles(server: Server) -> list[str]:
    answer = await host_outside(server).ask("GET", "/rooms")
    assert answer.status_code == 200, answer.text
    return [room["title"] for room in answer.json()["rooms"]]


async def test_an_interview_is_there_for_another_server_on_another_disk(
    tmp_path: Path, mongodb: ReplicaSet
) -> None:
    url = mongodb.url(new_id("test"))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with serve(tmp_path / "one", store_url=url) as server:
        answer = await host_outside(server).ask(
            "POST", "/rooms", json={"title": "Kept elsewhere", "starts_at": "2030-01-01T10:00Z"}
        )
        assert answer.status_code == 201, answer.text
        room = await server.room(title="With a candidate")
        candidate = await server.candidate(room)
        assert (await candidate.get("api/me")).status_code == 200
    async with serve(tmp_path / "two", store_url=url) as server:
        assert sorted(await titles(server)) == ["Kept elsewhere", "With a candidate"]
        (notebook, notes) = await server.services.store.list_documents(room.id)
        for document in (notebook, notes):
            assert await server.services.store.last_seq(document.id) > 0
        events = await server.services.store.list_events(room.id)
        assert {"invite.created", "participant.waiting"} <= {event.kind for event in events}
    assert not await asyncio.to_thread(lambda: list(tmp_path.rglob("*.sqlite")))


async def test_a_database_that_goes_and_comes_is_said_and_waited_for(
    tmp_path: Path, database: ReplicaSet
) -> None:
    url = database.url("interviews", "&timeoutMS=1000")
    (member,) = database.members.values()
    (tmp_path / "one").mkdir()
    async with serve(tmp_path / "one", store_url=url) as server:
        await server.room(title="Before")
        member.kill()
        answer = await host_outside(server).ask("GET", "/rooms")
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "store_unavailable"
        assert "does not answer" in answer.json()["error"]["message"]
        await asyncio.to_thread(member.start)
        await asyncio.to_thread(database.primary)
        assert await titles(server) == ["Before"]
