"""What is SQLite's own: the file, its lock, and writing when it cannot."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from interview_ext.errors import NotFound, StoreUnavailable
from interview_ext.rooms.ids import now
from interview_ext.rooms.model import DataFile, NewLogEntry
from interview_ext.rooms.ports import LogMoved
from interview_ext.storage.sqlite import SqliteStore


async def test_a_second_server_is_told_to_use_another_file(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "s.sqlite")
    await first.start()
    second = SqliteStore(tmp_path / "s.sqlite")
    with pytest.raises(StoreUnavailable, match="Another server") as caught:
        await second.start()
    assert "store_path" in caught.value.hint
    with pytest.raises(StoreUnavailable, match="Another server"):
        await second.get_room("room_a")
    await first.stop()
    again = SqliteStore(tmp_path / "s.sqlite")
    await again.start()
    await again.stop()


async def test_the_file_is_private(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "new" / "s.sqlite")
    await store.start()
    await store.stop()
    assert stat.S_IMODE((tmp_path / "new" / "s.sqlite").stat().st_mode) == 0o600


async def test_a_data_set_of_a_room_that_was_never_made_is_named_no_more(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.sqlite")
    await store.start()
    await store.put_dataset(
        DataFile(room_id="planned", path="a.bin", size=1, digest="a" * 64, dataset=True)
    )
    await store.stop()
    await store.start()
    assert await store.named_datasets() == set(), "a crash in between leaves nothing"
    await store.stop()


async def test_a_file_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(StoreUnavailable, match="newer version"):
        await SqliteStore(path).start()


async def test_something_else_than_a_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_text("this is a text of some length, and no database at all" * 100)
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        await SqliteStore(path).start()


async def test_a_store_that_cannot_write_says_so_and_goes_on_when_it_can(tmp_path: Path) -> None:
    """A lock held by another process stands for a disk that does not take writes."""
    path = tmp_path / "s.sqlite"
    store = SqliteStore(path)
    await store.start()
    entry = NewLogEntry(at=now(), client=1, seat=None, update=b"x")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await store.append("doc", [entry])
    other.execute("ROLLBACK")
    other.close()
    assert await store.append("doc", [entry]) == 1
    await store.stop()


async def test_stopping_finishes_what_was_accepted(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.sqlite")
    await store.start()
    entry = NewLogEntry(at=now(), client=1, seat=None, update=b"x")
    writes = [asyncio.ensure_future(store.append("doc", [entry])) for _ in range(50)]
    await asyncio.sleep(0)
    await store.stop()
    assert len(await asyncio.gather(*writes)) == 50
    with pytest.raises(StoreUnavailable):
        await store.append("doc", [entry])


async def test_what_is_committed_together_stands_each_for_itself(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.sqlite")
    await store.start()
    entries = [NewLogEntry(at=now(), client=n, seat=None, update=b"x") for n in range(60)]
    for others in ([], [store.erase_payload("room_none", 1)]):
        before = await store.last_seq("one")
        refused = asyncio.gather(
            store.append("two", entries, after=7), *others, return_exceptions=True
        )
        one, _, again, _ = await asyncio.gather(
            *(store.append(name, entries) for name in ("one", "two", "one", "three"))
        )
        assert (one, again) == (before + 60, before + 120)
        assert [type(error) for error in await refused] == [LogMoved, NotFound][: 1 + len(others)]
        for name, count in (("one", 120), ("two", 60), ("three", 60)):
            log = await store.read(name)
            assert [entry.seq for entry in log][-count:] == list(
                range(len(log) - count + 1, len(log) + 1)
            )
            assert [entry.client for entry in log] == list(range(60)) * (len(log) // 60)
    await store.stop()
