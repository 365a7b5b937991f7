"""What is MongoDB's own: several servers, repetitions, sizes, and servers that will not do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson import ObjectId

from interview_ext.errors import NotFound, StoreUnavailable
from interview_ext.rooms.ids import digest, new_id, now
from interview_ext.rooms.model import DataFile, NewLogEntry, Snapshot
from interview_ext.rooms.ports import LogMoved
from interview_ext.rooms.timeline import Timeline, verify
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.mongo import MongoStore
from tests.contract.test_store import made_room
from tests.services.mongodb import MONGOD, ReplicaSet
from tests.services.process import Service, free_port, listens


def an_entry(text: bytes = b"x") -> NewLogEntry:
    return NewLogEntry(at=now(), client=1, seat=None, update=text)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[MongoStore]:
    store = MongoStore(url)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


@pytest.fixture
def url(mongodb: ReplicaSet) -> str:
    return mongodb.url(new_id("test"))


async def test_servers_that_write_one_document_leave_no_hole(url: str) -> None:
    async with opened(url) as one, opened(url) as two, opened(url) as three:
        stores = [one, two, three]
        texts = [f"{number}".encode() for number in range(150)]
        done = await asyncio.gather(
            *(
                stores[number % 3].append("doc", [an_entry(text), an_entry(text + b"!")])
                for number, text in enumerate(texts)
            )
        )
        kept = await one.read("doc")
        assert [entry.seq for entry in kept] == list(range(1, 301))
        told = dict(zip(done, texts, strict=True))
        assert [e.update for e in kept] == [
            text for last in sorted(told) for text in (told[last], told[last] + b"!")
        ]
        for store in stores:
            assert await store.last_seq("doc") == 300
            assert [e.seq for e in await store.read("doc", after=123)] == list(range(124, 301))


async def test_a_repeated_call_is_stored_once(url: str) -> None:
    async with opened(url) as one, opened(url) as two:
        entries = [an_entry(b"a"), an_entry(b"b")]
        first = await one.append("doc", entries, batch="batch_1")
        assert first == 2
        await one.append("doc", [an_entry(b"c")])
        assert await one.append("doc", entries, batch="batch_1") == first
        assert await two.append("doc", entries, batch="batch_1") == first
        assert [e.update for e in await two.read("doc")] == [b"a", b"b", b"c"]
        # Also if it was to follow an end that has been left behind since.
        assert await one.append("doc", entries, batch="batch_1", after=0) == first
        assert await two.append("doc", entries, batch="batch_1", after=0) == first
        with pytest.raises(LogMoved):
            await two.append("doc", entries, batch="batch_2", after=0)
        # In another document it is another call.
        assert await one.append("other", entries, batch="batch_1") == 2


async def test_calls_that_wait_together_share_a_commit(mongodb: ReplicaSet, url: str) -> None:
    def inserts() -> int:
        with mongodb.client(mongodb.ports[0]) as client:
            status = client.admin.command("serverStatus")
            return int(status["metrics"]["commands"]["insert"]["total"])

    async with opened(url) as store:
        before = await asyncio.to_thread(inserts)
        documents = [f"doc_{number % 20}" for number in range(200)]
        await asyncio.gather(*(store.append(d, [an_entry()]) for d in documents))
        assert await asyncio.to_thread(inserts) - before <= 3
        for document in set(documents):
            assert [e.seq for e in await store.read(document)] == list(range(1, 11))


async def test_more_at_once_than_mongodb_takes_in_one_command(url: str) -> None:
    """Rows of 8 MB, 64 MB in all, where a command holds 16 MiB."""
    parts = [bytes([number]) * 3_900_000 for number in range(16)]
    pairs = {f"doc_{n}": parts[2 * n : 2 * n + 2] for n in range(8)}
    async with opened(url) as store:
        await asyncio.gather(
            *(store.append(name, [an_entry(each) for each in pair]) for name, pair in pairs.items())
        )
        for name, pair in pairs.items():
            assert [e.update for e in await store.read(name)] == pair


async def test_what_is_larger_than_a_document_of_mongodb_comes_back(url: str) -> None:
    largest = bytes(range(256)) * (16 * 4096)
    async with opened(url) as store:
        room, document, _ = await made_room(store)
        many = [an_entry(bytes([n]) * 3_900_000) for n in range(6)]
        await asyncio.gather(
            store.append(document.id, [an_entry(largest)]), store.append(document.id, many)
        )
        assert [e.update for e in await store.read(document.id)] == [
            largest,
            *(entry.update for entry in many),
        ]
        file = DataFile(room_id=room.id, path="x", size=len(largest) * 2, digest=digest("large"))
        await store.put_data_file(file, largest * 2)
        assert await store.read_content(file.digest) == largest * 2
        await store.delete_room(room.id)
        assert await store._db["parts"].count_documents({}) == 0
        assert await store._db["contents"].count_documents({}) == 0


async def test_a_log_replaced_anew_leaves_nothing_of_the_one_before(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash between the new log and the removal of what only the old one named."""
    async with opened(url) as store:
        _, document, _ = await made_room(store)
        await store.append(document.id, [an_entry(b"secret" * 900_000)])
        after = [replace(e, update=b"e" * 5_000_000) for e in await store.read(document.id)]

        async def fails(owner: str, ids: list[str]) -> None:
            raise StoreUnavailable("cut off")

        with monkeypatch.context() as cut:
            cut.setattr(store._parts, "keep", fails)
            with pytest.raises(StoreUnavailable):
                await store.replace(document.id, after)
        assert await store._db["parts"].count_documents({}) == 4
        assert await store.read(document.id) == after
        await store.replace(document.id, after)
        assert await store.read(document.id) == after
        rows = await store._db["parts"].find({}).to_list()
        assert not any(b"secret" in row["data"] for row in rows)


