"""Earlier states of a document, made anew from its log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pycrdt import Doc

from interview_ext.collab.rehearsal import apply_guarded
from interview_ext.rooms.model import LogEntry
from interview_ext.rooms.ports import UpdateLog

log = logging.getLogger(__name__)

T = TypeVar("T")


class History:
    """What one document has been. Its replay runs in a thread (8 µs an entry, measured).

    Parameters
    ----------
    document_id:
        Whose log is read.
    """

    def __init__(self, document_id: str, update_log: UpdateLog) -> None:
        self._document_id = document_id
        self._log = update_log
        self._one_at_a_time = asyncio.Lock()
        # Where the last search began: the next one, which is about later states, goes on from it.
        self._base_seq, self._base = 0, b""

    async def newest(
        self, find: Callable[[Doc[Any]], T | None], *, since: datetime
    ) -> tuple[T, int] | None:
        """Return what `find` makes of the newest state it makes something of, and its position.

        Parameters
        ----------
        find:
            Called, in a thread, with a copy of the document that it must not change or keep.
        since:
            States that were replaced before this time are not looked at.

        Raises
        ------
        StoreUnavailable
        """
        async with self._one_at_a_time:
            entries = await self._log.read(self._document_id, after=self._base_seq)
            return await asyncio.to_thread(self._search, entries, find, since)

    def _search(
        self, entries: Sequence[LogEntry], find: Callable[[Doc[Any]], T | None], since: datetime
    ) -> tuple[T, int] | None:
        doc: Doc[Any] = Doc()
        if self._base:
            apply_guarded(doc, self._base)
        recent = next((i for i, e in enumerate(entries) if e.at >= since), len(entries))
        for entry in entries[:recent]:
            apply_guarded(doc, entry.update)
        if recent:
            self._base_seq, self._base = entries[recent - 1].seq, doc.get_update()
        newest: tuple[T, int] | None = None
        position, rest = self._base_seq, list(entries[recent:])
        while True:
            found = find(doc)
            if found is not None:
                newest = found, position
            if not rest:
                return newest
            entry = rest.pop(0)
            apply_guarded(doc, entry.update)
            position = entry.seq
