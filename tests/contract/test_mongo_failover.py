"""The primary dies in the middle of appends: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
from pathlib import Path

from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.ids import new_id, now
from interview_ext.rooms.model import LogEntry, NewLogEntry
from interview_ext.storage.mongo import MongoStore
from tests.services.mongodb import ReplicaSet

DOCUMENTS = ["doc_a", "doc_b"]
AUTHORS = 6
KILLS = 2
PATIENCE_MS = 5000, 300


class Author:
    """Appends one call after the other; repeats one that failed, under the same id."""

    def __init__(self, store: MongoStore, document: str, name: int) -> None:
        self._store = store
        self._document = document
        self._name = name
        self.stored: list[LogEntry] = []
        self.refusals = 0

    async def write_until(self, enough: asyncio.Event) -> None:
        number = 0
        while not enough.is_set():
            entries = [
                NewLogEntry(at=now(), client=self._name, seat=None, update=f"{number}.{n}".encode())
                for n in range(2)
            ]
            last = await self._persistently(entries, new_id("batch"))
            self.stored += [
                LogEntry(document_id=self._document, seq=seq, **vars(entry))
                for seq, entry in enumerate(entries, start=last + 1 - len(entries))
            ]
            number += 1

    async def _persistently(self, entries: list[NewLogEntry], batch: str) -> int:
        while True:
            try:
                return await self._store.append(self._document, entries, batch=batch)
            except StoreUnavailable:
                self.refusals += 1
                await asyncio.sleep(0.05)


async def test_a_primary_killed_in_mid_append_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Of two servers one has little patience: it gives up before an election is over."""
    replica_set = ReplicaSet(tmp_path, members=3)
    try:
        await asyncio.to_thread(replica_set.start)
        await _make_indexes(replica_set)
        await _write_while_primaries_die(replica_set)
    finally:
        replica_set.stop()


async def _make_indexes(replica_set: ReplicaSet) -> None:
    """The first start of a store takes longer than the impatient ones have."""
    store = MongoStore(replica_set.url("test"))
    await store.start()
    await store.stop()


async def _write_while_primaries_die(replica_set: ReplicaSet) -> None:
    stores = [
        MongoStore(replica_set.url("test", f"&timeoutMS={patience}")) for patience in PATIENCE_MS
    ]
    for store in stores:
        await store.start()
    authors = [Author(stores[n % 2], DOCUMENTS[n // 2 % len(DOCUMENTS)], n) for n in range(AUTHORS)]
    enough = asyncio.Event()
    writing = [asyncio.create_task(author.write_until(enough)) for author in authors]
    for _ in range(KILLS):
        await _grown(authors)
        port = await asyncio.to_thread(replica_set.primary)
        replica_set.members[port].kill()
        assert not replica_set.members[port].running
        assert await asyncio.to_thread(replica_set.primary) != port
        await _grown(authors)
        await asyncio.to_thread(replica_set.members[port].start)
    enough.set()
    await asyncio.gather(*writing)
    for document in DOCUMENTS:
        kept = await stores[0].read(document)
        assert [entry.seq for entry in kept] == list(range(1, len(kept) + 1))
        told = [e for author in authors for e in author.stored if e.document_id == document]
        assert sorted(told, key=lambda entry: entry.seq) == kept
    for author in authors:
        assert [e.seq for e in author.stored] == sorted(e.seq for e in author.stored)
    assert any(author.refusals for author in authors[1::2])
    for store in stores:
        await store.stop()


async def _grown(authors: list[Author]) -> None:
    """Return once every author has had some more calls answered."""
    before = [len(author.stored) for author in authors]
    async with asyncio.timeout(60):
        while any(len(a.stored) < b + 20 for a, b in zip(authors, before, strict=True)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
