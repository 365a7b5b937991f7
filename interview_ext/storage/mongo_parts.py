"""Bytes larger than one document of MongoDB may be, in parts."""

from __future__ import annotations

from datetime import UTC, datetime

from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.ids import digest
from interview_ext.storage.mongo_engine import MongoEngine, Row

PART_BYTES = 4 * 1024 * 1024


class MongoParts:
    """Pieces belong to an owner (a document, a digest) and go with it."""

    def __init__(self, engine: MongoEngine) -> None:
        self._engine = engine

    async def put(self, owner: str, data: bytes) -> list[str]:
        """Store bytes; return the ids of their parts. An owner's same bytes are stored once.

        Not in a transaction: those have to fit into a share of MongoDB's cache. Each part has the
        time of a call.
        """
        name = digest(data)
        ids: list[str] = []
        for number, at in enumerate(range(0, len(data), PART_BYTES)):
            ids.append(f"{owner}/{name}/{number}")
            new: Row = {"owner": owner, "stored_at": datetime.now(UTC)}
            new["data"] = data[at : at + PART_BYTES]
            with self._engine.reaching():
                await self._engine["parts"].update_one(
                    {"_id": ids[-1]}, {"$setOnInsert": new}, upsert=True
                )
        return ids

    async def get(self, ids: list[str]) -> bytes:
        """Return the bytes of these parts."""
        pieces: list[bytes] = []
        for part in ids:
            with self._engine.reaching():
                row = await self._engine["parts"].find_one({"_id": part}, {"data": 1})
            if row is None:
                raise StoreUnavailable("A part of what is stored is missing.")
            pieces.append(bytes(row["data"]))
        return b"".join(pieces)

    async def drop(self, owners: list[str]) -> None:
        """Remove all that belongs to these owners."""
        with self._engine.reaching():
            await self._engine["parts"].delete_many({"owner": {"$in": owners}})

    async def keep(self, owner: str, ids: list[str]) -> None:
        """Remove all of an owner's parts but these."""
        with self._engine.reaching():
            await self._engine["parts"].delete_many({"owner": owner, "_id": {"$nin": ids}})

    async def drop_unowned(self, before: datetime) -> None:
        """Remove what nothing names any more and was stored before this time."""
        unowned: list[Row] = [
            {"$match": {"stored_at": {"$lt": before}}},
            {"$group": {"_id": "$owner"}},
            *_without("documents", "_id"),
            *_without("documents", "snapshot.owner"),
            *_without("contents", "owner"),
        ]
        with self._engine.reaching():
            rows = await (await self._engine["parts"].aggregate(unowned)).to_list()
        await self.drop([row["_id"] for row in rows])


def _without(collection: str, field: str) -> list[Row]:
    lookup = {"from": collection, "localField": "_id", "foreignField": field, "as": "found"}
    return [{"$lookup": lookup}, {"$match": {"found": []}}]
