"""Bad requests get an answer with the error body; good ones do what they say."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from interview_ext.api.base import MAX_BODY_BYTES
from interview_ext.rooms.model import Role, RoomState
from tests.server.api_support import (
    LOGIN,
    Asker,
    error_of,
    host_outside,
    put_into,
    server_without_engine,
)
from tests.server.conftest import NOTEBOOK, Person, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
server = server_without_engine


async def askers(server: Server) -> tuple[str, list[Asker]]:
    """A live room, and its host outside and its candidate inside."""
    room = await server.room()
    candidate = Asker(name="candidate", server=server, person=await server.candidate(room))
    return room.id, [host_outside(server), candidate]


# -- bad requests

WRONG_BODIES: list[Any] = [
    b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 50_000, b'{"text": 1}',
    b'{"text": ""}', b'{"text": "a", "more": 1}', b'{"text": "\\ud800"}', b'{"text": NaN}',
    json.dumps({"text": "a" * 2001}).encode(), b"text=a",
]  # fmt: skip


@pytest.mark.parametrize("body", WRONG_BODIES)
async def test_a_wrong_body_is_a_400(server: Server, body: bytes) -> None:
    room, people = await askers(server)
    for who in people:
        answer = await who.ask("POST", f"/rooms/{room}/chat", content=body)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "bad_request"), who.name


@pytest.mark.parametrize("declared", [True, False])
async def test_an_oversized_body_is_a_413(server: Server, declared: bool) -> None:
    room, people = await askers(server)
    body = b'{"text": "' + b"a" * (MAX_BODY_BYTES * 3) + b'"}'

    async def chunks() -> Any:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    for who in people:
        sent = body if declared else chunks()
        answer = await who.ask("POST", f"/rooms/{room}/chat", content=sent)
        assert (answer.status_code, error_of(answer)["code"]) == (413, "too_large"), who.name


async def test_the_largest_brief_fits(server: Server) -> None:
    room, (host, _) = await askers(server)
    brief = "\N{PENGUIN}" * 20_000
    answer = await host.ask(
        "PATCH", f"/rooms/{room}", content=json.dumps({"brief": brief}, ensure_ascii=True)
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["brief"] == brief


@pytest.mark.parametrize(
    "path",
    [
        "/rooms/../rooms", "/rooms/..", "/rooms/%2e%2e", "/rooms/%2e%2e/%2e%2e/api/contents",
        "/rooms/{room}/../{room}", "/rooms/{room}%2fchat", "/rooms/{room}/", "/rooms/{room}%00",
        "/rooms/{room}%0a", "/rooms//", "/rooms/a.b", "/rooms/" + "a" * 65, "/nothing", "", "/",
        "/rooms/{room}/executions/..", "/rooms/{room}/documents/%2e%2e%2fnotes.md/copy",
        "/rooms/{room}/participants/a%20b", "/rooms/{room};x", "/rooms/{room}/invites/%zz",
    ],
)  # fmt: skip
async def test_a_bad_path_is_a_404(server: Server, path: str) -> None:
    room, people = await askers(server)
    for who in people:
        for method in ("GET", "POST"):
            raw = await _raw(who, method, path.replace("{room}", room))
            status, body = raw
            assert status == 404, (who.name, method, status, body)
            assert json.loads(body)["error"]["code"] == "not_found"


async def _raw(who: Asker, method: str, path: str) -> tuple[int, bytes]:
    """Send a path as it is: HTTP clients tidy up dots before sending."""
    server, person = who.server, who.person
    base = server.base_url if person is None else person.door
    headers = dict(LOGIN)
    if person is not None:
        await person.get("lobby", follow_redirects=True)
        headers = {
            "Cookie": f"interview-seat-{person.participant_id}={person.seat}; _xsrf={person.xsrf}",
            "X-XSRFToken": person.xsrf,
        }
    host, port = server.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{method} {base}interview/api{path} HTTP/1.1", f"Host: {host}:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Content-Length: 0", "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    "query",
    ["after=-1", "after=x", "after=1.5", "after=", "limit=0", "limit=1001", "after=%ff",
     "limit=99999999999999999999999", "after=²", "no_track_activity=%ff&after=x"],
)  # fmt: skip
async def test_a_wrong_query_is_a_400(server: Server, query: str) -> None:
    room, people = await askers(server)
    for who in people:
        answer = await who.ask("GET", f"/rooms/{room}/timeline?{query}")
        assert (answer.status_code, error_of(answer)["code"]) == (400, "bad_request"), who.name


async def test_a_method_that_is_not_there_is_a_405_with_the_others(server: Server) -> None:
    room, people = await askers(server)
    for who in people:
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = await who.ask(method, f"/rooms/{room}/chat")
            assert answer.status_code == 405, (who.name, method)
            if method != "OPTIONS" or who.person is None:
                assert answer.headers["Allow"] == "POST"
                assert error_of(answer)["code"] == "method_not_allowed"


async def test_a_write_needs_the_xsrf_token(server: Server) -> None:
    room = await server.room()
    person: Person = await server.candidate(room)
    await person.get("lobby", follow_redirects=True)
    url = f"{person.door}interview/api/rooms/{room.id}/chat"
    refused = await person.client.post(url, json={"text": "a"})
    assert (refused.status_code, error_of(refused)["code"]) == (403, "forbidden")
    foreign = await person.send(
        "POST",
        f"interview/api/rooms/{room.id}/chat",
        json={"text": "a"},
        headers={"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"},
    )
    assert 400 <= foreign.status_code < 500


async def test_a_socket_address_asked_without_a_socket_is_a_400(server: Server) -> None:
    room, people = await askers(server)
    for who in people:
        answer = await who.ask("GET", f"/rooms/{room}/events")
        assert (answer.status_code, error_of(answer)["code"]) == (400, "bad_request")


async def test_a_refusal_does_not_repeat_what_was_sent(server: Server) -> None:
    room, (host, _) = await askers(server)
    secret = "a-secret-typed-into-the-wrong-field"
    answer = await host.ask("POST", f"/rooms/{room}/invites", json={"role": secret})
    assert answer.status_code == 400
    assert secret not in answer.text


# -- rooms


async def made(server: Server, **body: Any) -> dict[str, Any]:
    """A room made by the API."""
    answer = await host_outside(server).ask("POST", "/rooms", json={"title": "New", **body})
    assert answer.status_code == 201, answer.text
    room: dict[str, Any] = answer.json()
    return room


async def rows(server: Server, *, logs: bool = True) -> int:
    """How many rooms and contents the store holds in all: to see that nothing stays behind.

    Logs of documents that no room ever had are cleared away at the store's next start.
    """
    tables = ["rooms", "documents", "data_files", "participants", *(["updates"] if logs else [])]
    found = await server.services.store._db.read(  # type: ignore[attr-defined]
        lambda db: [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
    )
    return sum(found)


async def test_a_room_from_the_sample_has_everything(server: Server) -> None:
    room = await made(server, template="sample", starts_at="2031-01-01T10:00:00+02:00")
    assert room["state"] == "scheduled"
    assert room["starts_at"] == "2031-01-01T08:00:00Z"
    assert {d["path"] for d in room["documents"]} == {"interview.ipynb", "notes.md"}
    assert room["data_files"] == [{"path": "penguins.csv", "size": 15241}]
    assert "Leak" in room["brief"]
    documents = await server.services.store.list_documents(room["id"])
    notebook = await server.services.documents.content(documents[0])
    assert isinstance(notebook, dict)
    assert "Palmer" in notebook["cells"][0]["source"]
    file, *_ = await server.services.store.list_data_files(room["id"])
    assert (await server.services.store.read_content(file.digest)).startswith(b"species,")


async def test_a_room_without_a_template_is_blank(server: Server) -> None:
    room = await made(server)
    assert (room["brief"], room["data_files"]) == ("", [])


async def test_a_room_from_the_hosts_own_files(server: Server) -> None:
    root = server.app.contents_manager.root_dir
    folder = Path(root) / "tasks"
    folder.mkdir()
    nbformat.write(nbformat.from_dict(NOTEBOOK), folder / "own.ipynb")
    (folder / "own.csv").write_bytes(b"\x00\xff")
    room = await made(server, notebook_path="tasks/own.ipynb", data_paths=["tasks/own.csv"])
    assert room["data_files"] == [{"path": "own.csv", "size": 2}]
    documents = await server.services.store.list_documents(room["id"])
    notebook = await server.services.documents.content(documents[0])
    assert isinstance(notebook, dict)
    assert notebook["cells"][0]["source"].startswith("1 + 1")


async def test_a_room_in_another_language(server: Server) -> None:
    """Its notebook, and what pages are told of its kernel, are the profile's."""
    listed = (await host_outside(server).ask("GET", "/profiles")).json()["profiles"]
    assert [p["id"] for p in listed] == ["python", "r", "javascript", "sql"]
    r = next(profile for profile in listed if profile["id"] == "r")
    assert (r["title"], r["language"]) == ("R (interview sandbox)", "R")
    made_room = await made(server, profile="r")
    assert made_room["profile"] == "r"
    documents = await server.services.store.list_documents(made_room["id"])
    notebook = await server.services.documents.content(documents[0])
    assert isinstance(notebook, dict)
    assert notebook["metadata"]["kernelspec"]["name"] == "interview-r"
    assert notebook["metadata"]["kernelspec"]["language"] == "R"
    assert notebook["metadata"]["language_info"]["mimetype"] == "text/x-r-source"
    host = await server.host(await server.services.rooms.get(made_room["id"]))
    specs = (await host.get("api/kernelspecs")).json()
    assert specs["default"] == "interview-r"
    assert specs["kernelspecs"]["interview-r"]["spec"]["language"] == "R"
    assert specs["kernelspecs"]["interview-r"]["spec"]["display_name"] == r["title"]


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"profile": "cobol"}, "Known: javascript, python, r, sql."),
        ({"profile": "r", "template": "sample"}, "another profile"),
    ],
)
async def test_a_language_that_is_not_to_be_had_is_refused(
    server: Server, body: Any, hint: str
) -> None:
    before = await rows(server)
    answer = await host_outside(server).ask("POST", "/rooms", json={"title": "New", **body})
    assert answer.status_code == 400
    assert hint in error_of(answer)["hint"]
    assert await rows(server) == before


