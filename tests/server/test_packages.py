"""A room with packages, by the API: installed ahead, imported by a cell, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import nbformat
import pytest
import pytest_asyncio

from interview_ext.execution.cells import source_digest
from interview_ext.rooms.model import RoomState
from tests.sandbox.packages import BUILD_S, fresh, images_with, prepared, remove
from tests.server.api_support import Asker, error_of, host_outside
from tests.server.conftest import Server, serve

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("sandbox_image", "package_index"),
    pytest.mark.timeout(240),
]
UNKNOWN = "no-such-package-8d1f"
SOURCE = "import humanize\nprint(humanize.naturalsize(10**6))"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    sandbox_image: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("packages")
    async with serve(folder) as running:
        cell = nbformat.v4.new_code_cell(SOURCE, id="first")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "root" / "own.ipynb")
        yield running


async def made(server: Server, packages: tuple[str, ...], **fields: Any) -> dict[str, Any]:
    """Make a room by the API."""
    body = {"title": "T", "notebook_path": "own.ipynb", "packages": packages, **fields}
    answer = await host_outside(server).ask("POST", "/rooms", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def until(server: Server, room: str, *states: str) -> dict[str, Any]:
    """Read the room again whenever the dashboard is told to, until its packages are so."""
    host = host_outside(server)
    listener = await host.listen("/events")
    while True:
        found = (await host.ask("GET", f"/rooms/{room}")).json()
        if found["preparation"]["state"] in states:
            listener.socket.close()
            return dict(found)
        await listener.until("rooms", BUILD_S)


async def ran(server: Server, room: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Run the room's cell as its host; the run at its end, and what stands below the cell."""
    who = host_outside(server)
    document = next(d["id"] for d in room["documents"] if d["kind"] == "notebook")
    wanted = {"document": document, "cell_id": "first", "source_sha256": source_digest(SOURCE)}
    run = (await who.ask("POST", f"/rooms/{room['id']}/executions", json=wanted)).json()
    async with asyncio.timeout(BUILD_S):
        while run["state"] in ("queued", "running"):
            await asyncio.sleep(0.1)
            run = (await who.ask("GET", f"/rooms/{room['id']}/executions/{run['id']}")).json()
    documents = await server.services.store.list_documents(room["id"])
    stored = next(d for d in documents if d.id == document)
    content = await server.services.documents.content(stored)
    assert isinstance(content, dict)
    return run, str(content["cells"][0]["outputs"])


async def test_a_room_is_ready_before_its_interview(server: Server) -> None:
    packages = fresh()
    room = await made(server, packages)
    try:
        assert room["packages"] == list(packages)
        assert room["preparation"]["state"] == "building"
        ready = await until(server, room["id"], "ready", "failed")
        assert ready["preparation"] == {"state": "ready", "line": "", "problem": ""}
        run, said = await ran(server, room)
        assert (run["state"], "1.0 MB" in said) == ("done", True), said
        (image,) = images_with(packages)
        # Another room with the same, spelled otherwise: nothing is installed again.
        other = await made(server, tuple(name.upper() for name in packages))
        assert other["packages"] == list(packages)
        await until(server, other["id"], "ready")
        assert [each["Id"] for each in images_with(packages)] == [image["Id"]]
        assert (await ran(server, other))[0]["state"] == "done"
        events = await server.services.store.list_events(room["id"])
        assert events[0].payload is not None
        assert events[0].payload["packages"] == list(packages)
    finally:
        for each in (room, other):
            await host_outside(server).ask("DELETE", f"/rooms/{each['id']}")
        await settled(server)
        remove(packages)


async def settled(server: Server) -> None:
    """Wait until deleted rooms have given back their sandboxes."""
    steps = [task for task in server.house._steps if task.get_name() != "plans"]
    await asyncio.wait_for(asyncio.gather(*steps), BUILD_S)


async def test_a_run_before_that_waits_and_says_why(server: Server) -> None:
    packages = fresh("tabulate", "humanize")
    room = await made(server, packages)
    try:
        running = asyncio.create_task(ran(server, room))
        host = host_outside(server)
        async with asyncio.timeout(BUILD_S):
            while True:
                sandbox = (await host.ask("GET", f"/rooms/{room['id']}/sandbox")).json()
                if sandbox["state"] == "starting":
                    break
                await asyncio.sleep(0.02)
        assert "packages of this interview are being installed" in sandbox["notice"]
        run, said = await running
        assert (run["state"], "1.0 MB" in said) == ("done", True), said
        sandbox = (await host.ask("GET", f"/rooms/{room['id']}/sandbox")).json()
        assert sandbox["notice"] == ""
    finally:
        await host_outside(server).ask("DELETE", f"/rooms/{room['id']}")
        await settled(server)
        remove(packages)


