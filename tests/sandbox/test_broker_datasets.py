"""Data sets on their way to a broker of a process of its own, and what it keeps of them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from interview_ext.errors import (
    BadRequest,
    DatasetMissing,
    EngineUnavailable,
    NotFound,
    TooLarge,
)
from interview_ext.sandbox.broker_client import DATASET, BrokerClient
from interview_ext.sandbox.broker_datasets import BrokerDatasets
from interview_ext.sandbox.broker_http import BrokerAddress, BrokerHttp
from interview_ext.sandbox.datasets import DatasetFolder, StoredDataset
from interview_ext.sandbox.profiles import GIB, MIB
from tests.descriptors import back_to, descriptors

from .broker_process import BrokerProcess, running_broker
from .conftest import PATIENCE_S, MakeKernel
from .test_datasets import PATH, READ, kernel_with, store, used_bytes

pytestmark = pytest.mark.timeout(180)
SIZE = 64 * MIB


@pytest.fixture
async def broker(
    sandbox_image: None, request: pytest.FixtureRequest
) -> AsyncIterator[BrokerProcess]:
    """A running broker that takes 200 MiB of data sets, unless the test says more."""
    before = descriptors()
    async with running_broker(datasets_bytes=getattr(request, "param", 200 * MIB)) as broker:
        yield broker
        await broker.stop()
        assert "Traceback" not in (log := broker.log.read_text()), log[-4000:]
    await back_to(before, PATIENCE_S)


def kept(broker: BrokerProcess) -> Path:
    return broker.folder / "datasets"


def names(broker: BrokerProcess) -> list[str]:
    return sorted(path.name for path in (kept(broker) / "shared").iterdir())


async def becomes(holds: Callable[[], bool]) -> None:
    """Wait until it holds of what another process does to the disk."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    [peak] = [line for line in status if line.startswith("VmHWM")]
    return int(peak.split()[1]) * 1024


@dataclass
class Server:
    """A server's client, its own data sets, and how many uploads it began."""

    client: BrokerClient
    folder: DatasetFolder
    sent: int = 0


def server(broker: BrokerProcess, name: str, where: Path) -> Server:
    folder = DatasetFolder(where / name, max_bytes=10 * GIB)
    folder.open()
    made = Server(broker.client(name, datasets=folder), folder)
    send_file = made.client._http.send_file

    async def counted(path: str, source: Path, *, size: int) -> None:
        made.sent += 1
        await send_file(path, source, size=size)

    made.client._http.send_file = counted  # type: ignore[method-assign]
    return made


@pytest.fixture
async def one(broker: BrokerProcess, tmp_path: Path) -> AsyncIterator[Server]:
    made = server(broker, "one", tmp_path)
    await made.client.start()
    yield made
    await made.client.stop()
    made.folder.close()


