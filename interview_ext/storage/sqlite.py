"""The embedded store: everything in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import TypeAdapter

from interview_ext.errors import BranchExists, Conflict, NotFound
from interview_ext.rooms.model import (
    Branch,
    DataFile,
    Document,
    EditOrigin,
    Event,
    Invite,
    LogEntry,
    NewLogEntry,
    Participant,
    Room,
    Run,
    Seat,
    Snapshot,
)
from interview_ext.rooms.ports import LogMoved
from interview_ext.rooms.timeline import GENESIS
from interview_ext.storage.bodies import (
    BRANCH,
    DOCUMENT,
    EVENT,
    INVITE,
    PARTICIPANT,
    ROOM,
    RUN,
    SEAT,
    dump,
)
from interview_ext.storage.sqlite_engine import Rows, SqliteEngine
from interview_ext.storage.sqlite_schema import MIGRATIONS

T = TypeVar("T")

_FileTable = Literal["data_files", "kept_files"]

_NO_MORE = 2**63 - 1
"""The seq of a snapshot without data, which stands where none may be kept any more."""

_DELETE_ROOM = (
    "DELETE FROM data_files WHERE room_id = ?",
    "DELETE FROM datasets WHERE room_id = ?",
    "DELETE FROM kept_files WHERE room_id = ?",
    "DELETE FROM documents WHERE room_id = ?",
    "DELETE FROM branches WHERE room_id = ?",
    "DELETE FROM participants WHERE room_id = ?",
    "DELETE FROM invites WHERE room_id = ?",
    "DELETE FROM seats WHERE room_id = ?",
    "DELETE FROM events WHERE room_id = ?",
    "DELETE FROM runs WHERE room_id = ?",
    "DELETE FROM rooms WHERE id = ?",
)


class SqliteStore:
    """See `interview_ext.rooms.ports.Store`, whose every method this is.

    Parameters
    ----------
    path:
        The file; it and its folder are made when missing, readable by this user only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, int] = {}
        """Of some documents the seq of their last update. Only in the thread that writes."""
        self._db = SqliteEngine(path, MIGRATIONS, undone=self._last.clear)

    @property
    def about(self) -> str:
        """What and where it is, for people."""
        return f"SQLite, {self._path}"

    async def start(self) -> None:
        await self._db.start()
        await self._db.write(_drop_unclaimed)

    async def stop(self) -> None:
        await self._db.stop()

    async def scrub(self) -> None:
        await self._db.scrub()

    # -- rooms

    async def create_room(
        self,
        room: Room,
        documents: Sequence[Document],
        host: Participant,
        *,
        idempotency_key: str | None = None,
    ) -> Room:
        def work(db: sqlite3.Connection) -> Room:
            if idempotency_key is not None:
                before = _find_room(db, room.owner, idempotency_key)
                if before is not None:
                    return before
            db.execute(
                "INSERT INTO rooms VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*_room_row(room), idempotency_key, dump(ROOM, room)),
            )
            for document in documents:
                _insert_document(db, document)
            _insert_participant(db, host)
            return room

        return await self._db.write(work)

    async def find_room(self, owner: str, idempotency_key: str) -> Room | None:
        return await self._db.read(lambda db: _find_room(db, owner, idempotency_key))

    async def get_room(self, room_id: str) -> Room | None:
        return await self._one(ROOM, "SELECT body FROM rooms WHERE id = ?", room_id)

    async def list_rooms(self, owner: str) -> list[Room]:
        query = "SELECT body FROM rooms WHERE owner = ? ORDER BY starts_at DESC, id"
        return await self._all(ROOM, query, owner)

    async def list_open_rooms(self) -> list[Room]:
        query = "SELECT body FROM rooms WHERE state NOT IN ('ended', 'archived') ORDER BY starts_at"
        return await self._all(ROOM, query)

    async def room_keys(self) -> dict[str, str | None]:
        """Return every room's id and the key it was created with. Called by `migration`."""
        query = "SELECT id, idempotency_key FROM rooms ORDER BY id"
        return await self._db.read(lambda db: dict(db.execute(query).fetchall()))

    async def update_room(self, room: Room) -> Room:
        changed = replace(room, version=room.version + 1)

        def work(db: sqlite3.Connection) -> Room:
            _, owner, state, starts_at, version = _room_row(changed)
            done = db.execute(
                "UPDATE rooms SET owner = ?, state = ?, starts_at = ?, version = ?, body = ? "
                "WHERE id = ? AND version = ?",
                (owner, state, starts_at, version, dump(ROOM, changed), room.id, room.version),
            )
            if done.rowcount == 1:
                return changed
            if db.execute("SELECT 1 FROM rooms WHERE id = ?", (room.id,)).fetchone() is None:
                raise NotFound("There is no such interview.")
            raise Conflict(
                "This interview was changed at the same moment by somebody else.",
                hint="Look at it again, then repeat what you did.",
            )

        return await self._db.write(work)

    async def delete_room(self, room_id: str) -> None:
        def work(db: sqlite3.Connection) -> None:
            self._last.clear()
            _delete_room(db, room_id)

        await self._db.write(work)

    async def add_document(self, document: Document) -> None:
        await self._db.write(lambda db: _insert_document(db, document))

    async def list_documents(self, room_id: str) -> list[Document]:
        query = "SELECT body FROM documents WHERE room_id = ? ORDER BY rowid"
        return await self._all(DOCUMENT, query, room_id)

    async def put_data_file(self, file: DataFile, content: bytes) -> None:
        await self._put_file("data_files", file, content)

    async def put_dataset(self, file: DataFile) -> None:
        await self._execute(
            "INSERT OR REPLACE INTO datasets VALUES (?, ?, ?, ?)",
            file.room_id,
            file.path,
            file.size,
            file.digest,
        )

    async def list_data_files(self, room_id: str) -> list[DataFile]:
        query = (
            "SELECT path, size, digest, 0 FROM data_files WHERE room_id = ? UNION ALL "
            "SELECT path, size, digest, 1 FROM datasets WHERE room_id = ? ORDER BY path"
        )

        def work(db: sqlite3.Connection) -> list[DataFile]:
            return [
                DataFile(room_id=room_id, path=path, size=size, digest=digest, dataset=bool(large))
                for path, size, digest, large in db.execute(query, (room_id, room_id))
            ]

        return await self._db.read(work)

    async def named_datasets(self) -> set[str]:
        query = "SELECT DISTINCT digest FROM datasets"
        return await self._db.read(lambda db: {row[0] for row in db.execute(query)})

    async def put_kept_file(self, file: DataFile, content: bytes) -> None:
        await self._put_file("kept_files", file, content)

    async def list_kept_files(self, room_id: str) -> list[DataFile]:
        query = "SELECT path, size, digest FROM kept_files WHERE room_id = ? ORDER BY path"

        def work(db: sqlite3.Connection) -> list[DataFile]:
            return [
                DataFile(room_id=room_id, path=path, size=size, digest=digest)
                for path, size, digest in db.execute(query, (room_id,))
            ]

        return await self._db.read(work)

    async def drop_kept_files(self, room_id: str) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM kept_files WHERE room_id = ?", (room_id,))
            _delete_unused_contents(db)

        await self._db.write(work)

    async def _put_file(self, table: _FileTable, file: DataFile, content: bytes) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?)", (file.digest, content))
            db.execute(
                f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?)",  # noqa: S608
                (file.room_id, file.path, file.size, file.digest),
            )

        await self._db.write(work)

    async def read_content(self, digest: str) -> bytes:
        def work(db: sqlite3.Connection) -> bytes | None:
            query = "SELECT content FROM contents WHERE digest = ?"
            row = db.execute(query, (digest,)).fetchone()
            return bytes(row[0]) if row else None

        content = await self._db.read(work)
        if content is None:
            raise NotFound("There is no stored content of that digest.")
        return content

    # -- people

    async def add_participant(self, participant: Participant) -> None:
        await self._db.write(lambda db: _insert_participant(db, participant))

    async def get_participant(self, participant_id: str) -> Participant | None:
        query = "SELECT body FROM participants WHERE id = ?"
        return await self._one(PARTICIPANT, query, participant_id)

    async def list_participants(self, room_id: str) -> list[Participant]:
        query = "SELECT body FROM participants WHERE room_id = ? ORDER BY number"
        return await self._all(PARTICIPANT, query, room_id)

    async def update_participant(self, participant: Participant) -> None:
        body = dump(PARTICIPANT, participant)
        await self._execute("UPDATE participants SET body = ? WHERE id = ?", body, participant.id)

    async def add_invite(self, invite: Invite) -> None:
        await self._execute(
            "INSERT INTO invites (id, room_id, token_digest, body) VALUES (?, ?, ?, ?)",
            invite.id,
            invite.room_id,
            invite.token_digest,
            dump(INVITE, invite),
        )

    async def get_invite(self, invite_id: str) -> Invite | None:
        return await self._one(INVITE, "SELECT body FROM invites WHERE id = ?", invite_id)

    async def find_invite(self, token_digest: str) -> Invite | None:
        query = "SELECT body FROM invites WHERE token_digest = ?"
        return await self._one(INVITE, query, token_digest)

    async def list_invites(self, room_id: str) -> list[Invite]:
        query = "SELECT body FROM invites WHERE room_id = ? ORDER BY number"
        return await self._all(INVITE, query, room_id)

    async def revoke_invite(self, invite_id: str, at: datetime) -> None:
        def work(db: sqlite3.Connection) -> None:
            row = db.execute("SELECT body FROM invites WHERE id = ?", (invite_id,)).fetchone()
            if row is None:
                raise NotFound("There is no such invite.")
            invite = replace(INVITE.validate_json(row[0]), revoked_at=at)
            db.execute(
                "UPDATE invites SET body = ? WHERE id = ?", (dump(INVITE, invite), invite_id)
            )

        await self._db.write(work)

    async def add_seat(self, seat: Seat) -> None:
        await self._execute(
            "INSERT INTO seats (id, room_id, secret_digest, body) VALUES (?, ?, ?, ?)",
            seat.id,
            seat.room_id,
            seat.secret_digest,
            dump(SEAT, seat),
        )

    async def get_seat(self, seat_id: str) -> Seat | None:
        return await self._one(SEAT, "SELECT body FROM seats WHERE id = ?", seat_id)

    async def find_seat(self, secret_digest: str) -> Seat | None:
        return await self._one(
            SEAT, "SELECT body FROM seats WHERE secret_digest = ?", secret_digest
        )

    async def list_seats(self, room_id: str) -> list[Seat]:
        query = "SELECT body FROM seats WHERE room_id = ? ORDER BY number"
        return await self._all(SEAT, query, room_id)

    async def update_seats(self, seats: Sequence[Seat]) -> None:
        def work(db: sqlite3.Connection) -> None:
            rows = [(dump(SEAT, seat), seat.id) for seat in seats]
            db.executemany("UPDATE seats SET body = ? WHERE id = ?", rows)

        await self._db.write(work)

    # -- timeline

    async def append_event(self, room_id: str, seal: Callable[[int, str], Event]) -> Event:
        def work(db: sqlite3.Connection) -> Event:
            query = "SELECT seq, digest FROM events WHERE room_id = ? ORDER BY seq DESC LIMIT 1"
            seq, previous = db.execute(query, (room_id,)).fetchone() or (0, GENESIS)
            event = seal(seq + 1, previous)
            db.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?)",
                (room_id, event.seq, event.digest, dump(EVENT, event)),
            )
            return event

        return await self._db.write(work)

    async def list_events(
        self, room_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[Event]:
        query = "SELECT body FROM events WHERE room_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        return await self._all(EVENT, query, room_id, after, -1 if limit is None else limit)

    async def erase_payload(self, room_id: str, seq: int) -> None:
        def work(db: sqlite3.Connection) -> None:
            query = "SELECT body FROM events WHERE room_id = ? AND seq = ?"
            row = db.execute(query, (room_id, seq)).fetchone()
            if row is None:
                raise NotFound("There is no such event.")
            event = replace(EVENT.validate_json(row[0]), payload=None, salt=None)
            db.execute(
                "UPDATE events SET body = ? WHERE room_id = ? AND seq = ?",
                (dump(EVENT, event), room_id, seq),
            )

        await self._db.write(work)

    # -- runs

    async def save_run(self, run: Run) -> None:
        await self._db.write(lambda db: _save_run(db, run))

    async def rewrite_run(self, run: Run) -> None:
        await self._execute("UPDATE runs SET body = ? WHERE id = ?", dump(RUN, run), run.id)

    async def get_run(self, run_id: str) -> Run | None:
        return await self._one(RUN, "SELECT body FROM runs WHERE id = ?", run_id)

    async def list_runs(self, room_id: str) -> list[Run]:
        query = "SELECT body FROM runs WHERE room_id = ? ORDER BY number"
        return await self._all(RUN, query, room_id)

    # -- update log

    async def append(
        self,
        document_id: str,
        entries: Sequence[NewLogEntry],
        *,
        batch: str | None = None,
        after: int | None = None,
    ) -> list[LogEntry]:
        del batch  # a commit that failed here has been rolled back: nothing of it was stored

        def work(db: sqlite3.Connection) -> tuple[list[LogEntry], Rows]:
            last = self._last.get(document_id)
            if last is None:
                last = _last_seq(db, document_id)
            if after not in (None, last):
                raise LogMoved
            numbered = [
                LogEntry(document_id=document_id, seq=last + number, **vars(entry))
                for number, entry in enumerate(entries, start=1)
            ]
            self._last[document_id] = last + len(entries)
            return numbered, [
                (e.document_id, e.seq, e.at.isoformat(), e.client, e.seat, e.origin, e.update)
                for e in numbered
            ]

        return await self._db.insert("updates", work)

    async def read(self, document_id: str, *, after: int = 0) -> list[LogEntry]:
        query = (
            "SELECT seq, at, client, seat, origin, data FROM updates "
            "WHERE document_id = ? AND seq > ? ORDER BY seq"
        )

        def work(db: sqlite3.Connection) -> list[LogEntry]:
            return [
                LogEntry(
                    document_id=document_id,
                    seq=seq,
                    at=datetime.fromisoformat(at).astimezone(UTC),
                    client=client,
                    seat=seat,
                    origin=origin,
                    update=bytes(data),
                )
                for seq, at, client, seat, origin, data in db.execute(query, (document_id, after))
            ]

        return await self._db.read(work)

    async def replace(self, document_id: str, entries: Sequence[LogEntry]) -> None:
        def work(db: sqlite3.Connection) -> None:
            query = "SELECT seq FROM updates WHERE document_id = ? ORDER BY seq"
            stored = [seq for (seq,) in db.execute(query, (document_id,))]
            if stored != [entry.seq for entry in entries]:
                raise Conflict("The document has changed meanwhile.", hint="Try again.")
            db.executemany(
                "UPDATE updates SET at = ?, client = ?, seat = ?, origin = ?, data = ? "
                "WHERE document_id = ? AND seq = ?",
                [
                    (e.at.isoformat(), e.client, e.seat, e.origin, e.update, document_id, e.seq)
                    for e in entries
                ],
            )
            db.execute("REPLACE INTO snapshots VALUES (?, ?, NULL)", (document_id, _NO_MORE))

        await self._db.write(work)

    async def last_seq(self, document_id: str) -> int:
        return await self._db.read(lambda db: _last_seq(db, document_id))

    async def keep_snapshot(self, document_id: str, snapshot: Snapshot) -> None:
        await self._execute(
            "INSERT INTO snapshots SELECT id, ?2, ?3 FROM documents WHERE id = ?1 "
            "ON CONFLICT (document_id) DO UPDATE SET seq = excluded.seq, data = excluded.data "
            "WHERE excluded.seq > snapshots.seq",
            document_id,
            snapshot.seq,
            snapshot.data,
        )

    async def get_snapshot(self, document_id: str) -> Snapshot | None:
        query = "SELECT seq, data FROM snapshots WHERE document_id = ? AND data IS NOT NULL"

        def work(db: sqlite3.Connection) -> Snapshot | None:
            row = db.execute(query, (document_id,)).fetchone()
            return Snapshot(seq=row[0], data=row[1]) if row else None

        return await self._db.read(work)

    async def claim_clients(
        self, document_id: str, participant_id: str, clients: Sequence[int]
    ) -> Mapping[int, str]:
        def work(db: sqlite3.Connection) -> dict[int, str]:
            rows = [(document_id, client, participant_id) for client in clients]
            db.executemany("INSERT OR IGNORE INTO clients VALUES (?, ?, ?)", rows)
            query = "SELECT participant_id FROM clients WHERE document_id = ? AND client = ?"
            return {c: db.execute(query, (document_id, c)).fetchone()[0] for c in clients}

        return await self._db.write(work)

    async def client_owners(self, document_id: str) -> dict[int, str]:
        query = "SELECT client, participant_id FROM clients WHERE document_id = ?"
        return await self._db.read(lambda db: dict(db.execute(query, (document_id,)).fetchall()))

    # -- branches

    async def add_branch(self, branch: Branch) -> None:
        def work(db: sqlite3.Connection) -> None:
            row = branch.id, branch.room_id, branch.participant_id, dump(BRANCH, branch)
            try:
                db.execute("INSERT INTO branches VALUES (?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                raise BranchExists("You have a branch already.") from error

        await self._db.write(work)

    async def get_branch(self, branch_id: str) -> Branch | None:
        return await self._one(BRANCH, "SELECT body FROM branches WHERE id = ?", branch_id)

    async def list_branches(self, room_id: str | None = None) -> list[Branch]:
        query = "SELECT body FROM branches WHERE ?1 IS NULL OR room_id = ?1 ORDER BY rowid"
        return await self._all(BRANCH, query, room_id)

    async def delete_branch(self, branch_id: str) -> None:
        """See the port. Deleted rows are overwritten (`secure_delete`), and so is the WAL."""

        def work(db: sqlite3.Connection) -> None:
            self._last.pop(branch_id, None)
            _delete_documents(db, [branch_id])
            db.execute("DELETE FROM branches WHERE id = ?", (branch_id,))

        await self._db.write(work)
        await self._db.empty_wal()

    # -- what pages report about their edits

    async def add_origins(
        self,
        document_id: str,
        participant_id: str,
        origins: Sequence[EditOrigin],
        *,
        keep: int,
    ) -> None:
        query = "SELECT count(*) FROM origins WHERE document_id = ? AND participant_id = ?"

        def work(db: sqlite3.Connection) -> None:
            (count,) = db.execute(query, (document_id, participant_id)).fetchone()
            db.executemany(
                "INSERT INTO origins VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (document_id, participant_id, o.client, o.start, o.end, o.deleted, o.origin)
                    for o in origins[: max(0, keep - count)]
                ],
            )

        await self._db.write(work)

    async def list_origins(self, document_id: str) -> list[EditOrigin]:
        query = (
            'SELECT participant_id, client, "start", "end", deleted, origin FROM origins '
            "WHERE document_id = ? ORDER BY participant_id, number"
        )

        def work(db: sqlite3.Connection) -> list[EditOrigin]:
            return [
                EditOrigin(
                    participant_id=participant_id,
                    client=client,
                    start=start,
                    end=end,
                    deleted=bool(deleted),
                    origin=origin,
                )
                for participant_id, client, start, end, deleted, origin in db.execute(
                    query, (document_id,)
                )
            ]

        return await self._db.read(work)

    async def drop_origins(self, document_id: str, participant_id: str) -> None:
        def work(db: sqlite3.Connection) -> None:
            query = "DELETE FROM origins WHERE document_id = ? AND participant_id = ?"
            db.execute(query, (document_id, participant_id))

        await self._db.write(work)

    # -- inside

    async def _execute(self, statement: str, *values: object) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute(statement, values)

        await self._db.write(work)

    async def _one(self, adapter: TypeAdapter[T], query: str, *values: object) -> T | None:
        def work(db: sqlite3.Connection) -> T | None:
            row = db.execute(query, values).fetchone()
            return adapter.validate_json(row[0]) if row else None

        return await self._db.read(work)

    async def _all(self, adapter: TypeAdapter[T], query: str, *values: object) -> list[T]:
        def work(db: sqlite3.Connection) -> list[T]:
            return [adapter.validate_json(body) for (body,) in db.execute(query, values)]

        return await self._db.read(work)


def _room_row(room: Room) -> tuple[str, str, str, str, int]:
    starts_at = room.starts_at.astimezone(UTC).isoformat()
    return room.id, room.owner, str(room.state), starts_at, room.version


def _find_room(db: sqlite3.Connection, owner: str, key: str) -> Room | None:
    query = "SELECT body FROM rooms WHERE owner = ? AND idempotency_key = ?"
    row = db.execute(query, (owner, key)).fetchone()
    return ROOM.validate_json(row[0]) if row else None


def _insert_document(db: sqlite3.Connection, document: Document) -> None:
    try:
        db.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?)",
            (document.id, document.room_id, document.path, dump(DOCUMENT, document)),
        )
    except sqlite3.IntegrityError as error:
        raise Conflict(f"This interview has a document named {document.path} already.") from error


