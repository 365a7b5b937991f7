"""Copies a SQLite store into MongoDB, room by room, and compares the two.

While it is under way the database says so, and no server opens it. A migration that was cut
off is run again: rooms that were copied whole are left, of the others what there is goes first.
Snapshots of documents are left out: the log is all there is to them, and they are made anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter

from interview_ext.errors import Conflict, InterviewError
from interview_ext.rooms.model import EditOrigin, LogEntry, NewLogEntry, Room
from interview_ext.rooms.ports import Store
from interview_ext.storage.bodies import (
    BRANCH,
    DOCUMENT,
    EVENT,
    INVITE,
    PARTICIPANT,
    ROOM,
    RUN,
    SEAT,
)
from interview_ext.storage.mongo import MongoStore
from interview_ext.storage.sqlite import SqliteStore

ROOMS_AT_ONCE = 4
ENTRIES_AT_ONCE = 2000
BYTES_AT_ONCE = 4 * 1024 * 1024

COLLECTIONS = (
    "rooms",
    "documents",
    "branches",
    "participants",
    "invites",
    "seats",
    "events",
    "runs",
    "updates",
    "clients",
    "origins",
    "data_files",
    "kept_files",
    "contents",
)

Progress = Callable[[str, int, int], None]
"""Told what is done now, how many rooms of it are done, and of how many."""


class Migratable(Store, Protocol):
    """What both sides offer besides the ports."""

    async def room_keys(self) -> dict[str, str | None]:
        """Return every room's id and the key it was created with."""


@dataclass
class Tally:
    """Of one collection: how many there are, and a digest over all of them in their order."""

    count: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, *pieces: str | bytes) -> None:
        """Count one row. Lengths are part of it, so no two rows look alike."""
        self.count += 1
        for piece in pieces:
            data = piece.encode() if isinstance(piece, str) else piece
            self._hash.update(len(data).to_bytes(8, "big"))
            self._hash.update(data)

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal."""
        return str(self._hash.hexdigest())


Tallies = dict[str, Tally]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What one collection holds on either side."""

    collection: str
    source: Tally
    target: Tally

    @property
    def equal(self) -> bool:
        """Whether count and digest are the same."""
        return (self.source.count, self.source.digest) == (self.target.count, self.target.digest)


class Migration:
    """From a SQLite file to a database of MongoDB. Called by ``jupyter interview storage``."""

    def __init__(self, *, path: Path, url: str, progress: Progress) -> None:
        self._path = path
        self._source = SqliteStore(path)
        self._target = MongoStore(url, migrating=True)
        self._progress = progress

    async def run(self) -> list[Comparison]:
        """Copy and compare. Only if all is equal will a server open the database.

        Raises
        ------
        StoreUnavailable
            One of the stores cannot be used, or a server uses the file.
        Conflict
            The database holds interviews of another origin.
        """
        if not self._path.is_file():
            raise InterviewError(f"There is no SQLite store at {self._path}.")
        await self._source.start()
        try:
            await self._target.start()
            try:
                return await self._run()
            finally:
                await self._target.stop()
        finally:
            await self._source.stop()

    async def _run(self) -> list[Comparison]:
        keys = await self._source.room_keys()
        done = await self._target.migration.begin(str(self._path))
        left = [room_id for room_id in keys if room_id not in done]
        self._tell("copied", len(keys) - len(left), len(keys))
        places = asyncio.Semaphore(ROOMS_AT_ONCE)

        async def copy_one(room_id: str) -> None:
            async with places:
                await self._copy(room_id, keys[room_id])
                await self._target.migration.add(room_id)
            left.remove(room_id)
            self._tell("copied", len(keys) - len(left), len(keys))

        try:
            async with asyncio.TaskGroup() as group:
                for room_id in list(left):
                    group.create_task(copy_one(room_id))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        source = await self._tallies(self._source, "read again from SQLite")
        target = await self._tallies(self._target, "read again from MongoDB")
        compared = [
            Comparison(collection=name, source=source[name], target=target[name])
            for name in COLLECTIONS
        ]
        if all(comparison.equal for comparison in compared):
            await self._target.migration.end()
        return compared

    def _tell(self, what: str, done: int, of: int) -> None:
        self._progress(what, done, of)

    # -- copying

    async def _copy(self, room_id: str, key: str | None) -> None:
        source, target = self._source, self._target
        await target.delete_room(room_id)  # of an attempt that was cut off
        room = await source.get_room(room_id)
        if room is None:
            raise Conflict(f"The interview {room_id} went away while it was copied.")
        documents = await source.list_documents(room_id)
        host, *others = await source.list_participants(room_id)
        await target.create_room(room, documents, host, idempotency_key=key)
        for participant in others:
            await target.add_participant(participant)
        for invite in await source.list_invites(room_id):
            await target.add_invite(invite)
        for seat in await source.list_seats(room_id):
            await target.add_seat(seat)
        for run in await source.list_runs(room_id):
            await target.save_run(run)
        await target.add_events(await source.list_events(room_id))
        for file in await source.list_data_files(room_id):
            if file.dataset:  # its bytes stay where they are
                await target.put_dataset(file)
            else:
                await target.put_data_file(file, await source.read_content(file.digest))
        for file in await source.list_kept_files(room_id):
            await target.put_kept_file(file, await source.read_content(file.digest))
        branches = await source.list_branches(room_id)
        for branch in branches:  # before its log: what is cut off is found and removed by it
            await target.add_branch(branch)
        await self._copy_logs([d.id for d in documents] + [b.id for b in branches])

    async def _copy_logs(self, document_ids: Sequence[str]) -> None:
        """Copy updates as they are: those of a branch cannot be read here."""
        for document_id in document_ids:
            await self._copy_log(document_id)

    async def _copy_log(self, document_id: str) -> None:
        owners: dict[str, list[int]] = {}
        for client, participant_id in (await self._source.client_owners(document_id)).items():
            owners.setdefault(participant_id, []).append(client)
        for participant_id, clients in owners.items():
            await self._target.claim_clients(document_id, participant_id, clients)
        reported: dict[str, list[EditOrigin]] = {}
        for origin in await self._source.list_origins(document_id):
            reported.setdefault(origin.participant_id, []).append(origin)
        for participant_id, origins in reported.items():
            await self._target.add_origins(document_id, participant_id, origins, keep=len(origins))
        for entries in _in_batches(await self._source.read(document_id)):
            await self._target.append(document_id, [_unnumbered(entry) for entry in entries])

    # -- comparing

    async def _tallies(self, store: Migratable, what: str) -> Tallies:
        tallies: Tallies = {name: Tally() for name in COLLECTIONS}
        digests: set[str] = set()
        keys = await store.room_keys()
        for number, (room_id, key) in enumerate(keys.items(), start=1):
            room = await store.get_room(room_id)
            if room is not None:
                await _add_room(tallies, store, room, key, digests)
            self._tell(what, number, len(keys))
        for digest in sorted(digests):
            content = await store.read_content(digest)
            tallies["contents"].add(digest, hashlib.sha256(content).digest())
        return tallies


