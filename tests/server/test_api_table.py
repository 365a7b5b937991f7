"""The table: role x state x endpoint. Lists every endpoint of the running server by itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError
from tornado.web import RequestHandler

from interview_ext.api.base import Asked, UnknownHandler
from interview_ext.api.operations import OPERATIONS, Where
from interview_ext.api.schemas import ErrorBody
from interview_ext.rooms.model import RoomState
from tests.server.api_support import (
    Asker,
    error_of,
    everybody,
    host_outside,
    put_into,
    server_without_engine,
)
from tests.server.conftest import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
server = server_without_engine

REFUSALS = {"forbidden", "not_admitted", "room_not_live", "seat_required", "unauthenticated"}
S = RoomState
ALWAYS = frozenset(S)
UNTIL_END = frozenset({S.SCHEDULED, S.LOBBY, S.LIVE, S.PAUSED})
NEVER: frozenset[S] = frozenset()
NOT_ARCHIVED = ALWAYS - {S.ARCHIVED}
WAITING = ("interviewer waiting", "observer waiting", "candidate waiting")


@dataclass(frozen=True, kw_only=True)
class Row:
    """How to ask for an endpoint so that nothing changes much, and who may when.

    The host's column also holds for the host outside and for interviewers; `waiting` for
    all who have not been admitted.
    """

    host: frozenset[S]
    observer: frozenset[S]
    candidate: frozenset[S]
    waiting: frozenset[S]
    body: Any = None
    ids: dict[str, str] = field(default_factory=dict)

    def allows(self, who: str, state: S) -> bool:
        if who.endswith("waiting"):
            role = who.removesuffix(" waiting")
            own = self.host if role == "interviewer" else getattr(self, role)
            return state in self.waiting & own
        own = self.host if who in ("host", "host outside", "interviewer") else getattr(self, who)
        return state in own


def manage(**kwargs: Any) -> Row:
    return Row(host=ALWAYS, observer=NEVER, candidate=NEVER, waiting=NEVER, **kwargs)


def run(**kwargs: Any) -> Row:
    return Row(
        host=UNTIL_END - {S.PAUSED},
        observer=NEVER,
        candidate=frozenset({S.LIVE}),
        waiting=NEVER,
        **kwargs,
    )


READ_DOCUMENTS: dict[str, Any] = {
    "host": ALWAYS,
    "observer": frozenset({S.LOBBY, S.LIVE, S.PAUSED, S.ENDED}),
    "candidate": frozenset({S.LIVE, S.PAUSED}),
    "waiting": NEVER,
}
SEE_ROOM: dict[str, Any] = {
    "host": ALWAYS,
    "observer": NOT_ARCHIVED,
    "candidate": NOT_ARCHIVED,
    "waiting": NOT_ARCHIVED | {S.ARCHIVED},
}
SANDBOX: dict[str, Any] = {
    "host": UNTIL_END,
    "observer": UNTIL_END - {S.SCHEDULED},
    "candidate": frozenset({S.LIVE, S.PAUSED}),
    "waiting": NEVER,
}
REPLAY: dict[str, Any] = {
    "host": ALWAYS,
    "observer": frozenset({S.ENDED}),
    "candidate": frozenset({S.ENDED}),
    "waiting": NEVER,
}
FILES: dict[str, Any] = {
    "host": ALWAYS,
    "observer": NEVER,
    "candidate": frozenset({S.LIVE, S.PAUSED, S.ENDED}),
    "waiting": NEVER,
}
BRANCH: dict[str, Any] = {
    "host": frozenset({S.LIVE}),
    "observer": NEVER,
    "candidate": frozenset({S.LIVE}),
    "waiting": NEVER,
}
NOBODY = {
    "invite": "invite_none",
    "participant": "person_none",
    "run": "run_none",
    "branch": "branch_none",
}
NEW_RUN = {"document": "doc_none", "cell_id": "c", "source_sha256": "0" * 64}

ROWS: dict[tuple[str, str], Row] = {
    ("GET", "/rooms/{room}"): Row(**SEE_ROOM),
    ("PATCH", "/rooms/{room}"): manage(body={}),
    ("POST", "/rooms/{room}/state"): manage(body={"to": "scheduled"}),
    ("POST", "/rooms/{room}/preparation"): manage(),
    ("GET", "/rooms/{room}/invites"): manage(),
    ("POST", "/rooms/{room}/invites"): manage(body={"role": "host"}),
    ("DELETE", "/rooms/{room}/invites/{invite}"): manage(ids=NOBODY),
    ("GET", "/rooms/{room}/participants"): Row(**SEE_ROOM),
    ("POST", "/rooms/{room}/participants/{participant}/admit"): manage(ids=NOBODY),
    ("DELETE", "/rooms/{room}/participants/{participant}"): manage(ids=NOBODY),
    ("POST", "/rooms/{room}/participants/{participant}/erasure"): manage(ids=NOBODY),
    ("POST", "/rooms/{room}/hold"): manage(body={"held": False}),
    ("POST", "/rooms/{room}/chat"): Row(
        host=UNTIL_END,
        observer=UNTIL_END,
        candidate=UNTIL_END,
        waiting=UNTIL_END,
        body={"text": "Hello"},
    ),
    ("GET", "/rooms/{room}/executions"): Row(**READ_DOCUMENTS),
    ("POST", "/rooms/{room}/executions"): run(body=NEW_RUN),
    ("GET", "/rooms/{room}/executions/{run}"): Row(**READ_DOCUMENTS, ids=NOBODY),
    ("DELETE", "/rooms/{room}/executions/{run}"): run(ids=NOBODY),
    ("POST", "/rooms/{room}/executions/{run}/extend"): manage(body={"seconds": 60}, ids=NOBODY),
    ("POST", "/rooms/{room}/executions/{run}/input"): run(body={"value": "x"}, ids=NOBODY),
    ("GET", "/rooms/{room}/sandbox"): Row(**SANDBOX),
    ("POST", "/rooms/{room}/sandbox/restart"): run(),
    ("POST", "/rooms/{room}/sandbox/interrupt"): run(),
    ("POST", "/rooms/{room}/sandbox/keep"): run(),
    ("GET", "/rooms/{room}/files"): Row(**FILES),
    ("GET", "/rooms/{room}/files/{path}"): Row(**FILES, ids={"path": "no/such.csv"}),
    ("GET", "/rooms/{room}/timeline"): Row(
        host=ALWAYS,
        observer=frozenset({S.LIVE, S.PAUSED, S.ENDED}),
        candidate=frozenset({S.LIVE, S.PAUSED, S.ENDED}),
        waiting=NEVER,
    ),
    ("GET", "/rooms/{room}/origins"): Row(
        host=ALWAYS,
        observer=frozenset({S.LIVE, S.PAUSED, S.ENDED}),
        candidate=frozenset({S.LIVE, S.PAUSED, S.ENDED}),
        waiting=NEVER,
    ),
    ("GET", "/rooms/{room}/documents/{document}/copy"): Row(
        host=ALWAYS, observer=NEVER, candidate=frozenset({S.ENDED}), waiting=NEVER
    ),
    ("POST", "/rooms/{room}/documents/{document}/origins"): Row(
        host=UNTIL_END,
        observer=NEVER,
        candidate=frozenset({S.LIVE}),
        waiting=NEVER,
        body={"origins": [{"client": 1, "start": 0, "end": 1, "origin": "typed"}]},
    ),
    ("GET", "/rooms/{room}/documents/{document}/at"): Row(**REPLAY),
    ("GET", "/rooms/{room}/documents/{document}/changes"): Row(**REPLAY),
    ("GET", "/rooms/{room}/documents/{document}/replay"): Row(**REPLAY),
    ("GET", "/rooms/{room}/events"): Row(**SEE_ROOM),
}
INSIDE_ROWS: dict[tuple[str, str], Row] = {
    ("GET", "/rooms/{room}/branches"): Row(**READ_DOCUMENTS),
    ("POST", "/rooms/{room}/branches"): Row(**BRANCH, body={"document": "doc_none"}),
    ("DELETE", "/rooms/{room}/branches/{branch}"): Row(**READ_DOCUMENTS, ids=NOBODY),
    ("POST", "/rooms/{room}/branches/{branch}/merge"): Row(**BRANCH, ids=NOBODY),
}
"""Of what there is in doors only."""
OUTSIDE_ONLY = {
    ("POST", "/rooms/{room}/enter"),
    ("GET", "/templates"),
    ("GET", "/profiles"),
    ("GET", "/events"),
}
WITHOUT_ROOM = {("GET", "/rooms"), ("GET", "/openapi.json")}
CHANGES_ALL = {("DELETE", "/rooms/{room}"), ("POST", "/rooms")}
"""Have tests of their own below."""


def endpoints(server: Server) -> set[tuple[str, str]]:
    """Every method of every API path that the running Jupyter server answers."""
    found = set()
    for group in server.app.web_app.default_router.rules:
        for rule in getattr(group.target, "rules", []):
            handler = rule.target
            if not (isinstance(handler, type) and issubclass(handler, Asked)):
                continue
            if issubclass(handler, UnknownHandler):
                continue
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
                written = getattr(handler, method.lower())
                if written is not getattr(RequestHandler, method.lower()):
                    found.add((method, rule.target_kwargs["resource"]))
    return found


async def test_every_endpoint_has_a_row(server: Server) -> None:
    assert endpoints(server) == ROWS.keys() | OUTSIDE_ONLY | WITHOUT_ROOM | CHANGES_ALL


async def test_every_endpoint_of_doors_alone_has_a_row(server: Server) -> None:
    inside = {(o.method, o.path) for o in OPERATIONS if o.where == {Where.DOOR}}
    assert inside == INSIDE_ROWS.keys()
    for _, path in inside:
        answer = await host_outside(server).ask("GET", path.format(room="room_none", **NOBODY))
        assert answer.status_code == 404


async def ask(who: Asker, method: str, path: str, room_id: str, row: Row, document: str) -> str:
    """Ask, and return the refusal's code, or nothing if the request was let through."""
    filled = path.format(room=room_id, document=document, **row.ids)
    if path.endswith("/events"):
        try:
            listener = await who.listen(filled)
        except HTTPClientError as refused:
            body = refused.response.body if refused.response else b""
            return ErrorBody.model_validate_json(body).error.code
        await listener.until("hello")
        listener.socket.close()
        return ""
    kwargs = {} if row.body is None else {"json": row.body}
    answer = await who.ask(method, filled, **kwargs)
    assert answer.status_code < 500 or error_of(answer)["code"] == "engine_unavailable"
    if answer.status_code < 400:
        return ""
    code = error_of(answer)["code"]
    if code not in REFUSALS:
        return ""
    assert answer.status_code == (409 if code == "room_not_live" else 403)
    return code


