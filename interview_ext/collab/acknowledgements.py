"""What each page is told of its own edits: that they are committed.

A page hears it on its event socket, as ``durable``: of each client of its person's the clock up to
which all is in the log, and the ranges it has deleted, which no clock shows.
"""

from __future__ import annotations

from typing import Any

from interview_ext.collab.gate import Gate
from interview_ext.collab.inbox import Edit
from interview_ext.collab.wire.sets import Span
from interview_ext.rooms.model import Document
from interview_ext.rooms.ports import Bus, room_topic

MOST_TOLD_DELETES = 1000
"""Ranges in one ``durable``, about 20 kB: who connects again repeats all there ever were."""


class Acknowledgements:
    """Those of one document. Called by its relay, after the commit and behind the forwarding."""

    def __init__(self, document: Document, bus: Bus, gate: Gate) -> None:
        self._document_id = document.id
        self._topic = room_topic(document.room_id)
        self._bus = bus
        self._gate = gate

    def tell(self, edit: Edit) -> None:
        """An edit is committed, or was before it came once more."""
        me = edit.peer.actor.id
        clients = {
            str(span.client): span.end
            for span in edit.head.inserts
            if self._gate.owner(span.client) == me
        }
        self._publish(me, clients, edit.head.deletes)

    def tell_again(self, participant_id: str, clocks: dict[int, int]) -> None:
        """Tell what of a participant's own is in the log, for the last word may have been lost.

        Parameters
        ----------
        clocks:
            By client, the clock after its last committed struct.
        """
        owner = self._gate.owner
        clients = {str(c): clock for c, clock in clocks.items() if owner(c) == participant_id}
        if clients:
            self._publish(participant_id, clients, ())

    def _publish(
        self, participant_id: str, clients: dict[str, int], deletes: tuple[Span, ...]
    ) -> None:
        for first in range(0, max(1, len(deletes)), MOST_TOLD_DELETES):
            message: dict[str, Any] = {
                "type": "durable",
                "document": self._document_id,
                "participant_id": participant_id,
                "clients": {} if first else clients,
                "deletes": [list(span) for span in deletes[first : first + MOST_TOLD_DELETES]],
            }
            self._bus.publish(self._topic, message)
