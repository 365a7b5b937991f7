"""Who asks. An actor is made by authentication, never from a message."""

from __future__ import annotations

from dataclasses import dataclass

from interview_ext.errors import SeatClosed
from interview_ext.rooms.model import Participant, Role, Seat, SeatClosing, SeatState

_FOR_GOOD = frozenset({SeatClosing.REVOKED, SeatClosing.REMOVED, SeatClosing.ROOM_DELETED})


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A participant who has shown who they are.

    `seat` is the browser they sit in; None is the host outside the door, who has
    shown the Jupyter server's own login.
    """

    participant: Participant
    seat: Seat | None

    @property
    def id(self) -> str:
        return self.participant.id

    @property
    def room_id(self) -> str:
        return self.participant.room_id

    @property
    def role(self) -> Role:
        return self.participant.role

    @property
    def admitted(self) -> bool:
        return self.seat is None or self.seat.state is SeatState.ADMITTED


def check_open(seat: Seat | None) -> None:
    """Raise `SeatClosed`, with what its holder can do, if the seat has been closed."""
    if seat is None or seat.state is not SeatState.CLOSED:
        return
    hint = "Ask the person who invited you." if seat.closing in _FOR_GOOD else None
    raise SeatClosed(f"Your seat was closed: {seat.closing}.", hint=hint)
