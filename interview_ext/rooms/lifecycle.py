"""The room's life: which state may follow which."""

from __future__ import annotations

from interview_ext.errors import BadTransition
from interview_ext.rooms.model import RoomState as S

STEPS: dict[S, frozenset[S]] = {
    S.SCHEDULED: frozenset({S.LOBBY, S.LIVE, S.ENDED}),
    S.LOBBY: frozenset({S.LIVE, S.ENDED}),
    S.LIVE: frozenset({S.PAUSED, S.ENDED}),
    S.PAUSED: frozenset({S.LIVE, S.ENDED}),
    S.ENDED: frozenset({S.ARCHIVED}),
    S.ARCHIVED: frozenset(),
}
"""scheduled → lobby → live ⇄ paused → ended → archived, with short cuts to live and ended."""


def check_step(current: S, to: S) -> None:
    """Raise `BadTransition`, naming what is possible, unless `to` may follow `current`."""
    if to in STEPS[current]:
        return
    possible = ", ".join(sorted(STEPS[current])) or "nothing"
    raise BadTransition(
        f"A room that is {current} cannot become {to}.",
        hint=f"From {current} it can become: {possible}.",
    )
