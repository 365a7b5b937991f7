"""What this package needs from a store and from a bus, as small Protocols.

One contract suite (``tests/contract``) runs over every backend. Every method of
a store is atomic and durable: when it returns, a crash loses nothing of it. All may
raise `StoreUnavailable`; the others they raise are named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

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
    Trust,
)


class RoomStore(Protocol):
    """Rooms with their documents and data files. Called by `service`."""

    async def create_room(
        self,
        room: Room,
        documents: Sequence[Document],
        host: Participant,
        *,
        idempotency_key: str | None = None,
    ) -> Room:
        """Store a new room; with a key the owner used before, return that room instead."""

    async def find_room(self, owner: str, idempotency_key: str) -> Room | None:
        """Return the room this owner created with this key."""

    async def get_room(self, room_id: str) -> Room | None: ...

    async def list_rooms(self, owner: str) -> list[Room]:
        """Return the owner's rooms, newest start first."""

    async def list_open_rooms(self) -> list[Room]:
        """Return all rooms that are neither ended nor archived."""

    async def update_room(self, room: Room) -> Room:
        """Store `room` if the stored version is `room.version`; return it with the next.

        Raises
        ------
        Conflict
            Somebody else has changed it meanwhile.
        NotFound
            It is gone.
        """

    async def delete_room(self, room_id: str) -> None:
        """Remove the room and all that belongs to it: documents, logs, people, timeline."""

    async def add_document(self, document: Document) -> None:
        """Raise `Conflict` if the room has a document of that path."""

    async def list_documents(self, room_id: str) -> list[Document]: ...

    async def put_data_file(self, file: DataFile, content: bytes) -> None:
        """Store or replace a data file; equal contents are stored once."""

    async def put_dataset(self, file: DataFile) -> None:
        """Store a data file whose bytes stand elsewhere (`DataFile.dataset`)."""

    async def list_data_files(self, room_id: str) -> list[DataFile]:
        """Return the room's data files by path, data sets among them."""

    async def named_datasets(self) -> set[str]:
        """Return the digests of all data sets that are some room's, or are stored for one."""

    async def put_kept_file(self, file: DataFile, content: bytes) -> None:
        """Store a file that cells wrote, at the room's end; equal contents are stored once."""

    async def list_kept_files(self, room_id: str) -> list[DataFile]: ...

    async def read_content(self, digest: str) -> bytes:
        """Return stored bytes by their SHA-256; raise `NotFound`."""


class PeopleStore(Protocol):
    """Participants, invites and seats. Called by `admission`."""

    async def add_participant(self, participant: Participant) -> None: ...

    async def get_participant(self, participant_id: str) -> Participant | None: ...

    async def list_participants(self, room_id: str) -> list[Participant]: ...

    async def update_participant(self, participant: Participant) -> None: ...

    async def add_invite(self, invite: Invite) -> None: ...

    async def get_invite(self, invite_id: str) -> Invite | None: ...

    async def find_invite(self, token_digest: str) -> Invite | None: ...

    async def list_invites(self, room_id: str) -> list[Invite]: ...

    async def revoke_invite(self, invite_id: str, at: datetime) -> None: ...

    async def add_seat(self, seat: Seat) -> None: ...

    async def get_seat(self, seat_id: str) -> Seat | None: ...

    async def find_seat(self, secret_digest: str) -> Seat | None: ...

    async def list_seats(self, room_id: str) -> list[Seat]: ...

    async def update_seats(self, seats: Sequence[Seat]) -> None:
        """Store all of them or none: an admission closes the older seat in one step."""


class TimelineStore(Protocol):
    """The events of each room. Called by `timeline` only."""

    async def append_event(
        self,
        room_id: str,
        seal: Callable[[int, str], Event],
    ) -> Event:
        """Append ``seal(seq, previous_digest)``; one at a time in each room."""

    async def list_events(
        self, room_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[Event]: ...

    async def erase_payload(self, room_id: str, seq: int) -> None:
        """Set payload and salt of one event to None."""


class RunStore(Protocol):
    """Run records. Called by `execution`."""

    async def save_run(self, run: Run) -> None:
        """Insert or replace by id."""

    async def get_run(self, run_id: str) -> Run | None: ...

    async def list_runs(self, room_id: str) -> list[Run]:
        """Return the room's runs in the order of acceptance."""


class UpdateLog(Protocol):
    """The truth of every document. Called by `collab` only."""

    async def append(
        self, document_id: str, entries: Sequence[NewLogEntry], *, batch: str | None = None
    ) -> list[LogEntry]:
        """Commit the entries in their order and return them numbered.

        Calls of many documents that wait at the same time share a commit.

        Parameters
        ----------
        batch:
            An id of this call (`ids.new_id`). After `StoreUnavailable` it may not be known
            whether the entries were stored: repeat the call with the same id and the same
            entries, and they are stored once.
        """

    async def read(self, document_id: str, *, after: int = 0) -> list[LogEntry]: ...

    async def last_seq(self, document_id: str) -> int: ...

    async def claim_clients(
        self, document_id: str, participant_id: str, clients: Sequence[int]
    ) -> Mapping[int, str]:
        """Bind each id that nobody has to the participant; return the owner of each.

        Ids belong to the participant who first shows them, for good.
        """

    async def client_owners(self, document_id: str) -> dict[int, str]: ...


class Store(RoomStore, PeopleStore, TimelineStore, RunStore, UpdateLog, Protocol):
    """All of it: what one backend offers."""

    async def start(self) -> None:
        """Open, migrate to the newest schema, or raise `StoreUnavailable`."""

    async def stop(self) -> None:
        """Finish what was accepted and close."""


Message = dict[str, Any]
"""A JSON-able message; ``type`` says what it is."""

Listener = Callable[[Message], None]


class Bus(Protocol):
    """Carries messages between the parts, and later between servers. Nothing is kept."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def publish(self, topic: str, message: Message) -> None:
        """Send without waiting; listeners get it in the order of publishing."""

    def subscribe(self, topic: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each message of the topic from now on; return the way to stop."""


def room_topic(room_id: str) -> str:
    """Topic of everything that happens in one room."""
    return f"room:{room_id}"


ROOMS_TOPIC = "rooms"
"""Topic of every room's steps: ``{"type": "room_state", "room_id", "state"}``."""


def host_topic(user: str) -> str:
    """Topic of what a host should hear wherever they are, such as somebody waiting."""
    return f"host:{user}"


class Recorder(Protocol):
    """Puts an event onto a room's timeline. The features take it; `timeline` is it."""

    async def record(
        self,
        room_id: str,
        kind: str,
        *,
        actor: str,
        audience: str,
        payload: Mapping[str, Any],
        trust: Trust = Trust.OBSERVED,
    ) -> Event: ...
