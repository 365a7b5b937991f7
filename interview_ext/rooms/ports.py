"""What this package needs from a store and from a bus, as small Protocols.

One contract suite (``tests/contract``) runs over every backend. Every method of
a store is atomic and durable: when it returns, a crash loses nothing of it. All may
raise `StoreUnavailable`; the others they raise are named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from interview_ext.rooms.model import (
    Branch,
    DataFile,
    Document,
    EditOrigin,
    Event,
    Invite,
    LogEntry,
    NewLogEntry,
    Participant,
    Room,
    Run,
    Seat,
    Snapshot,
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

    async def drop_kept_files(self, room_id: str) -> None:
        """Remove the room's kept files, and their bytes unless another file has the same."""

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
        """Store all of them or none: an admission closes the older seat in one step.

        Raises
        ------
        Conflict
            One that is to be open has been closed meanwhile. A closed seat stays as it is.
        """


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
        """Insert, or replace by id what has not ended.

        Raises
        ------
        Conflict
            The stored run has ended in another way: somebody else has taken over the room.
        """

    async def rewrite_run(self, run: Run) -> None:
        """Replace a run by id, also one that has ended. Called by an erasure only."""

    async def get_run(self, run_id: str) -> Run | None: ...

    async def list_runs(self, room_id: str) -> list[Run]:
        """Return the room's runs in the order of acceptance."""


class LogMoved(Exception):
    """Another server has appended to the document: read what is new, then decide again."""


class UpdateLog(Protocol):
    """The truth of every document. Called by `collab` only."""

    async def append(
        self,
        document_id: str,
        entries: Sequence[NewLogEntry],
        *,
        batch: str | None = None,
        after: int | None = None,
    ) -> int:
        """Commit the entries in their order; return the seq of the last.

        They are numbered without gaps, the first one after the document's last before.

        Calls of many documents that wait at the same time share a commit.

        Parameters
        ----------
        batch:
            An id of this call (`ids.new_id`). After `StoreUnavailable` it may not be known
            whether the entries were stored: repeat the call with the same id and the same
            entries, and they are stored once.
        after:
            Store the entries only if this is the document's last seq. Of one document, a
            server has one such call under way at a time.

        Raises
        ------
        LogMoved
            The last seq is another than `after`, and this batch is not stored.
        """

    async def read(self, document_id: str, *, after: int = 0) -> list[LogEntry]: ...

    async def replace(self, document_id: str, entries: Sequence[LogEntry]) -> None:
        """Put entries in the places of those of the same `seq`, all of them or none.

        Called by an erasure. What stood there before can be read no more: the document's snapshot
        goes with it, and none is ever kept of it again, since a server that is late may still
        bring one of what stood there.

        Raises
        ------
        Conflict
            They are not the entries of the whole log as it is now.
        """

    async def last_seq(self, document_id: str) -> int: ...

    async def keep_snapshot(self, document_id: str, snapshot: Snapshot) -> None:
        """Keep this instead of an earlier one.

        Nothing is kept, and nothing raised, if there is one of the same or a later seq, if this
        is no document of a room (a branch, or gone), or once its log was replaced.
        """

    async def get_snapshot(self, document_id: str) -> Snapshot | None: ...

    async def claim_clients(
        self, document_id: str, participant_id: str, clients: Sequence[int]
    ) -> Mapping[int, str]:
        """Bind each id that nobody has to the participant; return the owner of each.

        Ids belong to the participant who first shows them, for good.
        """

    async def client_owners(self, document_id: str) -> dict[int, str]: ...


class BranchStore(Protocol):
    """The branches of participants. Called by `service` and by `collab.branches`.

    Their updates are in the log, under the branch's id, stored before the branch itself.
    """

    async def add_branch(self, branch: Branch) -> None:
        """Raise `BranchExists` if the participant has one in the room."""

    async def get_branch(self, branch_id: str) -> Branch | None: ...

    async def list_branches(self, room_id: str | None = None) -> list[Branch]:
        """Return a room's branches, or those of all rooms."""

    async def delete_branch(self, branch_id: str) -> None:
        """Remove the branch with its half of the key and its log, if it is there.

        What the backend can overwrite of them it overwrites; what it cannot (journals, backups)
        is nothing without the browser's half.
        """


class OriginStore(Protocol):
    """What pages report about their edits. Called by `origins` and for a replay."""

    async def add_origins(
        self,
        document_id: str,
        participant_id: str,
        origins: Sequence[EditOrigin],
        *,
        keep: int,
    ) -> None:
        """Store reports of one participant, of whom at most `keep` pieces are kept."""

    async def list_origins(self, document_id: str, *, by: str | None = None) -> list[EditOrigin]:
        """Return the reports about a document, of one participant only if `by` names them.

        Each participant's are in the order of storing.
        """

    async def drop_origins(self, document_id: str, participant_id: str) -> None:
        """Remove what one participant reported, if there is anything. Called by `erasure`."""


