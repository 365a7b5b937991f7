"""Leases and tickets of several servers, in Redis.

A lease is a key that ends by itself after `TTL_S`; its server renews it each `RENEW_S`. The
server counts the time from *before* it asked, by a clock that no stop of the process stops, and
ends `MARGIN_S` earlier than Redis does: so it knows that it may have lost the lease before anybody
else can have it, whatever kept it from renewing. A claim that finds the server's own lease, of an
earlier claim whose answer was lost, is a renewal too; but not of one that it has given back: that
release may still be on its way, and ends no lease but the one it names.

A room's fence is a counter beside its lease. A server whose lease ran out may have it back as it
was only if the counter still stands where this server's claim had left it: nobody has had the
lease meanwhile.

A Redis that was restarted without its memory knows of no lease although servers still have theirs.
So it grants none until it has been remembering for longer than a lease lasts; renewals put those
that there are back. (A replica that becomes the primary and had not heard of a lease yet is not
noticed by this: for `TTL_S` two servers may then think a room theirs. What the store holds of a run
that has ended stays as it is even so.)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from interview_ext.errors import OwnerUnknown
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.ports import Lease, LeaseListener
from interview_ext.storage.redis_url import end

log = logging.getLogger(__name__)

TTL_S = 3.0
RENEW_S = 1.0
MARGIN_S = 0.3
"""By how much clocks of two machines may differ over `TTL_S`, a tenth: far more than they do."""
ANSWER_S = 1.0
"""How long Redis may take to answer; a renewal that took longer would be of no use."""
LOOK_S = 0.1
FENCE_LIFE_S = 30 * 24 * 3600
"""Fences outlive every interview, not for ever."""

CLAIM = """
local own = ' ' .. ARGV[1] .. ' ' .. ARGV[2]
local lease = redis.call('GET', KEYS[1])
if lease and lease ~= ARGV[6] then
  if string.sub(lease, -#own) == own then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    redis.call('EXPIRE', KEYS[2], ARGV[4])
  end
  return lease
end
local at = tonumber(redis.call('TIME')[1])
redis.call('SET', KEYS[3], at, 'NX')
if at - tonumber(redis.call('GET', KEYS[3])) <= tonumber(ARGV[5]) then return '' end
local fence = redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
lease = fence .. own
redis.call('SET', KEYS[1], lease, 'PX', ARGV[3])
return lease
"""
RENEW = """
local lease = redis.call('GET', KEYS[1])
if lease == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('EXPIRE', KEYS[2], ARGV[4])
  return 1
end
if lease then return 0 end
local fence = redis.call('GET', KEYS[2])
if fence and fence ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[4])
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[3])
return 1
"""
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


def uninterrupted() -> float:
    """Seconds by a clock that also runs while the process is stopped or the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass
class _Held:
    lease: Lease
    until: float
    doubtful: bool = False


