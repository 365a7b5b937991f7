"""The snapshots of documents in MongoDB.

Which one a document has is said in the document's own row: it changes with one write, by whatever
server, and goes when the row goes. Its bytes are parts of an owner of their own, stored before the
row names them. What a server that was killed in between has left, `MongoParts.drop_unowned` finds.
"""

from __future__ import annotations

from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import Snapshot
from interview_ext.storage.mongo_engine import MongoEngine, Row, Session
from interview_ext.storage.mongo_parts import MongoParts

_NO_MORE = 2**63 - 1
"""The seq of a snapshot without parts, which stands where none may be kept any more."""


class MongoSnapshots:
    """See `interview_ext.rooms.ports.UpdateLog`; the part of it that is snapshots."""

    def __init__(self, engine: MongoEngine, parts: MongoParts) -> None:
        self._engine = engine
        self._parts = parts

    async def keep(self, document_id: str, snapshot: Snapshot) -> None:
        """See `UpdateLog.keep_snapshot`."""
        documents = self._engine["documents"]
        wanting = {"_id": document_id, "snapshot.seq": {"$not": {"$gte": snapshot.seq}}}
        with self._engine.reaching():
            if await documents.find_one(wanting, {"_id": 1}) is None:
                return
        owner = new_id("snapshot")
        parts = await self._parts.put(owner, snapshot.data)
        new = {"snapshot": {"seq": snapshot.seq, "owner": owner, "parts": parts}}
        with self._engine.reaching():
            before = await documents.find_one_and_update(
                wanting, {"$set": new}, {"snapshot.owner": 1}
            )
        await self._parts.drop([owner] if before is None else owners_of([before]))

    async def get(self, document_id: str) -> Snapshot | None:
        """See `UpdateLog.get_snapshot`.

        Raises
        ------
        StoreUnavailable
            Also if another has taken its place while it was read.
        """
        query = {"_id": document_id, "snapshot.parts": {"$exists": True}}
        with self._engine.reaching():
            row = await self._engine["documents"].find_one(query, {"snapshot": 1})
        if row is None:
            return None
        data = await self._parts.get(row["snapshot"]["parts"])
        return Snapshot(seq=row["snapshot"]["seq"], data=data)

    async def drop(self, document_id: str) -> None:
        """Remove the bytes. Called before `forbid`: cut off in between, nothing of them is left."""
        with self._engine.reaching():
            row = await self._engine["documents"].find_one(
                {"_id": document_id}, {"snapshot.owner": 1}
            )
        await self._parts.drop(owners_of([row] if row else []))

    async def forbid(self, document_id: str, session: Session) -> list[str]:
        """From now on none is kept; return the owners of parts to be dropped."""
        row = await self._engine["documents"].find_one_and_update(
            {"_id": document_id},
            {"$set": {"snapshot": {"seq": _NO_MORE}}},
            {"snapshot.owner": 1},
            session=session,
        )
        return owners_of([row] if row else [])


def owners_of(rows: list[Row]) -> list[str]:
    """Return the owners of the parts of these documents' snapshots."""
    return [row["snapshot"]["owner"] for row in rows if "owner" in row.get("snapshot", ())]
