"""The messages of the events sockets. The server speaks; a page only sends pings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from interview_ext.api.schemas import Count, Event, Model, Participant, Room, Run, Sandbox


class InputRequest(Model):
    """A cell waits for ``input()``; whoever may run may answer."""

    run_id: str
    prompt: str
    password: bool


class Hello(Model):
    """The first message: everything a page needs to begin, or to go on after a reconnect."""

    type: Literal["hello"]
    room: Room
    participants: tuple[Participant, ...]
    runs: tuple[Run, ...]
    """The last run of each cell."""
    sandbox: Sandbox | None
    """Null for those who may not watch the kernel."""
    input: InputRequest | None
    server_time: AwareDatetime


class EventMessage(Model):
    """Something happened that one may see."""

    type: Literal["event"]
    event: Event


class RoomMessage(Model):
    """The room, or what one may do in it, has changed."""

    type: Literal["room"]
    room: Room


class ParticipantsMessage(Model):
    """Somebody came, went, waits or was admitted."""

    type: Literal["participants"]
    participants: tuple[Participant, ...]


class RunMessage(Model):
    """A run was accepted, began or ended."""

    type: Literal["run"]
    run: Run


class InputRequestMessage(InputRequest):
    """A cell has begun to wait for ``input()``."""

    type: Literal["input_request"]


class InputDoneMessage(Model):
    """That input was answered, or its run is over."""

    type: Literal["input_done"]
    run_id: str


class SandboxMessage(Model):
    """The sandbox's state has changed. It is never ``busy`` here: runs tell that."""

    type: Literal["sandbox"]
    sandbox: Sandbox


class DurableMessage(Model):
    """What of one's own edits has been committed.

    `clients` maps Yjs client ids to the clock up to which their structs are committed;
    `deletes` holds committed deletions as client, clock, length.
    """

    type: Literal["durable"]
    document: str
    clients: dict[str, Count]
    deletes: tuple[tuple[Count, Count, Count], ...]


class StoreMessage(Model):
    """Whether the server can write; if not, since when."""

    type: Literal["store"]
    ok: bool
    since: AwareDatetime | None


class WaitingMessage(Model):
    """Somebody waits in the lobby of one of the host's rooms."""

    type: Literal["waiting"]
    room_id: str
    title: str
    participant_id: str
    name: str
    since: AwareDatetime


class ElsewhereMessage(Model):
    """Who waits, with the page open, in the host's other rooms: replaces what was said before."""

    type: Literal["elsewhere"]
    waiting: list[WaitingMessage]


class HostHello(Model):
    """The first message to a dashboard, and after it may have missed something."""

    type: Literal["hello"]
    server_time: AwareDatetime


class RoomsMessage(Model):
    """The host's list of rooms has changed: read it again."""

    type: Literal["rooms"]


class SeatClosedMessage(Model):
    """The seat was closed; the socket closes behind this message."""

    type: Literal["seat_closed"]
    reason: str


class Pong(Model):
    """The answer to a ping."""

    type: Literal["pong"]


class Ping(Model):
    """All that a page may send."""

    type: Literal["ping"]


RoomSocketMessage = Annotated[
    Hello
    | EventMessage
    | RoomMessage
    | ParticipantsMessage
    | RunMessage
    | InputRequestMessage
    | InputDoneMessage
    | SandboxMessage
    | DurableMessage
    | StoreMessage
    | WaitingMessage
    | ElsewhereMessage
    | SeatClosedMessage
    | Pong,
    Field(discriminator="type"),
]
"""All that comes over a room's events socket."""

HostSocketMessage = Annotated[
    HostHello | WaitingMessage | RoomsMessage | Pong, Field(discriminator="type")
]
"""All that comes over the dashboard's events socket."""
