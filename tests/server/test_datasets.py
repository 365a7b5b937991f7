"""Large data files of rooms made by the API: stored once, gone with the last room that has them."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from interview_ext.api.content import DATASET_BYTES
from interview_ext.sandbox.specs import ProfileSpecs
from tests.sandbox.broker_process import BrokerProcess, running_broker
from tests.sandbox.conftest import start_kernel, stop_kernel
from tests.server.api_support import error_of, host_outside
from tests.server.conftest import Server, serve

MIB = 1024 * 1024
SIZE = DATASET_BYTES + MIB
ASKED = {"title": "New", "data_paths": ["big.bin"]}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serve(tmp_path) as running:
        yield running


def root(server: Server) -> Path:
    return Path(server.app.contents_manager.root_dir)


def shared(server: Server) -> Path:
    return Path(server.house._app.store_path + ".datasets") / "shared"


def stored(server: Server) -> set[str]:
    return {path.name for path in shared(server).iterdir()}


def write(server: Server, name: str = "big.bin", size: int = SIZE) -> str:
    """A file of the host's; the answer is its digest."""
    content = os.urandom(MIB) * (size // MIB) + b"x" * (size % MIB)
    (root(server) / name).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


async def ask(server: Server, **body: Any) -> Any:
    return await host_outside(server).ask("POST", "/rooms", json={**ASKED, **body})


async def made(server: Server, **body: Any) -> str:
    answer = await ask(server, **body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def delete(server: Server, room: str) -> None:
    """Delete a room; return when all that follows from that has been done."""
    assert (await host_outside(server).ask("DELETE", f"/rooms/{room}")).status_code == 204
    await asyncio.gather(*(s for s in server.house._steps if s.get_name() != "plans"))


async def test_equal_files_are_one_until_the_last_room_has_gone(server: Server) -> None:
    digest = write(server)
    (root(server) / "copy.bin").write_bytes((root(server) / "big.bin").read_bytes())
    (root(server) / "small.csv").write_bytes(b"a,b\n")
    rooms = [
        await made(server),
        await made(server, data_paths=["copy.bin", "small.csv"]),
        await made(server),
    ]
    assert stored(server) == {digest}
    shown = (await host_outside(server).ask("GET", f"/rooms/{rooms[1]}")).json()["data_files"]
    assert shown == [{"path": "copy.bin", "size": SIZE}, {"path": "small.csv", "size": 4}]
    [event, *_] = await server.services.store.list_events(rooms[0])
    assert event.payload is not None
    assert event.payload["data"] == [{"path": "big.bin", "digest": digest}]
    used = sum(path.stat().st_blocks * 512 for path in shared(server).iterdir())
    assert SIZE <= used < SIZE + MIB
    store = shared(server).parent.with_name("interviews.sqlite")
    assert store.stat().st_size < MIB, "not in the store"
    for room in rooms[:2]:
        await delete(server, room)
        assert stored(server) == {digest}
    await delete(server, rooms[2])
    assert stored(server) == set()


READ = """import hashlib
with open("data/big.bin", "rb") as file:
    print(hashlib.file_digest(file, "sha256").hexdigest())
"""


@pytest.fixture
async def broker(sandbox_image: None) -> AsyncIterator[BrokerProcess]:
    async with running_broker() as broker:
        yield broker


@pytest.mark.parametrize("through_a_broker", [False, True])
async def test_a_room_made_by_the_api_has_it_in_its_kernel(
    through_a_broker: bool,
    broker: BrokerProcess,
    tmp_path: Path,
) -> None:
    """As the server puts its parts together, down to a cell."""
    settings = {
        "sandbox_broker": broker.url,
        "sandbox_broker_token_file": str(broker.token_file("one")),
    }
    (tmp_path / "server").mkdir()
    async with serve(tmp_path / "server", **(settings if through_a_broker else {})) as server:
        digest = write(server)
        name = await made(server)
        house = server.house
        room = await house.rooms.get(name)
        request = house._sandbox_of(
            room, lambda: house.executions._data_files(name), "", lambda _: None
        )
        kernel = await start_kernel(ProfileSpecs(house.services.profiles), request)
        try:
            assert (await kernel.run(READ)).text.strip() == digest
        finally:
            await stop_kernel(kernel)
        kept = broker.folder / "datasets" / "shared"
        assert [path.name for path in kept.iterdir()] == [digest] * through_a_broker
        await delete(server, name)
        assert stored(server) == set()
        assert list(kept.iterdir()) == []


async def test_rooms_that_come_and_go_at_once_lose_nothing(server: Server) -> None:
    digest = write(server)
    gone = [await made(server) for _ in range(3)]

    async def replace(room: str) -> str:
        new, _ = await asyncio.gather(made(server), delete(server, room))
        return new

    for _ in range(3):
        gone = await asyncio.gather(*map(replace, gone))
        await server.house.datasets.sweep()  # type: ignore[union-attr]
        assert stored(server) == {digest}
    for room in gone:
        await delete(server, room)
    assert stored(server) == set()


async def test_a_removal_does_not_take_what_is_being_made_into_a_room(server: Server) -> None:
    """The moment between a content's arrival and its room's: nothing in the store names it yet."""
    digest = write(server)
    datasets = server.house.datasets
    assert datasets is not None
    with (root(server) / "big.bin").open("rb", buffering=0) as file:
        async with datasets.adding() as add:
            await add(file, SIZE)
            await datasets.sweep()
            assert stored(server) == {digest}
    assert stored(server) == set()


async def test_a_room_that_cannot_be_made_leaves_nothing(server: Server) -> None:
    write(server)
    answer = await ask(server, data_paths=["big.bin", "nowhere.csv"])
    assert answer.status_code == 400
    assert stored(server) == set()
    assert list((shared(server).parent / "new").iterdir()) == []


async def test_a_key_that_was_used_keeps_the_first_rooms(server: Server) -> None:
    digest = write(server)
    headers = {"Idempotency-Key": "once"}
    host = host_outside(server)
    asked = [host.ask("POST", "/rooms", json=ASKED, headers=headers) for _ in range(3)]
    answers = await asyncio.gather(*asked)
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert stored(server) == {digest}


async def test_links_are_followed_within_the_hosts_files_only(
    server: Server, tmp_path: Path
) -> None:
    digest = write(server)
    (root(server) / "inside.bin").symlink_to("big.bin")
    await made(server, data_paths=["inside.bin"])
    assert stored(server) == {digest}
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.bin").write_bytes(bytes(SIZE))
    (root(server) / "out.bin").symlink_to(outside / "secret.bin")
    (root(server) / "folder").symlink_to(outside)
    for path in ("out.bin", "folder/secret.bin"):
        answer = await ask(server, data_paths=[path])
        assert (answer.status_code, error_of(answer)["code"]) == (400, "bad_request")
        assert "link" in error_of(answer)["message"]
    assert stored(server) == {digest}


async def test_what_does_not_fit_says_so(tmp_path: Path) -> None:
    async with serve(tmp_path, datasets_bytes=20 * MIB) as server:
        write(server)
        write(server, "more.bin")
        await made(server)
        answer = await ask(server, data_paths=["more.bin"])
        assert (answer.status_code, error_of(answer)["code"]) == (413, "too_large")
        assert "20 MiB together" in error_of(answer)["message"]
        assert "InterviewApp.datasets_bytes" in error_of(answer)["hint"]
        await made(server)  # what is there already takes no place


@pytest.mark.parametrize("engine", ["wasm", "process"])
async def test_engines_without_containers_take_what_they_took(tmp_path: Path, engine: str) -> None:
    async with serve(tmp_path, sandbox_engine=engine) as server:
        write(server)
        room = await made(server)
        [file] = await server.services.store.list_data_files(room)
        assert not file.dataset
        assert len(await server.services.store.read_content(file.digest)) == SIZE
        write(server, "more.bin", 49 * MIB)
        answer = await ask(server, data_paths=["more.bin"])
        assert (answer.status_code, error_of(answer)["code"]) == (413, "too_large")
        assert "containers" in error_of(answer)["hint"]
        assert not shared(server).exists()


async def test_a_restart_clears_what_a_killed_server_left(tmp_path: Path) -> None:
    def folder(number: int) -> Path:
        made = tmp_path / str(number)
        made.mkdir()
        return made

    settings = {"store_path": str(tmp_path / "s.sqlite"), "datasets_dir": str(tmp_path / "sets")}
    async with serve(folder(1), **settings) as server:
        digest = write(server)
        await made(server)
    left = "a" * 64
    for name in (f"names/{left}", f"shared/{left}", "new/1.part"):
        (tmp_path / "sets" / name).write_bytes(b"left")
    async with serve(folder(2), **settings):
        assert {path.name for path in (tmp_path / "sets" / "shared").iterdir()} == {digest}
        assert list((tmp_path / "sets" / "new").iterdir()) == []
        other = settings | {"store_path": str(tmp_path / "other.sqlite")}
        async with serve(folder(3), **other):  # it may not begin: the folder is the first's
            pass
        assert {path.name for path in (tmp_path / "sets" / "shared").iterdir()} == {digest}