async def test_an_end_does_not_wait_for_packages(server: Server) -> None:
    packages = fresh("polars")
    room = await made(server, packages)
    host = host_outside(server)
    running = asyncio.create_task(ran(server, room))
    async with asyncio.timeout(BUILD_S):
        while True:
            sandbox = (await host.ask("GET", f"/rooms/{room['id']}/sandbox")).json()
            if sandbox["state"] != "off":
                break
            await asyncio.sleep(0.02)
    for state in ("live", "ended"):
        answer = await host.ask("POST", f"/rooms/{room['id']}/state", json={"to": state})
        assert answer.status_code == 200, answer.text
    async with asyncio.timeout(5):
        run, _ = await running
        await settled(server)
    preparing = await server.house.sandboxes.prepare("python", packages)
    assert preparing.state == "building"  # it was there to be waited for
    assert (run["state"], run["death"]) in {
        ("died", "the interview has ended"),
        ("cleared", None),
    }
    assert (await host.ask("GET", f"/rooms/{room['id']}")).json()["preparation"] is None
    await prepared(server.house.sandboxes, packages)  # it goes on for the next room
    remove(packages)


async def test_what_is_not_to_be_had_is_said_and_can_be_put_right(server: Server) -> None:
    room = await made(server, (UNKNOWN,))
    packages = fresh()
    try:
        failed = await until(server, room["id"], "failed", "ready")
        assert failed["preparation"]["problem"] == f"No matching distribution found for {UNKNOWN}"
        run, said = await ran(server, room)
        assert (run["state"], run["death"]) == ("error", "packages_failed")
        assert UNKNOWN not in said
        host = host_outside(server)
        again = await host.ask("POST", f"/rooms/{room['id']}/preparation")
        assert (again.status_code, again.json()["preparation"]["state"]) == (202, "building")
        await until(server, room["id"], "failed")
        # Whom the candidate sees: that something is amiss, and not what.
        stored = await server.services.rooms.get(room["id"])
        person = await server.candidate(stored, admitted=False)
        candidate = Asker(name="candidate", server=server, person=person)
        seen = (await candidate.ask("GET", f"/rooms/{room['id']}")).json()["preparation"]
        assert seen == {"state": "failed", "line": "", "problem": ""}
        changed = await host.ask("PATCH", f"/rooms/{room['id']}", json={"packages": packages})
        assert changed.status_code == 200, changed.text
        assert changed.json()["packages"] == list(packages)
        assert (await until(server, room["id"], "ready", "failed"))["preparation"]["state"] == (
            "ready"
        )
        run, said = await ran(server, room)
        assert (run["state"], "1.0 MB" in said) == ("done", True), said
        await host.ask("POST", f"/rooms/{room['id']}/state", json={"to": "live"})
        late = await host.ask("PATCH", f"/rooms/{room['id']}", json={"packages": []})
        assert (late.status_code, error_of(late)["code"]) == (409, "conflict")
    finally:
        await host_outside(server).ask("DELETE", f"/rooms/{room['id']}")
        await settled(server)
        remove(packages)


@pytest.mark.parametrize(
    "wrong",
    [
        "-r /etc/passwd",
        "humanize @ file:///etc/passwd",
        "https://example.org/x.whl",
        "a;rm -rf",
        "humanize\n-r /etc/passwd",
        "--index-url=http://127.0.0.1/",
        "humanize --index-url x",
        "../humanize",
        "$(id)",
        "humanize; python_version>'3'",
        "",
    ],
)
async def test_what_is_no_name_makes_no_room(server: Server, wrong: str) -> None:
    host = host_outside(server)
    before = len((await host.ask("GET", "/rooms")).json()["rooms"])
    body = {"title": "T", "template": "blank", "packages": ["tabulate", wrong]}
    answer = await host.ask("POST", "/rooms", json=body)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "bad_request")
    assert len((await host.ask("GET", "/rooms")).json()["rooms"]) == before
    room = await server.room()
    patched = await host.ask("PATCH", f"/rooms/{room.id}", json={"packages": [wrong]})
    assert patched.status_code == 400


async def test_only_profiles_with_an_installer_take_packages(server: Server) -> None:
    host = host_outside(server)
    offered = (await host.ask("GET", "/profiles")).json()["profiles"]
    assert {p["id"]: p["packages"] for p in offered} == {
        "python": "pip",
        "r": None,
        "javascript": None,
        "sql": None,
    }
    body = {"title": "T", "template": "blank", "profile": "sql", "packages": ["humanize"]}
    answer = await host.ask("POST", "/rooms", json=body)
    assert answer.status_code == 400
    assert "cannot be added to the profile 'sql'" in error_of(answer)["message"]
    room = await server.room(profile="r")
    patched = await host.ask("PATCH", f"/rooms/{room.id}", json={"packages": ["humanize"]})
    assert patched.status_code == 400
    assert (await server.services.rooms.get(room.id)).state is RoomState.SCHEDULED
