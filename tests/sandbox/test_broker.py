"""The broker as a process of its own: the same kernels, and what becomes of them when it fails."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import docker
import docker.errors
import pytest

from interview_ext.errors import (
    Conflict,
    EngineUnavailable,
    NotFound,
    SandboxGone,
)
from interview_ext.sandbox.broker_client import DATASET, BrokerClient
from interview_ext.sandbox.broker_http import MAX_CLIENTS, BrokerAddress, BrokerHttp
from interview_ext.sandbox.claims import server_id_of
from interview_ext.sandbox.deaths import Reason
from interview_ext.sandbox.sandboxes import SERVER_LABEL
from tests.containers import containers as containers_of
from tests.descriptors import back_to, descriptors
from tests.sandbox.broker_process import BrokerProcess, running_broker

from .conftest import PATIENCE_S, Kernel, MakeKernel

pytestmark = pytest.mark.timeout(180)
LINES = """import time
for number in range(3000):
    print(number, 'x' * 100, flush=True)
    if number % 100 == 0:
        time.sleep(0.1)
"""


@pytest.fixture
async def broker(sandbox_image: None) -> AsyncIterator[BrokerProcess]:
    """A running broker; in the end none of its containers is left, nor a word in its log."""
    before = descriptors()
    async with running_broker() as broker:
        yield broker
        await broker.stop()
        assert containers(broker) == []
        assert "Traceback" not in (log := broker.log.read_text()), log[-4000:]
        assert not [token for token in broker.tokens.values() if token in log]
        assert list((broker.folder / "claims").glob("*.json")) == []
    await back_to(before, PATIENCE_S)


@pytest.fixture
async def client(broker: BrokerProcess) -> AsyncIterator[BrokerClient]:
    """A server's client, started."""
    client = broker.client("one")
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
async def other(broker: BrokerProcess) -> AsyncIterator[BrokerClient]:
    """Another server's client."""
    client = broker.client("two", max_sandboxes=1)
    await client.start()
    yield client
    await client.stop()


def containers(broker: BrokerProcess) -> list[str]:
    """The ids of its containers, in whatever state."""
    return containers_of(server_id_of(broker.folder / "claims"))


def states(broker: BrokerProcess) -> list[str]:
    """What the engine calls the state of each."""
    client = docker.from_env()
    try:
        return [client.api.inspect_container(c)["State"]["Status"] for c in containers(broker)]
    finally:
        client.close()


def remove_by_hand(container: str) -> None:
    client = docker.from_env()
    try:
        with suppress(docker.errors.APIError):
            client.api.remove_container(container, force=True)
    finally:
        client.close()


async def test_a_kernel_through_the_broker(client: BrokerClient, make_kernel: MakeKernel) -> None:
    status = await client.engine_status()
    assert (status.available, status.name) == (True, "docker")
    kernel = await make_kernel(client)
    assert (await kernel.run("1 + 1")).text == "2"
    await kernel.sandbox.put("data/a.bin", bytes(range(256)) * 8000)
    assert (await kernel.run("len(open('data/a.bin', 'rb').read())")).text == "2048000"
    await kernel.run("open('out.txt', 'w').write('made')")
    assert await kernel.sandbox.get("out.txt") == b"made"
    assert {f.path for f in await kernel.sandbox.list()} == {"data/a.bin", "out.txt"}
    usage = await kernel.sandbox.stats()
    assert 10e6 < usage.memory_bytes < usage.limits.memory_bytes
    assert usage.limits == client.limits("python")
    running = asyncio.create_task(kernel.run("import time\ntime.sleep(60)"))
    await asyncio.sleep(0.5)
    await kernel.manager.interrupt_kernel()
    assert (await running).status == "error"
    run = await kernel.run("for i in range(20000): print(i)")
    assert run.text.split() == [str(i) for i in range(20000)]


