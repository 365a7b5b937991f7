"""Whose updates a document takes: client ids belong to people, clocks go on without gaps.

Whoever first shows a Yjs client id, in awareness or in an update, keeps it for good. Without that,
an update that uses another's id at its next clock makes the victim's later keystrokes vanish.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from interview_ext.collab.wire.sets import Span
from interview_ext.collab.wire.update import UpdateHead

MAX_CLIENTS = 5000
"""Client ids of one participant in one document. A page takes a new one each time it is
loaded, so nobody honest comes near, and the table of owners stays small."""

SERVER = "server"
"""Owner of the ids the server itself writes under; no participant's id looks like it."""


class Verdict(Enum):
    """What to do with an update."""

    NEW = auto()
    """Everything it inserts follows what is known."""
    OVERLAP = auto()
    """Its beginning is known already: take the rest."""
    KNOWN = auto()
    """It inserts nothing that is not known; it may still delete."""
    GAP = auto()
    """Something before it is missing: drop it and ask for a sync."""
    FOREIGN = auto()
    """It speaks for a client of somebody else: refuse it."""


class Gate:
    """Clocks and owners of one document's clients.

    Parameters
    ----------
    clocks:
        By client, the clock after the last committed struct.
    owners:
        By client, the participant it belongs to, or `SERVER`.
    """

    def __init__(self, *, clocks: dict[int, int], owners: dict[int, str]) -> None:
        self._clocks = clocks
        self._owners = owners

    def owner(self, client: int) -> str | None:
        """Return who has this id, if anybody."""
        return self._owners.get(client)

    def own(self, owners: dict[int, str]) -> None:
        """Remember owners that the log has confirmed."""
        self._owners.update(owners)

    def unclaimed(self, participant_id: str, clients: Iterable[int]) -> list[int]:
        """Return those of the clients that belong to nobody yet and that this one may claim."""
        free = [client for client in clients if client not in self._owners]
        if free and list(self._owners.values()).count(participant_id) + len(free) > MAX_CLIENTS:
            return []
        return free

    def judge(self, participant_id: str, head: UpdateHead) -> Verdict:
        """Return what to do with an update of this participant; claims are settled before.

        Known structs of others are no theft: a page's answer to sync step 1 may hold
        what others typed while it was on its way.
        """
        new = gap = trim = False
        reached: dict[int, int] = {}
        for client, clock, length in head.inserts:
            known = max(self._clocks.get(client, 0), reached.get(client, 0))
            if clock < known:
                trim = True
            if clock + length <= known:
                continue
            if self._owners.get(client) != participant_id:
                return Verdict.FOREIGN
            gap = gap or clock > known
            new = True
            reached[client] = clock + length
        if gap or not self._finds(head, reached):
            return Verdict.GAP
        if not new:
            return Verdict.KNOWN
        return Verdict.OVERLAP if trim else Verdict.NEW

    def advance(self, inserts: tuple[Span, ...]) -> None:
        """Count what is going to be committed; later updates may build on it."""
        clocks = self._clocks
        for client, clock, length in inserts:
            if clock + length > clocks.get(client, 0):
                clocks[client] = clock + length

    def strangers(self) -> bool:
        """Whether there are clients whose owner is not known here."""
        return not self._clocks.keys() <= self._owners.keys()

    def reset(self, inserts: tuple[Span, ...]) -> None:
        """Know these structs and no others."""
        self._clocks.clear()
        self.advance(inserts)

    def known(self, clients: set[int]) -> dict[int, int]:
        """Return the state vector of these clients."""
        return {client: self._clocks[client] for client in clients if client in self._clocks}

    def _finds(self, head: UpdateHead, reached: dict[int, int]) -> bool:
        """Whether all that the update builds on or deletes is known or in itself."""
        clocks = self._clocks
        for client, end in head.needs.items():
            if end > clocks.get(client, 0) and end > reached.get(client, 0):
                return False
        return all(
            clock + length <= clocks.get(client, 0) or clock + length <= reached.get(client, 0)
            for client, clock, length in head.deletes
        )