@pytest.mark.parametrize("state", list(S))
async def test_each_role_may_what_the_table_says(server: Server, state: S) -> None:
    room = await server.room()
    people = await everybody(server, room)
    (document, _), *_ = await server.services.rooms.documents(await server.host_actor(room))
    wrong = []
    for (method, path), row in (ROWS | INSIDE_ROWS).items():
        inside = (method, path) in INSIDE_ROWS
        for who in people[1:] if inside else people:
            await put_into(server, room, state)
            refusal = await ask(who, method, path, room.id, row, document.id)
            if bool(refusal) is row.allows(who.name, state):
                wrong.append(f"{method} {path} as {who.name} in {state}: {refusal or 'let in'}")
    assert wrong == []


async def test_only_managers_delete_a_room(server: Server) -> None:
    for name in ("host outside", "host", "interviewer"):
        room = await server.room()
        people = {who.name: who for who in await everybody(server, room)}
        for other in (*WAITING, "observer", "candidate"):
            answer = await people[other].ask("DELETE", f"/rooms/{room.id}")
            assert answer.status_code == 403, other
        await put_into(server, room, S.ENDED)
        assert (await people[name].ask("DELETE", f"/rooms/{room.id}")).status_code == 204
        assert await server.services.store.get_room(room.id) is None