async def test_why_a_kernel_died_comes_through(
    client: BrokerClient, make_kernel: MakeKernel, broker: BrokerProcess
) -> None:
    kernel = await make_kernel(client)
    kernel.client.execute("x = bytearray(3 * 2**30)")
    assert (await kernel.death()).reason is Reason.MEMORY_LIMIT
    await kernel.manager.restart_kernel(now=True)
    await kernel.ready()
    assert len(containers(broker)) == 1
    assert (await kernel.run("'x' in globals()")).text == "False"


async def test_all_servers_may_come_at_once(broker: BrokerProcess) -> None:
    """What a broker that is busy has not accepted yet waits."""
    clients = [broker.client(f"server-{number}") for number in range(3)]
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        calls = [
            asyncio.create_task(client._http.ask("GET", DATASET.format("a" * 64)))
            for client in clients
            for _ in range(MAX_CLIENTS)
        ]
        await asyncio.sleep(1)
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    found = await asyncio.gather(*calls, return_exceptions=True)
    for client in clients:
        client._http.close()
    assert {type(each) for each in found} == {NotFound}


async def test_killed_and_restarted_nothing_is_lost(
    broker: BrokerProcess, client: BrokerClient, make_kernel: MakeKernel
) -> None:
    kernel = await make_kernel(client)
    await kernel.run("before = 41")
    before = containers(broker)
    running = asyncio.create_task(kernel.run(LINES, patience_s=60))
    await asyncio.sleep(0.5)
    await broker.kill()
    assert not (await client.engine_status()).available
    with pytest.raises(EngineUnavailable) as caught:
        await client.claim("python", room="other")
    assert "jupyter interview broker" in caught.value.hint
    await broker.start()
    run = await running
    assert run.text.split()[::2] == [str(number) for number in range(3000)]
    assert run.idle
    assert (await kernel.run("before + 1")).text == "42"
    assert containers(broker) == before
    assert kernel.deaths.empty()
    assert (await kernel.sandbox.stats()).pids > 1


async def test_a_restart_removes_what_nobody_claimed(
    broker: BrokerProcess, client: BrokerClient
) -> None:
    kept = await client.claim("python", room="a")
    name = docker.from_env()
    try:
        label = {SERVER_LABEL: server_id_of(broker.folder / "claims")}
        orphan = name.api.create_container(
            name.api.inspect_container(containers(broker)[0])["Config"]["Image"], labels=label
        )["Id"]
    finally:
        name.close()
    await broker.kill()
    await broker.start()
    assert orphan not in containers(broker)
    assert len(containers(broker)) == 1
    assert kept.death is None


async def test_a_kernel_that_ended_while_the_broker_was_away(
    broker: BrokerProcess, client: BrokerClient, make_kernel: MakeKernel
) -> None:
    kernel = await make_kernel(client)
    running = asyncio.create_task(kernel.run("import time\ntime.sleep(600)"))
    await asyncio.sleep(0.5)
    await broker.kill()
    for container in containers(broker):
        remove_by_hand(container)
    await broker.start()
    assert (await kernel.death()).reason is Reason.CRASH
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_container_removed_by_hand(
    broker: BrokerProcess, client: BrokerClient, make_kernel: MakeKernel
) -> None:
    kernel = await make_kernel(client)
    kernel.client.execute("import time\ntime.sleep(600)")
    remove_by_hand(containers(broker)[0])
    death = await kernel.death()
    assert death.reason is Reason.CRASH
    assert "137" in death.detail


