"""What the bus and the leases share: what a URL of Redis has to have, and how their tasks end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from urllib.parse import urlsplit

from redis.asyncio.connection import parse_url

_FORM = (
    "is not a URL of Redis, such as rediss://user:password@host:6379/0; user and password have to "
    "be percent-encoded (urllib.parse.quote_plus)"
)


def check(url: str) -> None:
    """Raise `ValueError` for a URL that cannot work, without repeating any of it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        options = parse_url(url)
    except (ValueError, TypeError):
        raise ValueError(_FORM) from None
    if not parts.hostname:
        raise ValueError(_FORM)
    if clash := sorted(options.keys() & {"protocol", "decode_responses"}):
        raise ValueError(f"sets {clash[0]}, which the server sets itself")
    database = parts.path[1:]
    if database and not database.isdecimal():
        raise ValueError("names a database that is no number, as in redis://host:6379/0")


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: `asyncio.wait_for`, in redis-py, may swallow it once.

    It then raises whatever became of what it waited for, on a connection that is closed by now:
    nobody has to hear of that.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=0.1)
        for task in ended:
            if not task.cancelled():
                task.exception()
