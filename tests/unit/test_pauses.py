"""The collector looks again at what it took long over only when nobody notices."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from interview_ext import pauses
from interview_ext.pauses import ShortPauses


class Node:
    """Something in a cycle: only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


async def gone(reference: weakref.ref[Node]) -> None:
    """Wait until the collector has found it."""
    async with asyncio.timeout(10):
        while reference() is not None:  # noqa: ASYNC110 - the collector tells nobody
            await asyncio.sleep(0.01)


@pytest.fixture
def every_pause_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "LONG_S", 0.0)
    monkeypatch.setattr(pauses, "LOOK_EVERY_S", 0.01)


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    gc.collect()
    gc.unfreeze()
    yield
    gc.unfreeze()
    assert not any("ShortPauses" in repr(callback) for callback in gc.callbacks)


@pytest.mark.usefixtures("nothing_frozen", "every_pause_is_long")
async def test_what_took_long_is_left_out_until_the_server_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = True
    watch = ShortPauses(idle=lambda: not busy)
    watch.start()
    node = Node()
    alive = weakref.ref(node)
    gc.collect()
    assert gc.get_freeze_count() > 1000
    del node
    gc.collect()
    await asyncio.sleep(0.05)
    assert alive() is not None, "it is not looked at while people are there"
    monkeypatch.setattr(pauses, "LONG_S", 60.0)
    busy = False
    await gone(alive)
    assert gc.get_freeze_count() == 0
    await watch.stop()


@pytest.mark.usefixtures("nothing_frozen", "every_pause_is_long")
async def test_a_server_that_is_never_idle_looks_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pauses, "FROZEN_S", 0.1)
    watch = ShortPauses(idle=lambda: False)
    watch.start()
    node = Node()
    alive = weakref.ref(node)
    gc.collect()
    del node
    await gone(alive)
    await watch.stop()
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("nothing_frozen")
async def test_short_collections_freeze_nothing() -> None:
    watch = ShortPauses(idle=lambda: False)
    watch.start()
    gc.collect(0)
    gc.collect(1)
    assert gc.get_freeze_count() == 0
    await watch.stop()
    await watch.stop()