async def test_servers_that_record_in_one_room_make_one_chain(url: str) -> None:
    async with opened(url) as one, opened(url) as two:
        room, _, _ = await made_room(one)
        lines = [Timeline(store, MemoryBus()) for store in (one, two)]
        await asyncio.gather(
            *(lines[n % 2].record(room.id, "note", actor="a", payload={"n": n}) for n in range(30))
        )
        events = await two.list_events(room.id)
        verify(events)
        assert sorted(e.payload["n"] for e in events if e.payload) == list(range(30))


async def test_only_old_leftovers_of_rooms_never_made_are_dropped(url: str) -> None:
    content = b"left over"
    async with opened(url) as store:
        room, document, _ = await made_room(store)
        for document_id in ("doc_old", "doc_new", document.id):
            await store.append(document_id, [an_entry()])
        for room_id in ("room_old", room.id):
            file = DataFile(room_id=room_id, path="x", size=1, digest=digest(room_id))
            await store.put_data_file(file, content)
        await _age(store, {"document_id": {"$in": ["doc_old", document.id]}}, "updates")
        await _age(store, {}, "data_files")
        long_ago = datetime.now(UTC) - timedelta(days=3)
        await store._db["contents"].update_many({}, {"$set": {"stored_at": long_ago}})
    async with opened(url) as store:
        assert await store.last_seq("doc_old") == 0
        assert await store.last_seq("doc_new") == 1
        assert await store.last_seq(document.id) == 1
        assert await store.list_data_files("room_old") == []
        with pytest.raises(NotFound):
            await store.read_content(digest("room_old"))
        assert await store.read_content(digest(room.id)) == content


async def test_of_snapshots_nothing_is_left_but_the_present_one(url: str) -> None:
    async def owners(store: MongoStore) -> set[str]:
        return set(await store._db["parts"].distinct("owner"))

    data = bytes(9 * 1024 * 1024)
    async with opened(url) as one, opened(url) as two:
        room, document, _ = await made_room(one)
        _, other, _ = await made_room(one)
        await one.append(document.id, [an_entry()])
        for store, seq in ((one, 2), (two, 3), (one, 1), (two, 3)):
            await store.keep_snapshot(document.id, Snapshot(seq=seq, data=data))
        assert len(await owners(one)) == 1
        await asyncio.gather(
            *(
                (one, two)[seq % 2].keep_snapshot(other.id, Snapshot(seq=seq, data=b"%d" % seq))
                for seq in range(20)
            )
        )
        assert await one.get_snapshot(other.id) == Snapshot(seq=19, data=b"19")
        assert len(await owners(one)) == 2
        await one.delete_room(other.room_id)
        (present,) = await owners(one)
        # What is missing is said; a document opens from its log then (tests/collab).
        await one._db["parts"].delete_one({"_id": {"$regex": "/1$"}})
        with pytest.raises(StoreUnavailable, match="missing"):
            await two.get_snapshot(document.id)
        await one.keep_snapshot(document.id, Snapshot(seq=4, data=data))
        # What a server that was killed has left, long ago and just now.
        await one._parts.put("snapshot_old", data)
        long_ago = datetime.now(UTC) - timedelta(days=3)
        await one._db["parts"].update_many({}, {"$set": {"stored_at": long_ago}})
        await one._parts.put("snapshot_new", data)
        assert len(await owners(one) - {present}) == 3
    async with opened(url) as store:
        assert await store.get_snapshot(document.id) == Snapshot(seq=4, data=data)
        assert "snapshot_new" in await owners(store)
        assert "snapshot_old" not in await owners(store)
        await store._parts.drop(["snapshot_new"])
        await store.replace(document.id, await store.read(document.id))
        assert await owners(store) == set()
        await store.keep_snapshot(document.id, Snapshot(seq=5, data=data))
        assert await owners(store) == set()
        _, other, _ = await made_room(store)
        await store.keep_snapshot(other.id, Snapshot(seq=1, data=data))
        await store.delete_room(room.id)
        assert len(await owners(store)) == 1
        await store.delete_room(other.room_id)
        assert await owners(store) == set()


