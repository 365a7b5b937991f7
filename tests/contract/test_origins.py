"""What pages report about their edits, over every store."""

from __future__ import annotations

from interview_ext.rooms.model import EditOrigin
from interview_ext.rooms.ports import Store


def piece(person: str, start: int, end: int, *, deleted: bool = False) -> EditOrigin:
    return EditOrigin(
        participant_id=person,
        client=2**53 - 1,
        start=start,
        end=end,
        deleted=deleted,
        origin="paste",
    )


async def test_reports_come_back_as_they_were_stored(store: Store) -> None:
    first, second = piece("person_a", 0, 3), piece("person_a", 1, 2, deleted=True)
    other = piece("person_b", 7, 9)
    await store.add_origins("doc_a", "person_a", [first], keep=10)
    await store.add_origins("doc_a", "person_b", [other], keep=10)
    await store.add_origins("doc_a", "person_a", [second], keep=10)
    await store.add_origins("doc_a", "person_a", [], keep=10)
    assert await store.list_origins("doc_a") == [first, second, other]
    assert await store.list_origins("doc_b") == []
    assert await store.list_origins("doc_a", by="person_a") == [first, second]
    assert await store.list_origins("doc_a", by="person_b") == [other]
    assert await store.list_origins("doc_a", by="person_c") == []


async def test_of_each_participant_no_more_are_kept_than_are_wanted(store: Store) -> None:
    pieces = [piece("person_a", number, number + 1) for number in range(5)]
    await store.add_origins("doc_a", "person_a", pieces[:3], keep=4)
    await store.add_origins("doc_a", "person_a", pieces[3:], keep=4)
    await store.add_origins("doc_a", "person_a", pieces, keep=4)
    assert await store.list_origins("doc_a") == pieces[:4]
    await store.add_origins("doc_a", "person_b", [piece("person_b", 0, 1)], keep=4)
    assert len(await store.list_origins("doc_a")) == 5


async def test_what_one_reported_can_be_removed_and_nothing_else_goes(store: Store) -> None:
    for document, person in (("doc_a", "person_a"), ("doc_a", "person_b"), ("doc_b", "person_a")):
        await store.add_origins(document, person, [piece(person, 0, 3)], keep=2)
    await store.drop_origins("doc_a", "person_a")
    await store.drop_origins("doc_a", "person_a")
    assert await store.list_origins("doc_a") == [piece("person_b", 0, 3)]
    assert await store.list_origins("doc_b") == [piece("person_a", 0, 3)]
    await store.add_origins("doc_a", "person_a", [piece("person_a", 5, 6)] * 3, keep=2)
    assert await store.list_origins("doc_a") == [
        *[piece("person_a", 5, 6)] * 2,
        piece("person_b", 0, 3),
    ]
