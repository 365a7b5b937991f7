"""The collections of the MongoDB store and their indexes.

========== ==================================================================================
rooms      one a room: ``owner, key?, state, starts_at, version, body``
documents  participants, invites, seats, runs: ``room_id, number, body`` and what is looked up;
           ``number`` gives the order in which they came. A document has ``snapshot`` too:
           ``seq, owner, parts`` (`mongo_snapshots`)
events     ``room_id, seq, digest, body``
updates    one for each *group* of updates of a document that was committed together:
           ``document_id, first, last, batches, entries`` (`mongo_log`)
clients    ``document_id, client, participant_id``
branches   ``room_id, participant_id, body``
origins    what pages report about their edits: ``document_id, participant_id, number``, and the
           fields of `EditOrigin`; ``origin_counts`` has the last ``number`` of each participant
data_files and kept_files: ``room_id, path, size, digest, dataset``
contents   one for each digest: ``owner, parts, stored_at``
parts      pieces of what is larger than one document of MongoDB may be:
           ``owner, stored_at, data``; the owner is a document, or what ``contents`` or a
           ``snapshot`` names
counters   the last ``number`` given out in a room
========== ==================================================================================

``body`` is the value as JSON (`bodies`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

VERSION = 2
"""2: documents have snapshots, which a server that knows nothing of them would not erase."""


@dataclass(frozen=True)
class Index:
    """An index: its keys in order, each ascending, and its options."""

    names: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> list[tuple[str, int]]:
        """As pymongo takes them."""
        return [(name, 1) for name in self.names]


def _unique(*names: str, **options: Any) -> Index:
    return Index(names, {"unique": True, **options})


_BY_ROOM = Index(("room_id", "number"))

_FILES = _unique("room_id", "path"), Index(("digest",))

INDEXES: dict[str, tuple[Index, ...]] = {
    "rooms": (
        Index(("owner", "starts_at")),
        Index(("state", "starts_at")),
        _unique("owner", "key", partialFilterExpression={"key": {"$type": "string"}}),
    ),
    "documents": (
        _BY_ROOM,
        _unique("room_id", "path"),
        Index(("snapshot.owner",), {"sparse": True}),
    ),
    "participants": (_BY_ROOM,),
    "invites": (_BY_ROOM, _unique("token_digest")),
    "seats": (_BY_ROOM, _unique("secret_digest")),
    "runs": (_BY_ROOM,),
    "events": (_unique("room_id", "seq"),),
    "updates": (
        _unique("document_id", "first"),
        _unique("document_id", "batches"),
        Index(("document_id",), {"name": "logs", "partialFilterExpression": {"first": 1}}),
    ),
    "clients": (_unique("document_id", "client"),),
    "branches": (_unique("room_id", "participant_id"),),
    "origins": (_unique("document_id", "participant_id", "number"),),
    "origin_counts": (_unique("document_id", "participant_id"),),
    "data_files": _FILES,
    "kept_files": _FILES,
    "contents": (Index(("stored_at",)), Index(("owner",))),
    "parts": (Index(("owner",)), Index(("stored_at",))),
    "counters": (),
    "schema": (),
}
"""Every collection of the store, with its indexes besides ``_id``."""
