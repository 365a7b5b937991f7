"""The events sockets: who hears what, when, and how they end."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest

from interview_ext.api import sockets
from interview_ext.api.events import RoomEventsSocket
from interview_ext.rooms.model import Role, Room, RoomState, Run
from interview_ext.rooms.ports import room_topic, tell_people
from interview_ext.rooms.presence import GRACE_S
from tests.handshakes import leave_meanwhile
from tests.server.api_support import Asker, Listener, host_outside, put_into, server_without_engine
from tests.server.conftest import OWNER, Person, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
server = server_without_engine


async def listener(server: Server, room: Room, person: Person) -> Listener:
    """The person's open socket, after its greeting and what it causes itself."""
    who = Asker(name="", server=server, person=person)
    heard = await who.listen(f"/rooms/{room.id}/events")
    await heard.until("hello")
    await heard.settled()
    return heard


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [m["event"]["kind"] if m["type"] == "event" else m["type"] for m in messages]


async def test_the_greeting_has_all_a_page_needs(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    host = await server.host_actor(room)
    (document, _), *_ = await server.services.rooms.documents(host)
    at = datetime.now(UTC)
    for run_id, cell in (("run_a", "c1"), ("run_b", "c2"), ("run_c", "c1")):
        await server.services.store.save_run(
            Run(
                id=run_id,
                room_id=room.id,
                document_id=document.id,
                cell_id=cell,
                source_digest="0" * 64,
                log_seq=1,
                by=host.id,
                accepted_at=at,
            )
        )
    heard = await Asker(name="", server=server, person=person).listen(f"/rooms/{room.id}/events")
    hello = await heard.next()
    assert hello is not None
    assert hello["type"] == "hello"
    assert hello["room"]["me"]["participant_id"] == person.participant_id
    assert [p["role"] for p in hello["participants"]] == ["host", "candidate"]
    assert sorted(run["id"] for run in hello["runs"]) == ["run_b", "run_c"]
    assert hello["sandbox"]["state"] in ("off", "starting")
    assert hello["input"] is None
    assert abs(datetime.fromisoformat(hello["server_time"]).timestamp() - time.time()) < 5
    heard.socket.close()


async def test_who_waits_gets_nothing_of_what_happens_inside(server: Server) -> None:
    room = await server.room()
    waiting = await server.candidate(room, admitted=False)
    inside = await server.candidate(room, role=Role.INTERVIEWER, name="Ines")
    heard = await listener(server, room, waiting)
    hello = heard.seen[0]
    assert (hello["runs"], hello["sandbox"], hello["room"]["documents"]) == ([], None, [])
    await inside.send("POST", f"interview/api/rooms/{room.id}/chat", json={"text": "inside"})
    server.services.bus.publish(room_topic(room.id), {"type": "sandbox"})
    server.services.bus.publish(room_topic(room.id), {"type": "run", "run": {"id": "run_a"}})
    server.services.bus.publish(
        room_topic(room.id),
        {"type": "input_request", "run_id": "run_a", "prompt": "?", "password": False},
    )
    await waiting.send("POST", f"interview/api/rooms/{room.id}/chat", json={"text": "mine"})
    shown = await heard.settled()
    assert not {"run", "sandbox", "input_request"} & {message["type"] for message in shown}
    events = [message["event"] for message in shown if message["type"] == "event"]
    assert [e["payload"]["text"] for e in events if e["kind"] == "chat"] == ["mine"]
    assert {event["audience"] for event in events} == {waiting.participant_id}
    heard.socket.close()


async def test_an_admission_shows_at_once_in_the_same_socket(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room, admitted=False)
    heard = await listener(server, room, person)
    await server.admit(room, person)
    message = await heard.until("room")
    while not message["room"]["me"]["admitted"]:
        message = await heard.until("room")
    assert message["room"]["state"] == "live"
    assert [d["path"] for d in message["room"]["documents"]] == ["interview.ipynb"]
    heard.socket.close()


async def test_events_reach_those_who_may_see_them(server: Server) -> None:
    room = await server.room()
    candidate = await listener(server, room, await server.candidate(room))
    other = await server.candidate(room, role=Role.OBSERVER, name="Olga")
    observer = await listener(server, room, other)
    timeline = server.services.rooms._timeline
    await candidate.settled()
    await timeline.record(room.id, "for.staff", actor="server", audience="staff")
    await timeline.record(room.id, "for.all", actor="server")
    await timeline.record(room.id, "for.olga", actor="server", audience=other.participant_id)
    seen = [kind for kind in kinds(await candidate.settled()) if kind.startswith("for.")]
    assert seen == ["for.all"]
    seen = [kind for kind in kinds(await observer.settled()) if kind.startswith("for.")]
    assert seen == ["for.staff", "for.all", "for.olga"]
    candidate.socket.close()
    observer.socket.close()


async def test_what_says_read_again_is_said_once_for_many(server: Server) -> None:
    room = await server.room()
    heard = await listener(server, room, await server.candidate(room))
    for _ in range(200):
        server.services.bus.publish(room_topic(room.id), {"type": "room"})
        tell_people(server.services.bus, room.id)
    shown = kinds(await heard.settled())
    assert 1 <= shown.count("room") <= 3
    assert 1 <= shown.count("participants") <= 3
    heard.socket.close()


async def test_durable_reaches_only_whose_edits_they_are(server: Server) -> None:
    room = await server.room()
    mine = await server.candidate(room)
    me, other = (
        await listener(server, room, mine),
        await listener(server, room, await server.host(room)),
    )
    server.services.bus.publish(
        room_topic(room.id),
        {
            "type": "durable",
            "document": "doc_a",
            "participant_id": mine.participant_id,
            "clients": {2**52: 7},
            "deletes": [(1, 2, 3)],
        },
    )
    shown = [m for m in await me.settled() if m["type"] == "durable"]
    assert shown == [
        {"type": "durable", "document": "doc_a", "clients": {str(2**52): 7}, "deletes": [[1, 2, 3]]}
    ]
    assert "durable" not in kinds(await other.settled())
    me.socket.close()
    other.socket.close()


async def test_a_run_of_the_interviewers_own_document_is_not_told_to_candidates(
    server: Server,
) -> None:
    room = await server.room()
    host = await server.host_actor(room)
    documents = {d.path: d for d, _ in await server.services.rooms.documents(host)}
    candidate = await listener(server, room, await server.candidate(room))
    observer = await listener(server, room, await server.host(room))
    for path in ("notes.md", "interview.ipynb"):
        run = Run(
            id=f"run_{room.id}_{path[:5]}",
            room_id=room.id,
            document_id=documents[path].id,
            cell_id="c",
            source_digest="0" * 64,
            log_seq=1,
            by=host.id,
            accepted_at=datetime.now(UTC),
        )
        await server.services.store.save_run(run)
        topic = room_topic(room.id)
        server.services.bus.publish(topic, {"type": "run", "run": {"id": run.id}})
        server.services.bus.publish(
            topic, {"type": "input_request", "run_id": run.id, "prompt": path, "password": True}
        )
        server.services.bus.publish(topic, {"type": "input_done", "run_id": run.id})
    shown = await candidate.settled()
    assert [m["run"]["id"] for m in shown if m["type"] == "run"] == [f"run_{room.id}_inter"]
    assert [m["prompt"] for m in shown if m["type"] == "input_request"] == ["interview.ipynb"]
    assert kinds(shown).count("input_done") == 1
    assert kinds(await observer.settled()).count("run") == 2
    candidate.socket.close()
    observer.socket.close()


# -- the end


@pytest.mark.parametrize("how", ["revoked", "removed", "deleted"])
async def test_a_closed_seat_closes_its_sockets_within_a_second(server: Server, how: str) -> None:
    room = await server.room()
    person = await server.candidate(room, admitted=how != "deleted")
    heard = await listener(server, room, person)
    second = await listener(server, room, person)
    actor = await server.host_actor(room)
    began = time.monotonic()
    if how == "revoked":
        invite, _ = (await server.services.admission.invites(actor))[0]
        await server.services.admission.revoke(actor, invite.id)
    elif how == "removed":
        await server.services.admission.remove(actor, person.participant_id)
    else:
        await server.services.rooms.delete(actor)
    for socket in (heard, second):
        message = await socket.until("seat_closed", timeout_s=1)
        assert how in message["reason"] or message["reason"].startswith("invite")
        assert await socket.next(1) is None
        assert socket.socket.close_code == 1008
    assert time.monotonic() - began < 1
    with pytest.raises(HTTPClientError):
        await Asker(name="", server=server, person=person).listen(f"/rooms/{room.id}/events")


async def test_a_page_that_does_not_answer_is_cut_off(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    host, port = server.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        f"GET {person.door}interview/api/rooms/{room.id}/events HTTP/1.1",
        f"Host: {host}:{port}",
        f"Origin: {server.origin}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
        f"Cookie: interview-seat-{person.participant_id}={person.seat}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert b"101" in await reader.readline()
    await server.services.admission.remove(await server.host_actor(room), person.participant_id)
    async with asyncio.timeout(5):
        while await reader.read(65536):
            pass
    writer.close()


async def test_a_page_that_sends_anything_but_pings_is_closed(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    for sent in ("{", '{"type": "chat"}', '{"type": "ping", "x": 1}', "a" * 2000):
        heard = await listener(server, room, person)
        await heard.socket.write_message(sent)
        while await heard.next() is not None:
            pass
        assert heard.socket.close_code in (1008, 1009)


async def test_a_page_that_does_not_read_is_closed_and_not_kept_in_memory(server: Server) -> None:
    room = await server.room()
    heard = await listener(server, room, await server.candidate(room))
    for n in range(sockets.MAX_PENDING + 2):
        server.services.bus.publish(
            room_topic(room.id), {"type": "input_done", "run_id": f"run_{n}"}
        )
    while await heard.next() is not None:
        pass
    assert heard.socket.close_code == 1013


async def test_another_origin_opens_no_socket(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    path = f"interview/api/rooms/{room.id}/events"
    with pytest.raises(HTTPClientError, match="403"):
        await person.socket(path, origin="https://elsewhere.example")


async def test_an_observer_is_let_go_when_the_room_is_put_away(server: Server) -> None:
    room = await server.room()
    heard = await listener(server, room, await server.candidate(room, role=Role.OBSERVER, name="O"))
    await put_into(server, room, RoomState.ARCHIVED)
    server.services.bus.publish(room_topic(room.id), {"type": "room"})
    while await heard.next() is not None:
        pass
    assert heard.socket.close_code == 1008


# -- presence, and the host elsewhere


async def test_presence_follows_the_sockets(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    host = await listener(server, room, await server.host(room))
    heard = await listener(server, room, person)

    def here(message: dict[str, Any]) -> bool:
        people = {p["id"]: p["present"] for p in message["participants"]}
        return bool(people[person.participant_id])

    while not here(await host.until("participants")):
        pass
    heard.socket.close()
    # Gone only after the grace that a reload gets.
    while here(await host.until("participants", timeout_s=GRACE_S + 10)):
        pass
    host.socket.close()


async def test_who_goes_away_before_being_let_in_is_not_here(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    services = server.services
    seat = f"interview-seat-{person.participant_id}={person.seat}"
    request = HTTPRequest(
        f"{server.origin}{person.door}interview/api/rooms/{room.id}/events",
        headers={"Origin": server.origin, "Cookie": seat},
    )
    await leave_meanwhile(request, RoomEventsSocket, services.rooms, "check")
    assert not services.presence.is_here(person.participant_id)
    heard = await listener(server, room, person)  # and afterwards it is let in
    assert services.presence.is_here(person.participant_id)
    heard.socket.close()


async def test_a_host_hears_of_somebody_who_waits_wherever_they_are(server: Server) -> None:
    here, elsewhere = await server.room(title="Here"), await server.room(title="Elsewhere")
    before = await server.candidate(elsewhere, admitted=False, name="Early")
    asked_at = server.services.clock()
    dashboard = await host_outside(server).listen("/events")
    hello = await dashboard.until("hello")
    assert asked_at <= datetime.fromisoformat(hello["server_time"]) <= server.services.clock()
    first = await dashboard.until("waiting", participant_id=before.participant_id)
    assert (first["title"], first["name"]) == ("Elsewhere", "Early")
    inside = await listener(server, here, await server.host(here))

    def waiting(message: dict[str, Any]) -> list[str]:
        return [one["participant_id"] for one in message["waiting"]]

    # Who has closed the lobby's page is not there to be let in.
    (said,) = [message for message in inside.seen if message["type"] == "elsewhere"]
    assert waiting(said) == []
    lobby = await listener(server, elsewhere, before)
    while waiting(await inside.until("elsewhere")) != [before.participant_id]:
        pass
    host = await server.host_actor(elsewhere)
    await server.services.admission.decline(host, before.participant_id)
    while waiting(await inside.until("elsewhere")):
        pass
    await dashboard.until("rooms")
    lobby.socket.close()
    candidate = await listener(server, here, await server.candidate(here))
    late = await server.candidate(elsewhere, admitted=False, name="Late")
    for heard in (dashboard, inside):
        message = await heard.until("waiting", participant_id=late.participant_id)
        assert (message["room_id"], message["name"]) == (elsewhere.id, "Late")
    assert "waiting" not in kinds(await candidate.settled())
    await server.services.rooms.delete(await server.host_actor(elsewhere))
    await dashboard.until("rooms")
    for heard in (dashboard, inside, candidate):
        heard.socket.close()


async def test_the_dashboards_socket_is_the_owners(server: Server) -> None:
    heard = await host_outside(server).listen("/events")
    await heard.settled()
    server.services.bus.publish("host:somebody-else", {"type": "rooms"})
    assert await heard.settled() == []
    server.services.bus.publish(f"host:{OWNER}", {"type": "rooms"})
    await heard.until("rooms")
    heard.socket.close()
