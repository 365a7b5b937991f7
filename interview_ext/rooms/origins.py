"""How edits came about, as pages report it: typed, pasted, completed. Never more than a report.

JupyterLab's document client has no place for it in its messages, so the page tells it beside
them: which of its own clocks, and which deletions, came about how. That is kept beside the
log, which is only ever appended to, and joined to its entries when they are replayed
(`collab.reports`). A report counts for updates of the participant who sent it, and for nobody
else's; the first about a piece stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from interview_ext.errors import TooManyRequests
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import Clock, now
from interview_ext.rooms.limits import RateLimit
from interview_ext.rooms.model import EditOrigin
from interview_ext.rooms.ports import OriginStore
from interview_ext.rooms.service import Rooms

PER_MINUTE = 90
"""Reports of one participant; a page that types sends one in two seconds."""
MAX_KEPT = 20_000
"""Pieces of one participant in one document that are kept; typing on is one piece a report."""


class Origins:
    """Takes reports. Made once by ``house.py``."""

    def __init__(self, *, rooms: Rooms, store: OriginStore, clock: Clock = now) -> None:
        self._rooms = rooms
        self._store = store
        self._rate = RateLimit(per_minute=PER_MINUTE, clock=clock)

    async def report(self, actor: Actor, document_id: str, origins: Sequence[EditOrigin]) -> None:
        """Keep what a page says about its own edits; without effect beyond `MAX_KEPT`.

        Raises
        ------
        NotFound
            There is no such document for the actor.
        TooManyRequests, StoreUnavailable
        """
        _, document, writable = await self._rooms.document(actor, document_id)
        if not self._rate.take(actor.id):
            raise TooManyRequests("This page reports too often.")
        if writable:
            await self._store.add_origins(document.id, actor.id, origins, keep=MAX_KEPT)
