"""Earlier states of a document, made anew from its log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from pycrdt import Doc

from interview_ext.collab.content import file_text, notebook_json
from interview_ext.collab.rehearsal import apply_guarded
from interview_ext.collab.replay import Change, Follower
from interview_ext.collab.reports import Reports
from interview_ext.rooms.model import LogEntry
from interview_ext.rooms.ports import UpdateLog

T = TypeVar("T")

PAGE = 500
"""Updates that are followed at a time."""


class History:
    """What one document has been. Its replay runs in a thread (8 µs an entry, measured).

    Parameters
    ----------
    document_id:
        Whose log is read.
    places:
        Held while something is read or replayed, by those who want to see it; never while one of
        them takes in what was found.
    """

    def __init__(
        self, document_id: str, update_log: UpdateLog, *, places: asyncio.Semaphore
    ) -> None:
        self._document_id = document_id
        self._log = update_log
        self._places = places
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

    async def last_seq(self) -> int:
        """Return the log's last position. Raises `StoreUnavailable`."""
        return await self._log.last_seq(self._document_id)

    async def seq_at(self, at: datetime) -> int:
        """Return the log's last position before a time. Raises `StoreUnavailable`."""
        async with self._places:
            entries = await self._log.read(self._document_id)
        return max((entry.seq for entry in entries if entry.at < at), default=0)

    async def at(self, seq: int, *, notebook: bool) -> dict[str, Any] | str:
        """Return the notebook as JSON, or the text, as it was once `seq` had been committed.

        Raises
        ------
        StoreUnavailable
        """
        async with self._places:
            entries = await self._log.read(self._document_id)
            earlier = [entry for entry in entries if entry.seq <= seq]
            return await asyncio.to_thread(_content, earlier, notebook=notebook)

    async def changes(
        self, *, after: int, to: int | None, notebook: bool, reports: Reports | None = None
    ) -> AsyncGenerator[list[Change], None]:
        """Yield what the updates behind `after`, up to `to`, did: some hundreds at a time.

        Parameters
        ----------
        reports:
            How edits came about, as their pages say.

        Raises
        ------
        StoreUnavailable
        """
        async with self._places:
            entries = await self._log.read(self._document_id)
        earlier = [entry for entry in entries if entry.seq <= after]
        later = [
            entry for entry in entries if entry.seq > after and (to is None or entry.seq <= to)
        ]
        loop = asyncio.get_running_loop()
        # A document stays in the thread that made it, also when it is thrown away.
        worker = ThreadPoolExecutor(1, thread_name_prefix="replay")
        follower: list[Follower] = []
        try:
            async with self._places:
                await loop.run_in_executor(
                    worker, lambda: follower.append(Follower(notebook=notebook, earlier=earlier))
                )
            for start in range(0, len(later), PAGE):
                some = later[start : start + PAGE]
                async with self._places:
                    found = await loop.run_in_executor(worker, _follow, follower[0], some, reports)
                if found:
                    yield found
        finally:
            await loop.run_in_executor(worker, follower.clear)
            worker.shutdown(wait=False)

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


def _content(entries: Sequence[LogEntry], *, notebook: bool) -> dict[str, Any] | str:
    doc: Doc[Any] = Doc()
    for entry in entries:
        apply_guarded(doc, entry.update)
    return notebook_json(doc) if notebook else file_text(doc)


def _follow(
    follower: Follower, entries: Sequence[LogEntry], reports: Reports | None
) -> list[Change]:
    if reports is not None:
        entries = [replace(entry, origin=reports.of(entry)) for entry in entries]
    return [change for entry in entries if (change := follower.follow(entry)) is not None]
