"""Keeps Python's garbage collector from stopping the whole server for long.

A full collection looks at every object there is: with 500 rooms it held up everybody's keystrokes
for 0.8 to 1.7 s (measured), and it comes whenever a quarter as many objects have been added.
What has survived one that took long is therefore left out of the next ones (`gc.freeze`), for ten
minutes, or until nobody is in a room: then nobody notices how long the next one takes, and what
has become garbage meanwhile goes.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any

log = logging.getLogger(__name__)

LONG_S = 0.1
LOOK_EVERY_S = 15.0
FROZEN_S = 600.0
_FULL = 2
"""The oldest generation: a collection of it looks at everything."""


class ShortPauses:
    """Watches the collector of this process. Made once by ``house.py``.

    Parameters
    ----------
    idle:
        Whether nobody would notice a pause.
    """

    def __init__(self, *, idle: Callable[[], bool]) -> None:
        self._idle = idle
        self._began = 0.0
        self._frozen_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        gc.callbacks.append(self._on_collection)
        self._task = asyncio.create_task(self._thaw_in_time(), name="pauses of the collector")

    async def stop(self) -> None:
        """Leave the collector as it was found."""
        if self._task is None:
            return
        gc.callbacks.remove(self._on_collection)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        self._thaw()

    def _on_collection(self, phase: str, info: dict[str, Any]) -> None:
        """Called by the collector before and after each collection, in whatever thread."""
        if info["generation"] != _FULL:
            return
        now = perf_counter()
        if phase == "start":
            self._began = now
        elif now - self._began >= LONG_S:
            gc.freeze()
            self._frozen_at = self._frozen_at or now

    async def _thaw_in_time(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            since = self._frozen_at
            if since is not None and (self._idle() or perf_counter() - since >= FROZEN_S):
                self._thaw()
                gc.collect()

    def _thaw(self) -> None:
        if self._frozen_at is not None:
            self._frozen_at = None
            gc.unfreeze()
