"""Rooms, documents and files in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from interview_ext.errors import BranchExists, Conflict, NotFound
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import Branch, DataFile, Document, Participant, Room
from interview_ext.storage.bodies import BRANCH, DOCUMENT, PARTICIPANT, ROOM, dump
from interview_ext.storage.mongo_engine import MongoEngine, Row, Session
from interview_ext.storage.mongo_parts import MongoParts
from interview_ext.storage.mongo_rows import MongoRows, row_of
from interview_ext.storage.mongo_snapshots import owners_of

CLAIM_WITHIN = timedelta(days=1)
"""What was stored for a room that does not exist is dropped after this time: until then another
server may still be making the room."""

_FILES = "data_files", "kept_files"
"""What names contents."""

_OF_A_ROOM = (
    *_FILES,
    "documents",
    "branches",
    "participants",
    "invites",
    "seats",
    "events",
    "runs",
)


class MongoRooms(MongoRows):
    """See `interview_ext.rooms.ports.RoomStore`."""

    def __init__(self, engine: MongoEngine) -> None:
        super().__init__(engine)
        self._parts = MongoParts(engine)

    async def create_room(
        self,
        room: Room,
        documents: Sequence[Document],
        host: Participant,
        *,
        idempotency_key: str | None = None,
    ) -> Room:
        row = {**_room_row(room), "_id": room.id}
        if idempotency_key is not None:
            row["key"] = idempotency_key

        async def work(session: Session) -> None:
            await self._db["rooms"].insert_one(row, session=session)
            number = await self._numbers(room.id, len(documents) + 1, session)
            for offset, document in enumerate(documents):
                await self._insert_document(document, number + offset, session)
            person = row_of(PARTICIPANT, host, number + len(documents))
            await self._db["participants"].insert_one(person, session=session)

        try:
            await self._db.transact(work)
        except DuplicateKeyError:
            if idempotency_key is not None:
                before = await self.find_room(room.owner, idempotency_key)
                if before is not None:
                    return before
            raise
        return room

    async def find_room(self, owner: str, idempotency_key: str) -> Room | None:
        return await self._one(ROOM, "rooms", {"owner": owner, "key": idempotency_key})

    async def get_room(self, room_id: str) -> Room | None:
        return await self._one(ROOM, "rooms", {"_id": room_id})

    async def list_rooms(self, owner: str) -> list[Room]:
        return await self._all(ROOM, "rooms", {"owner": owner}, ("starts_at", -1), ("_id", 1))

    async def list_open_rooms(self) -> list[Room]:
        query = {"state": {"$nin": ["ended", "archived"]}}
        return await self._all(ROOM, "rooms", query, ("starts_at", 1))

    async def room_keys(self) -> dict[str, str | None]:
        """Return every room's id and the key it was created with. Called by `migration`."""
        with self._db.reaching():
            rows = await self._db["rooms"].find({}, {"key": 1}).sort("_id").to_list()
        return {row["_id"]: row.get("key") for row in rows}

    async def update_room(self, room: Room) -> Room:
        changed = replace(room, version=room.version + 1)
        query = {"_id": room.id, "version": room.version}
        with self._db.reaching():
            done = await self._db["rooms"].update_one(query, {"$set": _room_row(changed)})
            if done.matched_count == 1:
                return changed
            exists = await self._db["rooms"].find_one({"_id": room.id}, {"_id": 1})
        if exists is None:
            raise NotFound("There is no such interview.")
        raise Conflict(
            "This interview was changed at the same moment by somebody else.",
            hint="Look at it again, then repeat what you did.",
        )

    async def delete_room(self, room_id: str) -> None:
        """See the port. The logs go first, by themselves: they can be larger than a transaction
        may be. When the store fails in between, repeating the call removes the rest.
        """
        with self._db.reaching():
            ids = [
                row["_id"]
                for name in ("documents", "branches")
                async for row in self._db[name].find({"room_id": room_id}, {"_id": 1})
            ]
        await self._drop_logs(ids)

        async def work(session: Session) -> list[str]:
            digests: set[str] = set()
            for name in _FILES:
                files = self._db[name].find({"room_id": room_id}, session=session)
                digests |= {row["digest"] async for row in files}
            documents = self._db["documents"].find(
                {"room_id": room_id}, {"snapshot.owner": 1}, session=session
            )
            snapshots = owners_of(await documents.to_list())
            for name in _OF_A_ROOM:
                await self._db[name].delete_many({"room_id": room_id}, session=session)
            await self._db["counters"].delete_one({"_id": room_id}, session=session)
            await self._db["rooms"].delete_one({"_id": room_id}, session=session)
            return snapshots + await self._drop_unused(sorted(digests), session)

        await self._parts.drop(await self._db.transact(work))

    async def add_document(self, document: Document) -> None:
        async def work(session: Session) -> None:
            number = await self._numbers(document.room_id, 1, session)
            await self._insert_document(document, number, session)

        await self._db.transact(work)

    async def list_documents(self, room_id: str) -> list[Document]:
        return await self._of_room(DOCUMENT, "documents", room_id)

    async def put_data_file(self, file: DataFile, content: bytes) -> None:
        await self._put_file("data_files", file, content)

    async def put_dataset(self, file: DataFile) -> None:
        query = {"room_id": file.room_id, "path": file.path}
        new = {"size": file.size, "digest": file.digest, "dataset": True}
        with self._db.reaching():
            await self._db["data_files"].update_one(query, {"$set": new}, upsert=True)

    async def list_data_files(self, room_id: str) -> list[DataFile]:
        return await self._list_files("data_files", room_id)

    async def named_datasets(self) -> set[str]:
        with self._db.reaching():
            return set(await self._db["data_files"].distinct("digest", {"dataset": True}))

    async def put_kept_file(self, file: DataFile, content: bytes) -> None:
        await self._put_file("kept_files", file, content)

    async def list_kept_files(self, room_id: str) -> list[DataFile]:
        return await self._list_files("kept_files", room_id)

    async def drop_kept_files(self, room_id: str) -> None:
        async def work(session: Session) -> list[str]:
            query = {"room_id": room_id}
            files = self._db["kept_files"].find(query, session=session)
            digests = {row["digest"] async for row in files}
            await self._db["kept_files"].delete_many(query, session=session)
            return await self._drop_unused(sorted(digests), session)

        await self._parts.drop(await self._db.transact(work))

    async def _put_file(self, name: str, file: DataFile, content: bytes) -> None:
        with self._db.reaching():
            stored = await self._db["contents"].find_one({"_id": file.digest}, {"_id": 1})
        owner = new_id("content")
        parts = [] if stored else await self._parts.put(owner, content)

        async def work(session: Session) -> bool:
            # Written even where it is there: who drops it at the same moment has to see this.
            there = await self._db["contents"].update_one(
                {"_id": file.digest}, {"$set": {"stored_at": datetime.now(UTC)}}, session=session
            )
            if there.matched_count == 0:
                if stored:
                    return False  # dropped between the look and now
                row: Row = {"_id": file.digest, "owner": owner, "parts": parts}
                row["stored_at"] = datetime.now(UTC)
                await self._db["contents"].insert_one(row, session=session)
            await self._db[name].update_one(
                {"room_id": file.room_id, "path": file.path},
                {"$set": {"size": file.size, "digest": file.digest, "dataset": False}},
                upsert=True,
                session=session,
            )
            return True

        if not await self._db.transact(work):
            await self._put_file(name, file, content)

    async def _list_files(self, name: str, room_id: str) -> list[DataFile]:
        with self._db.reaching():
            rows = await self._db[name].find({"room_id": room_id}).sort("path").to_list()
        return [
            DataFile(
                room_id=room_id,
                path=row["path"],
                size=row["size"],
                digest=row["digest"],
                dataset=row["dataset"],
            )
            for row in rows
        ]

    async def read_content(self, digest: str) -> bytes:
        with self._db.reaching():
            row = await self._db["contents"].find_one({"_id": digest})
        if row is None:
            raise NotFound("There is no stored content of that digest.")
        return await self._parts.get(row["parts"])

    # -- branches

    async def add_branch(self, branch: Branch) -> None:
        row = {"_id": branch.id, "room_id": branch.room_id, "body": dump(BRANCH, branch)}
        try:
            with self._db.reaching():
                await self._db["branches"].insert_one(
                    {**row, "participant_id": branch.participant_id}
                )
        except DuplicateKeyError as error:
            raise BranchExists("You have a branch already.") from error

    async def get_branch(self, branch_id: str) -> Branch | None:
        return await self._one(BRANCH, "branches", {"_id": branch_id})

    async def list_branches(self, room_id: str | None = None) -> list[Branch]:
        query = {} if room_id is None else {"room_id": room_id}
        return await self._all(BRANCH, "branches", query, ("_id", 1))

    async def delete_branch(self, branch_id: str) -> None:
        """See the port. MongoDB's journal and oplog keep what was inserted until they roll over;
        the browser's half of the key has never been there.
        """
        await self._drop_logs([branch_id])
        with self._db.reaching():
            await self._db["branches"].delete_one({"_id": branch_id})

    # -- inside

    async def _insert_document(self, document: Document, number: int, session: Session) -> None:
        row = {**row_of(DOCUMENT, document, number), "path": document.path}
        try:
            await self._db["documents"].insert_one(row, session=session)
        except DuplicateKeyError as error:
            message = f"This interview has a document named {document.path} already."
            raise Conflict(message) from error

    async def _drop_logs(self, ids: list[str]) -> None:
        for name in ("updates", "clients", "origins", "origin_counts"):
            with self._db.reaching():
                await self._db[name].delete_many({"document_id": {"$in": ids}})
        await self._parts.drop(ids)

    async def _drop_unused(self, digests: list[str], session: Session) -> list[str]:
        """Remove contents that no file names; return the owners of their parts."""
        owners: list[str] = []
        for digest in digests:
            named = [
                await self._db[name].find_one({"digest": digest}, {"_id": 1}, session=session)
                for name in _FILES
            ]
            if not any(named):
                query = {"_id": digest}
                row = await self._db["contents"].find_one_and_delete(query, session=session)
                owners += [row["owner"]] if row else []
        return owners

    async def drop_unclaimed(self) -> None:
        """Remove what was stored for rooms that were planned but never made (a crash between)."""
        before = datetime.now(UTC) - CLAIM_WITHIN
        old = {"_id": {"$lt": ObjectId.from_datetime(before)}}
        # Only the first row of each log is looked at: the index holds no other.
        logs = _without(old | {"first": 1}, "documents", "document_id")
        found = await self._aggregate("updates", logs, hint="logs")
        branches = {branch.id for branch in await self.list_branches()}
        await self._drop_logs([r["document_id"] for r in found if r["document_id"] not in branches])
        for name in _FILES:
            files = await self._aggregate(name, _without(old, "rooms", "room_id"))
            with self._db.reaching():
                await self._db[name].delete_many({"_id": {"$in": [row["_id"] for row in files]}})
        contents = _without({"stored_at": {"$lt": before}}, "data_files", "_id", "digest")
        digests = [row["_id"] for row in await self._aggregate("contents", contents)]
        if digests:
            await self._db.transact(lambda session: self._drop_unused(digests, session))
        await self._parts.drop_unowned(before)

    async def _aggregate(self, name: str, pipeline: list[Row], **options: Any) -> list[Row]:
        with self._db.reaching():
            return await (await self._db[name].aggregate(pipeline, **options)).to_list()


def _without(match: Row, collection: str, field: str, foreign: str = "_id") -> list[Row]:
    """Return the pipeline for rows whose `field` names nothing in `collection`."""
    lookup = {"from": collection, "localField": field, "foreignField": foreign, "as": "found"}
    return [
        {"$match": match},
        {"$lookup": lookup},
        {"$match": {"found": []}},
        {"$project": {"document_id": 1}},
    ]


def _room_row(room: Room) -> Row:
    return {
        "owner": room.owner,
        "state": str(room.state),
        "starts_at": room.starts_at.astimezone(UTC).isoformat(),
        "version": room.version,
        "body": dump(ROOM, room),
    }
