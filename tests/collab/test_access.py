"""Who may open which document, and what an open socket may still do when the room turns."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse
from tornado.websocket import websocket_connect

from interview_ext.collab.limits import Limits
from interview_ext.collab.wire.framing import write_update
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import Role, RoomState
from interview_ext.rooms.ports import room_topic
from interview_ext.rooms.service import RoomSpec
from tests.collab.conftest import House
from tests.collab.updates import letters, nested

DROPPING_CODES = {1003, 4400, 4404, 4500}
"""JupyterLab's client drops its document, unsent edits included, on these."""


async def status_of(house: House, url: str, origin: str | None = None) -> int:
    page = house.page(await house.person(Role.HOST))
    page.url = url
    try:
        await page.connect(origin=origin, sync=False)
    except HTTPClientError as error:
        return int(error.code)
    return 101


async def session(house: House, actor: Actor, path: str, body: object) -> HTTPResponse:
    return await AsyncHTTPClient().fetch(
        f"http://127.0.0.1:{house.port}{house.base(actor)}/api/collaboration/session/{path}",
        method="PUT",
        body=body if isinstance(body, str) else json.dumps(body),
        raise_error=False,
    )


async def test_the_session_names_the_documents_socket(house: House) -> None:
    actor = await house.person(Role.CANDIDATE)
    body = {"format": "json", "type": "notebook"}
    answer = await session(house, actor, "interview.ipynb", body)
    assert answer.code == 200
    model = json.loads(answer.body)
    assert (model["format"], model["type"]) == ("json", "notebook")
    assert model["fileId"] == house.notebook.id
    assert model["sessionId"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("interview.ipynb", "{", 400),
        ("interview.ipynb", "[" * 5000, 400),
        ("interview.ipynb", [], 400),
        ("interview.ipynb", {"format": "text", "type": "file"}, 400),
        ("other.ipynb", {"format": "json", "type": "notebook"}, 404),
        ("notes.md", {"format": "text", "type": "file"}, 404),
        ("..%2Finterview.ipynb", {"format": "json", "type": "notebook"}, 404),
    ],
)
async def test_a_session_of_anything_else_is_refused(
    house: House, path: str, body: object, status: int
) -> None:
    answer = await session(house, await house.person(Role.CANDIDATE), path, body)
    assert answer.code == status
    assert set(json.loads(answer.body)["error"]) == {"code", "message", "hint"}


async def test_interviewers_documents_do_not_exist_for_a_candidate(house: House) -> None:
    candidate = await house.person(Role.CANDIDATE)
    assert await status_of(house, house.url(candidate, house.notes)) == 404
    interviewer = await house.page(await house.person(Role.INTERVIEWER), house.notes).connect()
    interviewer.type("secret")
    await interviewer.round_trip()
    assert await status_of(house, house.url(candidate, house.notes)) == 404
    assert (
        house.notes.id not in house.documents._open
        or len((await house.shared(house.notes)).relay.peers) == 1
    )


async def test_who_may_not_opens_nothing(house: House) -> None:
    """Neither is the document loaded nor is a socket accepted."""
    waiting = await house.person(Role.CANDIDATE)
    url = house.url(waiting)
    other_room = house.rooms.plan(RoomSpec(title="U", host_name="H"), owner="owner")
    await house.rooms.create(other_room)
    assert await status_of(house, url.replace(house.base(waiting), "/door/nobody")) in (401, 403)
    assert await status_of(house, url.replace(house.notebook.id, "doc_unknown")) == 404
    assert await status_of(house, url.replace(house.notebook.id, other_room.notebook.id)) == 404
    assert await status_of(house, url.replace("json:notebook", "text:file")) == 400
    assert await status_of(house, url.rpartition("/")[0] + "/JupyterLab:globalAwareness") == 404
    await house.lead(RoomState.ENDED)
    assert await status_of(house, url) == 409
    assert house.documents._open == {}


async def test_a_page_of_another_origin_is_refused(house: House) -> None:
    url = house.url(await house.person(Role.CANDIDATE))
    assert await status_of(house, url, "http://evil.example") == 403
    assert await status_of(house, url, f"http://127.0.0.1:{house.port + 1}") == 403
    assert await status_of(house, url, "null") == 403
    assert house.documents._open == {}
    assert await status_of(house, url, f"http://127.0.0.1:{house.port}") == 101


