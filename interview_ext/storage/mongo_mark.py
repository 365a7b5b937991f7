"""The mark in a database of MongoDB into which a migration has not finished."""

from __future__ import annotations

from interview_ext.errors import Conflict
from interview_ext.storage.mongo_engine import MIGRATION, MongoEngine


class MigrationMark:
    """Which rooms have been copied whole. Called by `migration` only."""

    def __init__(self, engine: MongoEngine) -> None:
        self._engine = engine

    async def begin(self, source: str) -> set[str]:
        """Set the mark; return the rooms that an earlier attempt from this source has copied.

        Raises
        ------
        Conflict
            The database has interviews that do not come from there.
        """
        with self._engine.reaching():
            row = await self._engine["schema"].find_one({"_id": MIGRATION})
            if row is None:
                if await self._engine["rooms"].find_one({}, {"_id": 1}):
                    raise Conflict(
                        f"MongoDB at {self._engine.place} holds interviews already.",
                        hint="Migrate into an empty database: name another one in the URL.",
                    )
                row = {"_id": MIGRATION, "source": source, "done": []}
                await self._engine["schema"].insert_one(row)
        if row["source"] != source:
            raise Conflict(
                f"A migration of another file, {row['source']}, into MongoDB at "
                f"{self._engine.place} has not finished.",
                hint="Finish that one, or migrate into another database.",
            )
        return set(row["done"])

    async def add(self, room_id: str) -> None:
        """Note that this room has been copied whole."""
        change = {"$addToSet": {"done": room_id}}
        with self._engine.reaching():
            await self._engine["schema"].update_one({"_id": MIGRATION}, change)

    async def end(self) -> None:
        """Take the mark away: all is there, and servers may open the database."""
        with self._engine.reaching():
            await self._engine["schema"].delete_one({"_id": MIGRATION})