async def test_a_running_interview_is_not_deleted(server: Server) -> None:
    room = await server.room()
    await put_into(server, room, S.LIVE)
    answer = await host_outside(server).ask("DELETE", f"/rooms/{room.id}")
    assert (answer.status_code, error_of(answer)["code"]) == (409, "conflict")


async def test_what_belongs_outside_does_not_exist_in_a_door(server: Server) -> None:
    room = await server.room()
    who = Asker(name="host", server=server, person=await server.host(room))
    for method, path in sorted(OUTSIDE_ONLY):
        answer = await who.ask(method, path.format(room=room.id))
        assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found"), path
    answer = await who.ask("POST", "/rooms", json={"title": "Mine"})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


async def test_a_door_knows_one_room(server: Server) -> None:
    room, other = await server.room(), await server.room()
    for name in ("host", "candidate"):
        person = await (server.host if name == "host" else server.candidate)(room)
        who = Asker(name=name, server=server, person=person)
        for (method, path), row in (ROWS | INSIDE_ROWS).items():
            if path.endswith("/events"):
                continue
            filled = path.format(room=other.id, document="doc", path="x", **NOBODY)
            answer = await who.ask(method, filled, json=row.body)
            assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found"), path
        with pytest.raises(HTTPClientError, match="404"):
            await who.listen(f"/rooms/{other.id}/events")
        listed = await who.ask("GET", "/rooms")
        assert [found["id"] for found in listed.json()["rooms"]] == [room.id]