async def test_an_observer_changes_nothing_and_stays_connected(house: House) -> None:
    observer = await house.page(await house.person(Role.OBSERVER)).connect()
    writer = await house.page(await house.person(Role.CANDIDATE)).connect()
    observer.type("x")
    await observer.round_trip()
    observer.delete(0, 1)
    writer.type("a")
    await observer.until(lambda: observer.text == "a")
    assert not observer.closed.is_set()
    assert [e.update for e in await house.store.read(house.notebook.id)] == [
        writer.doc.get_update()
    ]


async def test_closing_a_seat_closes_its_sockets_only(house: House) -> None:
    actor = await house.person(Role.CANDIDATE)
    moved = await house.sit(actor.participant)
    old, new = await house.page(actor).connect(), await house.page(moved).connect()
    assert actor.seat is not None
    house.bus.publish(
        room_topic(actor.room_id),
        {
            "type": "seat_closed",
            "seat_id": actor.seat.id,
            "participant_id": actor.id,
            "reason": "moved to another device",
        },
    )
    await old.until(old.closed.is_set)
    assert old.close_code == 1008
    await new.round_trip()


async def test_the_end_closes_the_candidate_and_stops_the_writers(house: House) -> None:
    candidate = await house.page(await house.person(Role.CANDIDATE)).connect()
    interviewer = await house.page(await house.person(Role.INTERVIEWER)).connect()
    candidate.type("a")
    await interviewer.until(lambda: interviewer.text == "a")
    await house.lead(RoomState.ENDED)
    await candidate.until(candidate.closed.is_set)
    assert candidate.close_code == 1008
    interviewer.type("late")
    await interviewer.round_trip()
    assert await house.store.last_seq(house.notebook.id) == 1
    assert not interviewer.closed.is_set()


async def test_deleting_the_room_closes_everybody(house: House) -> None:
    page = await house.page(await house.person(Role.HOST)).connect()
    await house.lead(RoomState.ENDED)
    await house.rooms.delete(await house.rooms.host_actor(house.plan.room.id, owner="owner"))
    await page.until(page.closed.is_set)
    assert page.close_code not in DROPPING_CODES


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x07",
        b"\x00\x05\x00",
        b"\x00\x02\x05a",
        b"\x00\x02\x02\x00\x00x",
        b"\x02\x04kill",
        b"\x02\x04save",
        b"\xff" * 40,
        b"\x00\x00\x02\x01\x05",
        write_update(letters("a", client=5) + b"x"),
        write_update(nested(100_000, client=5)),
        write_update(b"\x01\x01\x05\x00\x04\x00\x63\x00\x01a\x00"),
    ],
)
async def test_what_no_page_sends_is_closed_and_changes_nothing(house: House, frame: bytes) -> None:
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    page.send(frame)
    await page.until(lambda: page.closed.is_set() or page.asked > 1)
    assert page.close_code in (1008, None)
    assert await house.store.last_seq(house.notebook.id) == 0
    other = await house.page(await house.person(Role.INTERVIEWER)).connect()
    assert other.text == ""


async def test_a_frame_of_text_is_closed(house: House) -> None:
    socket = await websocket_connect(house.url(await house.person(Role.CANDIDATE)))
    socket.write_message("hello")
    while await socket.read_message() is not None:
        pass
    assert socket.close_code == 1008
    socket.close()


class TestBounds:
    """With small limits."""

    @pytest.fixture
    def limits(self) -> Limits:
        return replace(
            Limits(), max_message=2000, max_document=3000, messages_per_s=40, messages_burst=10
        )

    async def test_a_message_that_is_too_large_closes_the_socket(self, house: House) -> None:
        page = await house.page(await house.person(Role.CANDIDATE)).connect()
        page.send(write_update(letters("x" * 3000, client=page.client)))
        await page.until(page.closed.is_set)
        assert page.close_code in (1009, None)

    async def test_a_document_that_is_full_takes_no_more(self, house: House) -> None:
        page = await house.page(await house.person(Role.CANDIDATE), answers=False).connect()
        page.send(write_update(letters("x" * 1800, client=page.client)))
        page.send(write_update(letters("y" * 1800, client=page.client, clock=1800)))
        await page.until(page.closed.is_set)
        assert page.close_code == 1009
        assert await house.store.last_seq(house.notebook.id) == 1

    async def test_a_flood_is_read_slowly_and_not_closed(self, house: House) -> None:
        page = await house.page(await house.person(Role.CANDIDATE)).connect(sync=False)
        page.type("x" * 60)
        await house.hear(
            lambda m: m["type"] == "durable" and m["clients"].get(str(page.client), 0) >= 5
        )
        assert await house.store.last_seq(house.notebook.id) < 60, "not all at once"
        await house.hear(
            lambda m: m["type"] == "durable" and m["clients"].get(str(page.client)) == 60
        )
        assert not page.closed.is_set()