@pytest.fixture
async def two(broker: BrokerProcess, tmp_path: Path) -> AsyncIterator[Server]:
    made = server(broker, "two", tmp_path)
    await made.client.start()
    yield made
    await made.client.stop()
    made.folder.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source.bin"
    source.write_bytes(os.urandom(MIB) * (SIZE // MIB))
    return source


async def test_all_servers_rooms_share_one_copy(
    broker: BrokerProcess, one: Server, two: Server, source: Path, make_kernel: MakeKernel
) -> None:
    big = store(one.folder, source)
    assert store(two.folder, source) == big
    kernels = [
        await kernel_with(each.client, make_kernel, big)  # type: ignore[arg-type]
        for each in (one, one, two)
    ]
    assert names(broker) == [big.digest]
    assert SIZE <= used_bytes(kept(broker)) < SIZE + MIB
    assert (one.sent, two.sent) == (1, 0), "it is sent once, by whoever is first"
    for kernel in kernels:
        assert (await kernel.run(READ)).text.split() == [big.digest, str(SIZE)]
        assert "PermissionError" in str((await kernel.run("os.listdir('/datasets')")).outputs)
        assert (await kernel.run("open('/datasets/x', 'wb')")).status == "error"
    with pytest.raises(BadRequest):
        await kernels[0].sandbox.get(PATH)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("broker", [3 * GIB], indirect=True)
async def test_two_gigabytes_are_sent_once_in_pieces(
    broker: BrokerProcess, one: Server, tmp_path: Path, make_kernel: MakeKernel
) -> None:
    source, size = tmp_path / "large.bin", 2 * GIB
    with source.open("wb") as file:
        file.write(os.urandom(MIB))
        file.truncate(size)
    big = await asyncio.to_thread(store, one.folder, source)
    for _ in range(5):
        kernel = await kernel_with(one.client, make_kernel, big)  # type: ignore[arg-type]
        assert (await kernel.run(f"import os; os.path.getsize({PATH!r})")).text == str(size)
    assert (await kernel.run(READ, patience_s=120)).text.split()[0] == big.digest
    assert one.sent == 1
    assert size <= used_bytes(kept(broker)) < size + MIB
    assert peak_bytes(broker.pid) < 400 * MIB, "it is nowhere whole in memory"


async def test_rooms_that_need_it_at_once_send_it_once(
    broker: BrokerProcess, one: Server, source: Path
) -> None:
    big = store(one.folder, source)
    await asyncio.gather(*(one.client.provide(PATH, big) for _ in range(5)))
    assert one.sent == 1
    assert names(broker) == [big.digest]


async def test_it_goes_with_the_last_server_that_has_it(
    broker: BrokerProcess, one: Server, two: Server, source: Path
) -> None:
    big = store(one.folder, source)
    store(two.folder, source)
    for each in (one, two):
        await each.client.provide(PATH, big)
    await one.client.drop(big.digest)
    assert names(broker) == [big.digest]
    await two.client.drop(big.digest)
    assert names(broker) == []
    assert used_bytes(kept(broker)) < MIB
    await one.client.drop(big.digest)  # again, as after an answer that was lost


async def test_what_is_not_the_content_of_its_name_is_refused(
    broker: BrokerProcess, one: Server, source: Path
) -> None:
    http = one.client._http
    with pytest.raises(BadRequest, match="not the content"):
        await http.send_file(DATASET.format("a" * 64), source, size=SIZE)
    assert names(broker) == []
    with pytest.raises(NotFound):
        await http.ask("GET", DATASET.format("a" * 64))
    assert list((kept(broker) / "new").iterdir()) == []


async def test_what_does_not_fit_is_refused_before_it_is_sent(
    broker: BrokerProcess, one: Server, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(201 * MIB)
    big = store(one.folder, large)
    with pytest.raises(TooLarge, match=r"200 MiB together.*201 MiB") as caught:
        await one.client.provide(PATH, big)
    assert "BrokerApp.datasets_bytes" in caught.value.hint
    assert used_bytes(kept(broker)) < MIB


async def test_nobody_comes_in_without_a_token(broker: BrokerProcess, tmp_path: Path) -> None:
    wrong = tmp_path / "token"
    wrong.write_text("not one")
    source = tmp_path / "x"
    source.write_bytes(b"x")
    http = BrokerHttp(BrokerAddress.parse(broker.url), token_file=wrong)
    for method in ("GET", "DELETE"):
        with pytest.raises(EngineUnavailable, match="token"):
            await http.ask(method, DATASET.format("a" * 64))
    with pytest.raises(EngineUnavailable, match="token"):
        await http.send_file(DATASET.format("a" * 64), source, size=1)
    http.close()


async def test_an_upload_that_is_cut_off_leaves_nothing(broker: BrokerProcess) -> None:
    token = broker.token_file("one").read_text()
    head = f"PUT /v1/datasets/{'a' * 64} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {token}\r\n"
    new = kept(broker) / "new"
    for _ in range(3):  # more than may be under way at once: each gives its place back
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(broker.socket))
            raw.sendall(f"{head}Content-Length: {SIZE}\r\n\r\n".encode() + bytes(8 * MIB))
            await becomes(lambda: any(path.stat().st_size for path in new.iterdir()))
        await becomes(lambda: not list(new.iterdir()))
    assert names(broker) == []


async def test_a_killed_broker_keeps_what_is_whole(
    broker: BrokerProcess, one: Server, source: Path, make_kernel: MakeKernel
) -> None:
    big = store(one.folder, source)
    await one.client.provide(PATH, big)
    (kept(broker) / "new" / "7.part").write_bytes(b"half")
    await broker.kill()
    await broker.start()
    assert list((kept(broker) / "new").iterdir()) == []
    kernel = await kernel_with(one.client, make_kernel, big)  # type: ignore[arg-type]
    assert (await kernel.run(READ)).text.split()[0] == big.digest
    assert one.sent == 1


async def test_what_neither_has_is_named(one: Server) -> None:
    with pytest.raises(DatasetMissing, match=PATH):
        await one.client.provide(PATH, StoredDataset(digest="a" * 64, size=1))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[BrokerDatasets]:
    folder = DatasetFolder(tmp_path / "kept", max_bytes=GIB)
    desk = BrokerDatasets(folder, tmp_path / "kept" / "uses", kept_s=3600)
    desk.open()
    yield desk
    desk.close()


def test_what_nobody_has_named_for_long_goes(desk: BrokerDatasets, tmp_path: Path) -> None:
    def keep(client: str, content: bytes) -> StoredDataset:
        incoming = desk.begin(len(content))
        incoming.write(content)
        stored = incoming.finish()
        desk.keep(client, stored.digest, incoming)
        return stored

    old, fresh = keep("one", b"old"), keep("one", b"fresh")
    keep("two", b"fresh")
    uses = tmp_path / "kept" / "uses"
    for use in uses.glob("*.one"):
        os.utime(use, (1, 1))
    desk.expire()
    assert desk.name("one", fresh.digest) == 5
    with pytest.raises(NotFound):
        desk.name("one", old.digest)
    keep("two", b"old")
    assert desk.name("two", old.digest) == 3
