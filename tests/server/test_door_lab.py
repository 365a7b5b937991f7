"""What JupyterLab's services see of a room."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import json5
import pytest
import pytest_asyncio

from interview_ext.door.managers import MAX_SHOWN_BYTES
from interview_ext.rooms.ids import digest, now
from interview_ext.rooms.limits import RateLimit
from interview_ext.rooms.model import DataFile, Role, Room
from tests.server.conftest import NOTEBOOK, Person, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

THEMES = "lab/api/settings/@jupyterlab/apputils-extension:themes"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(server: Server) -> Room:
    return await server.room()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def candidate(server: Server, room: Room) -> Person:
    return await server.candidate(room)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(server: Server, room: Room) -> Person:
    return await server.host(room)


async def test_the_folder_holds_what_one_may_read(candidate: Person, host: Person) -> None:
    theirs = (await candidate.get("api/contents")).json()
    assert [(i["path"], i["type"]) for i in theirs["content"]] == [
        ("interview.ipynb", "notebook"),
        ("data", "directory"),
    ]
    ours = (await host.get("api/contents/")).json()
    assert "notes.md" in [item["path"] for item in ours["content"]]
    data = (await candidate.get("api/contents/data")).json()
    assert [item["path"] for item in data["content"]] == ["data/little.csv"]
    assert (await candidate.get("api/contents/?type=file")).status_code == 400


async def test_documents_come_with_their_contents(candidate: Person, host: Person) -> None:
    model = (await candidate.get("api/contents/interview.ipynb")).json()
    sources = [cell["source"] for cell in model["content"]["cells"]]
    assert sources == [cell["source"] for cell in NOTEBOOK["cells"]]  # type: ignore[attr-defined]
    assert (model["format"], model["type"], model["writable"]) == ("json", "notebook", True)
    notes = (await host.get("api/contents/notes.md")).json()
    assert (notes["content"], notes["format"]) == ("secret notes", "text")
    bare = (await candidate.get("api/contents/interview.ipynb?content=0")).json()
    assert bare["content"] is None
    table = (await candidate.get("api/contents/data/little.csv")).json()
    assert (table["content"], table["mimetype"]) == ("a,b\n1,2\n", "text/csv")


async def test_observers_see_that_they_may_only_read(server: Server, room: Room) -> None:
    observer = await server.candidate(room, role=Role.OBSERVER, name="Otto")
    assert (await observer.get("api/contents/interview.ipynb")).json()["writable"] is False


async def test_large_and_binary_data(server: Server, room: Room, candidate: Person) -> None:
    files = {"binary.parquet": b"PAR1\xff\xfe", "large.csv": b"x" * (MAX_SHOWN_BYTES + 1)}
    for path, body in files.items():
        file = DataFile(room_id=room.id, path=path, size=len(body), digest=digest(body))
        await server.services.store.put_data_file(file, body)
    binary = (await candidate.get("api/contents/data/binary.parquet")).json()
    assert binary["format"] == "base64"
    large = await candidate.get("api/contents/data/large.csv")
    assert large.status_code == 413
    assert large.json()["error"]["hint"] == "Read it in a cell."


async def test_all_share_one_session_on_one_kernel(candidate: Person, host: Person) -> None:
    ((mine,), (theirs,)) = [(await p.get("api/sessions")).json() for p in (candidate, host)]
    assert mine["id"] == theirs["id"]
    assert mine["kernel"]["id"] == theirs["kernel"]["id"]
    wanted = {"path": "interview.ipynb", "type": "notebook", "kernel": {"name": "bash"}}
    attached = (await candidate.send("POST", "api/sessions", json=wanted)).json()
    assert attached["kernel"] == mine["kernel"]
    specs = (await candidate.get("api/kernelspecs")).json()
    assert list(specs["kernelspecs"]) == [specs["default"]] == ["interview-python"]
    assert specs["kernelspecs"]["interview-python"]["spec"]["argv"] == []


async def test_settings_are_ones_own_and_in_memory(
    server: Server, candidate: Person, host: Person
) -> None:
    before = (await host.get(THEMES)).json()["raw"]
    raw = '{"theme": "JupyterLab Dark"}'
    assert (await candidate.send("PUT", THEMES, json={"raw": raw})).status_code == 204
    assert (await candidate.get(THEMES)).json()["settings"] == {"theme": "JupyterLab Dark"}
    assert (await host.get(THEMES)).json()["raw"] == before
    for wrong in ({"raw": "{not json"}, {"raw": 7}, {"raw": "x" * 100_000}, {}):
        assert (await candidate.send("PUT", THEMES, json=wrong)).status_code == 400
    everything = (await candidate.get("lab/api/settings")).json()["settings"]
    loaded = {extension.name for extension in server.doors.context.assets.extensions}
    packages = {setting["id"].partition(":")[0] for setting in everything}
    assert {p for p in packages if not p.startswith("@jupyterlab/")} <= loaded


async def test_settings_with_comments_are_small(candidate: Person) -> None:
    commented = '{/* as people write them */ "theme": "JupyterLab Light",}'
    assert (await candidate.send("PUT", THEMES, json={"raw": commented})).status_code == 204
    assert (await candidate.get(THEMES)).json()["settings"] == {"theme": "JupyterLab Light"}
    plain = json.dumps({"sizes": [1] * 20_000, "theme": "// none"}, indent=0)[1:]
    by_jupyterlab = f"{{\n    // Theme\n    // **********\n\n{plain}"
    assert (await candidate.send("PUT", THEMES, json={"raw": by_jupyterlab})).status_code == 204
    settings = (await candidate.get(THEMES)).json()["settings"]
    assert (len(settings["sizes"]), settings["theme"]) == (20_000, "// none")
    refused = await candidate.send("PUT", THEMES, json={"raw": f"{{ // mine\n{plain}"})
    assert refused.status_code == 400
    assert "comments" in refused.json()["error"]["hint"]


@pytest.mark.parametrize(
    "nested", ["[" * 2_000, "[" * 500 + "]" * 500, "{a:" * 200 + "1" + "}" * 200]
)
async def test_settings_are_not_nested_without_bound(candidate: Person, nested: str) -> None:
    assert (await candidate.send("PUT", THEMES, json={"raw": nested})).status_code == 400
    assert (await candidate.get(THEMES)).status_code == 200


async def test_one_person_changes_one_setting_at_a_time(
    candidate: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse: Callable[[str], object] = json5.loads
    under_way, most = 0, 0

    def counted(raw: str) -> object:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        values = parse(raw)
        under_way -= 1
        return values

    monkeypatch.setattr(json5, "loads", counted)
    raw = f"[{'1,' * 1_500}]"
    puts = [candidate.send("PUT", THEMES, json={"raw": raw}) for _ in range(4)]
    assert [answer.status_code for answer in await asyncio.gather(*puts)] == [204] * 4
    assert most == 1


async def test_settings_are_changed_so_often_a_minute(
    server: Server, candidate: Person, host: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = now()
    few = RateLimit(per_minute=2, clock=lambda: at)
    monkeypatch.setattr(server.doors.context.lab_settings, "changes", few)
    answers = [await candidate.send("PUT", THEMES, json={"raw": "{}"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    assert (await host.send("PUT", THEMES, json={"raw": "{}"})).status_code == 204


async def test_answers_are_compressed(candidate: Person) -> None:
    everything = await candidate.get("lab/api/settings")
    assert everything.headers["content-encoding"] == "gzip"
    assert int(everything.headers["content-length"]) < len(everything.content) / 4


async def test_permissions_are_the_rooms(server: Server, candidate: Person) -> None:
    asked = '{"contents": ["read", "write"], "terminals": ["write"], "kernels": ["execute"]}'
    me = (await candidate.get("api/me", params={"permissions": asked})).json()
    assert me["permissions"] == {
        "updatable_fields": [],
        "contents": ["read", "write"],
        "terminals": [],
        "kernels": ["execute"],
    }
    assert me["identity"]["name"] == "Cora"
    assert "actor" not in me["identity"]
    for wrong in ("[]", "{", '{"contents": "read"}'):
        answer = await candidate.get("api/me", params={"permissions": wrong})
        assert answer.status_code == 400
    waiting = await server.candidate(await server.room(), admitted=False)
    assert (await waiting.get("api/me")).status_code == 404


async def test_bodies_are_bounded(candidate: Person) -> None:
    large = await candidate.send("PUT", THEMES, content=b"x" * 5_000_000)
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")

    async def chunks() -> object:
        for _ in range(80):
            yield b"x" * 65_536

    streamed = await candidate.send("PUT", THEMES, content=chunks())
    assert streamed.status_code == 413


async def test_doors_are_dropped_with_their_seats(server: Server) -> None:
    room = await server.room()
    person = await server.candidate(room)
    await person.get("api/me")
    entries, topics = server.doors._entries, server.doors._topics
    assert room.id in topics
    await server.services.admission.remove(await server.host_actor(room), person.participant_id)
    async with asyncio.timeout(5):
        await asyncio.gather(*server.doors._closings)
    assert room.id not in {entry.room_id for entry in entries.values()}
    assert room.id not in topics
