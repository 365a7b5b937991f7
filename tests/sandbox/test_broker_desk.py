"""What a broker owes its clients and what it does not let them do, in this process."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket

from interview_ext.errors import BadRequest, EngineUnavailable, TooManyRequests
from interview_ext.sandbox import broker_desk, broker_server, broker_tickets
from interview_ext.sandbox.broker_client import BrokerClient
from interview_ext.sandbox.broker_clients import BrokerUsers
from interview_ext.sandbox.broker_desk import MAX_CALLS, BrokerDesk
from interview_ext.sandbox.broker_http import BrokerAddress, BrokerHttp
from interview_ext.sandbox.broker_server import application
from interview_ext.sandbox.metrics import SandboxMetrics
from interview_ext.sandbox.sandbox import Sandbox
from interview_ext.sandbox.sandboxes import Sandboxes

from .conftest import PATIENCE_S

ABANDONED_S = 1.0


@dataclass
class Office:
    """A broker that serves on a Unix socket."""

    desk: BrokerDesk
    users: BrokerUsers
    folder: Path

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/socket"

    def client(self, name: str) -> BrokerClient:
        self.renew(name)
        return BrokerClient(self.http(name), server_id=name)

    def http(self, name: str) -> BrokerHttp:
        return BrokerHttp(BrokerAddress.parse(self.url), token_file=self.folder / name)

    def renew(self, name: str) -> None:
        """Make a client a new token."""
        (self.folder / name).write_text(self.users.add(name, max_sandboxes=2))


@pytest.fixture
async def office(nothing_left: str) -> AsyncIterator[Office]:
    folder = Path(tempfile.mkdtemp(prefix="office-"))
    registry = CollectorRegistry()
    sandboxes = Sandboxes(server_id=nothing_left, metrics=SandboxMetrics(registry))
    desk = BrokerDesk(sandboxes, registry=registry, abandoned_s=ABANDONED_S)
    await desk.start()
    users = BrokerUsers(folder / "clients.json")
    server = HTTPServer(application(desk, users))
    server.add_socket(bind_unix_socket(str(folder / "socket")))
    yield Office(desk, users, folder)
    server.stop()
    await desk.stop()
    await server.close_all_connections()
    shutil.rmtree(folder)


@pytest.fixture
async def client(office: Office) -> AsyncIterator[BrokerClient]:
    client = office.client("one")
    await client.start()
    yield client
    await client.stop()


def wish(ticket: str) -> dict[str, object]:
    return {
        "ticket": ticket,
        "profile": "python",
        "room": "one:room",
        "run_limit": False,
        "waits": False,
    }


async def test_the_same_ticket_is_the_same_claim(client: BrokerClient) -> None:
    http = client._http
    first, second = await asyncio.gather(
        http.ask("POST", "/v1/claims", wish("a")), http.ask("POST", "/v1/claims", wish("a"))
    )
    assert first == second == await http.ask("POST", "/v1/claims", wish("a"))
    assert len((await http.ask("GET", "/v1/claims"))["claims"]) == 1
    other = await http.ask("POST", "/v1/claims", wish("b"))
    assert other["id"] != first["id"]


async def test_a_claim_whose_answer_nobody_heard_is_ended(
    office: Office, client: BrokerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_tickets, "TICKET_S", 0.2)
    office.desk._abandoned_s = 3600
    kept = await client.claim("python", room="kept")
    answer = await client._http.ask("POST", "/v1/claims", wish("a"))
    lost = office.desk._claimed[answer["id"]]
    async with asyncio.timeout(PATIENCE_S):
        await lost.ended.wait()
    assert kept.death is None
    assert [claim.id for claim in office.desk.claims(office.users.by_token(token(office)))] == [
        kept.id
    ]


def token(office: Office) -> str:
    return (office.folder / "one").read_text()


async def test_a_sandbox_whose_server_does_not_come_back_is_ended(
    office: Office, client: BrokerClient
) -> None:
    """Frozen, as in a paused room: its shim cannot see that nobody is there any more."""
    sandbox = await client.claim("python", room="room")
    await sandbox.freeze()
    (held,) = office.desk._claimed.values()
    await asyncio.sleep(2 * ABANDONED_S)
    assert held.death is None  # its server is there
    await sandbox.let_go()
    async with asyncio.timeout(PATIENCE_S):
        await held.ended.wait()


@dataclass
class SlowEnd:
    """Two sandboxes without a server; the engine takes its time to remove the first.

    Attributes
    ----------
    first, second:
        In the order in which they are ended.
    removed:
        Lets the engine come to an end with the first.
    """

    first: Sandbox
    second: Sandbox
    removed: asyncio.Event


@pytest.fixture
async def slow_end(
    office: Office, client: BrokerClient, monkeypatch: pytest.MonkeyPatch
) -> SlowEnd:
    removed, engine = asyncio.Event(), office.desk.sandboxes.engine
    remove = engine.remove

    async def slowly(container: str) -> None:
        if container == first.container:
            await removed.wait()
        await remove(container)

    monkeypatch.setattr(engine, "remove", slowly)
    monkeypatch.setattr(broker_desk, "CHECK_S", 0.05)
    office.desk._abandoned_s = 3600
    for room in "ab":
        await (await client.claim("python", room=room)).let_go()
    first, second = office.desk._claimed.values()
    await long_alone(office, first, second)
    async with asyncio.timeout(PATIENCE_S):
        await first.ended.wait()
    return SlowEnd(first, second, removed)


async def long_alone(office: Office, *sandboxes: Sandbox) -> None:
    """Wait until their server is gone; then it has been for long."""
    alone = office.desk._alone_since
    async with asyncio.timeout(PATIENCE_S):
        while not all(sandbox.id in alone for sandbox in sandboxes):  # noqa: ASYNC110 - of another end
            await asyncio.sleep(0.01)
    alone.update({sandbox.id: float("-inf") for sandbox in sandboxes})


async def test_one_that_is_released_while_another_is_ended_stops_no_later_check(
    office: Office, client: BrokerClient, slow_end: SlowEnd
) -> None:
    await client._http.ask("DELETE", f"/v1/claims/{slow_end.second.id}")
    slow_end.removed.set()
    await (await client.claim("python", room="c")).let_go()
    (third,) = office.desk._claimed.values()
    await long_alone(office, third)
    async with asyncio.timeout(PATIENCE_S):
        await third.ended.wait()


async def test_one_whose_server_is_back_while_another_is_ended_is_left_alone(
    office: Office, client: BrokerClient, slow_end: SlowEnd
) -> None:
    path = f"/v1/claims/{slow_end.second.id}/stream"
    connection = await client._http.open_stream(path)
    async with asyncio.timeout(PATIENCE_S):
        while slow_end.second.id not in office.desk._streams:  # noqa: ASYNC110 - of another end
            await asyncio.sleep(0.01)
    slow_end.removed.set()
    await (await client.claim("python", room="c")).let_go()
    third = list(office.desk._claimed.values())[-1]
    await long_alone(office, third)
    async with asyncio.timeout(PATIENCE_S):
        await third.ended.wait()
    assert slow_end.second.death is None
    connection.close()


async def checks_from_now_on(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = office.desk
    assert desk._checking is not None
    desk._checking.cancel()
    await asyncio.gather(desk._checking, return_exceptions=True)
    monkeypatch.setattr(broker_desk, "CHECK_S", 0.05)
    desk._checking = asyncio.create_task(desk._check())


async def test_one_whose_server_is_just_coming_back_is_left_alone(
    office: Office, client: BrokerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.desk._abandoned_s = 3600
    for room in "ab":
        await (await client.claim("python", room=room)).let_go()
    first, second = office.desk._claimed.values()
    engine = office.desk.sandboxes.engine
    attach, begun, may_go = engine.attach, asyncio.Event(), asyncio.Event()

    async def slowly(container: str, *args: Any) -> Any:
        if container == first.container:
            begun.set()
            await may_go.wait()
        return await attach(container, *args)

    monkeypatch.setattr(engine, "attach", slowly)
    opening = asyncio.create_task(client._http.open_stream(f"/v1/claims/{first.id}/stream"))
    async with asyncio.timeout(PATIENCE_S):
        await begun.wait()
        await long_alone(office, second)
        office.desk._alone_since.update(dict.fromkeys(office.desk._alone_since, float("-inf")))
        await checks_from_now_on(office, monkeypatch)
        await second.ended.wait()
        may_go.set()
        connection = await opening
        while first.id not in office.desk._streams:
            assert first.death is None
            await asyncio.sleep(0.01)
    connection.close()


async def test_one_that_its_server_could_not_attach_to_is_alone(
    office: Office, client: BrokerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.desk._abandoned_s = 3600
    http = client._http
    path = f"/v1/claims/{(await http.ask('POST', '/v1/claims', wish('a')))['id']}"
    (sandbox,) = office.desk._claimed.values()
    before = await http.open_stream(f"{path}/stream")
    async with asyncio.timeout(PATIENCE_S):
        while sandbox.id not in office.desk._streams:  # noqa: ASYNC110 - of another end
            await asyncio.sleep(0.01)
    await http.ask("POST", f"{path}/freeze")

    engine = office.desk.sandboxes.engine
    attach = engine.attach

    async def fails(container: str, *args: Any) -> Any:
        if container == sandbox.container:
            raise EngineUnavailable("The engine does not answer.")
        return await attach(container, *args)

    monkeypatch.setattr(engine, "attach", fails)
    connection = await http.open_stream(f"{path}/stream")
    async with asyncio.timeout(PATIENCE_S):
        while await connection.read_message() is not None:
            pass
    office.desk._abandoned_s = 0.1
    await checks_from_now_on(office, monkeypatch)
    async with asyncio.timeout(PATIENCE_S):
        await sandbox.ended.wait()
    before.close()
    connection.close()


async def test_a_replaced_token_ends_its_streams(
    office: Office, client: BrokerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_server, "TOKEN_CHECK_S", 0.2)
    office.desk._abandoned_s = 3600
    connection = await client._http.open_stream(
        f"/v1/claims/{(await client._http.ask('POST', '/v1/claims', wish('a')))['id']}/stream"
    )
    office.users.add("one", max_sandboxes=2)
    async with asyncio.timeout(PATIENCE_S):
        while await connection.read_message() is not None:
            pass
    assert connection.close_code == 1008
    connection.close()


async def test_one_clients_many_calls_hold_up_nobody_else(
    office: Office, client: BrokerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is slow for one of them: not more than `MAX_CALLS` wait for it."""
    sandbox = await client.claim("python", room="room")
    slow, going = asyncio.Event(), 0
    measure = office.desk.measure

    async def slowly(*args):
        nonlocal going
        going += 1
        await slow.wait()
        return await measure(*args)

    monkeypatch.setattr(office.desk, "measure", slowly)
    path = f"/v1/claims/{sandbox.id}/usage"
    asked = [asyncio.create_task(client._http.ask("GET", path)) for _ in range(3 * MAX_CALLS)]
    other = office.client("two")
    async with asyncio.timeout(PATIENCE_S):
        assert (await other.engine_status()).available
        await (await other.claim("python", room="room")).stop()
    assert going == MAX_CALLS
    slow.set()
    assert all(answer["pids"] for answer in await asyncio.gather(*asked))
    await other.stop()


