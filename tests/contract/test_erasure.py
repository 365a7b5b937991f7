"""What every store does for an erasure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interview_ext.errors import Conflict, NotFound
from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import DataFile, LogEntry, NewLogEntry
from interview_ext.rooms.ports import Store
from tests.contract.test_store import AT, made_room

LARGE = 5 * 1024 * 1024
"""More than one part, and more than stands in one row."""


async def test_a_log_is_replaced_in_place(store: Store) -> None:
    _, document, _ = await made_room(store)
    for size in (3, LARGE, 2 * LARGE, 5):
        new = NewLogEntry(at=AT, client=7, seat="seat", update=b"s" * size, origin="paste")
        await store.append(document.id, [new, replace(new, seat=None)])
    before = await store.read(document.id)
    after = [replace(e, update=b"e" * (len(e.update) - 1), origin=None) for e in before]
    await store.replace(document.id, after)
    assert await store.read(document.id) == after
    assert await store.read(document.id, after=5) == after[5:]
    more = NewLogEntry(at=AT, client=7, seat=None, update=b"m")
    assert await store.append(document.id, [more]) == 9
    last = LogEntry(document_id=document.id, seq=9, **vars(more))
    assert await store.read(document.id) == [*after, last]


async def test_only_a_whole_log_is_replaced(store: Store) -> None:
    _, document, _ = await made_room(store)
    new = NewLogEntry(at=AT, client=7, seat="seat", update=b"stored")
    await store.append(document.id, [new, new, new])
    before = await store.read(document.id)
    await store.append(document.id, [new])
    now = await store.read(document.id)
    for wrong in (before, [], now[1:]):
        with pytest.raises(Conflict):
            await store.replace(document.id, [replace(e, update=b"e") for e in wrong])
    assert await store.read(document.id) == now


async def test_kept_files_go_with_their_bytes_unless_others_have_the_same(store: Store) -> None:
    (room, _, _), (other, _, _) = await made_room(store), await made_room(store)
    for owner, body in ((room, b"alone"), (room, b"common"), (other, b"common")):
        file = DataFile(room_id=owner.id, path=body.decode(), size=6, digest=digest(body))
        await store.put_kept_file(file, body)
    await store.drop_kept_files(room.id)
    await store.drop_kept_files(room.id)
    assert await store.list_kept_files(room.id) == []
    with pytest.raises(NotFound):
        await store.read_content(digest(b"alone"))
    assert await store.read_content(digest(b"common")) == b"common"


async def test_a_store_works_on_after_it_was_scrubbed(store: Store) -> None:
    room, document, _ = await made_room(store)
    await store.append(document.id, [NewLogEntry(at=AT, client=7, seat=None, update=b"x")])
    await store.scrub()
    await store.append(document.id, [NewLogEntry(at=AT, client=7, seat=None, update=b"y")])
    assert [e.update for e in await store.read(document.id)] == [b"x", b"y"]
    assert await store.get_room(room.id) == room
