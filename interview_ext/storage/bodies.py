"""How each value of the model is written into a store: as JSON, the same in every backend.

JSON rather than a database's own types: times keep their microseconds, payloads may have any
keys, and a value has one digest wherever it is kept (`migrate` compares them).
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter

from interview_ext.rooms.model import (
    Branch,
    Document,
    Event,
    Invite,
    Participant,
    Room,
    Run,
    Seat,
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
