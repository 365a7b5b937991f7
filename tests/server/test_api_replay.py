"""Earlier states of documents: all of them for staff, from the beginning on for the others."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from interview_ext.api.replay import Change, ChangeList, DocumentState
from interview_ext.api.services import REPLAYS_WAITING
from interview_ext.rooms.model import Role, Room, RoomState
from tests.server.api_support import Asker, error_of, host_outside, put_into, server_without_engine
from tests.server.conftest import NOTEBOOK, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
server = server_without_engine

SOLUTION = "the_solution = 42"


class Past:
    """A room whose notebook held a solution before the candidate came."""

    def __init__(self, server: Server, room: Room, document: str, solved_at: int) -> None:
        self.server = server
        self.room = room
        self.document = document
        self.solved_at = solved_at
        self.base = f"/rooms/{room.id}/documents/{document}"

    @classmethod
    async def make(cls, server: Server) -> Past:
        room = await server.room()
        host = await server.host_actor(room)
        documents = await server.services.rooms.documents(host)
        document = next(d for d, _ in documents if d.kind == "notebook")
        shared = await server.services.documents.open(document)  # type: ignore[attr-defined]
        source = shared.ydoc.ycells[0]["source"]
        before = str(source)
        source.clear()
        source += SOLUTION
        await shared.committed()
        solved_at = shared.log_seq
        source.clear()
        source += before
        await shared.committed()
        return cls(server, room, document.id, solved_at)

    async def edit(self, text: str) -> None:
        """Type at the end of the first cell."""
        host = await self.server.host_actor(self.room)
        _, document, _ = await self.server.services.rooms.document(host, self.document)
        shared = await self.server.services.documents.open(document)  # type: ignore[attr-defined]
        shared.ydoc.ycells[0]["source"] += text
        await shared.committed()

    async def person(self, role: Role) -> Asker:
        person = await self.server.candidate(self.room, role=role, name=role.title())
        return Asker(name=role, server=self.server, person=person)


async def lines(who: Asker, past: Past) -> tuple[DocumentState, list[Change]]:
    answer = await who.ask("GET", f"{past.base}/replay")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    first, *rest = answer.text.splitlines()
    return DocumentState.model_validate_json(first), [Change.model_validate_json(r) for r in rest]


async def test_staff_see_every_state_and_who_made_it(server: Server) -> None:
    past = await Past.make(server)
    host = host_outside(server)
    answer = await host.ask("GET", f"{past.base}/at?seq={past.solved_at}")
    state = DocumentState.model_validate_json(answer.content)
    assert isinstance(state.content, dict)
    assert state.content["cells"][0]["source"] == SOLUTION
    first, changes = await lines(host, past)
    assert (first.seq, first.content["cells"]) == (0, [])  # type: ignore[index]
    assert SOLUTION in json.dumps([c.model_dump(mode="json") for c in changes])
    assert {change.by for change in changes} == {None}, "it was the server that wrote"
    steps: list[Any] = [step for change in changes for step in change.steps]
    added = [step.cell["id"] for step in steps if step.kind == "added"]
    seed: Any = NOTEBOOK
    assert added == [cell["id"] for cell in seed["cells"]]


async def test_pages_of_changes_are_the_replay_in_parts(server: Server) -> None:
    past = await Past.make(server)
    for letter in "abcdefg":
        await past.edit(letter)
    host = host_outside(server)
    _, all_of_them = await lines(host, past)
    found: list[Change] = []
    after: int | None = 0
    while after is not None:
        answer = await host.ask("GET", f"{past.base}/changes?after={after}&limit=2")
        page = ChangeList.model_validate_json(answer.content)
        assert 0 < len(page.changes) <= 2
        found += page.changes
        after = page.next
    assert found == all_of_them
    answer = await host.ask("GET", f"{past.base}/changes?to={past.solved_at}")
    some = ChangeList.model_validate_json(answer.content)
    assert list(some.changes) == [c for c in all_of_them if c.seq <= past.solved_at]


async def test_others_see_nothing_from_before_the_beginning(server: Server) -> None:
    past = await Past.make(server)
    candidate, observer = [await past.person(r) for r in (Role.CANDIDATE, Role.OBSERVER)]
    assert (await server.services.rooms.get(past.room.id)).state is RoomState.LIVE
    await past.edit("  # live")
    await put_into(server, past.room, RoomState.ENDED)
    for who in (candidate, observer):
        first, changes = await lines(who, past)
        text = first.model_dump_json() + "".join(c.model_dump_json() for c in changes)
        assert "# live" in text
        assert "the_solution" not in text
        for seq in (0, past.solved_at, first.seq - 1, 10**6):
            answer = await who.ask("GET", f"{past.base}/at?seq={seq}")
            assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found"), seq
        answer = await who.ask("GET", f"{past.base}/at?seq={first.seq}")
        assert DocumentState.model_validate_json(answer.content) == first
        answer = await who.ask("GET", f"{past.base}/changes?after=0")
        assert list(ChangeList.model_validate_json(answer.content).changes) == changes


async def test_interviewers_documents_have_no_past_for_others(server: Server) -> None:
    past = await Past.make(server)
    candidate = await past.person(Role.CANDIDATE)
    await put_into(server, past.room, RoomState.ENDED)
    documents: Any = await server.services.store.list_documents(past.room.id)
    notes = next(d for d in documents if d.kind != "notebook")
    base = f"/rooms/{past.room.id}/documents/{notes.id}"
    for path in ("at?seq=1", "changes", "replay"):
        answer = await candidate.ask("GET", f"{base}/{path}")
        assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")
    state = await host_outside(server).ask("GET", f"{base}/at?seq=1")
    assert DocumentState.model_validate_json(state.content).content == "secret notes"


async def test_a_person_who_asks_for_many_at_once_waits_for_their_own(server: Server) -> None:
    past = await Past.make(server)
    candidate = await past.person(Role.CANDIDATE)
    await past.edit("  # live")
    await put_into(server, past.room, RoomState.ENDED)
    assert candidate.person is not None
    path = f"{past.base}/changes"
    async with server.services.replays.turn(candidate.person.participant_id):
        asked = [asyncio.create_task(candidate.ask("GET", path)) for _ in range(10)]
        finished = asyncio.as_completed(asked)
        for _ in range(10 - REPLAYS_WAITING):
            assert (await next(finished)).status_code == 429
        assert (await host_outside(server).ask("GET", path)).status_code == 200
    for answer in finished:
        assert (await answer).status_code == 200
