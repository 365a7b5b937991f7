"""What waits to be done with one document, in its order, within a bound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from interview_ext.collab.across import News
from interview_ext.collab.audience import Peer
from interview_ext.collab.wire.framing import AwarenessEntry
from interview_ext.collab.wire.update import UpdateHead

MAX_BATCH = 256
"""Items committed at once; at 5 µs to judge and 20 to apply each, 6 ms of the event loop."""
_ITEM_BYTES = 512
"""What an item weighs in the queue besides its update: about what Python takes for it."""


@dataclass(slots=True)
class Edit:
    """An update of a page; `answer` if it is one to sync step 1."""

    peer: Peer
    update: bytes
    head: UpdateHead
    answer: bool


@dataclass(slots=True)
class OwnEdit:
    """An update of the server's own, which is in the document already."""

    update: bytes


@dataclass(slots=True)
class Shown:
    """Presence that waits for what was before it."""

    peer: Peer
    entries: tuple[AwarenessEntry, ...]


@dataclass(slots=True)
class Mark:
    """Something to do once everything before it is committed and forwarded."""

    then: Callable[[], None]


@dataclass(slots=True)
class Look:
    """What other servers may have committed."""

    news: News


Item = Edit | OwnEdit | Shown | Mark | Look


class Inbox:
    """A queue that takes all that comes, and says when it holds more than it should.

    Parameters
    ----------
    max_bytes:
        Beyond it the queue is `full`: who has put something into it waits for `has_room`.
    """

    def __init__(self, max_bytes: int) -> None:
        self._items: deque[Item] = deque()
        self._max_bytes = max_bytes
        self._bytes = 0
        self._wake: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    @property
    def bytes(self) -> int:
        """What weighs in it, the batch being worked off included; 0 if there is nothing."""
        return self._bytes

    @property
    def full(self) -> bool:
        """Whether it holds more than it should."""
        return not self._room.is_set()

    @property
    def empty(self) -> bool:
        """Whether nothing waits behind the batch being worked off."""
        return not self._items

    async def has_room(self) -> None:
        """Return once it is not full."""
        await self._room.wait()

    def put(self, item: Item) -> None:
        """Add an item; never waits."""
        self._items.append(item)
        self._bytes += _weight(item)
        if self._bytes > self._max_bytes:
            self._room.clear()
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def next(self) -> list[Item]:
        """Return what has gathered, once there is something; in pieces of `MAX_BATCH`.

        Called by one task.
        """
        while not self._items:
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return [self._items.popleft() for _ in range(min(len(self._items), MAX_BATCH))]

    def settled(self, batch: list[Item]) -> None:
        """A batch has been worked off."""
        self._bytes -= sum(map(_weight, batch))
        if self._bytes <= self._max_bytes:
            self._room.set()

    def let_go(self) -> None:
        """Nobody is to wait any more: what is in it is not going to be done."""
        self._room.set()


def _weight(item: Item) -> int:
    if isinstance(item, Edit):
        return _ITEM_BYTES + len(item.update)
    if isinstance(item, Shown):
        return _ITEM_BYTES + sum(len(entry.state) for entry in item.entries)
    if isinstance(item, Look):
        return _ITEM_BYTES + sum(len(each.update) for each in item.news.updates)
    return _ITEM_BYTES
