"""What SQLite keeps of each document: its updates, snapshots, authors and what pages report."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from interview_ext.errors import Conflict
from interview_ext.rooms.model import EditOrigin, LogEntry, NewLogEntry, Snapshot
from interview_ext.rooms.ports import LogMoved
from interview_ext.storage.sqlite_engine import Rows, SqliteEngine
from interview_ext.storage.sqlite_schema import MIGRATIONS

_NO_MORE = 2**63 - 1
"""The seq of a snapshot without data, which stands where none may be kept any more."""

_DELETE_DOCUMENT = (
    "DELETE FROM updates WHERE document_id = ?",
    "DELETE FROM snapshots WHERE document_id = ?",
    "DELETE FROM clients WHERE document_id = ?",
    "DELETE FROM origins WHERE document_id = ?",
)


class SqliteLog:
    """The part of `interview_ext.rooms.ports.Store` that is about what happens in documents.

    Parameters
    ----------
    path:
        See `SqliteStore`.
    """

    def __init__(self, path: Path) -> None:
        self._last: dict[str, int] = {}
        """Of some documents the seq of their last update. Only in the thread that writes."""
        self._db = SqliteEngine(path, MIGRATIONS, undone=self._last.clear)

    async def append(
        self,
        document_id: str,
        entries: Sequence[NewLogEntry],
        *,
        batch: str | None = None,
        after: int | None = None,
    ) -> int:
        """See `interview_ext.rooms.ports.UpdateLog.append`."""
        del batch  # a commit that failed here has been rolled back: nothing of it was stored

        def work(db: sqlite3.Connection) -> tuple[int, Rows]:
            last = self._last.get(document_id)
            if last is None:
                last = _last_seq(db, document_id)
            if after not in (None, last):
                raise LogMoved
            rows: Rows = [
                (document_id, seq, e.at.isoformat(), e.client, e.seat, e.origin, e.update)
                for seq, e in enumerate(entries, start=last + 1)
            ]
            self._last[document_id] = last = last + len(rows)
            return last, rows

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
        statement = (
            "INSERT INTO snapshots SELECT id, ?2, ?3 FROM documents WHERE id = ?1 "
            "ON CONFLICT (document_id) DO UPDATE SET seq = excluded.seq, data = excluded.data "
            "WHERE excluded.seq > snapshots.seq"
        )

        def work(db: sqlite3.Connection) -> None:
            db.execute(statement, (document_id, snapshot.seq, snapshot.data))

        await self._db.write(work)

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

    async def list_origins(self, document_id: str, *, by: str | None = None) -> list[EditOrigin]:
        of_one = "" if by is None else "AND participant_id = ? "
        query = (
            'SELECT participant_id, client, "start", "end", deleted, origin FROM origins '  # noqa: S608
            f"WHERE document_id = ? {of_one}ORDER BY participant_id, number"
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
                    query, (document_id,) if by is None else (document_id, by)
                )
            ]

        return await self._db.read(work)

    async def drop_origins(self, document_id: str, participant_id: str) -> None:
        def work(db: sqlite3.Connection) -> None:
            query = "DELETE FROM origins WHERE document_id = ? AND participant_id = ?"
            db.execute(query, (document_id, participant_id))

        await self._db.write(work)

    def _delete_documents(self, db: sqlite3.Connection, ids: Iterable[str]) -> None:
        """In a transaction: forget all about these documents."""
        for document_id in ids:
            self._last.pop(document_id, None)
            for statement in _DELETE_DOCUMENT:
                db.execute(statement, (document_id,))


def _last_seq(db: sqlite3.Connection, document_id: str) -> int:
    query = "SELECT coalesce(max(seq), 0) FROM updates WHERE document_id = ?"
    return int(db.execute(query, (document_id,)).fetchone()[0])