@pytest.mark.parametrize(
    "body",
    [
        {"template": "none"},
        {"notebook_path": "nowhere.ipynb"},
        {"notebook_path": "../../etc/passwd"},
        {"template": "sample", "data_paths": ["nowhere.csv"]},
        {"data_paths": ["../../../etc/passwd"]},
        {"data_paths": ["%2e%2e/x"]},
        {"profile": "none"},
        {"title": "\u0000"},
    ],
)
async def test_a_room_that_cannot_be_made_leaves_nothing(server: Server, body: Any) -> None:
    before = await rows(server)
    answer = await host_outside(server).ask("POST", "/rooms", json={"title": "New", **body})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "bad_request")
    assert await rows(server) == before


async def test_a_key_makes_one_room_however_often_it_is_sent(server: Server) -> None:
    host = host_outside(server)
    empty = await rows(server, logs=False)
    await made(server, template="sample")
    one_room = await rows(server, logs=False) - empty
    headers = {"Idempotency-Key": "made-once"}
    asked = [
        host.ask("POST", "/rooms", json={"title": "Once", "template": "sample"}, headers=headers)
        for _ in range(4)
    ]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    listed = (await host.ask("GET", "/rooms")).json()["rooms"]
    assert [room["title"] for room in listed].count("Once") == 1
    files = await server.services.store.list_data_files(answers[0].json()["id"])
    assert len(files) == 1
    # The three that came too late left nothing behind.
    assert await rows(server, logs=False) == empty + 2 * one_room
    other = await host.ask(
        "POST", "/rooms", json={"title": "Two"}, headers={"Idempotency-Key": "b"}
    )
    assert other.json()["id"] != answers[0].json()["id"]


