"""One server runs a room's cells; whichever is asked, that one answers. It may die."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.fabric.conftest import CELLS, WAIT_S, Fabric, at, until
from tests.sockets import hang_up
from tests.whole.people import Person, Tab
from tests.whole.server import Server

log = logging.getLogger(__name__)

pytestmark = pytest.mark.asyncio(loop_scope="module")

Runs = dict[str, dict[str, Any]]


class Events:
    """An events socket that remembers what it has heard."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.heard: list[dict[str, Any]] = []
        self._task: asyncio.Task[None] | None = None
        self.closed = asyncio.Event()

    async def open(self) -> Events:
        socket = await self.person.socket(f"interview/api/rooms/{self.person.room}/events")
        self._task = asyncio.create_task(self._read(socket))
        await until(lambda: bool(self.heard), "a greeting")
        return self

    async def _read(self, socket: Any) -> None:
        try:
            while (message := await socket.read_message()) is not None:
                self.heard.append(json.loads(message))
        finally:
            self.closed.set()
            hang_up(socket)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def runs(self) -> Runs:
        found: Runs = {}
        for message in self.heard:
            for run in message.get("runs", []) if message["type"] == "hello" else []:
                found[run["id"]] = run
            if message["type"] == "run":
                found[message["run"]["id"]] = message["run"]
        return found

    @property
    def sandbox(self) -> dict[str, Any]:
        found = [m["sandbox"] for m in self.heard if m.get("sandbox")]
        return dict(found[-1]) if found else {}

    def present(self, participant: str) -> bool:
        shown = [m["participants"] for m in self.heard if "participants" in m][-1]
        return any(p["id"] == participant and p["present"] for p in shown)

    async def ended(self, run: str) -> dict[str, Any]:
        open_states = (None, "queued", "running")
        await until(
            lambda: self.runs.get(run, {}).get("state") not in open_states, f"the end of {run}"
        )
        return self.runs[run]


async def kernel_socket(person: Person, kernel: str) -> WebSocketClientConnection:
    address = "ws" + person.door.removeprefix("http") + f"api/kernels/{kernel}/channels"
    return await websocket_connect(
        HTTPRequest(address, headers=person.headers),
        subprotocols=["v1.kernel.websocket.jupyter.org"],
    )


class Room:
    """An interview with the candidate's page open on each of two servers."""

    def __init__(self, owner: Server, other: Server) -> None:
        self.owner, self.other = owner, other
        self.opened: list[Events] = []

    async def begin(self) -> Room:
        self.id = await self.owner.room(CELLS)
        link = await self.owner.invite(self.id)
        self.here = await Person.join(self.owner, link, "Carla")
        self.there = at(self.here, self.other)
        # The first to need the room's cells has them.
        answer = await self.here.ask("GET", "/sandbox")
        assert answer.status_code == 200, answer.text
        self.document = await self.here.document()
        return self

    async def events(self, person: Person) -> Events:
        events = await Events(person).open()
        self.opened.append(events)
        return events

    async def run(self, person: Person, cell: str) -> Any:
        return await person.ask(
            "POST",
            "/executions",
            {
                "document": self.document,
                "cell_id": cell,
                "source_sha256": hashlib.sha256(CELLS[cell].encode()).hexdigest(),
            },
        )

    async def accepted(self, person: Person, cell: str) -> str:
        answer = await self.run(person, cell)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def kinds(self) -> list[tuple[str, str]]:
        answer = await self.other.ask("GET", f"/rooms/{self.id}/timeline?limit=500")
        return [(event["kind"], event["actor"]) for event in answer["events"]]

    async def close(self) -> None:
        for events in self.opened:
            await events.close()


async def test_a_run_asked_of_another_server_shows_on_both(fabric: Fabric) -> None:
    room = await Room(fabric.a, fabric.b).begin()
    tab = await Tab(room.here, room.document).open()
    here, there = await room.events(room.here), await room.events(room.there)

    run = await room.accepted(room.there, "quick")
    for events in (here, there):
        assert (await events.ended(run))["state"] == "done"
    await until(
        lambda: [e.sandbox.get("state") for e in (here, there)] == ["ready", "ready"],
        "a kernel on both",
    )
    await tab.until(lambda: tab.printed("quick") == "it is 42\n", "the output")
    elsewhere = await Tab(room.there, room.document).open()
    await elsewhere.until(lambda: elsewhere.printed("quick") == "it is 42\n", "the output")
    assert fabric.a.containers()
    assert not fabric.b.containers()

    # The host's dashboards, whose logins are each server's own.
    for server in fabric.servers:
        status = await server.ask("GET", f"/rooms/{room.id}/sandbox")
        assert status["state"] in ("ready", "busy"), status
    files = await fabric.b.ask("GET", f"/rooms/{room.id}/files")
    assert files["files"] == []

    run = await room.accepted(room.there, "slow")
    await tab.until(lambda: "line 3" in tab.printed("slow"), "its output")
    await elsewhere.until(lambda: "line 3" in elsewhere.printed("slow"), "its output there")
    # Who comes now is told what still holds when the cell has ended.
    for late in [await room.events(person) for person in (room.here, room.there)]:
        await until(lambda: late.sandbox.get("state") == "ready", "a kernel")  # noqa: B023
    answer = await room.there.ask("POST", "/sandbox/interrupt")
    assert answer.status_code == 202, answer.text
    for events in (here, there):
        assert (await events.ended(run))["state"] == "interrupted"

    run = await room.accepted(room.here, "slow")
    await until(lambda: there.runs.get(run, {}).get("state") == "running", "the run")
    await fabric.b.ask("POST", f"/rooms/{room.id}/sandbox/interrupt", status=202)
    assert (await here.ended(run))["state"] == "interrupted"
    await room.close()


