"""The data sets of this server's rooms: they come with a room, and go with the last that has them.

What is being made into a room is held until the room stands in the store, so that the end of
another room with the same content cannot take it away in between.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import BinaryIO, TypeVar

from interview_ext.errors import InterviewError
from interview_ext.sandbox.datasets import DatasetFolder, Incoming, StoredDataset

T = TypeVar("T")

MAX_READS = 2
"""Large files that are read at once; more wait, and not in the threads that others need."""
log = logging.getLogger(__name__)

Add = Callable[[BinaryIO, int], Awaitable[StoredDataset]]
"""Stores the content of a file of so many bytes, read from where it stands, in a thread.

Raises TooLarge, Conflict (the file has changed meanwhile), StoreUnavailable.
"""


class RoomDatasets:
    """Made once by ``house.py``, which starts and stops it.

    Parameters
    ----------
    named:
        Asks the store which are some room's.
    dropped:
        Told of each that was removed.
    """

    def __init__(
        self,
        folder: DatasetFolder,
        *,
        named: Callable[[], Awaitable[set[str]]],
        dropped: Callable[[str], Awaitable[None]],
    ) -> None:
        self._folder = folder
        self._named = named
        self._dropped = dropped
        self._held: Counter[str] = Counter()
        self._lock = asyncio.Lock()
        self._reads = asyncio.Semaphore(MAX_READS)

    async def start(self) -> None:
        """Take the folder. Raises StoreUnavailable."""
        await asyncio.to_thread(self._folder.open)

    async def stop(self) -> None:
        """Leave the folder."""
        await asyncio.to_thread(self._folder.close)

    @asynccontextmanager
    async def adding(self) -> AsyncIterator[Add]:
        """Make room contents within: what was added and is no room's at the end is removed."""
        held: list[str] = []

        def hold(digest: str) -> None:
            self._held[digest] += 1
            held.append(digest)

        async def add(file: BinaryIO, size: int) -> StoredDataset:
            # Twenty rooms with one file: it is read for each, and written once.
            digest = await self._read(lambda stopped: self._folder.digest(file, stopped))
            async with self._lock:  # not while it is decided what is removed
                if await asyncio.to_thread(self._folder.size, digest) == size:
                    hold(digest)
                    return StoredDataset(digest=digest, size=size)
            await asyncio.to_thread(file.seek, 0)
            incoming = await self._read(lambda stopped: self._folder.copy(file, size, stopped))
            try:
                stored = await asyncio.to_thread(incoming.finish)
                async with self._lock:
                    await asyncio.to_thread(incoming.publish, stored)
                    hold(stored.digest)
            finally:
                await asyncio.to_thread(incoming.discard)
            return stored

        try:
            yield add
        finally:
            self._held -= Counter(held)
            if held:
                await self.sweep()

    async def _read(self, work: Callable[[Callable[[], bool]], T]) -> T:
        """Do what reads a file in a thread, which is told if nobody waits for it any more."""
        given_up = threading.Event()
        async with self._reads:
            reading = asyncio.ensure_future(asyncio.to_thread(work, given_up.is_set))
            try:
                return await asyncio.shield(reading)
            except asyncio.CancelledError:  # the thread has the file: it may not be closed yet
                given_up.set()
                [ended] = await asyncio.gather(reading, return_exceptions=True)
                if isinstance(ended, Incoming):
                    await asyncio.to_thread(ended.discard)
                raise

    async def sweep(self) -> None:
        """Remove those that are no room's. Called at the start, and when a room has gone.

        Never raises.
        """
        try:
            async with self._lock:
                held = set(self._held)  # before the store is asked: it may be told meanwhile
                named = await self._named()
                there = await asyncio.to_thread(self._folder.digests)
                gone = there - named - held
                for digest in gone:
                    await asyncio.to_thread(self._folder.remove, digest)
            for digest in gone:
                if await asyncio.to_thread(self._folder.size, digest) is None:  # not back again
                    await self._dropped(digest)
        except (InterviewError, OSError) as error:
            log.warning("data sets that no interview has may be left: %s", error)