@pytest.mark.parametrize("key", ["", "a b", "a" * 129, "ä".encode()])
async def test_a_wrong_key_is_a_400(server: Server, key: str | bytes) -> None:
    answer = await host_outside(server).ask(
        "POST", "/rooms", json={"title": "No"}, headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 400


async def test_a_change_from_an_old_version_is_a_conflict(server: Server) -> None:
    room, host = await made(server), host_outside(server)
    path = f"/rooms/{room['id']}"
    changed = await host.ask("PATCH", path, json={"version": room["version"], "title": "B"})
    assert (changed.status_code, changed.json()["title"]) == (200, "B")
    late = await host.ask("PATCH", path, json={"version": room["version"], "title": "C"})
    assert (late.status_code, error_of(late)["code"]) == (409, "conflict")


async def test_an_announced_end_can_be_called_off(server: Server) -> None:
    room, host = await made(server), host_outside(server)
    path = f"/rooms/{room['id']}/state"
    assert (await host.ask("POST", path, json={"to": "live"})).json()["state"] == "live"
    warned = (await host.ask("POST", path, json={"to": "ended", "in_s": 120})).json()
    assert (warned["state"], warned["ends_at"] is not None) == ("live", True)
    called_off = (await host.ask("POST", path, json={"to": "live"})).json()
    assert (called_off["state"], called_off["ends_at"]) == ("live", None)


# -- people and secrets


async def test_an_invite_link_is_shown_once_and_leads_in(server: Server) -> None:
    room, host = await server.room(), host_outside(server)
    path = f"/rooms/{room.id}/invites"
    issued = await host.ask("POST", path, json={"role": "candidate", "name": "Cora"})
    assert issued.status_code == 201
    url = issued.json()["url"]
    head, _, token = url.partition("#")
    assert head == f"{server.origin}{server.room_path(room)}join"
    listed = (await host.ask("GET", path)).json()["invites"]
    assert [invite["id"] for invite in listed] == [issued.json()["id"]]
    assert token not in json.dumps(listed)
    person = await server.join(room, {"token": token})
    people = (await host.ask("GET", f"/rooms/{room.id}/participants")).json()["participants"]
    assert [p["state"] for p in people if p["id"] == person.participant_id] == ["waiting"]
    admitted = await host.ask(
        "POST", f"/rooms/{room.id}/participants/{person.participant_id}/admit"
    )
    assert (admitted.status_code, admitted.json()["state"]) == (200, "admitted")
    assert (await host.ask("GET", f"/rooms/{room.id}")).json()["state"] == "live"
    assert (await host.ask("DELETE", f"{path}/{issued.json()['id']}")).status_code == 204
    assert (await person.get("interview/api/rooms")).status_code == 403


async def test_declining_keeps_the_link_and_removing_does_not(server: Server) -> None:
    room, host = await server.room(), host_outside(server)
    token = await server.invite(room)
    person = await server.join(room, {"token": token})
    path = f"/rooms/{room.id}/participants/{person.participant_id}"
    assert (await host.ask("DELETE", path)).status_code == 204
    again = await server.join(room, {"token": token})
    assert again.participant_id == person.participant_id
    await server.admit(room, again)
    assert (await host.ask("DELETE", path)).status_code == 204
    look = await server.client().post(server.room_path(room) + "api/look", json={"token": token})
    assert (look.status_code, look.json()["error"]["code"]) == (403, "invite_invalid")


async def test_the_hosts_way_in_works_once(server: Server) -> None:
    room = await server.room()
    entered = await host_outside(server).ask("POST", f"/rooms/{room.id}/enter")
    ticket = entered.json()["url"].partition("#ticket.")[2]
    person = await server.join(room, {"ticket": ticket})
    me = (await person.get(f"interview/api/rooms/{room.id}")).json()["me"]
    assert (me["role"], me["admitted"]) == ("host", True)
    again = await server.client().post(server.room_path(room) + "api/join", json={"ticket": ticket})
    assert again.status_code == 403


async def test_what_a_candidate_sees_of_the_room(server: Server) -> None:
    room = await server.room(brief="only for interviewers", external_ids={"ats": "42"})
    waiting = await server.candidate(room, admitted=False)
    seen = (await waiting.get(f"interview/api/rooms/{room.id}")).json()
    assert (seen["documents"], seen["data_files"]) == ([], [])
    assert seen["me"]["actions"] == ["chat", "events", "room:read"]
    await server.admit(room, waiting)
    seen = (await waiting.get(f"interview/api/rooms/{room.id}")).json()
    assert [d["path"] for d in seen["documents"]] == ["interview.ipynb"]
    assert (seen["brief"], seen["external_ids"]) == ("", {})
    interviewer = await server.candidate(room, role=Role.INTERVIEWER, name="Ines", admitted=False)
    seen = (await interviewer.get(f"interview/api/rooms/{room.id}")).json()
    assert (seen["brief"], seen["external_ids"]) == ("", {})


async def test_a_candidate_takes_their_notebook_along_and_nothing_else(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    documents = {d.path: d for d in await server.services.store.list_documents(room.id)}
    path = "interview/api/rooms/{}/documents/{}/copy"
    notebook = path.format(room.id, documents["interview.ipynb"].id)
    early = await person.get(notebook)
    assert (early.status_code, error_of(early)["code"]) == (409, "room_not_live")
    await put_into(server, room, RoomState.ENDED)
    seen = (await person.get(f"interview/api/rooms/{room.id}")).json()
    assert [(d["path"], d["writable"]) for d in seen["documents"]] == [("interview.ipynb", False)]
    copy = await person.get(notebook)
    assert copy.headers["Content-Type"] == "application/x-ipynb+json"
    assert "interview.ipynb" in copy.headers["Content-Disposition"]
    assert copy.headers["Content-Disposition"].startswith("attachment")
    assert nbformat.reads(copy.text, as_version=4).cells[0].source.startswith("1 + 1")
    notes = await person.get(path.format(room.id, documents["notes.md"].id))
    assert (notes.status_code, error_of(notes)["code"]) == (404, "not_found")


async def test_a_run_without_an_engine_says_so(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    (document, _), *_ = await server.services.rooms.documents(await server.host_actor(room))
    body = {"document": document.id, "cell_id": "first", "source_sha256": "0" * 64}
    answer = await person.send("POST", f"interview/api/rooms/{room.id}/executions", json=body)
    assert (answer.status_code, error_of(answer)["code"]) == (503, "engine_unavailable")
    status = (await person.get(f"interview/api/rooms/{room.id}/sandbox")).json()
    assert status["engine"]["available"] is False
    assert status["engine"]["hint"]
    assert status["limits"]["memory_bytes"] > 0


async def test_the_timeline_is_read_page_by_page_and_without_salt(server: Server) -> None:
    room, (host, candidate) = await askers(server)
    for n in range(3):
        await candidate.ask("POST", f"/rooms/{room}/chat", json={"text": f"line {n}"})
    read = (await host.ask("GET", f"/rooms/{room}/timeline")).json()["events"]
    first = (await host.ask("GET", f"/rooms/{room}/timeline?limit=2")).json()["events"]
    rest = await host.ask("GET", f"/rooms/{room}/timeline?after={first[-1]['seq']}")
    assert first + rest.json()["events"] == read
    assert all("salt" not in event for event in read)
    mine = (await candidate.ask("GET", f"/rooms/{room}/timeline")).json()["events"]
    assert {event["audience"] for event in mine} <= {
        "everyone",
        candidate.person.participant_id if candidate.person else "",
    }


async def test_the_document_is_that_of_the_application(server: Server) -> None:
    room, (host, candidate) = await askers(server)
    outside = (await host.ask("GET", "/openapi.json")).json()
    inside = (await candidate.ask("GET", "/openapi.json")).json()
    assert outside["servers"] == [{"url": f"{server.base_url}interview/api"}]
    assert inside["servers"][0]["url"].startswith(server.base_url + f"interview/r/{room}/")
    assert "/templates" in outside["paths"]
    assert "/templates" not in inside["paths"]