async def test_the_kernel_socket_and_a_long_answer_come_through_another_server(
    fabric: Fabric,
) -> None:
    room = await Room(fabric.a, fabric.b).begin()
    run = await room.accepted(room.here, "quick")
    there = await room.events(room.there)
    await there.ended(run)
    found = (await room.there.client.get(f"{room.there.door}api/kernels")).json()
    assert [kernel["connections"] for kernel in found] == [0]
    socket = await kernel_socket(room.there, found[0]["id"])
    request = Session().msg("kernel_info_request", content={})
    frame = serialize_msg_to_ws_v1(request, "shell", Session().pack)
    await socket.write_message(b"".join(frame) if isinstance(frame, list) else frame, binary=True)
    async with asyncio.timeout(WAIT_S):
        while True:
            message = await socket.read_message()
            assert isinstance(message, bytes), socket.close_reason
            if b"kernel_info_reply" in message:
                break
    found = (await room.here.client.get(f"{room.here.door}api/kernels")).json()
    assert [kernel["connections"] for kernel in found] == [1]
    # What is no message of a page is closed by the owner; its code comes through.
    await socket.write_message(b"nonsense", binary=True)
    async with asyncio.timeout(WAIT_S):
        while await socket.read_message() is not None:
            pass
    assert socket.close_code == 1008
    socket.close()
    # Nobody without the seat is led anywhere.
    async with httpx.AsyncClient() as stranger:
        assert (await stranger.get(f"{room.there.door}api/kernels")).status_code == 403
    # What has been passed on once is not passed on again: it would go round for ever.
    again = await room.there.client.get(
        f"{room.there.door}api/kernels", headers={"X-Interview-Passed-On": "1"}
    )
    assert again.status_code == 503
    assert again.json()["error"]["code"] == "owner_elsewhere"
    await room.close()


async def test_the_host_enters_once_by_a_ticket_on_the_other_server(fabric: Fabric) -> None:
    room = await Room(fabric.a, fabric.b).begin()
    url = (await fabric.a.ask("POST", f"/rooms/{room.id}/enter"))["url"]
    ticket = url.partition("#ticket.")[2]
    assert ticket
    async with httpx.AsyncClient() as client:
        answers = [
            await client.post(
                f"{server.url}interview/r/{room.id}/api/join", json={"ticket": ticket}
            )
            for server in (fabric.b, fabric.a, fabric.b)
        ]
    assert [answer.status_code for answer in answers] == [200, 403, 403]


async def test_two_tabs_on_two_servers_are_one_person(fabric: Fabric) -> None:
    room = await Room(fabric.a, fabric.b).begin()
    carla = room.here.id
    here, there = await asyncio.gather(*map(room.events, (room.here, room.there)))
    host = await Person.join(fabric.b, await fabric.b.invite(room.id, "interviewer"), "Ida")
    ida = await room.events(host)
    await until(lambda: ida.present(carla) and here.present(host.id), "both on both servers")
    await here.close()
    await asyncio.sleep(6)  # longer than the grace: she is still there by her other tab
    assert ida.present(carla)
    await there.close()
    await until(lambda: not ida.present(carla), "her leaving")
    await asyncio.sleep(1)
    kinds = await room.kinds()
    assert kinds.count(("participant.arrived", carla)) == 1
    assert kinds.count(("participant.left", carla)) == 1

    # A seat is closed on both servers, whichever is told.
    here, there = await room.events(room.here), await room.events(room.there)
    await fabric.b.ask("DELETE", f"/rooms/{room.id}/participants/{carla}", status=204)
    async with asyncio.timeout(5):
        await here.closed.wait()
        await there.closed.wait()
    await room.close()


