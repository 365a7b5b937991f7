"""The store in MongoDB. What several servers write into one database stays right."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from weakref import WeakValueDictionary

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from interview_ext.errors import Conflict, NotFound, StoreUnavailable
from interview_ext.rooms.model import (
    EditOrigin,
    Event,
    Invite,
    LogEntry,
    NewLogEntry,
    Participant,
    Run,
    Seat,
    Snapshot,
)
from interview_ext.rooms.timeline import GENESIS
from interview_ext.storage.bodies import (
    EVENT,
    INVITE,
    PARTICIPANT,
    RUN,
    SEAT,
    dump,
    may_change,
)
from interview_ext.storage.mongo_engine import MongoEngine, Row, Session
from interview_ext.storage.mongo_log import CONTENDED_WAIT_S, MongoLog
from interview_ext.storage.mongo_mark import MigrationMark
from interview_ext.storage.mongo_rooms import MongoRooms
from interview_ext.storage.mongo_snapshots import MongoSnapshots

T = TypeVar("T")

log = logging.getLogger(__name__)

EVENTS_AT_ONCE = 500


class MongoStore(MongoRooms):
    """See `interview_ext.rooms.ports.Store`, whose every method this is.

    Parameters
    ----------
    url, migrating:
        See `MongoEngine`.
    """

    def __init__(self, url: str, *, migrating: bool = False) -> None:
        super().__init__(MongoEngine(url, migrating=migrating))
        self._snapshots = MongoSnapshots(self._db, self._parts)
        self._log = MongoLog(self._db, self._parts, self._snapshots)
        self.migration = MigrationMark(self._db)
        self._chains: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def about(self) -> str:
        """What and where it is, for people; known after `start`."""
        return self._db.about

    async def start(self) -> None:
        await self._db.start()
        await self._log.start()
        try:
            await self.drop_unclaimed()
        except StoreUnavailable as error:  # the next start comes to it
            log.warning("Leftovers could not be removed: %s", error.message)

    async def stop(self) -> None:
        await self._log.stop()
        await self._db.stop()

    async def scrub(self) -> None:
        """See the port. What MongoDB keeps behind its collections is the administrator's: its
        oplog, its journal and free space in its files; the documentation says for how long.
        """

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
        rows = self._db["seats"]

        async def work(session: Session) -> None:
            for seat in seats:
                found = await rows.find_one({"_id": seat.id}, session=session)
                if found is not None and may_change(SEAT.validate_json(found["body"]), seat):
                    body = {"$set": {"body": dump(SEAT, seat)}}
                    await rows.update_one({"_id": seat.id}, body, session=session)

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

    async def add_events(self, events: Sequence[Event]) -> None:
        """Store events that are sealed already. Called by `migration` only."""
        for at in range(0, len(events), EVENTS_AT_ONCE):
            with self._db.reaching():
                rows = [_event_row(event) for event in events[at : at + EVENTS_AT_ONCE]]
                await self._db["events"].insert_many(rows)

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
            before = await self._db["runs"].find_one({"_id": run.id})
            if before is not None:
                await self._replace_run(run, before)
                return
            number = await self._numbers(run.room_id, 1)
            new = {"room_id": run.room_id, "number": number}
            await self._db["runs"].update_one(
                {"_id": run.id}, {**body, "$setOnInsert": new}, upsert=True
            )

    async def _replace_run(self, run: Run, before: Row) -> None:
        """Replace what was read, unless somebody else has changed it; look again if so."""
        while before["body"] != dump(RUN, run):
            if RUN.validate_json(before["body"]).ended_at is not None:
                raise Conflict("This run has ended already.")
            query = {"_id": run.id, "body": before["body"]}
            body = {"$set": {"body": dump(RUN, run)}}
            if (await self._db["runs"].update_one(query, body)).matched_count:
                return
            found = await self._db["runs"].find_one({"_id": run.id})
            if found is None:
                raise NotFound("The interview of this run is gone.")
            before = found

    async def rewrite_run(self, run: Run) -> None:
        body = {"$set": {"body": dump(RUN, run)}}
        with self._db.reaching():
            await self._db["runs"].update_one({"_id": run.id}, body)

    async def get_run(self, run_id: str) -> Run | None:
        return await self._one(RUN, "runs", {"_id": run_id})

    async def list_runs(self, room_id: str) -> list[Run]:
        return await self._of_room(RUN, "runs", room_id)

    # -- update log

    async def append(
        self,
        document_id: str,
        entries: Sequence[NewLogEntry],
        *,
        batch: str | None = None,
        after: int | None = None,
    ) -> int:
        return await self._log.append(document_id, entries, batch=batch, after=after)

    async def read(self, document_id: str, *, after: int = 0) -> list[LogEntry]:
        return await self._log.read(document_id, after=after)

    async def replace(self, document_id: str, entries: Sequence[LogEntry]) -> None:
        await self._log.replace(document_id, entries)

    async def last_seq(self, document_id: str) -> int:
        return await self._log.last_seq(document_id)

    async def keep_snapshot(self, document_id: str, snapshot: Snapshot) -> None:
        await self._snapshots.keep(document_id, snapshot)

    async def get_snapshot(self, document_id: str) -> Snapshot | None:
        return await self._snapshots.get(document_id)

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

    # -- what pages report about their edits

    async def add_origins(
        self,
        document_id: str,
        participant_id: str,
        origins: Sequence[EditOrigin],
        *,
        keep: int,
    ) -> None:
        whose = {"document_id": document_id, "participant_id": participant_id}

        async def work(session: Session) -> None:
            # By the first write two calls of one participant get into each other's way.
            row = await self._db["origin_counts"].find_one_and_update(
                whose,
                {"$inc": {"count": len(origins)}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            first = row["count"] - len(origins) if row else 0
            rows = [
                {**whose, **vars(origin), "number": first + number}
                for number, origin in enumerate(origins)
                if first + number < keep
            ]
            if rows:
                await self._db["origins"].insert_many(rows, session=session)

        if origins:
            await self._db.transact(work)

    async def list_origins(self, document_id: str, *, by: str | None = None) -> list[EditOrigin]:
        whose = {"document_id": document_id} | ({"participant_id": by} if by is not None else {})
        with self._db.reaching():
            rows = (
                await self._db["origins"]
                .find(whose)
                .sort([("participant_id", 1), ("number", 1)])
                .to_list()
            )
        names = EditOrigin.__dataclass_fields__
        return [EditOrigin(**{name: row[name] for name in names}) for row in rows]

    async def drop_origins(self, document_id: str, participant_id: str) -> None:
        whose = {"document_id": document_id, "participant_id": participant_id}

        async def work(session: Session) -> None:
            for name in ("origins", "origin_counts"):
                await self._db[name].delete_many(whose, session=session)

        await self._db.transact(work)


def _event_row(event: Event) -> Row:
    row = {"room_id": event.room_id, "seq": event.seq, "digest": event.digest}
    return {**row, "body": dump(EVENT, event)}