def _insert_participant(db: sqlite3.Connection, participant: Participant) -> None:
    db.execute(
        "INSERT INTO participants (id, room_id, body) VALUES (?, ?, ?)",
        (participant.id, participant.room_id, dump(PARTICIPANT, participant)),
    )


def _save_run(db: sqlite3.Connection, run: Run) -> None:
    body = dump(RUN, run)
    row = db.execute("SELECT body FROM runs WHERE id = ?", (run.id,)).fetchone()
    if row and row[0] != body and RUN.validate_json(row[0]).ended_at is not None:
        raise Conflict("This run has ended already.")
    db.execute(
        "INSERT INTO runs (id, room_id, body) VALUES (?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        (run.id, run.room_id, body),
    )


def _last_seq(db: sqlite3.Connection, document_id: str) -> int:
    query = "SELECT coalesce(max(seq), 0) FROM updates WHERE document_id = ?"
    return int(db.execute(query, (document_id,)).fetchone()[0])


def _delete_room(db: sqlite3.Connection, room_id: str) -> None:
    query = (
        "SELECT id FROM documents WHERE room_id = ?1 UNION ALL "
        "SELECT id FROM branches WHERE room_id = ?1"
    )
    ids = [row[0] for row in db.execute(query, (room_id,))]
    _delete_documents(db, ids)
    for statement in _DELETE_ROOM:
        db.execute(statement, (room_id,))
    _delete_unused_contents(db)


