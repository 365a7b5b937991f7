"""From a SQLite file into MongoDB: all of it, and only once it has been compared."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from interview_ext.cli import main
from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.ids import digest, new_id
from interview_ext.rooms.model import (
    DataFile,
    Invite,
    NewLogEntry,
    Role,
    Run,
    RunState,
    Seat,
    SeatState,
)
from interview_ext.rooms.ports import Store
from interview_ext.rooms.timeline import Timeline, verify
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.migration import COLLECTIONS, Migration
from interview_ext.storage.mongo import MongoStore
from interview_ext.storage.sqlite import SqliteStore
from tests.contract.test_store import AT, a_branch, a_document, a_person, a_room, an_update
from tests.services.mongodb import ReplicaSet

ROOMS = 6
SHARED = b"a,b\n1,2\n"


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store with several interviews in it."""
    path = tmp_path / "s.sqlite"
    store = SqliteStore(path)
    await store.start()
    for number in range(ROOMS):
        await fill(store, number)
    await store.stop()
    return path


async def fill(store: Store, number: int) -> None:
    room = a_room("owner" if number % 2 else "another")
    host, candidate = a_person(room), a_person(room, Role.CANDIDATE)
    notebook, notes = a_document(room), a_document(room, "b.md")
    key = f"key {number}" if number != 1 else None
    await store.create_room(room, [notebook, notes], host, idempotency_key=key)
    await store.add_participant(candidate)
    await store.add_document(a_document(room, "a.md"))
    await store.update_room(replace(room, title="Renamed"))
    for at in range(3):
        invite = Invite(
            id=new_id("invite"),
            room_id=room.id,
            participant_id=candidate.id,
            token_digest=digest(f"{room.id} {at}"),
            created_at=AT,
            expires_at=AT + timedelta(days=1),
        )
        await store.add_invite(invite)
        seat = Seat(
            id=new_id("seat"),
            room_id=room.id,
            participant_id=candidate.id,
            secret_digest=digest(invite.id),
            created_at=AT,
            state=SeatState.ADMITTED,
        )
        await store.add_seat(seat)
        run = Run(
            id=new_id("run"),
            room_id=room.id,
            document_id=notebook.id,
            cell_id=str(at),
            source_digest=digest("x"),
            log_seq=at,
            by=host.id,
            accepted_at=AT,
            state=RunState.DONE,
        )
        await store.save_run(run)
    timeline = Timeline(store, MemoryBus())
    for at in range(5):
        payload = {"n": at, "$odd.key": [1.5, None, "é"]}
        await timeline.record(room.id, "note", actor=host.id, payload=payload)
    await store.erase_payload(room.id, 3)
    given = DataFile(room_id=room.id, path="x.csv", size=len(SHARED), digest=digest(SHARED))
    await store.put_data_file(given, SHARED)
    large = bytes([number]) * 9_000_000
    kept = DataFile(room_id=room.id, path="out", size=len(large), digest=digest(large))
    await store.put_kept_file(kept, large)
    await store.claim_clients(notebook.id, host.id, [1, 2**53 - 1])
    await store.claim_clients(notebook.id, candidate.id, [7])
    await store.append(notebook.id, [an_update(at) for at in range(30)])
    pasted = NewLogEntry(at=AT, client=7, seat=None, update=b"p" * 5_000_000, origin="paste")
    await store.append(notebook.id, [pasted, pasted])
    await store.append(notes.id, [an_update(1, None)])
    branch = a_branch(room, notebook, candidate)
    await store.claim_clients(branch.id, candidate.id, [8])
    await store.append(branch.id, [an_update(at) for at in range(5)])
    await store.add_branch(branch)


async def all_of(store: SqliteStore | MongoStore) -> dict[str, Any]:
    """Everything that the ports tell, by what was asked."""
    found: dict[str, Any] = {
        "open": sorted(room.id for room in await store.list_open_rooms()),
        "owned": [await store.list_rooms(owner) for owner in ("owner", "another")],
    }
    for room_id, key in (await store.room_keys()).items():
        room = await store.get_room(room_id)
        assert room is not None
        found[room_id] = [
            room,
            await store.find_room(room.owner, key) if key else None,
            people := await store.list_participants(room_id),
            [await store.get_participant(person.id) for person in people],
            invites := await store.list_invites(room_id),
            [await store.find_invite(invite.token_digest) for invite in invites],
            [await store.get_invite(invite.id) for invite in invites],
            seats := await store.list_seats(room_id),
            [await store.find_seat(seat.secret_digest) for seat in seats],
            [await store.get_seat(seat.id) for seat in seats],
            runs := await store.list_runs(room_id),
            [await store.get_run(run.id) for run in runs],
            await store.list_events(room_id),
            files := await store.list_data_files(room_id) + await store.list_kept_files(room_id),
            [await store.read_content(file.digest) for file in files],
            documents := await store.list_documents(room_id),
            [await store.read(document.id) for document in documents],
            [await store.last_seq(document.id) for document in documents],
            [await store.client_owners(document.id) for document in documents],
        ]
    return found


