"""Seats: how one is had, whom it lets in, when it ends, and that its secret is written nowhere."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tornado.websocket import WebSocketClientConnection

from interview_ext.door import doors
from interview_ext.rooms.model import Role, SeatState
from tests.server.conftest import Person, Server, serve
from tests.server.door_support import seat_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def closed(socket: WebSocketClientConnection) -> int | None:
    """Read a socket to its end; the close code."""
    while await socket.read_message() is not None:
        pass
    return socket.close_code


async def test_opening_a_link_has_no_effect(server: Server) -> None:
    room = await server.room()
    token = await server.invite(room)
    scanner = server.client()
    for method in ("GET", "HEAD", "GET"):
        answer = await scanner.request(method, server.room_path(room) + "join")
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert room.title not in answer.text
    for _ in range(3):
        look = await scanner.post(server.room_path(room) + "api/look", json={"token": token})
        assert look.status_code == 200
        assert (look.json()["name"], look.json()["url"]) == ("Cora", None)
        assert look.json()["hosts"] == ["Hanna Host"]
        assert "set-cookie" not in look.headers
    assert await server.services.store.list_seats(room.id) == []
    person = await server.join(room, {"token": token, "name": "Cora Candidate"})
    assert (await person.get(follow_redirects=True)).url.path == person.door + "lobby"


async def test_the_cookie_is_this_rooms_and_no_scripts(server: Server) -> None:
    room = await server.room()
    token = await server.invite(room)
    answer = await server.client().post(
        server.room_path(room) + "api/join", json={"token": token, "name": "Cora"}
    )
    cookies = SimpleCookie(answer.headers["set-cookie"])
    (morsel,) = cookies.values()
    assert morsel.key.startswith("interview-seat-person_")
    assert morsel["httponly"]
    assert morsel["samesite"] == "Lax"
    assert morsel["path"] == server.room_path(room)
    assert not morsel["secure"]  # over HTTPS: see test_door_links
    stored = await server.services.store.list_seats(room.id)
    assert morsel.value not in repr(stored)


async def test_the_same_browser_comes_straight_in(server: Server) -> None:
    room = await server.room()
    token = await server.invite(room)
    first = await server.join(room, {"token": token})
    look = await first.client.post(server.room_path(room) + "api/look", json={"token": token})
    assert look.json()["url"] == first.door
    again = await server.join(room, {"token": token}, first.client)
    assert again.door == first.door
    assert len(await server.services.store.list_seats(room.id)) == 1


async def test_another_device_takes_over_at_its_admission(server: Server) -> None:
    room = await server.room()
    token = await server.invite(room)
    laptop = await server.join(room, {"token": token})
    await server.admit(room, laptop)
    socket = await laptop.socket("api/events/subscribe")
    phone = await server.join(room, {"token": token})
    assert phone.participant_id == laptop.participant_id
    assert (await laptop.get("lab")).status_code == 200
    assert (await phone.get("lab")).status_code == 404
    await server.admit(room, phone)
    assert (await phone.get("lab")).status_code == 200
    refused = await laptop.get("lab", headers={"Accept": "text/html"})
    assert refused.status_code == 403
    assert "moved to another device" in refused.text
    await asyncio.wait_for(closed(socket), 5)


@pytest.mark.parametrize("way", ["revoke", "remove", "decline"])
async def test_a_closed_seat_ends_all_sockets_within_5_s(server: Server, way: str) -> None:
    room = await server.room()
    token = await server.invite(room)
    person = await server.join(room, {"token": token})
    if way != "decline":
        await server.admit(room, person)
    api = f"interview/api/rooms/{room.id}/events"
    paths = [api] if way == "decline" else [api, "api/events/subscribe"]
    sockets = [await person.socket(path) for path in paths]
    host = await server.host_actor(room)
    admission = server.services.admission
    if way == "revoke":
        ((invite, _),) = await admission.invites(host)
        await admission.revoke(host, invite.id)
    elif way == "remove":
        await admission.remove(host, person.participant_id)
    else:
        await admission.decline(host, person.participant_id)
    await asyncio.wait_for(asyncio.gather(*map(closed, sockets)), 5)
    assert await seat_of(server, person) == SeatState.CLOSED
    refused = await person.get("lobby")
    assert refused.json()["error"]["code"] == "seat_closed"
    again = await person.client.post(server.room_path(room) + "api/join", json={"token": token})
    assert again.status_code == (200 if way == "decline" else 403)


async def test_who_was_in_a_deleted_room_is_told_so_by_a_page(server: Server) -> None:
    room = await server.room()
    host = await server.host(room)
    assert (await host.get("lab")).status_code == 200
    await server.services.rooms.delete(await server.host_actor(room))
    gone = await host.get(headers={"Accept": "text/html"})
    assert gone.status_code == 404
    assert gone.headers["Content-Type"].startswith("text/html")
    assert "This interview has been deleted." in gone.text


async def test_two_people_of_a_room_and_two_rooms_in_one_browser(server: Server) -> None:
    browser = server.client()
    one, two = await server.room(title="One"), await server.room(title="Two")
    people = [
        await server.host(one, browser),
        await server.candidate(one, client=browser),
        await server.candidate(two, client=browser),
        await server.candidate(two, role=Role.OBSERVER, name="Otto", client=browser),
    ]
    for person in people:
        me = (await person.get("api/me")).json()["identity"]
        assert me["username"] == person.participant_id
        assert (await person.get("lab")).status_code == 200
    assert len({person.participant_id for person in people}) == 4
    # Each door has an XSRF cookie of its own beside the others' and the server's.
    browser.cookies.set("_xsrf", "the-servers-own", domain="127.0.0.1", path="/")
    for person in people:
        settings = "lab/api/settings/@jupyterlab/apputils-extension:themes"
        answer = await person.send("PUT", settings, json={"raw": '{"theme": "x"}'})
        assert answer.status_code == 204


async def test_a_door_takes_no_request_of_another_site(server: Server) -> None:
    person = await server.candidate(await server.room())
    path = "lab/api/settings/@jupyterlab/apputils-extension:themes"
    await person.get("lab")
    bare = await person.client.put(person.door + path, json={"raw": "{}"})
    assert bare.status_code == 403
    other = {"Origin": "http://elsewhere.example"}
    assert (await person.send("PUT", path, json={"raw": "{}"}, headers=other)).status_code >= 403
    for socket in ("api/events/subscribe", f"interview/api/rooms/{person.room_id}/events"):
        with pytest.raises(Exception, match=r"40[34]"):
            await person.socket(socket, origin=other["Origin"])
    assert (await person.send("PUT", path, json={"raw": "{}"})).status_code == 204


async def test_joining_is_asked_by_our_own_page_only(server: Server) -> None:
    room = await server.room()
    token = await server.invite(room)
    path = server.room_path(room) + "api/join"
    client = server.client()
    other = {"Origin": "http://elsewhere.example"}
    assert (await client.post(path, json={"token": token}, headers=other)).status_code == 403
    assert (await client.post(path, data={"token": token})).status_code == 400
    assert (await client.post(path, content=b"{not json")).status_code == 400
    kind = {"Content-Type": "application/json"}
    assert (await client.post(path, content=b"{not json", headers=kind)).status_code == 400
    assert (await client.post(path, json={"token": token, "ticket": token})).status_code == 400
    wrong = await client.post(path, json={"token": 7, "secret-field": "abc"})
    assert wrong.status_code == 400
    assert "secret-field" in wrong.text
    assert "abc" not in wrong.text
    large = await client.post(path, json={"token": "x" * 100_000})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")
    unknown = await client.post(path.replace(room.id, "room_unknown"), json={"token": token})
    assert unknown.json()["error"]["code"] == "invite_invalid"
    assert await server.services.store.list_seats(room.id) == []


async def test_a_ticket_works_once(server: Server) -> None:
    room = await server.room()
    ticket = await server.services.admission.ticket(await server.host_actor(room))
    await server.join(room, {"ticket": ticket})
    path = server.room_path(room) + "api/join"
    again = await server.client().post(path, json={"ticket": ticket})
    assert again.json()["error"]["code"] == "invite_invalid"


async def test_secrets_stand_in_no_log_line(server: Server) -> None:
    room = await server.room()
    token = await server.invite(room)
    ticket = await server.services.admission.ticket(await server.host_actor(room))
    people: list[Person] = [
        await server.join(room, {"token": token}),
        await server.join(room, {"ticket": ticket}),
    ]
    for person in people:
        for path in ("", "lab", "lobby", "api/contents/nothing.here", "no/such/thing"):
            await person.get(path, headers={"Referer": server.url})
    again = server.room_path(room) + "api/join"
    await server.client().post(again, json={"ticket": ticket})
    await server.client().post(again, json={"token": token, "wrong": 1})
    secrets = [token, ticket, *(person.seat for person in people)]
    lines = "\n".join(server.log)
    assert "/api/join" in lines
    for secret in secrets:
        assert secret not in lines


async def test_attempts_are_limited(tmp_path: Path) -> None:
    async with serve(tmp_path, join_attempts_per_minute=3) as server:
        room = await server.room()
        client = server.client()
        path = server.room_path(room) + "api/look"
        answers = [await client.post(path, json={"token": "guess"}) for _ in range(4)]
        codes = [answer.json()["error"]["code"] for answer in answers]
        assert codes == ["invite_invalid"] * 3 + ["too_many_requests"]
        assert answers[-1].status_code == 429


@pytest.mark.parametrize("path", ["api/contents/interview.ipynb?content=1", "chat"])
async def test_a_body_that_ends_after_the_removal_is_not_answered(
    server: Server, path: str
) -> None:
    """Whether the handler takes the body as a whole or as it comes."""
    room = await server.room()
    person = await server.candidate(room)
    body = b'{"text": "hello after removal"}'
    if path == "chat":
        method, path = "POST", f"interview/api/rooms/{room.id}/chat"
    else:
        method = "GET"
    at = urlsplit(server.origin)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(
        f"{method} {person.door}{path} HTTP/1.1\r\nHost: {at.netloc}\r\n"
        f"Cookie: interview-seat-{person.participant_id}={person.seat}; _xsrf=own\r\n"
        "X-XSRFToken: own\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body[:1]
    )
    await writer.drain()
    await asyncio.sleep(0.2)
    before = await server.services.store.list_events(room.id)
    await server.services.admission.remove(await server.host_actor(room), person.participant_id)
    writer.write(body[1:])
    async with asyncio.timeout(10):
        status = await reader.readline()
    assert status.split()[1] == b"403", status
    kinds = [event.kind for event in await server.services.store.list_events(room.id)]
    assert kinds[len(before) :] == ["participant.removed"]
    writer.close()


@pytest.mark.parametrize("path", ["api/contents/interview.ipynb?content=1", "chat", "join"])
async def test_a_body_that_does_not_end_ends_with_its_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Whether the handler takes the body as a whole or as it comes, with and without a seat."""
    monkeypatch.setattr(doors, "_BODY_S", 0.5)
    room = await server.room()
    person = await server.candidate(room)
    method = "GET" if path.startswith("api/contents") else "POST"
    own = {
        "chat": f"{person.door}interview/api/rooms/{room.id}/chat",
        "join": f"{server.room_path(room)}api/join",
    }
    at = urlsplit(server.origin)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(
        f"{method} {own.get(path, person.door + path)} HTTP/1.1\r\nHost: {at.netloc}\r\n"
        f"Cookie: interview-seat-{person.participant_id}={person.seat}; _xsrf=own\r\n"
        "X-XSRFToken: own\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n".encode()
    )
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        assert await reader.read(1) == b""
    writer.close()
    assert (await person.get("interview/api/rooms/" + room.id)).status_code == 200
