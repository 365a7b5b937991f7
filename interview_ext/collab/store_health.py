"""Whether the documents of a room can be written, told to the room when that changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.ids import Clock
from interview_ext.rooms.model import Document
from interview_ext.rooms.ports import Bus, LogMoved, room_topic

log = logging.getLogger(__name__)

T = TypeVar("T")

_RETRY_FIRST_S, _RETRY_LAST_S = 0.05, 2.0


class StoreHealth:
    """One for all documents; a room is well again when each of its documents is."""

    def __init__(self, *, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._failing: dict[str, dict[str, datetime]] = {}

    async def persistently(self, document: Document, call: Callable[[], Awaitable[T]]) -> T:
        """Call the store until it does it. Raises `LogMoved`."""
        wait_s = _RETRY_FIRST_S
        while True:
            try:
                result = await call()
            except LogMoved:
                raise
            except StoreUnavailable as error:
                log.warning("%s waits for the store: %s", document.id, error.message)
            except Exception:
                log.exception("%s waits for the store", document.id)
            else:
                self.works(document)
                return result
            self.fails(document)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _RETRY_LAST_S)

    def fails(self, document: Document) -> None:
        """The store refused to write this document."""
        failing = self._failing.setdefault(document.room_id, {})
        if document.id in failing:
            return
        failing[document.id] = self._clock()
        if len(failing) == 1:
            since = failing[document.id].isoformat()
            self._publish(document.room_id, {"ok": False, "since": since})

    def failing(self, document: Document) -> bool:
        """Whether the store refused to write this document when last asked."""
        failing = self._failing.get(document.room_id)
        return failing is not None and document.id in failing

    def works(self, document: Document) -> None:
        """The store wrote this document. Called at every commit: costs one look-up then."""
        failing = self._failing.get(document.room_id)
        if failing is None or failing.pop(document.id, None) is None:
            return
        if not failing:
            del self._failing[document.room_id]
            self._publish(document.room_id, {"ok": True, "since": None})

    def failing_since(self, room_id: str) -> datetime | None:
        """Return since when a document of the room cannot be written; None if all can."""
        return min(self._failing.get(room_id, {}).values(), default=None)

    def forget(self, document: Document) -> None:
        """The document is no longer open."""
        self.works(document)

    def _publish(self, room_id: str, state: dict[str, object]) -> None:
        self._bus.publish(room_topic(room_id), {"type": "store", **state})