async def opened(store: SqliteStore | MongoStore) -> dict[str, Any]:
    await store.start()
    try:
        return await all_of(store)
    finally:
        await store.stop()


def migrate(path: Path, url: str) -> int:
    return main(["storage", "migrate", "--from", str(path), "--to", url])


async def test_everything_comes_over_and_goes_on(
    path: Path, mongodb: ReplicaSet, capsys: pytest.CaptureFixture[str]
) -> None:
    url = mongodb.url(new_id("test"))
    assert await asyncio.to_thread(migrate, path, url) == 0
    output = capsys.readouterr()
    assert [line.split()[0] for line in output.out.splitlines()[:-1]] == list(COLLECTIONS)
    assert output.out.count("  equal") == len(COLLECTIONS)
    assert f"{ROOMS} of {ROOMS} interviews copied" in output.err
    before = await opened(SqliteStore(path))
    assert len(before) == 2 + ROOMS
    assert await opened(MongoStore(url)) == before

    # What comes next stands behind what came over.
    store = MongoStore(url)
    await store.start()
    try:
        (room, *_) = await store.list_rooms("owner")
        (notebook, *_) = await store.list_documents(room.id)
        assert await store.append(notebook.id, [an_update(1)]) == 33
        last = a_person(room, Role.OBSERVER)
        await store.add_participant(last)
        assert (await store.list_participants(room.id))[-1] == last
        await Timeline(store, MemoryBus()).record(room.id, "note", actor="server")
        verify(await store.list_events(room.id))
    finally:
        await store.stop()

    # The database is not empty any more.
    assert await asyncio.to_thread(migrate, path, url) == 1
    assert "holds interviews already" in capsys.readouterr().err


async def test_what_was_cut_off_is_no_store_until_it_is_finished(
    path: Path, mongodb: ReplicaSet, capsys: pytest.CaptureFixture[str]
) -> None:
    url = mongodb.url(new_id("test"))

    def cut(what: str, done: int, of: int) -> None:
        if done == 2:
            raise InterruptedError(what, of)

    with pytest.raises(InterruptedError):
        await Migration(path=path, url=url, progress=cut).run()
    with pytest.raises(StoreUnavailable, match="has not finished") as caught:
        await MongoStore(url).start()
    assert "storage migrate" in caught.value.hint
    other = path.with_name("other.sqlite")
    await opened(SqliteStore(other))
    assert await asyncio.to_thread(migrate, other, url) == 1
    assert "another file" in capsys.readouterr().err

    assert await asyncio.to_thread(migrate, path, url) == 0
    assert f"\n0 of {ROOMS}" not in "\n" + capsys.readouterr().err, "it began anew"
    assert await opened(MongoStore(url)) == await opened(SqliteStore(path))


async def test_a_difference_is_seen_and_closes_the_database(
    path: Path, mongodb: ReplicaSet, capsys: pytest.CaptureFixture[str]
) -> None:
    name = new_id("test")
    url = mongodb.url(name)

    def alter(what: str, done: int, of: int) -> None:
        if what == "copied" and done == of:
            with mongodb.client(mongodb.ports[0]) as client:
                row = client[name]["updates"].find_one({"first": 1, "last": 30})
                assert row is not None
                row["entries"][4]["update"] = b"other"
                client[name]["updates"].replace_one({"_id": row["_id"]}, row)
                client[name]["seats"].delete_one({})

    compared = await Migration(path=path, url=url, progress=alter).run()
    assert {it.collection for it in compared if not it.equal} == {"updates", "seats"}
    with pytest.raises(StoreUnavailable, match="has not finished"):
        await MongoStore(url).start()
    # Run again, it copies nothing more, and finds the same.
    assert await asyncio.to_thread(migrate, path, url) == 1
    output = capsys.readouterr()
    assert output.out.count("DIFFERENT") == 2
    assert "no server will open the database" in output.err


async def test_a_file_that_a_server_uses_is_left_alone(
    path: Path, mongodb: ReplicaSet, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SqliteStore(path)
    await store.start()
    try:
        url = mongodb.url(new_id("test"))
        assert await asyncio.to_thread(migrate, path, url) == 1
        assert "Another server uses" in capsys.readouterr().err
    finally:
        await store.stop()


def test_what_cannot_be_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "mongodb://127.0.0.1:1/interviews"
    assert migrate(tmp_path / "none.sqlite", url) == 1
    assert "There is no SQLite store" in capsys.readouterr().err
    assert not (tmp_path / "none.sqlite").exists()
    assert migrate(tmp_path / "none.sqlite", "mongodb://me:s3cret@127.0.0.1:1x/interviews") == 2
    assert "s3cret" not in capsys.readouterr().err