async def test_what_a_server_plans_and_what_it_is_told(
    office: Office, client: BrokerClient
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    await client.plan({"python": {f"room-{i}": soon for i in range(2)}})
    assert (await client.engine_status()).available
    state = client.pool_state("python")
    assert state is not None
    assert state.target >= 2
    for bad in ({"python": 3}, {"python": {"room": "2026-01-01"}}, {"python": {"room": "soon"}}):
        with pytest.raises(BadRequest):
            await client._http.ask("PUT", "/v1/plan", bad)
    many = {"python": {str(i): soon.isoformat() for i in range(600)}}
    with pytest.raises(BadRequest):
        await client._http.ask("PUT", "/v1/plan", many)
    await client.plan({})


async def test_the_claims_that_may_be_under_way(
    office: Office, client: BrokerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_tickets, "MAX_TICKETS", 3)
    tasks = [
        asyncio.create_task(client.claim("python", room=f"room-{i}")) for i in range(5)
    ]  # two are served, as many as it may have, and three wait
    async with asyncio.timeout(PATIENCE_S):
        done: set[asyncio.Task[object]] = set()
        while len(done) < 2:
            done |= (await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))[0]
    with pytest.raises(TooManyRequests):
        await client.claim("python", room="one too many")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_metrics_at_the_broker(office: Office, client: BrokerClient) -> None:
    await (await client.claim("python", room="room")).stop()
    answer = await client._http._client.fetch(client._http._request("GET", "/v1/metrics", 5))
    text = answer.body.decode()
    assert 'interview_sandbox_claims_total{kind="warm",profile="python"}' in text or (
        'interview_sandbox_claims_total{kind="cold",profile="python"}' in text
    )
    assert 'interview_sandbox_deaths_total{reason="stopped"}' in text
