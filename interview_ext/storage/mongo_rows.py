"""What the parts of the MongoDB store have in common: values as rows, in the order they came."""

from __future__ import annotations

from typing import Any, TypeVar

import pymongo
from pydantic import TypeAdapter

from interview_ext.storage.bodies import dump
from interview_ext.storage.mongo_engine import MongoEngine, Row, Session

T = TypeVar("T")


class MongoRows:
    """Reads and writes of values that are kept as JSON."""

    def __init__(self, engine: MongoEngine) -> None:
        self._db = engine

    async def _one(self, adapter: TypeAdapter[T], name: str, query: Row) -> T | None:
        with self._db.reaching():
            row = await self._db[name].find_one(query, {"body": 1})
        return adapter.validate_json(row["body"]) if row else None

    async def _all(
        self,
        adapter: TypeAdapter[T],
        name: str,
        query: Row,
        *order: tuple[str, int],
        limit: int = 0,
    ) -> list[T]:
        with self._db.reaching():
            rows = await self._db[name].find(query, {"body": 1}).sort(order).limit(limit).to_list()
        return [adapter.validate_json(row["body"]) for row in rows]

    async def _of_room(self, adapter: TypeAdapter[T], name: str, room_id: str) -> list[T]:
        return await self._all(adapter, name, {"room_id": room_id}, ("number", 1), ("_id", 1))

    async def _add(self, adapter: TypeAdapter[Any], name: str, value: Any, **more: str) -> None:
        with self._db.reaching():
            number = await self._numbers(value.room_id, 1)
            await self._db[name].insert_one({**row_of(adapter, value, number), **more})

    async def _numbers(self, room_id: str, count: int, session: Session | None = None) -> int:
        """Return the first of `count` numbers that no other in the room gets."""
        row = await self._db["counters"].find_one_and_update(
            {"_id": room_id},
            {"$inc": {"last": count}},
            upsert=True,
            return_document=pymongo.ReturnDocument.AFTER,
            session=session,
        )
        return int(row["last"]) - count + 1 if row else 1


def row_of(adapter: TypeAdapter[T], value: Any, number: int) -> Row:
    row = {"_id": value.id, "room_id": value.room_id, "number": number}
    return {**row, "body": dump(adapter, value)}
