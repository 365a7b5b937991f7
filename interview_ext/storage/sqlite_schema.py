"""The schema of the SQLite store, as the steps that led to it.

A step is never changed once released; the next one is appended. ``user_version`` of
the file counts the steps it has taken.
"""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE rooms (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        state TEXT NOT NULL,
        starts_at TEXT NOT NULL,
        version INTEGER NOT NULL,
        idempotency_key TEXT,
        body TEXT NOT NULL
    );
    CREATE UNIQUE INDEX rooms_by_key ON rooms (owner, idempotency_key)
        WHERE idempotency_key IS NOT NULL;
    CREATE INDEX rooms_by_owner ON rooms (owner, starts_at);
    CREATE TABLE documents (
        id TEXT PRIMARY KEY, room_id TEXT NOT NULL, path TEXT NOT NULL, body TEXT NOT NULL,
        UNIQUE (room_id, path)
    );
    CREATE TABLE contents (digest TEXT PRIMARY KEY, content BLOB NOT NULL);
    CREATE TABLE data_files (
        room_id TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY (room_id, path)
    );
    CREATE INDEX data_files_by_digest ON data_files (digest);
    CREATE TABLE participants (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, room_id TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX participants_by_room ON participants (room_id);
    CREATE TABLE invites (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, room_id TEXT NOT NULL,
        token_digest TEXT NOT NULL UNIQUE, body TEXT NOT NULL
    );
    CREATE INDEX invites_by_room ON invites (room_id);
    CREATE TABLE seats (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, room_id TEXT NOT NULL,
        secret_digest TEXT NOT NULL UNIQUE, body TEXT NOT NULL
    );
    CREATE INDEX seats_by_room ON seats (room_id);
    CREATE TABLE events (
        room_id TEXT NOT NULL, seq INTEGER NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (room_id, seq)
    ) WITHOUT ROWID;
    CREATE TABLE runs (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, room_id TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX runs_by_room ON runs (room_id);
    CREATE TABLE updates (
        document_id TEXT NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL, client INTEGER NOT NULL,
        seat TEXT, origin TEXT, data BLOB NOT NULL,
        PRIMARY KEY (document_id, seq)
    ) WITHOUT ROWID;
    CREATE TABLE clients (
        document_id TEXT NOT NULL, client INTEGER NOT NULL, participant_id TEXT NOT NULL,
        PRIMARY KEY (document_id, client)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE kept_files (
        room_id TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY (room_id, path)
    );
    CREATE INDEX kept_files_by_digest ON kept_files (digest);
    """,
    """
    CREATE TABLE datasets (
        room_id TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY (room_id, path)
    );
    """,
    """
    CREATE TABLE branches (
        id TEXT PRIMARY KEY, room_id TEXT NOT NULL, participant_id TEXT NOT NULL,
        body TEXT NOT NULL, UNIQUE (room_id, participant_id)
    );
    """,
    """
    CREATE TABLE origins (
        number INTEGER PRIMARY KEY, document_id TEXT NOT NULL, participant_id TEXT NOT NULL,
        client INTEGER NOT NULL, "start" INTEGER NOT NULL, "end" INTEGER NOT NULL,
        deleted INTEGER NOT NULL, origin TEXT NOT NULL
    );
    CREATE INDEX origins_by_document ON origins (document_id, participant_id);
    """,
    """
    CREATE TABLE snapshots (document_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, data BLOB);
    """,
)
