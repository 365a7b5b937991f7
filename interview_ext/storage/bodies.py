"""How each value of the model is written into a store: as JSON, the same in every backend.

JSON rather than a database's own types: times keep their microseconds, payloads may have any
keys, and a value has one digest wherever it is kept (`migrate` compares them).
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter

from interview_ext.errors import Conflict
from interview_ext.rooms.model import (
    Branch,
    Document,
    Event,
    Invite,
    Participant,
    Room,
    Run,
    Seat,
    SeatState,
)

T = TypeVar("T")

ROOM = TypeAdapter(Room)
DOCUMENT = TypeAdapter(Document)
PARTICIPANT = TypeAdapter(Participant)
INVITE = TypeAdapter(Invite)
SEAT = TypeAdapter(Seat)
EVENT = TypeAdapter(Event)
RUN = TypeAdapter(Run)
BRANCH = TypeAdapter(Branch)


def dump(adapter: TypeAdapter[T], value: T) -> str:
    """Return a value as JSON."""
    return adapter.dump_json(value).decode()


def may_change(stored: Seat, seat: Seat) -> bool:
    """Return whether a seat is to be stored in the place of what is stored of it.

    Raises
    ------
    Conflict
        It was closed meanwhile, and is to be open.
    """
    if stored.state is SeatState.CLOSED and seat.state is not SeatState.CLOSED:
        raise Conflict("This seat was closed meanwhile.")
    return stored.state is not SeatState.CLOSED