def _delete_documents(db: sqlite3.Connection, ids: Iterable[str]) -> None:
    for document_id in ids:
        db.execute("DELETE FROM updates WHERE document_id = ?", (document_id,))
        db.execute("DELETE FROM snapshots WHERE document_id = ?", (document_id,))
        db.execute("DELETE FROM clients WHERE document_id = ?", (document_id,))
        db.execute("DELETE FROM origins WHERE document_id = ?", (document_id,))


def _delete_unused_contents(db: sqlite3.Connection) -> None:
    db.execute(
        "DELETE FROM contents WHERE digest NOT IN "
        "(SELECT digest FROM data_files UNION ALL SELECT digest FROM kept_files)"
    )


def _drop_unclaimed(db: sqlite3.Connection) -> None:
    """Remove contents stored for rooms that were planned but never made (a crash between)."""
    logged = db.execute(
        "SELECT DISTINCT document_id FROM updates WHERE document_id NOT IN "
        "(SELECT id FROM documents UNION ALL SELECT id FROM branches)"
    )
    _delete_documents(db, [row[0] for row in logged.fetchall()])
    db.execute("DELETE FROM data_files WHERE room_id NOT IN (SELECT id FROM rooms)")
    db.execute("DELETE FROM datasets WHERE room_id NOT IN (SELECT id FROM rooms)")
    _delete_unused_contents(db)
