"""Which rooms' cells this server runs, of several that share the rooms.

A room belongs to the server that first needs its kernel or has its people, for as long as that one
renews the lease. What was left by the one before is ended, once, before anything is run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from interview_ext.errors import InterviewError, OwnerElsewhere
from interview_ext.rooms.ports import Lease, LeaseListener, Leases

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""A dead server's lease ends within 3 s: another takes the room over within 4 s and a little."""
PREDECESSOR_S = 4.0
"""How long a starting server waits for the leases of the process before it to end."""
_AT_ONCE = 50

Recover = Callable[[Lease], Awaitable[None]]
"""Ends or adopts what the one before has left in the room of a lease that is now this server's."""
RoomIds = Callable[[], Collection[str]]


class Ownership:
    """Made by `service`.

    Parameters
    ----------
    here:
        Ids of rooms that have people on this server: it takes them over if nobody has them.
    """

    def __init__(self, leases: Leases, *, recover: Recover, here: RoomIds = tuple) -> None:
        self._leases = leases
        self._recover = recover
        self._here = here
        self._recovered: dict[str, int] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self, listener: LeaseListener) -> None:
        await self._leases.start(listener)

    def look_after(self) -> None:
        """From now on, take over rooms whose server is gone."""
        self._task = asyncio.create_task(self._look(), name="rooms without a server")

    async def stop(self) -> None:
        """Give everything back; nothing of it runs any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._leases.stop()

    def owns(self, room_id: str) -> bool:
        """See `ports.Leases.owns`."""
        return self._leases.owns(room_id)

    async def elsewhere(self, room_id: str) -> Lease | None:
        """Return the lease of the other server that runs the room's cells; None: it is this one,
        and what the one before has left is cleared up.

        Raises
        ------
        OwnerUnknown
        """
        if self._leases.owns(room_id) and room_id in self._recovered:
            return None
        async with self._locks.setdefault(room_id, asyncio.Lock()):
            lease = await self._leases.claim(room_id)
            if not self._leases.is_own(lease):
                self._recovered.pop(room_id, None)
                return lease
            if self._recovered.get(room_id) != lease.fence:
                await self._recover(lease)
                self._recovered[room_id] = lease.fence
            return None

    async def claim_again(self, room_id: str, address: str) -> bool:
        """Whether the room is this server's; waits for what its own last process had."""
        until = asyncio.get_running_loop().time() + PREDECESSOR_S
        while (lease := await self.elsewhere(room_id)) is not None:
            if lease.address != address or asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(0.1)
        return True

    async def ensure(self, room_id: str) -> None:
        """Return if this server runs the room's cells.

        Raises
        ------
        OwnerUnknown, OwnerElsewhere
        """
        if await self.elsewhere(room_id) is not None:
            raise OwnerElsewhere("Another server runs this interview's cells.")

    async def release(self, room_id: str) -> None:
        """The room needs no server any more."""
        self.forget(room_id)
        self._locks.pop(room_id, None)
        await self._leases.release(room_id)

    def forget(self, room_id: str) -> None:
        """The lease is lost: what is claimed after this has to be cleared up anew."""
        self._recovered.pop(room_id, None)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            rooms = [room for room in self._here() if not self._leases.owns(room)]
            for at in range(0, len(rooms), _AT_ONCE):
                await asyncio.gather(*map(self._try, rooms[at : at + _AT_ONCE]))

    async def _try(self, room_id: str) -> None:
        try:
            await self.elsewhere(room_id)
        except InterviewError as error:
            log.info("room %s has no server for its cells yet: %s", room_id, error.message)
        except Exception:  # one room's trouble must not keep the others without a server
            log.exception("room %s was not taken over", room_id)
