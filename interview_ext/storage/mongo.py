"""The store in MongoDB, which several servers may share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import pymongo
from bson import ObjectId
from pydantic import TypeAdapter
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from interview_ext.errors import Conflict, NotFound
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import (
    DataFile,
    Document,
    Event,
    Invite,
    LogEntry,
    NewLogEntry,
    Participant,
    Room,
    Run,
    Seat,
)
from interview_ext.rooms.timeline import GENESIS
from interview_ext.storage.bodies import (
    DOCUMENT,
    EVENT,
    INVITE,
    PARTICIPANT,
    ROOM,
    RUN,
    SEAT,
    dump,
)
from interview_ext.storage.mongo_engine import MongoEngine, Row, Session
from interview_ext.storage.mongo_log import CONTENDED_WAIT_S, MongoLog
from interview_ext.storage.mongo_parts import MongoParts

T = TypeVar("T")

CLAIM_WITHIN = timedelta(days=1)
"""What was stored for a room that does not exist is dropped after this time: until then another
server may still be making the room."""

_OF_A_ROOM = (
    "data_files",
    "documents",
    "participants",
    "invites",
    "seats",
    "events",
    "runs",
)


class MongoStore:
    """See `interview_ext.rooms.ports.Store`, whose every method this is.

    Parameters
    ----------
    url, password:
        See `MongoEngine`.
    """

    def __init__(self, url: str, *, password: str | None = None) -> None:
        self._db = MongoEngine(url, password=password)
        self._parts = MongoParts(self._db)
        self._log = MongoLog(self._db, self._parts)
        self._chains: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def start(self) -> None:
        await self._db.start()
        await self._log.start()
        with self._db.reaching():
            await self._drop_unclaimed()

    async def stop(self) -> None:
        await self._log.stop()
        await self._db.stop()

    # -- rooms

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
            person = _row_of(PARTICIPANT, host, number + len(documents))
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
            documents = self._db["documents"].find({"room_id": room_id}, {"_id": 1})
            await self._drop_logs([row["_id"] async for row in documents])

        async def work(session: Session) -> list[str]:
            files = self._db["data_files"].find({"room_id": room_id}, session=session)
            digests = {row["digest"] async for row in files}
            for name in _OF_A_ROOM:
                await self._db[name].delete_many({"room_id": room_id}, session=session)
            await self._db["counters"].delete_one({"_id": room_id}, session=session)
            await self._db["rooms"].delete_one({"_id": room_id}, session=session)
            return await self._drop_unused(sorted(digests), session)

        unused = await self._db.transact(work)
        with self._db.reaching():
            await self._parts.drop(unused)

    async def add_document(self, document: Document) -> None:
        async def work(session: Session) -> None:
            number = await self._numbers(document.room_id, 1, session)
            await self._insert_document(document, number, session)

        await self._db.transact(work)

    async def list_documents(self, room_id: str) -> list[Document]:
        return await self._of_room(DOCUMENT, "documents", room_id)

    async def put_data_file(self, file: DataFile, content: bytes) -> None:
        with self._db.reaching():
            stored = await self._db["contents"].find_one({"_id": file.digest}, {"_id": 1})
        owner = new_id("content")
        parts = [] if stored else await self._put_parts(owner, content)

        async def work(session: Session) -> bool:
            # Written even where it is there: who drops it at the same moment has to see this.
            there = await self._db["contents"].update_one(
                {"_id": file.digest}, {"$set": {"stored_at": datetime.now(UTC)}}, session=session
            )
            new = there.matched_count == 0
            if new:
                if not parts:
                    return False  # dropped between the look and now
                row: Row = {"_id": file.digest, "owner": owner, "parts": parts}
                row["stored_at"] = datetime.now(UTC)
                await self._db["contents"].insert_one(row, session=session)
            await self._db["data_files"].update_one(
                {"room_id": file.room_id, "path": file.path},
                {"$set": {"size": file.size, "digest": file.digest}},
                upsert=True,
                session=session,
            )
            return True

        if not await self._db.transact(work):
            await self.put_data_file(file, content)

    async def _put_parts(self, owner: str, content: bytes) -> list[str]:
        with self._db.reaching():
            return await self._parts.put(owner, content)

    async def list_data_files(self, room_id: str) -> list[DataFile]:
        with self._db.reaching():
            rows = await self._db["data_files"].find({"room_id": room_id}).sort("path").to_list()
        return [
            DataFile(room_id=room_id, path=row["path"], size=row["size"], digest=row["digest"])
            for row in rows
        ]

    async def read_content(self, digest: str) -> bytes:
        with self._db.reaching():
            row = await self._db["contents"].find_one({"_id": digest})
            if row is None:
                raise NotFound("There is no stored content of that digest.")
            return await self._parts.get(row["parts"])

    # -- people

    async def add_participant(self, participant: Participant) -> None:
        await self._add(PARTICIPANT, "participants", participant)

    async def get_participant(self, participant_id: str) -> Participant | None:
        return await self._one(PARTICIPANT, "participants", {"_id": participant_id})

    async def list_participants(self, room_id: str) -> list[Participant]:
        return await self._of_room(PARTICIPANT, "participants", room_id)

    async def update_participant(self, participant: Participant) -> None:
        body = {"$set": {"body": dump(PARTICIPANT, participant)}}
        with self._db.reaching():
            await self._db["participants"].update_one({"_id": participant.id}, body)

    async def add_invite(self, invite: Invite) -> None:
        await self._add(INVITE, "invites", invite, token_digest=invite.token_digest)

    async def get_invite(self, invite_id: str) -> Invite | None:
        return await self._one(INVITE, "invites", {"_id": invite_id})

    async def find_invite(self, token_digest: str) -> Invite | None:
        return await self._one(INVITE, "invites", {"token_digest": token_digest})

    async def list_invites(self, room_id: str) -> list[Invite]:
        return await self._of_room(INVITE, "invites", room_id)

    async def revoke_invite(self, invite_id: str, at: datetime) -> None:
        async def work(session: Session) -> None:
            row = await self._db["invites"].find_one({"_id": invite_id}, session=session)
            if row is None:
                raise NotFound("There is no such invite.")
            invite = replace(INVITE.validate_json(row["body"]), revoked_at=at)
            body = {"$set": {"body": dump(INVITE, invite)}}
            await self._db["invites"].update_one({"_id": invite_id}, body, session=session)

        await self._db.transact(work)

    async def add_seat(self, seat: Seat) -> None:
        await self._add(SEAT, "seats", seat, secret_digest=seat.secret_digest)

    async def get_seat(self, seat_id: str) -> Seat | None:
        return await self._one(SEAT, "seats", {"_id": seat_id})

    async def find_seat(self, secret_digest: str) -> Seat | None:
        return await self._one(SEAT, "seats", {"secret_digest": secret_digest})

    async def list_seats(self, room_id: str) -> list[Seat]:
        return await self._of_room(SEAT, "seats", room_id)

    async def update_seats(self, seats: Sequence[Seat]) -> None:
        async def work(session: Session) -> None:
            for seat in seats:
                body = {"$set": {"body": dump(SEAT, seat)}}
                await self._db["seats"].update_one({"_id": seat.id}, body, session=session)

        await self._db.transact(work)

    # -- timeline

    async def append_event(self, room_id: str, seal: Callable[[int, str], Event]) -> Event:
        """See the port. Another server's event at the same place is seen by its seq."""
        events = self._db["events"]
        sealed: Event | None = None
        async with self._chains.setdefault(room_id, asyncio.Lock()):
            with self._db.reaching():
                while True:
                    last = await events.find_one({"room_id": room_id}, sort=[("seq", -1)])
                    if sealed and last and last["digest"] == sealed.digest:
                        return sealed  # stored, though its answer was lost
                    seq, previous = (last["seq"], last["digest"]) if last else (0, GENESIS)
                    if sealed is None or sealed.previous != previous:
                        sealed = seal(seq + 1, previous)
                    try:
                        await events.insert_one(_event_row(sealed))
                    except DuplicateKeyError:
                        await asyncio.sleep(CONTENDED_WAIT_S)
                        continue
                    return sealed

    async def list_events(
        self, room_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[Event]:
        query = {"room_id": room_id, "seq": {"$gt": after}}
        if limit == 0:
            return []  # to MongoDB 0 is no limit
        return await self._all(EVENT, "events", query, ("seq", 1), limit=limit or 0)

    async def erase_payload(self, room_id: str, seq: int) -> None:
        async def work(session: Session) -> None:
            query = {"room_id": room_id, "seq": seq}
            row = await self._db["events"].find_one(query, session=session)
            if row is None:
                raise NotFound("There is no such event.")
            event = replace(EVENT.validate_json(row["body"]), payload=None, salt=None)
            body = {"$set": {"body": dump(EVENT, event)}}
            await self._db["events"].update_one(query, body, session=session)

        await self._db.transact(work)

    # -- runs

    async def save_run(self, run: Run) -> None:
        body = {"$set": {"body": dump(RUN, run)}}
        with self._db.reaching():
            done = await self._db["runs"].update_one({"_id": run.id}, body)
            if done.matched_count:
                return
            number = await self._numbers(run.room_id, 1)
            new = {"room_id": run.room_id, "number": number}
            await self._db["runs"].update_one(
                {"_id": run.id}, {**body, "$setOnInsert": new}, upsert=True
            )

    async def get_run(self, run_id: str) -> Run | None:
        return await self._one(RUN, "runs", {"_id": run_id})

    async def list_runs(self, room_id: str) -> list[Run]:
        return await self._of_room(RUN, "runs", room_id)

    # -- update log

    async def append(
        self, document_id: str, entries: Sequence[NewLogEntry], *, batch: str | None = None
    ) -> list[LogEntry]:
        return await self._log.append(document_id, entries, batch=batch)

    async def read(self, document_id: str, *, after: int = 0) -> list[LogEntry]:
        return await self._log.read(document_id, after=after)

    async def last_seq(self, document_id: str) -> int:
        return await self._log.last_seq(document_id)

    async def claim_clients(
        self, document_id: str, participant_id: str, clients: Sequence[int]
    ) -> Mapping[int, str]:
        if not clients:
            return {}
        claims = [
            UpdateOne(
                {"document_id": document_id, "client": client},
                {"$setOnInsert": {"participant_id": participant_id}},
                upsert=True,
            )
            for client in clients
        ]
        query = {"document_id": document_id, "client": {"$in": list(clients)}}
        with self._db.reaching():
            await self._db["clients"].bulk_write(claims, ordered=False)
            rows = await self._db["clients"].find(query).to_list()
        return {row["client"]: row["participant_id"] for row in rows}

    async def client_owners(self, document_id: str) -> dict[int, str]:
        with self._db.reaching():
            rows = await self._db["clients"].find({"document_id": document_id}).to_list()
        return {row["client"]: row["participant_id"] for row in rows}

    # -- inside

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
            await self._db[name].insert_one({**_row_of(adapter, value, number), **more})

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

    async def _insert_document(self, document: Document, number: int, session: Session) -> None:
        row = {**_row_of(DOCUMENT, document, number), "path": document.path}
        try:
            await self._db["documents"].insert_one(row, session=session)
        except DuplicateKeyError as error:
            message = f"This interview has a document named {document.path} already."
            raise Conflict(message) from error

    async def _drop_logs(self, ids: list[str]) -> None:
        for name in ("updates", "clients"):
            await self._db[name].delete_many({"document_id": {"$in": ids}})
        await self._parts.drop(ids)

    async def _drop_unused(self, digests: list[str], session: Session) -> list[str]:
        """Remove contents that no data file names; return the owners of their parts."""
        owners: list[str] = []
        for digest in digests:
            if await self._db["data_files"].find_one({"digest": digest}, session=session) is None:
                query = {"_id": digest}
                row = await self._db["contents"].find_one_and_delete(query, session=session)
                owners += [row["owner"]] if row else []
        return owners

    async def _drop_unclaimed(self) -> None:
        """Remove what was stored for rooms that were planned but never made (a crash between)."""
        before = datetime.now(UTC) - CLAIM_WITHIN
        old = {"_id": {"$lt": ObjectId.from_datetime(before)}}
        logs = _without(old | {"first": 1}, "documents", "document_id")
        found = await (await self._db["updates"].aggregate(logs, hint="logs")).to_list()
        await self._drop_logs([row["document_id"] for row in found])
        files = await (
            await self._db["data_files"].aggregate(_without(old, "rooms", "room_id"))
        ).to_list()
        await self._db["data_files"].delete_many({"_id": {"$in": [row["_id"] for row in files]}})
        contents = _without({"stored_at": {"$lt": before}}, "data_files", "_id", "digest")
        unused = await (await self._db["contents"].aggregate(contents)).to_list()
        digests = [row["_id"] for row in unused]
        if digests:
            await self._db.transact(lambda session: self._drop_unused(digests, session))
        await self._parts.drop_unowned(before)


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


def _row_of(adapter: TypeAdapter[T], value: Any, number: int) -> Row:
    row = {"_id": value.id, "room_id": value.room_id, "number": number}
    return {**row, "body": dump(adapter, value)}


def _event_row(event: Event) -> Row:
    row = {"room_id": event.room_id, "seq": event.seq, "digest": event.digest}
    return {**row, "body": dump(EVENT, event)}
