"""What every store does with the snapshots of documents."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import LogEntry, Snapshot
from interview_ext.rooms.ports import Store
from interview_ext.storage.backends import store_of
from interview_ext.storage.sqlite import SqliteStore
from tests.contract.killed_keeper import content
from tests.contract.test_store import a_branch, an_update, made_room

CANARY = b"Zanzibar7391"
LARGE = CANARY * 1_500_000
"""18 MB: more than one document of MongoDB may be."""


def a_snapshot(seq: int, data: bytes = b"whole") -> Snapshot:
    return Snapshot(seq=seq, data=data)


async def replaced(store: Store, document_id: str) -> list[LogEntry]:
    """Erase something from the log; return what it is then."""
    entries = [replace(e, update=b"erased") for e in await store.read(document_id)]
    await store.replace(document_id, entries)
    return entries


async def test_only_a_newer_one_takes_the_place_of_another(store: Store) -> None:
    _, document, _ = await made_room(store)
    _, other, _ = await made_room(store)
    assert await store.get_snapshot(document.id) is None
    for seq, kept in ((5, 5), (4, 5), (5, 5), (9, 9), (7, 9)):
        await store.keep_snapshot(document.id, a_snapshot(seq, b"of %d" % seq))
        assert await store.get_snapshot(document.id) == a_snapshot(kept, b"of %d" % kept)
    await store.keep_snapshot(document.id, a_snapshot(9, b"another of 9"))
    assert await store.get_snapshot(document.id) == a_snapshot(9, b"of 9")
    assert await store.get_snapshot(other.id) is None
    await store.stop()
    await store.start()
    assert await store.get_snapshot(document.id) == a_snapshot(9, b"of 9")


async def test_of_those_that_come_at_once_the_newest_is_kept(store: Store) -> None:
    _, document, _ = await made_room(store)
    order = [7, 3, 19, 1, 11, 18, 2, 5]
    await asyncio.gather(
        *(store.keep_snapshot(document.id, a_snapshot(s, bytes([s]) * 50_000)) for s in order)
    )
    assert await store.get_snapshot(document.id) == a_snapshot(19, bytes([19]) * 50_000)


async def test_a_large_one_comes_back_and_goes(store: Store) -> None:
    _, document, _ = await made_room(store)
    await store.keep_snapshot(document.id, a_snapshot(1, LARGE))
    assert await store.get_snapshot(document.id) == a_snapshot(1, LARGE)
    await store.keep_snapshot(document.id, a_snapshot(2))
    assert await store.get_snapshot(document.id) == a_snapshot(2)


async def test_the_log_does_not_care(store: Store) -> None:
    _, document, _ = await made_room(store)
    await store.append(document.id, [an_update(n) for n in range(5)])
    entries = await store.read(document.id)
    await store.keep_snapshot(document.id, a_snapshot(3))
    assert await store.read(document.id) == entries
    assert await store.last_seq(document.id) == 5


async def test_an_erasure_takes_it_and_forbids_all_that_come_late(store: Store) -> None:
    _, document, _ = await made_room(store)
    _, other, _ = await made_room(store)
    await store.append(document.id, [an_update(1), an_update(2)])
    for seq in (1, 2):
        await store.keep_snapshot(document.id, a_snapshot(seq, CANARY))
        await store.keep_snapshot(other.id, a_snapshot(seq))
    entries = await replaced(store, document.id)
    assert await store.get_snapshot(document.id) is None
    for seq in (1, 2, 3, 2**40):
        await store.keep_snapshot(document.id, a_snapshot(seq, CANARY))
        assert await store.get_snapshot(document.id) is None
    assert await store.read(document.id) == entries
    assert await store.get_snapshot(other.id) == a_snapshot(2)
    # Nor where there was none when the log was replaced.
    await replaced(store, other.id)
    await store.keep_snapshot(other.id, a_snapshot(3, CANARY))
    assert await store.get_snapshot(other.id) is None


async def test_one_made_at_the_moment_of_an_erasure_is_not_left(store: Store) -> None:
    _, document, _ = await made_room(store)
    await store.append(document.id, [an_update(n) for n in range(5)])
    late = [a_snapshot(seq, CANARY * 50_000) for seq in range(1, 6)]
    await asyncio.gather(
        *(store.keep_snapshot(document.id, each) for each in late[:3]),
        replaced(store, document.id),
        *(store.keep_snapshot(document.id, each) for each in late[3:]),
    )
    assert await store.get_snapshot(document.id) is None


async def test_it_goes_with_its_room_and_none_comes_after(store: Store) -> None:
    room, document, _ = await made_room(store)
    _, other, _ = await made_room(store)
    for each in (document, other):
        await store.append(each.id, [an_update(1)])
        await store.keep_snapshot(each.id, a_snapshot(1))
    await store.delete_room(room.id)
    await store.keep_snapshot(document.id, a_snapshot(2))
    assert await store.get_snapshot(document.id) is None
    assert await store.get_snapshot(other.id) == a_snapshot(1)


async def test_there_is_none_of_a_branch(store: Store) -> None:
    """Nor of anything else that is no document of a room."""
    room, document, host = await made_room(store)
    branch = a_branch(room, document, host)
    await store.append(branch.id, [an_update(1)])
    await store.add_branch(branch)
    for document_id in (branch.id, "doc_unknown"):
        await store.keep_snapshot(document_id, a_snapshot(1))
        assert await store.get_snapshot(document_id) is None


def holding(folder: Path, data: bytes) -> list[Path]:
    return [path for path in folder.iterdir() if data in path.read_bytes()]


async def test_nothing_of_it_is_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store = SqliteStore(path)
    await store.start()
    room, document, _ = await made_room(store)
    await store.append(document.id, [an_update(1)])
    await store.keep_snapshot(document.id, a_snapshot(1, LARGE))
    assert holding(tmp_path, CANARY), "the test sees it"
    await replaced(store, document.id)
    await store.keep_snapshot(document.id, a_snapshot(2, LARGE))
    await store.scrub()
    assert holding(tmp_path, CANARY) == []
    second = (await made_room(store))[1]
    await store.keep_snapshot(second.id, a_snapshot(1, LARGE))
    await store.keep_snapshot(second.id, a_snapshot(2, b"short"))
    await store.delete_room(room.id)
    await store.stop()
    assert holding(tmp_path, CANARY) == []


@pytest.mark.parametrize("backend", ["sqlite", "mongodb"])
async def test_what_a_kill_interrupts_is_a_whole_one_or_none(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Killed while it stores one after the other, each of several parts."""
    url = ""
    if backend == "mongodb":
        url = request.getfixturevalue("mongodb").url(new_id("test"))
    path = tmp_path / "s.sqlite"
    acknowledged: dict[str, int] = {}
    for number in range(3):
        keeper = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.contract.killed_keeper",
            url or str(path),
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
        )
        assert keeper.stdout is not None
        document_id = (await keeper.stdout.readline()).decode().strip()
        acknowledged[document_id] = 0
        for _ in range(2 + number):
            acknowledged[document_id] = int(await keeper.stdout.readline())
        await asyncio.sleep(0.004 * number)
        keeper.kill()
        await keeper.wait()
        async for line in keeper.stdout:
            if line.endswith(b"\n"):
                acknowledged[document_id] = int(line)
    store = store_of(url, path=path)
    await store.start()
    try:
        for document_id, seq in acknowledged.items():
            found = await store.get_snapshot(document_id)
            assert found is not None
            assert found.seq >= seq
            assert found.data == content(found.seq)
            await store.keep_snapshot(document_id, a_snapshot(found.seq + 1))
            assert await store.get_snapshot(document_id) == a_snapshot(found.seq + 1)
    finally:
        await store.stop()
