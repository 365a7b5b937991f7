"""How one's own edits came about, counted for whoever made them."""

from __future__ import annotations

import pytest

from interview_ext.rooms.model import RoomState
from tests.server.api_support import Asker, server_without_engine
from tests.server.conftest import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
server = server_without_engine


def piece(start: int, end: int, origin: str, *, deleted: bool = False) -> dict[str, object]:
    return {"client": 7, "start": start, "end": end, "origin": origin, "deleted": deleted}


async def test_people_see_the_counts_of_their_own_also_after_the_end(server: Server) -> None:
    room = await server.room()
    me = Asker(name="me", server=server, person=await server.candidate(room))
    other = Asker(name="other", server=server, person=await server.host(room))
    documents = (await me.ask("GET", f"/rooms/{room.id}")).json()["documents"]
    path = f"/rooms/{room.id}/documents/{documents[0]['id']}/origins"
    mine = [piece(0, 5, "typed"), piece(5, 6, "paste"), piece(6, 9, "typed")]
    gone = piece(0, 2, "typed", deleted=True)
    assert (await me.ask("POST", path, json={"origins": [*mine, gone]})).is_success
    assert (await other.ask("POST", path, json={"origins": [piece(0, 9, "drop")]})).is_success

    counts = f"/rooms/{room.id}/origins"
    assert (await me.ask("GET", counts)).json() == {"pieces": {"typed": 2, "paste": 1}}
    await server.services.rooms.set_state(await server.host_actor(room), RoomState.ENDED)
    assert (await me.ask("GET", counts)).json() == {"pieces": {"typed": 2, "paste": 1}}
    assert (await other.ask("GET", counts)).json() == {"pieces": {"drop": 1}}