async def test_a_store_that_has_snapshots_is_of_a_version_that_knows_them(
    mongodb: ReplicaSet,
) -> None:
    name = new_id("test")
    with mongodb.client(mongodb.ports[0]) as client:
        client[name]["schema"].insert_one({"_id": "schema", "version": 1})
        async with opened(mongodb.url(name)):
            row = client[name]["schema"].find_one({"_id": "schema"})
    assert row == {"_id": "schema", "version": 2}


async def _age(store: MongoStore, query: dict[str, Any], name: str) -> None:
    old = ObjectId.from_datetime(datetime.now(UTC) - timedelta(days=3))
    rows = await store._db[name].find(query).to_list()
    await store._db[name].delete_many(query)
    for number, row in enumerate(rows):
        row["_id"] = ObjectId((int(str(old), 16) + number).to_bytes(12, "big"))
    await store._db[name].insert_many(rows)


async def test_nobody_there_is_said_in_time_and_without_the_password() -> None:
    port = free_port()
    store = MongoStore(f"mongodb://me:s3cret@127.0.0.1:{port}/x?timeoutMS=300")
    began = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
        await store.start()
    assert asyncio.get_running_loop().time() - began < 3
    assert "s3cret" not in caught.value.message + caught.value.hint
    assert str(port) in caught.value.message
    # Whoever asks later is told why.
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await store.get_room("room_a")
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await store.append("doc", [an_entry()])


async def test_a_newer_store_is_not_touched(mongodb: ReplicaSet) -> None:
    name = new_id("test")
    with mongodb.client(mongodb.ports[0]) as client:
        client[name]["schema"].insert_one({"_id": "schema", "version": 999})
    with pytest.raises(StoreUnavailable, match="newer version"):
        await MongoStore(mongodb.url(name)).start()


async def test_a_server_without_a_replica_set_is_refused(tmp_path: Path) -> None:
    if not MONGOD.exists():
        pytest.skip("there is no mongod (scripts/unpack-mongod.sh)")
    port = free_port()
    command = [str(MONGOD), "--dbpath", str(tmp_path), "--port", str(port), "--nounixsocket"]
    service = Service(command, log=tmp_path / "log", answers=lambda: listens(port))
    service.start()
    try:
        with pytest.raises(StoreUnavailable, match="replica set") as caught:
            await MongoStore(f"mongodb://127.0.0.1:{port}").start()
        assert "--replSet" in caught.value.hint
    finally:
        service.kill()


async def test_stopping_finishes_what_was_accepted(url: str) -> None:
    store = MongoStore(url)
    await store.start()
    writes = [asyncio.ensure_future(store.append("doc", [an_entry()])) for _ in range(50)]
    await asyncio.sleep(0)
    await store.stop()
    assert len(await asyncio.gather(*writes)) == 50


async def test_writes_wait_for_a_majority_whatever_the_url_says(mongodb: ReplicaSet) -> None:
    async with opened(mongodb.url(new_id("test"), "&w=0&journal=false&retryWrites=false")) as store:
        concern = store._db["updates"].write_concern
        assert concern == pymongo.WriteConcern(w="majority", j=True)
        assert await store.append("doc", [an_entry()]) == 1