async def test_two_servers_see_nothing_of_each_other(
    client: BrokerClient, other: BrokerClient, make_kernel: MakeKernel
) -> None:
    kernel: Kernel = await make_kernel(client)
    theirs = await other.claim("python", room="room-1")
    assert list(await client.left()) == list(await other.left()) == []
    with pytest.raises(SandboxGone):
        await other.adopt(kernel.sandbox.id)
    await other.release(kernel.sandbox.id)  # no error, and no effect
    with pytest.raises(NotFound):
        await other._http.ask("GET", f"/v1/claims/{kernel.sandbox.id}")
    with pytest.raises(NotFound):
        await other._http.open_stream(f"/v1/claims/{kernel.sandbox.id}/stream")
    told = asyncio.Queue[bool]()
    second = asyncio.create_task(
        other.claim("python", room="room-2", on_wait=told.put_nowait)  # it may have one
    )
    async with asyncio.timeout(PATIENCE_S):
        assert await told.get()
        await theirs.stop()
        assert not await told.get()
        await (await second).stop()
    assert (await kernel.run("1 + 1")).text == "2"


async def test_who_is_let_in(broker: BrokerProcess, client: BrokerClient, tmp_path: Path) -> None:
    assert stat.S_IMODE(broker.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(broker.socket.stat().st_mode) == 0o600
    clients = (broker.folder / "clients.json").read_text()
    token = broker.tokens["one"]
    assert token not in clients
    assert hashlib.sha256(token.encode()).hexdigest() in clients
    for wrong in ("", "wrong", token[:-1]):
        (tmp_path / "token").write_text(wrong)
        http = BrokerHttp(BrokerAddress.parse(broker.url), token_file=tmp_path / "token")
        stranger = BrokerClient(http, server_id="stranger")
        status = await stranger.engine_status()
        assert not status.available
        assert "token" in status.problem
        with pytest.raises(EngineUnavailable):
            await stranger.claim("python", room="a")
        await stranger.stop()
    with pytest.raises(NotFound):
        await client.claim("cobol", room="a")


async def test_a_frozen_kernel_is_found_frozen_by_both(
    broker: BrokerProcess, client: BrokerClient, make_kernel: MakeKernel
) -> None:
    """The broker is killed meanwhile; a server that comes back finds it as it is."""
    kernel = await make_kernel(client)
    await kernel.run("before = 41")
    await kernel.sandbox.put("kept.txt", b"kept")
    await kernel.provisioner.freeze()
    running = asyncio.create_task(kernel.run("before + 1", patience_s=60))
    with pytest.raises(Conflict):
        await kernel.sandbox.list()
    await broker.kill()
    await broker.start()
    again = broker.client("one")
    assert set(await again.left()) == {kernel.sandbox.id}
    (row,) = await again._rows()
    assert row["frozen"]
    await asyncio.sleep(2)
    assert states(broker) == ["paused"]
    assert not running.done()
    await kernel.provisioner.thaw()
    assert (await running).text == "42"
    assert await kernel.sandbox.get("kept.txt") == b"kept"
    assert kernel.deaths.empty()
    await again.stop()


async def test_a_killed_servers_frozen_sandbox_stays_frozen(
    broker: BrokerProcess, client: BrokerClient
) -> None:
    first = await client.claim("python", room="room-1", run_limit=False)
    await first.freeze()
    await first.let_go()  # whoever is killed asks for nothing any more
    again = broker.client("one")
    adopted = await again.adopt(first.id)
    assert (await adopted.resume()).lost_bytes == 0
    assert states(broker) == ["paused"]
    with pytest.raises(Conflict):
        await adopted.list()
    assert not adopted.claim.run_limit
    await adopted.thaw()
    assert await adopted.list() == []
    await adopted.stop()
    with pytest.raises(SandboxGone):
        await adopted.freeze()
    await again.stop()


async def test_a_server_that_was_killed_finds_its_sandboxes(
    broker: BrokerProcess, client: BrokerClient
) -> None:
    """What its process knew is gone; the shim says it again, from the run's beginning."""
    first = await client.claim("python", room="room-1")
    await first.let_go()
    again = broker.client("one")
    left = await again.left()
    assert left == {first.id: "room-1"}
    adopted = await again.adopt(first.id)
    resumed = await adopted.resume()
    assert (resumed.run, resumed.lost_bytes) == ("", 0)
    assert await adopted.list() == []
    await adopted.stop()
    assert await client.left() == {}
    await again.stop()