class Store(
    RoomStore,
    PeopleStore,
    TimelineStore,
    RunStore,
    UpdateLog,
    BranchStore,
    OriginStore,
    Protocol,
):
    """All of it: what one backend offers."""

    async def start(self) -> None:
        """Open, migrate to the newest schema, or raise `StoreUnavailable`."""

    async def stop(self) -> None:
        """Finish what was accepted and close."""

    async def scrub(self) -> None:
        """Clear what was removed or replaced from the files, as far as that is in one's power."""


Message = dict[str, Any]
"""A JSON-able message; ``type`` says what it is."""

Listener = Callable[[Message], None]


GAP: Message = {"type": "gap"}
"""What a listener of any topic gets when messages of other servers may have been missed.

It reads again what it shows. Never sent by a bus inside one process.
"""


class Bus(Protocol):
    """Carries messages between the parts, and between servers. Nothing is kept."""

    @property
    def shared(self) -> bool:
        """Whether other servers hear what is published here."""

    @property
    def from_elsewhere(self) -> bool:
        """Asked by a listener: whether the message it has just got is another server's."""

    @property
    def about(self) -> str:
        """What is used and where, for people, without secrets."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def publish(self, topic: str, message: Message) -> None:
        """Send without waiting; listeners get it in the order of publishing."""

    def heard_elsewhere(self, topic: str) -> bool:
        """Whether another server listens to a topic, as far as is known here.

        If not, what was to be said need not be published for the others' sake, nor even made:
        whoever listens later gets a `GAP` first.
        """

    def subscribe(self, topic: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each message of the topic from now on; return the way to stop."""


def room_topic(room_id: str) -> str:
    """Topic of everything that happens in one room."""
    return f"room:{room_id}"


def people_topic(room_id: str) -> str:
    """Topic of people who come, go or are admitted: for whoever follows many rooms.

    A room's own topic has a message for each keystroke.
    """
    return f"people:{room_id}"


def tell_room(bus: Bus, room: Room) -> None:
    """Say that a room has changed, to the room and to its owner's pages."""
    bus.publish(room_topic(room.id), {"type": "room"})
    bus.publish(host_topic(room.owner), {"type": "rooms"})


def tell_people(bus: Bus, room_id: str) -> None:
    """Say that who is in a room has changed, to the room and to whoever follows its people."""
    for topic in (room_topic(room_id), people_topic(room_id)):
        bus.publish(topic, {"type": "people"})


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


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Says which server runs a room's cells.

    Attributes
    ----------
    address:
        Where the other servers reach that one, with its base URL; empty if it is the only one.
    server:
        Id of that server's process.
    fence:
        Higher than that of every earlier lease of the room.
    """

    room_id: str
    server: str
    address: str
    fence: int


class LeaseListener(Protocol):
    """Hears what becomes of this server's leases; `execution` is it. Called on the event loop."""

    def doubtful(self, room_id: str) -> None:
        """The lease could not be renewed in time: it may be another's at any moment from now."""

    def regained(self, room_id: str) -> None:
        """It is this server's again, and nobody has had it meanwhile."""

    def lost(self, room_id: str) -> None:
        """It is another's, or was; nothing is left of it here."""


class Leases(Protocol):
    """One server at most runs a room's cells, and every server knows which."""

    async def start(self, listener: LeaseListener) -> None: ...

    async def stop(self) -> None:
        """Give back all leases that this server has."""

    async def claim(self, room_id: str) -> Lease:
        """Return the room's lease: this server's, if it has it or nobody has.

        Raises
        ------
        OwnerUnknown
            Nobody can say at the moment.
        """

    async def holder(self, room_id: str) -> Lease | None:
        """Return the room's lease without asking for it. Raises `OwnerUnknown`."""

    def owns(self, room_id: str) -> bool:
        """Whether the lease is certainly this server's now, by this server's own clock."""

    def is_own(self, lease: Lease) -> bool:
        """Whether the lease is of this process."""

    async def release(self, room_id: str) -> None:
        """Give it back, if this server has it; never raises."""


class Tickets(Protocol):
    """Secrets that are worth something once, on whichever server they are shown."""

    async def put(self, digest: str, value: str, *, life_s: float) -> None:
        """Raises `OwnerUnknown` if it cannot be kept."""

    async def take(self, digest: str) -> str | None:
        """Return the value, the first time within its life. Raises `OwnerUnknown`."""

    async def stop(self) -> None: ...
