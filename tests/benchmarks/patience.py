"""Bounds on waiting: a benchmark ends by itself, and says what it has waited for in vain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE_S = 60


class InVain(Exception):
    """Something that was waited for has not come; the figures would be worth nothing."""


@asynccontextmanager
async def patience(what: str) -> AsyncIterator[None]:
    """Raise `InVain` if the body takes longer than a minute."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield
    except TimeoutError as error:
        raise InVain(f"{what}: not within {PATIENCE_S} s") from error