class RedisLeases:
    """The leases as one server sees them. Made by ``house.py``.

    Parameters
    ----------
    url:
        Of the Redis that all servers share, as `InterviewApp.bus_url`.
    address:
        Where the other servers reach this one.
    """

    def __init__(
        self,
        url: str,
        *,
        address: str,
        prefix: str = "interview:",
        clock: Callable[[], float] = uninterrupted,
    ) -> None:
        self._redis = _client(url)
        self._address = address
        self._prefix = prefix
        self._clock = clock
        self._server = new_id("srv")
        self._held: dict[str, _Held] = {}
        self._released: dict[str, Lease] = {}
        """By room, what was given back last; for as long as Redis would have kept it."""
        self._listener: LeaseListener | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, listener: LeaseListener) -> None:
        """Begin to renew; Redis need not answer yet."""
        self._listener = listener
        self._tasks = [
            asyncio.create_task(self._renew_for_ever(), name="leases"),
            asyncio.create_task(self._look_for_ever(), name="leases' clock"),
        ]

    async def stop(self) -> None:
        await end(self._tasks)
        self._listener = None
        for room_id in list(self._held):
            await self.release(room_id)
        await self._redis.aclose()

    async def claim(self, room_id: str) -> Lease:
        if self.owns(room_id):
            return self._held[room_id].lease
        if room_id in self._held:  # the renewal finds out what has become of it
            raise OwnerUnknown(
                "The servers cannot agree at the moment on which of them runs cells."
            )
        asked_at = self._clock()
        released = self._released.get(room_id)
        answer = await self._eval(
            CLAIM,
            room_id,
            self._server,
            self._address,
            int(TTL_S * 1000),
            FENCE_LIFE_S,
            int(TTL_S),
            _text(released) if released else "",
        )
        if not answer:
            raise OwnerUnknown(
                "Cells cannot be run at the moment: the bus of the servers has been restarted."
            )
        lease = _lease(room_id, answer)
        if lease == self._released.get(room_id):  # since it was asked for
            return await self.claim(room_id)
        if self.is_own(lease) and room_id not in self._held:
            self._held[room_id] = _Held(lease, asked_at + TTL_S - MARGIN_S)
        return lease

    async def holder(self, room_id: str) -> Lease | None:
        if self.owns(room_id):
            return self._held[room_id].lease
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._redis.get(self._keys(room_id)[0])
        except (RedisError, OSError, TimeoutError) as error:
            raise _unknown(error) from error
        return None if answer is None else _lease(room_id, answer)

    def owns(self, room_id: str) -> bool:
        held = self._held.get(room_id)
        return held is not None and not held.doubtful and self._clock() < held.until

    def is_own(self, lease: Lease) -> bool:
        return lease.server == self._server

    def _forget(self, released: Lease) -> None:
        if self._released.get(released.room_id) == released:
            del self._released[released.room_id]

    async def release(self, room_id: str) -> None:
        held = self._held.pop(room_id, None)
        if held is None:
            return
        self._released[room_id] = held.lease
        asyncio.get_running_loop().call_later(TTL_S, self._forget, held.lease)
        try:
            await self._eval(RELEASE, room_id, _text(held.lease))
        except OwnerUnknown as error:
            log.info("a lease ends by itself: %s", error.message)

    # -- inside

    async def _renew_for_ever(self) -> None:
        while True:
            began = self._clock()
            await self._remember()
            rooms = list(self._held)
            for at in range(0, len(rooms), 50):
                await asyncio.gather(*map(self._renew, rooms[at : at + 50]))
            doubt = any(held.doubtful for held in self._held.values())
            pause_s = (LOOK_S if doubt else RENEW_S) - (self._clock() - began)
            await asyncio.sleep(max(LOOK_S, pause_s))

    async def _remember(self) -> None:
        """Have Redis note since when it knows of leases, before anybody needs one."""
        try:
            async with asyncio.timeout(ANSWER_S):
                at = (await self._redis.time())[0]
                await self._redis.set(f"{self._prefix}since", at, nx=True)
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("Redis does not answer: %s", type(error).__name__)

    async def _renew(self, room_id: str) -> None:
        held = self._held.get(room_id)
        if held is None:
            return
        asked_at = self._clock()
        ttl_ms = int(TTL_S * 1000)
        try:
            kept = await self._eval(
                RENEW, room_id, _text(held.lease), held.lease.fence, ttl_ms, FENCE_LIFE_S
            )
        except OwnerUnknown as error:
            log.warning("the lease of room %s was not renewed: %s", room_id, error.message)
            return
        if self._held.get(room_id) is not held:  # released meanwhile
            return
        if int(kept):
            held.until = asked_at + TTL_S - MARGIN_S
            if held.doubtful and self._clock() < held.until:
                held.doubtful = False
                self._tell(room_id, "regained")
        else:
            del self._held[room_id]
            self._tell(room_id, "lost")

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            at = self._clock()
            for room_id, held in list(self._held.items()):
                if not held.doubtful and at >= held.until:
                    held.doubtful = True
                    self._tell(room_id, "doubtful")

    def _tell(self, room_id: str, what: str) -> None:
        log.warning("the lease of room %s is %s", room_id, what)
        if self._listener is not None:
            getattr(self._listener, what)(room_id)

    async def _eval(self, script: str, room_id: str, *arguments: object) -> Any:
        keys = self._keys(room_id)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._redis.eval(script, len(keys), *keys, *map(str, arguments))
        except (RedisError, OSError, TimeoutError) as error:
            raise _unknown(error) from error

    def _keys(self, room_id: str) -> tuple[str, str, str]:
        prefix = self._prefix
        return f"{prefix}lease:{room_id}", f"{prefix}fence:{room_id}", f"{prefix}since"


class RedisTickets:
    """Tickets that any of the servers takes, and only one."""

    def __init__(self, url: str, *, prefix: str = "interview:") -> None:
        self._redis = _client(url)
        self._prefix = prefix

    async def put(self, digest: str, value: str, *, life_s: float) -> None:
        await self._ask(self._redis.set(self._key(digest), value, px=int(life_s * 1000)))

    async def take(self, digest: str) -> str | None:
        answer = await self._ask(self._redis.getdel(self._key(digest)))
        return None if answer is None else str(answer)

    async def stop(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _ask(self, asked: Any) -> Any:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await asked
        except (RedisError, OSError, TimeoutError) as error:
            raise _unknown(error) from error

    def _key(self, digest: str) -> str:
        return f"{self._prefix}ticket:{digest}"


def _client(url: str) -> Any:
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=ANSWER_S,
        socket_timeout=ANSWER_S,
        health_check_interval=10,
    )


def _unknown(error: BaseException) -> OwnerUnknown:
    log.info("Redis does not answer: %s", type(error).__name__)
    return OwnerUnknown(
        "Cells cannot be run at the moment: the bus of the servers does not answer."
    )


def _text(lease: Lease) -> str:
    return f"{lease.fence} {lease.server} {lease.address}"


def _lease(room_id: str, text: str) -> Lease:
    fence, server, address = str(text).split(" ", 2)
    return Lease(room_id=room_id, server=server, address=address, fence=int(fence))
