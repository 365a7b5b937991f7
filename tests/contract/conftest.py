"""The backends every contract suite runs over. A new backend joins by a line here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interview_ext.rooms.ids import new_id
from interview_ext.rooms.ports import Bus, Store
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.mongo import MongoStore
from interview_ext.storage.redis_bus import RedisBus
from interview_ext.storage.sqlite import SqliteStore


@pytest.fixture(params=["sqlite", "mongodb"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    backend: Store
    if request.param == "sqlite":
        backend = SqliteStore(tmp_path / "interviews.sqlite")
    else:
        backend = MongoStore(request.getfixturevalue("mongodb").url(new_id("test")))
    await backend.start()
    yield backend
    await backend.stop()


@pytest.fixture(params=["memory", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    backend: Bus
    if request.param == "memory":
        backend = MemoryBus()
    else:
        backend = RedisBus(request.getfixturevalue("redis_server").url)
    await backend.start()
    yield backend
    await backend.stop()
