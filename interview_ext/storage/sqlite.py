"""The embedded store: everything in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
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
    Event,
    Invite,
    Participant,
    Room,
    Run,
    Seat,
)
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
    may_change,
)
from interview_ext.storage.sqlite_log import SqliteLog

T = TypeVar("T")

_FileTable = Literal["data_files", "kept_files"]

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


class SqliteStore(SqliteLog):
    """See `interview_ext.rooms.ports.Store`, whose every method this is.

    Parameters
    ----------
    path:
        The file; it and its folder are made when missing, readable by this user only.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path = path

    @property
    def about(self) -> str:
        """What and where it is, for people."""
        return f"SQLite, {self._path}"

    async def start(self) -> None:
        await self._db.start()
        await self._db.write(self._drop_unclaimed)

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
            self._delete_room(db, room_id)

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
            for seat in seats:
                query = "SELECT body FROM seats WHERE id = ?"
                found = db.execute(query, (seat.id,)).fetchone()
                if found is not None and may_change(SEAT.validate_json(found[0]), seat):
                    query = "UPDATE seats SET body = ? WHERE id = ?"
                    db.execute(query, (dump(SEAT, seat), seat.id))

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
            self._delete_documents(db, [branch_id])
            db.execute("DELETE FROM branches WHERE id = ?", (branch_id,))

        await self._db.write(work)
        await self._db.empty_wal()

    # -- inside

    def _delete_room(self, db: sqlite3.Connection, room_id: str) -> None:
        query = (
            "SELECT id FROM documents WHERE room_id = ?1 UNION ALL "
            "SELECT id FROM branches WHERE room_id = ?1"
        )
        self._delete_documents(db, [row[0] for row in db.execute(query, (room_id,)).fetchall()])
        for statement in _DELETE_ROOM:
            db.execute(statement, (room_id,))
        _delete_unused_contents(db)

    def _drop_unclaimed(self, db: sqlite3.Connection) -> None:
        """Remove contents stored for rooms that were planned but never made (a crash between)."""
        logged = db.execute(
            "SELECT DISTINCT document_id FROM updates WHERE document_id NOT IN "
            "(SELECT id FROM documents UNION ALL SELECT id FROM branches)"
        )
        self._delete_documents(db, [row[0] for row in logged.fetchall()])
        db.execute("DELETE FROM data_files WHERE room_id NOT IN (SELECT id FROM rooms)")
        db.execute("DELETE FROM datasets WHERE room_id NOT IN (SELECT id FROM rooms)")
        _delete_unused_contents(db)

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


def _delete_unused_contents(db: sqlite3.Connection) -> None:
    db.execute(
        "DELETE FROM contents WHERE digest NOT IN "
        "(SELECT digest FROM data_files UNION ALL SELECT digest FROM kept_files)"
    )