async def _add_room(
    tallies: Tallies, store: Store, room: Room, key: str | None, digests: set[str]
) -> None:
    tallies["rooms"].add(_canonical(ROOM, room), repr(key))
    documents = await store.list_documents(room.id)
    branches = sorted(await store.list_branches(room.id), key=lambda branch: branch.id)
    values_of: tuple[tuple[str, TypeAdapter[Any], Sequence[object]], ...] = (
        ("documents", DOCUMENT, documents),
        ("branches", BRANCH, branches),
        ("participants", PARTICIPANT, await store.list_participants(room.id)),
        ("invites", INVITE, await store.list_invites(room.id)),
        ("seats", SEAT, await store.list_seats(room.id)),
        ("events", EVENT, await store.list_events(room.id)),
        ("runs", RUN, await store.list_runs(room.id)),
    )
    for name, adapter, values in values_of:
        for value in values:
            tallies[name].add(_canonical(adapter, value))
    for name, files in (
        ("data_files", await store.list_data_files(room.id)),
        ("kept_files", await store.list_kept_files(room.id)),
    ):
        for file in files:
            tallies[name].add(room.id, file.path, str(file.size), file.digest, str(file.dataset))
            if not file.dataset:
                digests.add(file.digest)
    for document_id in [d.id for d in documents] + [b.id for b in branches]:
        for entry in await store.read(document_id):
            tallies["updates"].add(*_pieces(entry))
        for client, owner in sorted((await store.client_owners(document_id)).items()):
            tallies["clients"].add(document_id, str(client), owner)
        for origin in await store.list_origins(document_id):
            tallies["origins"].add(document_id, repr(origin))


def _canonical(adapter: TypeAdapter[Any], value: object) -> str:
    """Return a value as text that is the same whatever order its sets happen to have."""

    def plain(part: object) -> object:
        return sorted(map(str, part)) if isinstance(part, frozenset) else str(part)

    return json.dumps(adapter.dump_python(value), sort_keys=True, default=plain)


def _pieces(entry: LogEntry) -> tuple[str | bytes, ...]:
    known = repr((entry.seq, entry.at.isoformat(), entry.client, entry.seat, entry.origin))
    return entry.document_id, known, entry.update


def _unnumbered(entry: LogEntry) -> NewLogEntry:
    return NewLogEntry(
        at=entry.at,
        client=entry.client,
        seat=entry.seat,
        update=entry.update,
        origin=entry.origin,
    )


def _in_batches(entries: Sequence[LogEntry]) -> Iterator[list[LogEntry]]:
    batch: list[LogEntry] = []
    size = 0
    for entry in entries:
        if batch and (len(batch) == ENTRIES_AT_ONCE or size + len(entry.update) > BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += len(entry.update)
    if batch:
        yield batch
