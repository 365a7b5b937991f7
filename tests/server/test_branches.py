"""Private branches through the door: nobody else sees anything of one, and it goes for good."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pycrdt import Array, Text
from tornado.httpclient import HTTPClientError

from interview_ext.api import schemas
from interview_ext.api.branch_cookie import PREFIX
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import Document, Policy, Role, Room, RoomState
from tests.collab.pages import Page
from tests.server.api_support import Asker, error_of, host_outside, put_into, server_without_engine
from tests.server.conftest import Person, Server, serve

pytestmark = pytest.mark.asyncio(loop_scope="module")
server = server_without_engine


class Interview:
    """A live room that allows branches, with a candidate and an interviewer in it."""

    def __init__(self, server: Server, room: Room, candidate: Person, notebook: Document) -> None:
        self.server = server
        self.room = room
        self.candidate = candidate
        self.notebook = notebook
        self.me = Asker(name="candidate", server=server, person=candidate)
        self.host = host_outside(server)
        self.pages: list[Page] = []
        self.canary = new_id("canary")
        self.seen = new_id("seen")
        """Written on the notebook: what a search has to find, or it is none."""

    @classmethod
    async def make(cls, server: Server) -> Interview:
        room = await server.room(policy=Policy(branch=True))
        candidate = await server.candidate(room)  # admitting the candidate begins it
        (notebook, _) = await server.services.store.list_documents(room.id)
        return cls(server, room, candidate, notebook)

    @property
    def path(self) -> str:
        return f"/rooms/{self.room.id}/branches"

    async def begin(self) -> schemas.Branch:
        answer = await self.me.ask("POST", self.path, json={"document": self.notebook.id})
        assert answer.status_code == 201, answer.text
        return schemas.Branch.model_validate_json(answer.content)

    async def own(self) -> tuple[schemas.Branch, ...]:
        answer = await self.me.ask("GET", self.path)
        assert answer.status_code == 200, answer.text
        return schemas.BranchList.model_validate_json(answer.content).branches

    async def merge(self, branch: schemas.Branch) -> schemas.BranchChanges:
        answer = await self.me.ask("POST", f"{self.path}/{branch.id}/merge")
        assert answer.status_code == 200, answer.text
        return schemas.BranchChanges.model_validate_json(answer.content)

    async def discard(self, branch: schemas.Branch) -> None:
        answer = await self.me.ask("DELETE", f"{self.path}/{branch.id}")
        assert answer.status_code == 204, answer.text

    async def open(
        self, document_id: str, person: Person | None = None, client_id: int | None = None
    ) -> Page:
        """Open a document's socket as the person's page does."""
        person = person or self.candidate
        pairs = {cookie.name: cookie.value for cookie in person.client.cookies.jar}
        url = f"ws{self.server.origin.removeprefix('http')}{person.door}api/collaboration/room/"
        page = Page(
            f"{url}json:notebook:{document_id}",
            client_id=client_id,
            cookie="; ".join(f"{name}={value}" for name, value in pairs.items()),
        )
        self.pages.append(page)
        return await page.connect()

    async def leave(self) -> None:
        for page in self.pages:
            await page.leave()

    async def events(self, kind: str) -> list[dict[str, Any]]:
        answer = await self.host.ask("GET", f"/rooms/{self.room.id}/timeline")
        return [e for e in answer.json()["events"] if e["kind"].startswith(kind)]


@pytest_asyncio.fixture(loop_scope="module")
async def interview(server: Server) -> AsyncIterator[Interview]:
    made = await Interview.make(server)
    yield made
    await made.leave()


def source(page: Page, cell: int = 0) -> Text:
    text: Text = page.doc.get("cells", type=Array)[cell]["source"]
    return text


async def write(page: Page, text: str) -> None:
    """Type at the end of the first cell, and wait until it is saved."""
    source(page).insert(len(str(source(page)).encode()), text)
    replies = len(page.replies)
    page.save(1)
    await page.until(lambda: len(page.replies) > replies, "saved")


def files(*folders: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def found_in(text: str | bytes, *folders: Path) -> list[str]:
    """Names of the files that hold a text."""
    wanted = text.encode() if isinstance(text, str) else text
    return [name for name, content in files(*folders).items() if wanted in content]


def folders(server: Server) -> list[Path]:
    """The store with its WAL, and where documents are exported."""
    return [Path(server.house._app.store_path).parent, server.house.exporter._folder]


async def test_others_see_that_somebody_is_focusing_and_nothing_else(interview: Interview) -> None:
    server, room = interview.server, interview.room
    others = [
        await server.host(room),
        await server.candidate(room, role=Role.INTERVIEWER, name="Ivo"),
        await server.candidate(room, role=Role.OBSERVER, name="Olga"),
        await server.candidate(room, name="Caspar"),
    ]
    listener = await Asker(name="host", server=server, person=others[0]).listen(
        f"/rooms/{room.id}/events"
    )
    await listener.until("hello")
    main = await interview.open(interview.notebook.id, others[0])
    branch = await interview.begin()
    page = await interview.open(branch.id)
    page.show({"cursors": [interview.canary]})
    await write(page, interview.canary)
    asked = [*others]
    for person in asked:
        who = Asker(name="other", server=server, person=person)
        listed = (await who.ask("GET", f"/rooms/{room.id}/participants")).json()["participants"]
        focusing = {p["id"]: p["focusing"] for p in listed}
        assert focusing == {k: k == interview.candidate.participant_id for k in focusing}
        seen = (await who.ask("GET", f"/rooms/{room.id}")).text
        assert branch.id not in seen
        assert (await who.ask("GET", interview.path)).json() == {"branches": []}
        for method, end in (("DELETE", ""), ("POST", "/merge")):
            answer = await who.ask(method, f"{interview.path}/{branch.id}{end}")
            assert answer.status_code in (403, 404), answer.text
        for path in (f"api/contents/{branch.path}", f"api/contents/{branch.path}/checkpoints"):
            assert (await person.get(path)).status_code == 404
        body = {"format": "json", "type": "notebook"}
        session = await person.send("PUT", f"api/collaboration/session/{branch.path}", json=body)
        assert session.status_code == 404
        with pytest.raises(HTTPClientError, match="404"):
            await interview.open(branch.id, person)
        for end in ("at?seq=1", "changes", "replay", "copy"):
            answer = await who.ask("GET", f"/rooms/{room.id}/documents/{branch.id}/{end}")
            assert answer.status_code in (403, 404, 409), answer.text
        assert branch.path not in (await person.get("api/contents")).text
        assert branch.path not in (await person.get("api/sessions")).text
        assert branch.path not in (await person.get("lab")).text
    outside = await interview.host.ask("GET", f"/rooms/{room.id}")
    assert branch.id not in outside.text
    assert (await interview.host.ask("GET", interview.path)).status_code == 404
    await main.round_trip()
    assert interview.canary not in json.dumps(main.doc.get("cells", type=Array).to_py())
    assert interview.canary not in str(main.presence)
    told = json.dumps(await listener.settled())
    assert "branch.started" in told
    assert interview.canary not in told
    assert branch.id not in told
    (event,) = await interview.events("branch")
    assert event["payload"] == {"document": interview.notebook.id}
    assert event["audience"] == "everyone"
    timeline = await interview.host.ask("GET", f"/rooms/{room.id}/timeline")
    assert interview.canary not in timeline.text
    assert found_in(interview.canary, *folders(server)) == []


async def test_a_merge_brings_what_is_left_under_ones_own_name_once(interview: Interview) -> None:
    server, room = interview.server, interview.room
    branch = await interview.begin()
    page = await interview.open(branch.id)
    await write(page, f"\n{interview.canary}_kept")
    await write(page, f"\n{interview.canary}_taken_back")
    gone = len(f"\n{interview.canary}_taken_back")
    end = len(str(source(page)))
    del source(page)[end - gone : end]
    other = await interview.open(interview.notebook.id, await server.host(room))
    await write(other, f"\n{interview.seen}")
    page.save(2)
    await page.until(lambda: len(page.replies) > 2, "saved")
    assert (await interview.own())[0].changes == schemas.BranchChanges(
        added=0, removed=0, changed=1
    )
    assert (await interview.merge(branch)).changed == 1
    await other.until(lambda: f"{interview.canary}_kept" in str(source(other)), "the merge")
    text = str(source(other))
    assert text.count(f"{interview.canary}_kept") == 1
    assert text.count(interview.seen) == 1
    assert "taken_back" not in text
    assert found_in(f"{interview.canary}_taken_back", *folders(server)) == []
    await page.until(page.closed.is_set, "closed")
    assert page.close_code in (1001, 1008)
    assert await interview.own() == ()
    _, merged = await interview.events("branch")
    assert merged["actor"] == interview.candidate.participant_id
    assert merged["payload"] == {
        "document": interview.notebook.id,
        "added": 0,
        "removed": 0,
        "changed": 1,
    }
    entries = await server.services.store.read(interview.notebook.id)
    seats = {s.id: s.participant_id for s in await server.services.store.list_seats(room.id)}
    brought = f"{interview.canary}_kept".encode()
    bringing = [entry for entry in entries if brought in entry.update]
    assert [seats.get(entry.seat or "") for entry in bringing] == [merged["actor"]]
    again = await interview.me.ask("POST", f"{interview.path}/{branch.id}/merge")
    assert (again.status_code, error_of(again)["code"]) == (404, "branch_gone")
    assert not [e for e in await interview.events("access.refused") if "document" in str(e)]


async def test_of_a_discarded_branch_nothing_is_left(interview: Interview) -> None:
    server = interview.server
    branch = await interview.begin()
    page = await interview.open(branch.id)
    await write(page, interview.canary)
    page.show({"cursors": [interview.canary]})
    other = await interview.open(interview.notebook.id)
    await write(other, interview.seen)
    store = server.services.store
    sealed = [entry.update for entry in await store.read(branch.id)]
    (row,) = await store.list_branches(interview.room.id)
    secret = server.services.branches.secret(row)
    assert secret
    assert len(sealed) > 1
    assert found_in(sealed[-1], *folders(server)), "the search finds what is stored"
    assert found_in(row.salt, *folders(server))
    await interview.discard(branch)
    await page.until(page.closed.is_set, "closed")
    server.house.exporter.changed(await server.house.documents.open(interview.notebook))
    await server.house.exporter.flush(interview.notebook)
    assert found_in(interview.seen, *folders(server)), "the search finds what was written for all"
    gone: list[str | bytes] = [interview.canary, row.salt, row.secret_digest, secret, *sealed]
    for left in gone:
        assert found_in(left, *folders(server)) == []
    log = "\n".join(server.log)
    assert branch.id in log, "the search looks into the server's log"
    for left in (interview.canary, row.salt, secret):
        assert left not in log
    assert server.services.branches.secret(row) is None
    assert not [c for c in interview.candidate.client.cookies.jar if c.name.startswith(PREFIX)]
    assert await interview.own() == ()
    with pytest.raises(HTTPClientError, match="404"):
        await interview.open(branch.id)
    _, discarded = await interview.events("branch")
    assert discarded["kind"] == "branch.discarded"
    assert discarded["payload"]["reason"] == "discarded"
    assert interview.canary not in json.dumps(discarded)
    await interview.begin()


async def test_a_branch_takes_no_client_id_that_the_notebook_knows(interview: Interview) -> None:
    """One id and clock would stand for two things in a merge; no stock page does that."""
    main = await interview.open(interview.notebook.id)
    await write(main, interview.seen)
    branch = await interview.begin()
    page = await interview.open(branch.id, client_id=main.client)
    source(page).insert(0, interview.canary)
    await page.until(page.closed.is_set, "closed")
    assert page.close_code == 1008
    fresh = await interview.open(branch.id)
    assert interview.canary not in str(source(fresh))


async def test_cells_of_a_branch_do_not_run(interview: Interview) -> None:
    branch = await interview.begin()
    wanted = {"document": branch.id, "cell_id": "first", "source_sha256": "0" * 64}
    answer = await interview.me.ask("POST", f"/rooms/{interview.room.id}/executions", json=wanted)
    assert answer.status_code == 409
    error = error_of(answer)
    assert error["code"] == "branch_no_runs"
    assert "Merge your branch" in error["hint"]
    session = {"path": branch.path, "type": "notebook", "kernel": {"name": "python3"}}
    answer = await interview.candidate.send("POST", "api/sessions", json=session)
    assert answer.status_code == 409


async def test_the_page_of_who_has_a_branch_is_the_branchs(interview: Interview) -> None:
    branch = await interview.begin()
    for path in ("lab", "lab/tree/interview.ipynb", f"lab/tree/{branch.path}"):
        page = await interview.candidate.get(path)
        assert f'"treePath": "{branch.path}"' in page.text
        assert '"notebookStartsKernel": false' in page.text
    room = (await interview.me.ask("GET", f"/rooms/{interview.room.id}")).json()
    shown = [(d["id"], d["branch_of"], d["writable"]) for d in room["documents"]]
    main = interview.notebook.id
    assert shown == [(main, None, True), (branch.id, main, True)]
    await interview.discard(branch)
    page = await interview.candidate.get(f"lab/tree/{branch.path}")
    assert '"treePath": "interview.ipynb"' in page.text
    assert '"notebookStartsKernel": true' in page.text


async def test_the_cookie_goes_to_ones_own_door_only_and_no_script_reads_it(
    interview: Interview,
) -> None:
    body = {"document": interview.notebook.id}
    answer = await interview.me.ask("POST", interview.path, json=body)
    (cookie,) = [c for c in answer.headers.get_list("set-cookie") if c.startswith(PREFIX)]
    parts = {part.strip().lower() for part in cookie.split(";")}
    assert f"path={interview.candidate.door}".lower() in parts
    assert {"httponly", "samesite=lax"} <= parts


async def test_what_is_refused_and_how_it_is_said(server: Server) -> None:
    interview = await Interview.make(server)
    body = {"document": interview.notebook.id}
    again = await interview.begin()
    answer = await interview.me.ask("POST", interview.path, json=body)
    assert (answer.status_code, error_of(answer)["code"]) == (409, "branch_exists")
    answer = await interview.me.ask("POST", interview.path, json={"document": again.id})
    assert answer.status_code in (400, 409)
    await put_into(server, interview.room, RoomState.PAUSED)
    answer = await interview.me.ask("POST", f"{interview.path}/{again.id}/merge")
    assert (answer.status_code, error_of(answer)["code"]) == (409, "room_not_live")
    await interview.discard(again)  # that one may always
    await put_into(server, interview.room, RoomState.LIVE)
    host = await server.host_actor(interview.room)
    await server.services.rooms.change(host, changes_of(Policy(branch=False)))
    answer = await interview.me.ask("POST", interview.path, json=body)
    assert (answer.status_code, error_of(answer)["code"]) == (409, "branch_not_allowed")
    assert error_of(answer)["hint"]


async def test_a_branch_may_be_merged_although_no_new_one_is_allowed(interview: Interview) -> None:
    branch = await interview.begin()
    host = await interview.server.host_actor(interview.room)
    await interview.server.services.rooms.change(host, changes_of(Policy()))
    await interview.merge(branch)


def changes_of(policy: Policy) -> Any:
    from interview_ext.rooms.service import RoomChanges

    return RoomChanges(policy=policy)


async def test_a_host_allows_branches_by_the_api(server: Server) -> None:
    policy = {"assistant": False, "recording": False, "signals": False, "branch": True}
    outside = host_outside(server)
    made = await outside.ask("POST", "/rooms", json={"title": "T", "template": "blank"})
    assert made.json()["policy"]["branch"] is False, "off by default"
    path = f"/rooms/{made.json()['id']}"
    changed = await outside.ask("PATCH", path, json={"policy": policy})
    assert changed.json()["policy"] == policy
    made = await outside.ask("POST", "/rooms", json={"title": "T", "policy": policy})
    assert made.json()["policy"] == policy


async def test_what_is_not_merged_goes_with_the_interview(interview: Interview) -> None:
    server = interview.server
    branch = await interview.begin()
    page = await interview.open(branch.id)
    await write(page, interview.canary)
    host = await server.host_actor(interview.room)
    listener = await interview.me.listen(f"/rooms/{interview.room.id}/events")
    await listener.until("hello")  # who connects just when the room ends has to connect again
    await server.services.rooms.set_state(host, RoomState.ENDED)
    async with asyncio.timeout(10):
        while (await listener.until("event"))["event"]["kind"] != "branch.discarded":
            pass
    _, discarded = await interview.events("branch")
    assert (discarded["actor"], discarded["payload"]["reason"]) == ("server", "the interview ended")
    assert await server.services.store.list_branches(interview.room.id) == []
    await page.until(page.closed.is_set, "closed")
    assert found_in(interview.canary, *folders(server)) == []
    copy = await interview.me.ask(
        "GET", f"/rooms/{interview.room.id}/documents/{interview.notebook.id}/copy"
    )
    assert copy.status_code == 200
    assert interview.canary not in copy.text


async def test_a_branch_outlives_the_server_if_the_browser_has_kept_its_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    store_path = str(tmp_path / "store" / "s.sqlite")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with serve(tmp_path / "one", store_path=store_path) as first:
        interview = await Interview.make(first)
        branch = await interview.begin()
        page = await interview.open(branch.id)
        await write(page, interview.canary)
        await interview.leave()
        jar = list(interview.candidate.client.cookies.jar)
    assert found_in(interview.canary, tmp_path) == [], "stopping writes no file of it"
    async with serve(tmp_path / "two", store_path=store_path) as second:
        kept = await moved(interview, second, [c for c in jar if not c.name.startswith(PREFIX)])
        (locked,) = await kept.own()
        assert not locked.readable
        assert locked.changes is None
        with pytest.raises(HTTPClientError, match="409"):
            await kept.open(branch.id)
        answer = await kept.me.ask("POST", f"{kept.path}/{branch.id}/merge")
        assert (answer.status_code, error_of(answer)["code"]) == (409, "branch_locked")
        assert '"treePath": "interview.ipynb"' in (await kept.candidate.get("lab")).text
        again = await moved(interview, second, jar)
        page = await again.open(branch.id)
        assert interview.canary in str(source(page))
        await again.merge(branch)
        content = await second.services.documents.content(again.notebook)
        assert json.dumps(content).count(interview.canary) == 1
        await again.leave()
        await kept.leave()


async def moved(interview: Interview, server: Server, jar: list[Any]) -> Interview:
    """The same candidate with these cookies at another server."""
    client = server.client()
    for cookie in jar:
        client.cookies.jar.set_cookie(cookie)
    person = Person(
        server=server,
        client=client,
        room_id=interview.room.id,
        participant_id=interview.candidate.participant_id,
        door=interview.candidate.door,
    )
    return Interview(server, interview.room, person, interview.notebook)
