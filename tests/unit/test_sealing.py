"""The key of a branch: both halves or nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interview_ext.collab.sealing import BranchKeys, Seal, SealedLog
from interview_ext.errors import BranchGone, BranchLocked, StoreUnavailable
from interview_ext.rooms.ids import digest, new_id, now
from interview_ext.rooms.model import Branch, LogEntry, NewLogEntry

TEXT = b"thought alone"


def a_branch(secret: str = "of the browser") -> Branch:
    return Branch(
        id=new_id("branch"),
        room_id="room_a",
        document_id="doc_a",
        participant_id="person_a",
        path="interview.only-you.ipynb",
        begun_at=now(),
        salt="of the store",
        secret_digest=digest(secret),
    )


class Store:
    """What is stored, as it is stored."""

    def __init__(self, *branches: Branch) -> None:
        self.branches = {branch.id: branch for branch in branches}
        self.stored: dict[str, list[LogEntry]] = {}

    async def get_branch(self, branch_id: str) -> Branch | None:
        return self.branches.get(branch_id)

    async def append(
        self,
        document_id: str,
        entries: list[NewLogEntry],
        *,
        batch: str | None = None,
        after: int | None = None,
    ) -> int:
        log = self.stored.setdefault(document_id, [])
        log += [
            LogEntry(document_id=document_id, seq=len(log) + n, **vars(entry))
            for n, entry in enumerate(entries, start=1)
        ]
        return len(log)

    async def read(self, document_id: str, *, after: int = 0) -> list[LogEntry]:
        return [entry for entry in self.stored[document_id] if entry.seq > after]


def an_entry() -> NewLogEntry:
    return NewLogEntry(at=now(), client=1, seat="seat_a", update=TEXT)


async def opened() -> tuple[Store, BranchKeys, SealedLog, Branch]:
    branch = a_branch()
    store = Store(branch)
    keys = BranchKeys(store)
    log = SealedLog(store, keys)  # type: ignore[arg-type]
    await keys.show("person_a", {branch.id: "of the browser"})
    return store, keys, log, branch


async def test_what_is_stored_of_a_branch_is_not_what_was_written() -> None:
    store, _, log, branch = await opened()
    assert await log.append(branch.id, [an_entry()]) == 1
    (stored,) = store.stored[branch.id]
    assert TEXT not in stored.update
    assert [entry.update for entry in await log.read(branch.id)] == [TEXT]


async def test_documents_of_the_room_pass_as_they_are() -> None:
    store, _, log, _ = await opened()
    await log.append("doc_a", [an_entry()])
    assert [entry.update for entry in store.stored["doc_a"]] == [TEXT]
    assert [entry.update for entry in await log.read("doc_a")] == [TEXT]


async def test_the_same_text_is_never_stored_the_same_twice() -> None:
    store, _, log, branch = await opened()
    await log.append(branch.id, [an_entry(), an_entry()])
    one, two = store.stored[branch.id]
    assert one.update != two.update


@pytest.mark.parametrize(
    "shown", [{}, {"branch_other": "of the browser"}, {"own": "another secret"}, {"own": ""}]
)
async def test_without_the_browsers_half_nothing_is_read_or_written(shown: dict[str, str]) -> None:
    branch = a_branch()
    store = Store(branch)
    keys = BranchKeys(store)
    log = SealedLog(store, keys)  # type: ignore[arg-type]
    await keys.show("person_a", {branch.id if k == "own" else k: v for k, v in shown.items()})
    with pytest.raises(BranchLocked):
        await log.append(branch.id, [an_entry()])
    with pytest.raises(BranchLocked):
        await log.read(branch.id)
    assert store.stored == {}


async def test_somebody_elses_half_opens_nothing() -> None:
    branch = a_branch()
    keys = BranchKeys(Store(branch))
    await keys.show("person_b", {branch.id: "of the browser"})
    with pytest.raises(BranchLocked):
        keys.seal(branch.id)


async def test_another_salt_branch_or_secret_is_another_key() -> None:
    seal = Seal("branch_a", salt="s", secret="t")
    stored = seal.close(TEXT)
    assert seal.open(stored) == TEXT
    for other in (
        Seal("branch_b", salt="s", secret="t"),
        Seal("branch_a", salt="x", secret="t"),
        Seal("branch_a", salt="s", secret="x"),
    ):
        with pytest.raises(StoreUnavailable):
            other.open(stored)
    with pytest.raises(StoreUnavailable):
        seal.open(stored[:-1] + bytes([stored[-1] ^ 1]))
    with pytest.raises(StoreUnavailable):
        seal.open(b"short")


async def test_a_branch_that_ends_is_not_opened_again() -> None:
    _, keys, log, branch = await opened()
    await log.append(branch.id, [an_entry()])
    log.begin_ending(branch.id)
    with pytest.raises(BranchGone):
        await log.read(branch.id)
    assert len(await log.last(branch.id)) == 1
    log.end_ending(branch.id)
    assert len(await log.read(branch.id)) == 1
    keys.forget(branch.id)
    assert keys.secret(branch.id) is None
    with pytest.raises(BranchLocked):
        await log.read(branch.id)


async def test_a_changed_digest_in_the_store_opens_nothing() -> None:
    branch = replace(a_branch(), secret_digest=digest("attacker"))
    keys = BranchKeys(Store(branch))
    await keys.show("person_a", {branch.id: "of the browser"})
    assert keys.secret(branch.id) is None
