"""What this server tells Prometheus: a registry of its own, apart from jupyter_server's.

Nothing in it names a person, a room or what anybody wrote.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.model import LogEntry, NewLogEntry, Room, RoomState, Snapshot
from interview_ext.rooms.ports import UpdateLog

COMMIT_BUCKETS_S = (
    *(0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.0035, 0.005, 0.0075),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
OPEN_STATES = (RoomState.SCHEDULED, RoomState.LOBBY, RoomState.LIVE, RoomState.PAUSED)


class Metrics:
    """Everything that is told. Made once by ``house.py``.

    Parameters
    ----------
    registry:
        Where the other parts have put theirs.
    rooms:
        All rooms that have not ended.
    document_sockets:
        How many are open.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        rooms: Callable[[], Awaitable[Sequence[Room]]],
        document_sockets: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._list_rooms = rooms
        self._rooms = Gauge(
            "interview_rooms", "Rooms that have not ended", ["state"], registry=registry
        )
        sockets = Gauge("interview_document_sockets", "Open document sockets", registry=registry)
        sockets.set_function(document_sockets)

    async def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        try:
            states = Counter(room.state for room in await self._list_rooms())
        except StoreUnavailable:
            self._rooms.clear()  # unknown is not 0
        else:
            for state in OPEN_STATES:
                self._rooms.labels(state.value).set(states[state])
        return generate_latest(self._registry)


class MeasuredLog:
    """An update log that measures how long its commits take; see `UpdateLog`."""

    def __init__(self, log: UpdateLog, registry: CollectorRegistry) -> None:
        self._log = log
        self._seconds = Histogram(
            "interview_update_log_commit_seconds",
            "From a batch of edits to its commit",
            buckets=COMMIT_BUCKETS_S,
            registry=registry,
        )

    async def append(
        self,
        document_id: str,
        entries: Sequence[NewLogEntry],
        *,
        batch: str | None = None,
        after: int | None = None,
    ) -> int:
        """See `UpdateLog`. A commit that fails is not measured."""
        began = time.perf_counter()
        last = await self._log.append(document_id, entries, batch=batch, after=after)
        self._seconds.observe(time.perf_counter() - began)
        return last

    async def read(self, document_id: str, *, after: int = 0) -> list[LogEntry]:
        """See `UpdateLog`."""
        return await self._log.read(document_id, after=after)

    async def replace(self, document_id: str, entries: Sequence[LogEntry]) -> None:
        """See `UpdateLog`."""
        await self._log.replace(document_id, entries)

    async def last_seq(self, document_id: str) -> int:
        """See `UpdateLog`."""
        return await self._log.last_seq(document_id)

    async def keep_snapshot(self, document_id: str, snapshot: Snapshot) -> None:
        """See `UpdateLog`."""
        await self._log.keep_snapshot(document_id, snapshot)

    async def get_snapshot(self, document_id: str) -> Snapshot | None:
        """See `UpdateLog`."""
        return await self._log.get_snapshot(document_id)

    async def claim_clients(
        self, document_id: str, participant_id: str, clients: Sequence[int]
    ) -> Mapping[int, str]:
        """See `UpdateLog`."""
        return await self._log.claim_clients(document_id, participant_id, clients)

    async def client_owners(self, document_id: str) -> dict[int, str]:
        """See `UpdateLog`."""
        return await self._log.client_owners(document_id)