async def attempt(room: Room, person: Person, cell: str, *, since: float) -> tuple[str, float]:
    """Press Shift+Enter until a run is accepted; return its id and how long that took."""
    person.client.timeout = httpx.Timeout(3)
    while True:
        try:
            answer = await room.run(person, cell)
        except httpx.TransportError:
            continue
        if answer.status_code == 202:
            person.client.timeout = httpx.Timeout(30)
            return str(answer.json()["id"]), time.monotonic() - since
        assert answer.status_code == 503, answer.text
        assert time.monotonic() - since < WAIT_S, answer.text


async def test_an_owner_that_stood_still_disturbs_nobody(fabric: Fabric) -> None:
    others = fabric.a.containers()
    room = await Room(fabric.a, fabric.b).begin()
    there = await room.events(room.there)
    old = await room.accepted(room.there, "slow")
    await until(lambda: there.runs.get(old, {}).get("state") == "running", "the run")
    kernel = fabric.a.containers() - others
    assert kernel
    os.kill(fabric.a.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        new, took_s = await attempt(room, room.there, "quick", since=stopped)
        ended = (await there.ended(new))["state"]
        await asyncio.sleep(max(0.0, 6 - (time.monotonic() - stopped)))
    finally:
        os.kill(fabric.a.pid, signal.SIGCONT)
    assert ended == "done"
    log.info("taken over from a server that stands still within %.1f s", took_s)
    # It finds out, ends its kernel, and writes nothing any more.
    await until(lambda: not kernel & fabric.a.containers(), "the end of the old kernel")
    await asyncio.sleep(1)
    record = (await room.there.ask("GET", f"/executions/{old}")).json()
    assert (record["state"], record["death"]) == ("interrupted", "the server was lost")
    # It leads to the new one what it is asked.
    again = await room.accepted(room.here, "reads")
    assert (await there.ended(again))["state"] == "done"
    assert fabric.b.containers()
    assert "Traceback" not in fabric.a.log.partition("stood still")[2]
    assert took_s < 6
    await room.close()


async def test_a_killed_owner_is_followed_within_five_seconds(fabric: Fabric) -> None:
    others = fabric.a.containers()
    room = await Room(fabric.a, fabric.b).begin()
    gone = await room.events(room.here)
    host = await Person.join(fabric.b, await fabric.b.invite(room.id, "interviewer"), "Ida")
    ida = await room.events(host)
    other = await Room(fabric.a, fabric.b).begin()
    await fabric.a.ask("POST", f"/rooms/{other.id}/state", {"to": "ended", "in_s": 5})
    old = await room.accepted(room.here, "slow")
    await until(lambda: ida.runs.get(old, {}).get("state") == "running", "the run")
    await until(lambda: ida.present(room.here.id), "the candidate")
    left = fabric.a.containers() - others
    assert left

    os.kill(fabric.a.pid, signal.SIGKILL)
    killed = time.monotonic()
    await asyncio.to_thread(fabric.a.wait_killed)
    new, took_s = await attempt(room, host, "quick", since=killed)
    log.info("taken over from a killed server within %.1f s", took_s)
    assert took_s < 5
    assert (await ida.ended(new))["state"] == "done"
    record = (await host.ask("GET", f"/executions/{old}")).json()
    assert (record["state"], record["death"]) == ("interrupted", "the server was lost")
    deaths = [m["sandbox"]["death"] for m in ida.heard if m.get("sandbox")]
    assert "the server was lost" in [death["reason"] for death in deaths if death]
    tab = await Tab(host, room.document).open()
    assert tab.printed("quick") == "it is 42\n"
    assert tab.cell("slow")["execution_state"] == "idle"
    assert any("the server was lost" in str(out) for out in tab.outputs("slow"))
    await until(lambda: not ida.present(room.here.id), "the dead server's people", wait_s=12)
    assert (await room.kinds()).count(("participant.left", room.here.id)) == 1

    # The end that it had announced comes, once.
    await until_async(lambda: ended(fabric.b, other.id), "the announced end")
    events = await fabric.b.ask("GET", f"/rooms/{other.id}/timeline?limit=500")
    steps = [e["payload"]["to"] for e in events["events"] if e["kind"] == "room.state"]
    assert steps.count("ended") == 1

    # Started again, it removes what it had left: the rooms are another's.
    await asyncio.to_thread(fabric.a.start)
    await until(lambda: not left & fabric.a.containers(), "the end of what it left")
    again = await room.accepted(room.here, "reads")
    assert (await ida.ended(again))["state"] == "done"
    await gone.close()
    await room.close()


async def ended(server: Server, room: str) -> bool:
    return bool((await server.ask("GET", f"/rooms/{room}"))["state"] == "ended")


async def until_async(true: Callable[[], Any], what: str) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await true():  # noqa: ASYNC110  (of another process)
            await asyncio.sleep(0.2)
    assert what