async def test_nobody_without_login_gets_in_outside(server: Server) -> None:
    room = await server.room()
    client = server.client()
    for method, path in sorted(endpoints(server)):
        filled = path.format(room=room.id, document="doc", path="x", **NOBODY)
        url = f"{server.base_url}interview/api{filled}"
        answer = await client.request(method, url, json={})
        assert (answer.status_code, error_of(answer)["code"]) == (401, "unauthenticated"), path
    answer = await client.get(f"{server.base_url}interview/api/nothing/here")
    assert answer.status_code == 401


async def test_a_seat_is_worth_nothing_outside(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    answer = await person.client.get(f"{server.base_url}interview/api/rooms/{room.id}")
    assert answer.status_code == 401


async def test_another_owners_rooms_do_not_exist(server: Server) -> None:
    services = server.services
    mine = await server.room()
    now = await services.rooms.get(mine.id)
    await services.store.update_room(replace(now, owner="somebody-else"))
    host = host_outside(server)
    assert (await host.ask("GET", f"/rooms/{mine.id}")).status_code == 404
    listed = (await host.ask("GET", "/rooms")).json()["rooms"]
    assert mine.id not in [room["id"] for room in listed]


async def test_a_refusal_stands_on_the_timeline_where_the_refused_sees_it(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    who = Asker(name="candidate", server=server, person=person)
    await who.ask("PATCH", f"/rooms/{room.id}", json={"title": "Mine"})
    events = (await who.ask("GET", f"/rooms/{room.id}/timeline")).json()["events"]
    refused = [e for e in events if e["kind"] == "access.refused"]
    assert [e["payload"]["what"] for e in refused] == ["changeRoom"]
    assert (await server.services.rooms.get(room.id)).title == room.title


async def test_reading_on_after_the_end_is_no_attempt_but_running_is(server: Server) -> None:
    room = await server.room()
    who = Asker(name="candidate", server=server, person=await server.candidate(room))
    await put_into(server, room, S.ENDED)
    assert (await who.ask("GET", f"/rooms/{room.id}/sandbox")).status_code == 409
    assert (await who.ask("POST", f"/rooms/{room.id}/sandbox/restart")).status_code == 409
    events = (await who.ask("GET", f"/rooms/{room.id}/timeline")).json()["events"]
    refused = [e["payload"]["what"] for e in events if e["kind"] == "access.refused"]
    assert refused == ["restartSandbox"]
