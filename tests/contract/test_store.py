"""What every store keeps to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from interview_ext.errors import BranchExists, Conflict, NotFound
from interview_ext.rooms.ids import digest, new_id
from interview_ext.rooms.model import (
    Branch,
    DataFile,
    Document,
    Event,
    Invite,
    NewLogEntry,
    Participant,
    Policy,
    Role,
    Room,
    RoomState,
    Run,
    RunState,
    Seat,
    SeatState,
    Section,
    Trust,
)
from interview_ext.rooms.ports import LogMoved, Store
from interview_ext.rooms.timeline import GENESIS, Timeline, verify
from interview_ext.storage.memory_bus import MemoryBus

AT = datetime(2026, 3, 29, 12, 30, 15, 123456, tzinfo=UTC)


def a_room(owner: str = "owner") -> Room:
    return Room(
        id=new_id("room"),
        title="Données & ünïcode 🙂",
        owner=owner,
        created_at=AT,
        starts_at=AT + timedelta(hours=1),
        duration_s=3600,
        policy=Policy(assistant=True),
        sections=(Section(id="s1", title="One", duration_s=60, revealed_at=AT),),
        external_ids={"ats": "42"},
    )


def a_document(room: Room, path: str = "interview.ipynb") -> Document:
    return Document(
        id=new_id("doc"),
        room_id=room.id,
        path=path,
        kind="notebook",
        readers=frozenset(Role),
        writers=frozenset({Role.HOST}),
    )


def a_person(room: Room, role: Role = Role.HOST) -> Participant:
    return Participant(
        id=new_id("person"), room_id=room.id, role=role, name="N", colour="#000", created_at=AT
    )


def an_update(number: int, seat: str | None = "seat_1") -> NewLogEntry:
    return NewLogEntry(at=AT, client=number, seat=seat, update=bytes([number % 256]) * 3)


async def made_room(store: Store) -> tuple[Room, Document, Participant]:
    room = a_room()
    document, host = a_document(room), a_person(room)
    await store.create_room(room, [document], host)
    return room, document, host


async def test_a_room_comes_back_equal(store: Store) -> None:
    room, document, host = await made_room(store)
    assert await store.get_room(room.id) == room
    assert await store.list_documents(room.id) == [document]
    assert await store.list_participants(room.id) == [host]
    assert await store.list_rooms("owner") == [room]
    assert await store.list_rooms("another") == []
    assert await store.get_room("room_none") is None


async def test_the_same_key_makes_one_room_for_each_owner(store: Store) -> None:
    rooms = [a_room(), a_room(), a_room("another")]
    made = await asyncio.gather(
        *(store.create_room(r, [], a_person(r), idempotency_key="k") for r in rooms)
    )
    assert made[0].id == made[1].id
    assert made[2].id == rooms[2].id
    assert await store.find_room("owner", "k") == made[0]
    assert await store.find_room("owner", "unused") is None
    assert len(await store.list_rooms("owner")) == 1


async def test_of_two_changes_from_one_version_one_wins(store: Store) -> None:
    room, _, _ = await made_room(store)
    results = await asyncio.gather(
        store.update_room(replace(room, title="A")),
        store.update_room(replace(room, title="B")),
        return_exceptions=True,
    )
    conflicts = [r for r in results if isinstance(r, Conflict)]
    assert len(conflicts) == 1
    stored = await store.get_room(room.id)
    assert stored is not None
    assert stored.version == room.version + 1
    with pytest.raises(NotFound):
        await store.update_room(a_room())


async def test_open_rooms_are_those_not_over(store: Store) -> None:
    room, _, _ = await made_room(store)
    assert await store.list_open_rooms() == [room]
    await store.update_room(replace(room, state=RoomState.ENDED))
    assert await store.list_open_rooms() == []


async def test_paths_are_unique_in_a_room(store: Store) -> None:
    room, document, _ = await made_room(store)
    with pytest.raises(Conflict):
        await store.add_document(a_document(room))
    await store.add_document(a_document(room, "second.ipynb"))
    assert [d.path for d in await store.list_documents(room.id)] == [
        document.path,
        "second.ipynb",
    ]


async def test_data_files_share_equal_contents(store: Store) -> None:
    content = b"a,b\n1,2\n"
    one, _, _ = await made_room(store)
    two, _, _ = await made_room(store)
    for room in (one, two):
        file = DataFile(room_id=room.id, path="x.csv", size=len(content), digest=digest(content))
        await store.put_data_file(file, content)
        assert await store.list_data_files(room.id) == [file]
    await store.delete_room(one.id)
    assert await store.read_content(digest(content)) == content
    await store.delete_room(two.id)
    with pytest.raises(NotFound):
        await store.read_content(digest(content))


async def test_data_sets_stand_beside_small_files(store: Store) -> None:
    """Their bytes are not the store's; it knows which are some room's."""
    one, _, _ = await made_room(store)
    two, _, _ = await made_room(store)
    small = DataFile(room_id=one.id, path="b.csv", size=1, digest=digest(b"x"))
    await store.put_data_file(small, b"x")
    large = [
        DataFile(room_id=room.id, path=path, size=2**33, digest=name * 64, dataset=True)
        for room, path, name in ((one, "a.bin", "a"), (one, "c.bin", "c"), (two, "z.bin", "a"))
    ]
    for file in large:
        await store.put_dataset(file)
    assert await store.list_data_files(one.id) == [large[0], small, large[1]]
    assert await store.list_data_files(two.id) == [large[2]]
    assert await store.named_datasets() == {"a" * 64, "c" * 64}
    with pytest.raises(NotFound):
        await store.read_content("a" * 64)
    await store.delete_room(one.id)
    assert await store.named_datasets() == {"a" * 64}
    await store.delete_room(two.id)
    assert await store.named_datasets() == set()


async def test_a_data_set_stored_for_a_room_that_is_not_yet_made_is_named(store: Store) -> None:
    await store.put_dataset(
        DataFile(room_id="planned", path="a.bin", size=1, digest="a" * 64, dataset=True)
    )
    assert await store.named_datasets() == {"a" * 64}


async def test_kept_files_stand_beside_those_that_were_given(store: Store) -> None:
    content = b"a,b\n1,2\n"
    room, _, _ = await made_room(store)
    file = DataFile(room_id=room.id, path="x.csv", size=len(content), digest=digest(content))
    await store.put_kept_file(file, content)
    assert await store.list_kept_files(room.id) == [file]
    assert await store.list_data_files(room.id) == []
    other, _, _ = await made_room(store)
    await store.delete_room(other.id)
    assert await store.read_content(file.digest) == content
    await store.delete_room(room.id)
    assert await store.list_kept_files(room.id) == []
    with pytest.raises(NotFound):
        await store.read_content(file.digest)


async def test_people_invites_and_seats(store: Store) -> None:
    room, _, host = await made_room(store)
    person = a_person(room, Role.CANDIDATE)
    await store.add_participant(person)
    await store.update_participant(replace(person, name="Renamed"))
    found = await store.get_participant(person.id)
    assert found is not None
    assert found.name == "Renamed"
    assert [p.id for p in await store.list_participants(room.id)] == [host.id, person.id]

    invite = Invite(
        id=new_id("invite"),
        room_id=room.id,
        participant_id=person.id,
        token_digest=digest("t"),
        created_at=AT,
        expires_at=AT,
    )
    await store.add_invite(invite)
    assert await store.find_invite(digest("t")) == invite
    assert await store.find_invite(digest("other")) is None
    await store.revoke_invite(invite.id, AT)
    assert await store.list_invites(room.id) == [replace(invite, revoked_at=AT)]

    seats = [
        Seat(
            id=new_id("seat"),
            room_id=room.id,
            participant_id=person.id,
            secret_digest=digest(str(number)),
            created_at=AT,
        )
        for number in range(2)
    ]
    for seat in seats:
        await store.add_seat(seat)
    admitted = [replace(seat, state=SeatState.ADMITTED, admitted_at=AT) for seat in seats]
    await store.update_seats(admitted)
    assert await store.list_seats(room.id) == admitted
    assert await store.find_seat(digest("0")) == admitted[0]
    assert await store.get_seat(seats[1].id) == admitted[1]
    closed = replace(admitted[0], state=SeatState.CLOSED, closed_at=AT)
    await store.update_seats([closed])
    other = replace(admitted[1], admitted_at=None)
    with pytest.raises(Conflict):
        await store.update_seats([other, admitted[0]])
    later = replace(closed, closed_at=AT + timedelta(seconds=1))
    await store.update_seats([later])
    assert await store.list_seats(room.id) == [closed, admitted[1]]


async def test_runs_are_replaced_by_id_in_order(store: Store) -> None:
    room, document, host = await made_room(store)
    runs = [
        Run(
            id=new_id("run"),
            room_id=room.id,
            document_id=document.id,
            cell_id=str(number),
            source_digest=digest("x"),
            log_seq=number,
            by=host.id,
            accepted_at=AT,
        )
        for number in range(3)
    ]
    for run in runs:
        await store.save_run(run)
    done = replace(runs[0], state=RunState.DONE, execution_count=1, ended_at=AT)
    await store.save_run(done)
    assert await store.list_runs(room.id) == [done, *runs[1:]]
    assert await store.get_run(runs[0].id) == done


async def test_a_run_that_has_ended_stays_as_it_is(store: Store) -> None:
    room, document, host = await made_room(store)
    run = Run(
        id=new_id("run"),
        room_id=room.id,
        document_id=document.id,
        cell_id="c",
        source_digest=digest("x"),
        log_seq=1,
        by=host.id,
        accepted_at=AT,
        state=RunState.RUNNING,
    )
    await store.save_run(run)
    await store.save_run(run)
    lost = replace(run, state=RunState.INTERRUPTED, ended_at=AT, death="the server was lost")
    await store.save_run(lost)
    await store.save_run(lost)
    late = (replace(run, state=RunState.DONE, ended_at=AT), run)
    for word in late:  # of a server that has lost the room and does not know it yet
        with pytest.raises(Conflict):
            await store.save_run(word)
    assert await store.get_run(run.id) == lost
    # Of two that end it at once, one is right.
    another = replace(run, id=new_id("run"))
    await store.save_run(another)
    ends = [replace(another, state=RunState.DONE, ended_at=AT, log_seq=n) for n in range(8)]
    told = await asyncio.gather(*map(store.save_run, ends), return_exceptions=True)
    assert sum(error is None for error in told) == 1
    assert all(error is None or isinstance(error, Conflict) for error in told)


async def test_the_timeline_is_a_chain_that_survives_erasure(store: Store) -> None:
    room, _, host = await made_room(store)
    timeline = Timeline(store, MemoryBus())
    await asyncio.gather(
        *(
            timeline.record(room.id, "note", actor=host.id, payload={"n": n, "t": "secret"})
            for n in range(20)
        )
    )
    events = await store.list_events(room.id)
    assert [e.seq for e in events] == list(range(1, 21))
    assert events[0].previous == GENESIS
    verify(events)

    await store.erase_payload(room.id, 3)
    erased = await store.list_events(room.id)
    assert erased[2].payload is None
    assert erased[2].salt is None
    verify(erased)
    assert [e.seq for e in await store.list_events(room.id, after=18, limit=1)] == [19]

    forged = [*erased[:4], replace(erased[4], payload={"n": 99}), *erased[5:]]
    with pytest.raises(ValueError, match="event 5"):
        verify(forged)
    with pytest.raises(ValueError, match="event 6: the chain"):
        verify([*erased[:4], *erased[5:]])


async def test_a_seal_that_fails_leaves_no_hole(store: Store) -> None:
    room, _, _ = await made_room(store)

    def broken(seq: int, previous: str) -> Event:
        raise ValueError(f"no event {seq} after {previous}")

    with pytest.raises(ValueError, match="no event 1"):
        await store.append_event(room.id, broken)
    event = await Timeline(store, MemoryBus()).record(room.id, "note", actor="server")
    assert event.seq == 1
    assert event.trust is Trust.OBSERVED


async def test_the_log_numbers_without_holes_in_order(store: Store) -> None:
    _, one, _ = await made_room(store)
    _, two, _ = await made_room(store)
    await asyncio.gather(
        *(
            store.append(document.id, [an_update(number), an_update(number + 1, None)])
            for number in range(0, 40, 2)
            for document in (one, two)
        )
    )
    for document in (one, two):
        entries = await store.read(document.id)
        assert [e.seq for e in entries] == list(range(1, 41))
        assert sorted(e.client for e in entries) == list(range(40))
        assert entries[0].at == AT
        assert entries[1].seat is None
        assert await store.last_seq(document.id) == 40
        assert [e.seq for e in await store.read(document.id, after=38)] == [39, 40]
    assert await store.last_seq("doc_none") == 0


async def test_entries_that_are_to_follow_an_end_do_or_are_not_stored(store: Store) -> None:
    _, document, _ = await made_room(store)
    first = await store.append(document.id, [an_update(1)], after=0)
    for wrong in (0, 2):
        with pytest.raises(LogMoved):
            await store.append(document.id, [an_update(2)], after=wrong, batch=new_id("batch"))
    second = await store.append(document.id, [an_update(3), an_update(4)], after=first)
    assert [e.client for e in await store.read(document.id)] == [1, 3, 4]
    assert (first, second) == (1, 3)


async def test_of_many_that_are_to_follow_the_same_end_one_does(store: Store) -> None:
    _, document, _ = await made_room(store)
    done = await asyncio.gather(
        *(store.append(document.id, [an_update(number)], after=0) for number in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, LogMoved) for one in done) == 9
    assert await store.last_seq(document.id) == 1


async def test_a_client_id_belongs_to_who_showed_it_first(store: Store) -> None:
    _, document, host = await made_room(store)
    big = 2**53 - 1
    first = await store.claim_clients(document.id, host.id, [1, big])
    assert first == {1: host.id, big: host.id}
    assert await store.claim_clients(document.id, "person_other", [1, 2]) == {
        1: host.id,
        2: "person_other",
    }
    assert await store.client_owners(document.id) == {
        1: host.id,
        big: host.id,
        2: "person_other",
    }
    assert await store.client_owners("doc_other") == {}


async def test_deleting_a_room_leaves_nothing_of_it(store: Store) -> None:
    room, document, host = await made_room(store)
    await store.append(document.id, [an_update(1)])
    await store.claim_clients(document.id, host.id, [1])
    await Timeline(store, MemoryBus()).record(room.id, "note", actor=host.id)
    await store.delete_room(room.id)
    assert await store.get_room(room.id) is None
    assert await store.read(document.id) == []
    assert await store.client_owners(document.id) == {}
    assert await store.list_events(room.id) == []
    assert await store.list_participants(room.id) == []


def a_branch(room: Room, document: Document, participant: Participant) -> Branch:
    return Branch(
        id=new_id("branch"),
        room_id=room.id,
        document_id=document.id,
        participant_id=participant.id,
        path="interview.only-you.ipynb",
        begun_at=AT,
        salt="of the store",
        secret_digest=digest("of the browser"),
    )


async def test_one_branch_for_each_participant_of_a_room(store: Store) -> None:
    room, document, host = await made_room(store)
    other_room, other_document, other_host = await made_room(store)
    branch = a_branch(room, document, host)
    other = a_branch(other_room, other_document, other_host)
    await store.add_branch(branch)
    await store.add_branch(other)
    with pytest.raises(BranchExists):
        await store.add_branch(a_branch(room, document, host))
    assert await store.get_branch(branch.id) == branch
    assert await store.list_branches(room.id) == [branch]
    found = {b.id for b in await store.list_branches()}
    assert {branch.id, other.id} <= found
    assert await store.list_documents(room.id) == [document], "a branch is no document of the room"


async def test_a_branch_goes_with_its_log_and_its_clients(store: Store) -> None:
    room, document, host = await made_room(store)
    branch = a_branch(room, document, host)
    for document_id in (branch.id, document.id):
        await store.claim_clients(document_id, host.id, [7])
        await store.append(document_id, [an_update(1), an_update(2)])
    await store.add_branch(branch)
    await store.delete_branch(branch.id)
    await store.delete_branch(branch.id)
    assert await store.get_branch(branch.id) is None
    assert await store.read(branch.id) == []
    assert await store.client_owners(branch.id) == {}
    assert len(await store.read(document.id)) == 2
    assert await store.client_owners(document.id) == {7: host.id}
    await store.add_branch(a_branch(room, document, host))


async def test_branches_go_with_their_room_and_stay_over_a_restart(store: Store) -> None:
    room, document, host = await made_room(store)
    branch = a_branch(room, document, host)
    await store.append(branch.id, [an_update(1)])
    await store.add_branch(branch)
    await store.stop()
    await store.start()
    assert len(await store.read(branch.id)) == 1, "no leftover of a room that was never made"
    await store.delete_room(room.id)
    assert await store.list_branches(room.id) == []
    assert await store.read(branch.id) == []
