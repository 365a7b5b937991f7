"""Leases of a server that is alone: every one is its own."""

from __future__ import annotations

from interview_ext.rooms.ports import Lease, LeaseListener

SERVER = "this"


class MemoryLeases:
    """Grants everything. Made by ``house.py`` when no other server shares the rooms."""

    def __init__(self) -> None:
        self._fences: dict[str, int] = {}
        self._held: set[str] = set()

    async def start(self, listener: LeaseListener) -> None:
        """Nothing is ever lost."""

    async def stop(self) -> None:
        self._held.clear()

    async def claim(self, room_id: str) -> Lease:
        if room_id not in self._held:
            self._held.add(room_id)
            self._fences[room_id] = self._fences.get(room_id, 0) + 1
        return self._lease(room_id)

    async def holder(self, room_id: str) -> Lease | None:
        return self._lease(room_id) if room_id in self._held else None

    def owns(self, room_id: str) -> bool:
        return room_id in self._held

    def is_own(self, lease: Lease) -> bool:
        return lease.server == SERVER

    async def release(self, room_id: str) -> None:
        self._held.discard(room_id)

    def _lease(self, room_id: str) -> Lease:
        return Lease(room_id=room_id, server=SERVER, address="", fence=self._fences[room_id])
