"""Erasing a person over the API: nothing of theirs is left anywhere, all of others' is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import RoomState
from interview_ext.rooms.ports import Message, host_topic
from interview_ext.rooms.timeline import verify
from tests.server.api_support import error_of, put_into
from tests.server.conftest import Server, serve
from tests.server.erasure_support import CANARY, Interview, in_answers, in_files, make

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("erasure")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "mongodb"])
async def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp(request.param)
    settings: dict[str, Any] = {"export_dir": str(folder / "exports")}
    if request.param == "mongodb":
        settings["store_url"] = request.getfixturevalue("mongodb").url(new_id("test"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")  # nobody listens there
        async with serve(folder, **settings) as running:
            yield running


def exports(server: Server) -> Path:
    return Path(server.house.exporter._folder)


async def in_collections(server: Server) -> list[str]:
    """The collections of MongoDB that hold the canary."""
    store: Any = server.services.store
    if "MongoDB" not in store.about:
        return []
    found = []
    database = store._db._database
    for name in await database.list_collection_names():
        rows = await database[name].find({}).to_list()
        found += [name for row in rows if CANARY in repr(row)]
    return found


async def cells_of(interview: Interview) -> list[dict[str, Any]]:
    path = f"/rooms/{interview.room.id}/documents/{interview.notebook.id}/copy"
    cells: list[dict[str, Any]] = (await interview.host.ask("GET", path)).json()["cells"]
    return cells


async def test_nothing_of_theirs_is_left_and_all_of_others_is(
    server: Server,
) -> None:
    interview = await make(server, exports(server))
    folder = exports(server).parent
    sqlite = "SQLite" in server.services.store.about  # type: ignore[attr-defined]
    assert await in_answers(interview)
    assert any("exports" in name for name in in_files(folder))
    assert bool(await in_collections(server)) is not sqlite
    assert any("sqlite" in name for name in in_files(folder)) is sqlite
    before = await server.services.store.list_events(interview.room.id)
    store: Any = server.services.store
    snapshot = await store.get_snapshot(interview.notebook.id)
    assert CANARY.encode() in snapshot.data

    answer = await interview.host.ask("POST", interview.path)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["erased"]) == ("erased", True)

    await store.keep_snapshot(interview.notebook.id, snapshot)  # of a server that is late
    assert await store.get_snapshot(interview.notebook.id) is None
    assert in_files(folder) == []
    assert await in_collections(server) == []
    assert await in_answers(interview) == []

    events = await server.services.store.list_events(interview.room.id)
    verify(events)
    assert [(e.seq, e.at, e.actor, e.kind, e.digest) for e in events[: len(before)]] == [
        (e.seq, e.at, e.actor, e.kind, e.digest) for e in before
    ]
    (recorded,) = events[len(before) :]
    assert (recorded.kind, recorded.payload) == (
        "participant.erased",
        {"participant": interview.their_id},
    )
    chat = [e.payload and e.payload["text"] for e in events if e.kind == "chat"]
    assert chat == [None, "Welcome, all"]

    first, empty, last = await cells_of(interview)
    assert first["source"] == "1 + 1  # only for who may read\n# Ivo's remark"
    assert (empty["source"], empty["outputs"]) == ("", [])
    assert (last["id"], last["source"]) == ("00000042", "ivo = 42")
    assert [output.get("text") for output in last["outputs"]] == ["ivo's output", None]
    exported = (interview.export / "interview.ipynb").read_text()
    assert "ivo's output" in exported
    assert interview.other.person is not None
    changes = (
        await interview.host.ask(
            "GET", f"/rooms/{interview.room.id}/documents/{interview.notebook.id}/changes"
        )
    ).json()["changes"]
    by = {change["by"] for change in changes if "remark" in str(change)}
    assert by == {interview.other.person.participant_id}
    reported = await server.services.store.list_origins(interview.notebook.id)
    assert {origin.participant_id for origin in reported} == by

    door = await interview.them.ask("GET", f"/rooms/{interview.room.id}")
    assert door.status_code == 403
    again = await interview.host.ask("POST", interview.path)
    assert again.status_code == 200
    assert await server.services.store.list_events(interview.room.id) == events
    assert await cells_of(interview) == [first, empty, last]


async def test_an_erasure_that_is_cut_off_is_finished_by_the_next(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    interview = await make(server, exports(server))
    folder = exports(server).parent
    store: Any = server.services.store
    steps = (
        "list_runs",
        "replace",
        "save_run",
        "drop_origins",
        "drop_kept_files",
        "erase_payload",
        "append_event",
        "update_participant",
        "scrub",
    )
    for step in steps:
        for done in (False, True):
            real = getattr(store, step)

            async def cut_off(*args: Any, real: Any = real, done: bool = done, **more: Any) -> Any:
                if done:
                    await real(*args, **more)
                raise StoreUnavailable("The server was killed here.")

            with monkeypatch.context() as patch:
                patch.setattr(store, step, cut_off)
                answer = await interview.host.ask("POST", interview.path)
            # A step that has nothing left to do is not reached.
            assert answer.status_code in (200, 503), answer.text
            cells = await cells_of(interview)
            assert "# Ivo's remark" in cells[0]["source"]
            assert cells[-1]["source"] == "ivo = 42"
            assert cells[-1]["outputs"][0]["text"] == "ivo's output"
    answer = await interview.host.ask("POST", interview.path)
    assert answer.status_code == 200
    assert in_files(folder) == []
    assert await in_collections(server) == []
    assert await in_answers(interview) == []
    events = await store.list_events(interview.room.id)
    verify(events)
    assert [e.kind for e in events].count("participant.erased") == 1


async def test_two_who_ask_at_once_erase_once(server: Server) -> None:
    interview = await make(server, exports(server))
    both = await asyncio.gather(*(interview.host.ask("POST", interview.path) for _ in range(2)))
    assert [answer.status_code for answer in both] == [200, 200]
    events = await server.services.store.list_events(interview.room.id)
    assert [e.kind for e in events].count("participant.erased") == 1
    assert await in_collections(server) == []


async def test_only_what_is_over_and_not_held_is_erased(server: Server) -> None:
    interview = await make(server, exports(server))
    room = f"/rooms/{interview.room.id}"
    host = interview.host
    for state in (RoomState.SCHEDULED, RoomState.LOBBY, RoomState.LIVE, RoomState.PAUSED):
        await put_into(server, interview.room, state)
        answer = await host.ask("POST", interview.path)
        assert (answer.status_code, error_of(answer)["code"]) == (409, "conflict")
        assert error_of(answer)["hint"] == "End it first."
    await put_into(server, interview.room, RoomState.ARCHIVED)
    answer = await host.ask("POST", f"{room}/hold", json={"held": True})
    assert (answer.status_code, answer.json()["legal_hold"]) == (200, True)
    for method, path in (("POST", interview.path), ("DELETE", room)):
        answer = await host.ask(method, path)
        assert (answer.status_code, error_of(answer)["code"]) == (409, "legal_hold")
    assert CANARY in (await host.ask("GET", f"{room}/participants")).text
    answer = await host.ask("POST", f"{room}/hold", json={"held": False})
    assert answer.json()["legal_hold"] is False
    events = (await host.ask("GET", f"{room}/timeline")).json()["events"]
    held = [(e["payload"]["held"], e["audience"]) for e in events if e["kind"] == "room.hold"]
    assert held == [(True, "staff"), (False, "staff")]
    me = (await host.ask("GET", room)).json()["me"]["participant_id"]
    answer = await host.ask("POST", f"{room}/participants/{me}/erasure")
    assert (answer.status_code, error_of(answer)["code"]) == (409, "conflict")
    assert (await host.ask("POST", f"{room}/participants/nobody/erasure")).status_code == 404
    before = (await host.ask("GET", room)).json()["version"]
    heard: list[Message] = []
    server.services.bus.subscribe(host_topic(interview.room.owner), heard.append)
    assert (await host.ask("POST", interview.path)).status_code == 200
    # Every page of the host's hears of it, and that the people it knows are of an old version.
    assert {"type": "rooms"} in heard
    assert (await host.ask("GET", room)).json()["version"] > before
    assert (await host.ask("DELETE", room)).status_code == 204
