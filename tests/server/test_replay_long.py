"""The replay of a whole 90-minute interview: at once, in little memory, right, and attributed."""

from __future__ import annotations

import json
import resource
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from interview_ext.rooms.ids import now
from interview_ext.rooms.model import NewLogEntry, Role, Room, RoomState
from tests.collab.updates import be_dirty
from tests.server.api_support import Asker, host_outside, put_into, server_without_engine
from tests.server.conftest import TOKEN, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
server = server_without_engine

UPDATES = 27_000
"""Three people at 100 keystrokes a minute each for 90 minutes."""
SOME = 6_000
"""As many as a test run has time for."""
FIRST_S = 5.0
MAX_GROWTH = 64 * 1024 * 1024


async def interview(server: Server, updates: int) -> tuple[Room, Any, dict[str, int]]:
    """A room whose three people have typed in turns; how often each, by id."""
    room = await server.room()
    store: Any = server.services.store
    people = [
        await server.candidate(room, role=role, name=role.title())
        for role in (Role.CANDIDATE, Role.INTERVIEWER, Role.INTERVIEWER)
    ]
    document = next(d for d in await store.list_documents(room.id) if d.kind == "notebook")
    seats = {seat.participant_id: seat.id for seat in await store.list_seats(room.id)}
    docs: list[Doc[Any]] = []
    made: list[list[bytes]] = []
    for client in range(100, 103):
        doc: Doc[Any] = Doc(client_id=client)
        for entry in await store.read(document.id):
            doc.apply_update(entry.update)
        mine: list[bytes] = []
        doc.observe(lambda event, mine=mine: mine.append(event.update))
        cell = {"cell_type": "code", "id": f"0000000{client}", "execution_count": None}
        parts = {"source": Text(""), "metadata": Map({}), "outputs": Array([])}
        doc.get("cells", type=Array).append(Map({**cell, **parts}))
        docs.append(doc)
        made.append(mine)
    for number in range(updates - 3):
        doc = docs[number % 3]
        cells = doc.get("cells", type=Array)
        source = cells[len(cells) - 1]["source"]
        with doc.transaction():  # as JupyterLab's editor does it
            source.insert(len(source), "x" if number % 120 else "\n")
            be_dirty(doc)
    entries: list[NewLogEntry] = []
    began = now() - timedelta(minutes=90)
    for number in range(updates):
        who = number % 3
        entries.append(
            NewLogEntry(
                at=began + timedelta(minutes=91) + timedelta(milliseconds=number),
                client=100 + who,
                seat=seats[people[who].participant_id],
                update=made[who][number // 3],
            )
        )
    for who, person in enumerate(people):
        await store.claim_clients(document.id, person.participant_id, [100 + who])
    for at in range(0, updates, 1000):
        await store.append(document.id, entries[at : at + 1000])
    await put_into(server, room, RoomState.ENDED)
    return room, document, {person.participant_id: updates // 3 for person in people}


@pytest.mark.parametrize("updates", [SOME, pytest.param(UPDATES, marks=pytest.mark.soak)])
async def test_the_replay_of_90_minutes(server: Server, updates: int) -> None:
    room, document, typed = await interview(server, updates)
    base = f"/rooms/{room.id}/documents/{document.id}"
    url = f"{server.base_url}interview/api{base}/replay"
    client = server.client()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, first_s = time.monotonic(), 0.0
    sources: dict[str, str] = {}
    by: Counter[str | None] = Counter()
    last = 0
    async with client.stream(
        "GET", url, headers={"Authorization": f"token {TOKEN}"}, timeout=120
    ) as answer:
        assert answer.status_code == 200
        assert "Content-Length" not in answer.headers
        async for line in answer.aiter_lines():
            found = json.loads(line)
            first_s = first_s or time.monotonic() - began
            if "steps" not in found:
                continue
            assert found["seq"] > last
            last = found["seq"]
            by[found["by"]] += 1
            for step in found["steps"]:
                if step["kind"] == "added":
                    sources[step["cell"]["id"]] = step["cell"]["source"]
                elif step["kind"] == "source":
                    text, at = sources[step["cell"]], step["position"]
                    end = at + len(step["deleted"])
                    sources[step["cell"]] = text[:at] + step["inserted"] + text[end:]
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert first_s < FIRST_S
    assert growth < MAX_GROWTH
    assert {who: count for who, count in by.items() if who} == typed
    copy = (await host_outside(server).ask("GET", f"{base}/copy")).json()
    assert {cell["id"]: cell["source"] for cell in copy["cells"]} == sources
    answer_at = await host_outside(server).ask("GET", f"{base}/at?seq={last}")
    assert answer_at.json()["content"]["cells"] == copy["cells"]


async def test_who_may_not_replay(server: Server) -> None:
    room, document, _ = await interview(server, 9)
    other, foreign, _ = await interview(server, 9)
    store: Any = server.services.store
    notes = next(d for d in await store.list_documents(room.id) if d.kind != "notebook")
    await put_into(server, room, RoomState.LIVE)
    candidate = Asker(name="candidate", server=server, person=await server.candidate(room))
    removed = Asker(name="removed", server=server, person=await server.candidate(room))
    assert removed.person is not None
    host = await server.host_actor(room)
    await server.services.admission.remove(host, removed.person.participant_id)
    await put_into(server, room, RoomState.ENDED)
    for path in ("at?seq=1", "changes", "replay"):
        for who, place, status in (
            (candidate, f"/rooms/{room.id}/documents/{notes.id}", 404),
            (candidate, f"/rooms/{room.id}/documents/{foreign.id}", 404),
            (candidate, f"/rooms/{other.id}/documents/{foreign.id}", 404),
            (removed, f"/rooms/{room.id}/documents/{document.id}", 403),
        ):
            answer = await who.ask("GET", f"{place}/{path}")
            assert answer.status_code == status, f"{who.name}: {place}/{path}: {answer.text}"
    mine = await server.services.rooms.get(other.id)
    await store.update_room(replace(mine, owner="somebody-else"))
    answer = await host_outside(server).ask(
        "GET", f"/rooms/{other.id}/documents/{foreign.id}/replay"
    )
    assert answer.status_code == 404
