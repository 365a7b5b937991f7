"""The shared documents over MongoDB, whose server is killed and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, Text

from interview_ext.rooms.model import Role
from interview_ext.rooms.ports import Store
from interview_ext.storage.mongo import MongoStore
from tests.collab.conftest import House
from tests.services.mongodb import ReplicaSet


@pytest.fixture
def database(tmp_path: Path) -> ReplicaSet:
    """One of this test's own, for it is killed."""
    return ReplicaSet(tmp_path / "mongodb")


@pytest.fixture
async def store(database: ReplicaSet) -> AsyncIterator[Store]:
    store = MongoStore(database.url("interviews", "&timeoutMS=1500"))
    try:
        await asyncio.to_thread(database.start)
        await store.start()
        yield store
    finally:
        await store.stop()
        database.stop()


async def test_what_waits_for_a_killed_database_is_shown_to_nobody_and_then_to_all(
    house: House, database: ReplicaSet
) -> None:
    ada = await house.page(await house.person(Role.CANDIDATE)).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    ada.type("abc")
    await bob.until(lambda: bob.text == "abc")
    (member,) = database.members.values()
    member.kill()
    assert not member.running
    for character in "defgh":
        ada.type(character)
        await asyncio.sleep(0)
    failing = await house.hear(lambda m: m["type"] == "store")
    assert failing["ok"] is False
    assert bob.text == "abc"
    assert not ada.closed.is_set()

    await asyncio.to_thread(member.start)
    await house.hear(lambda m: m["type"] == "store" and m["ok"])
    await bob.until(lambda: bob.text == ada.text)
    assert sorted(ada.text) == sorted("abcdefgh")
    durable = [m["clients"] for m in house.heard if m["type"] == "durable"]
    assert durable[-1] == {str(ada.client): 8}
    again: Doc[Any] = Doc()
    entries = await house.store.read(house.notebook.id)
    for entry in entries:
        again.apply_update(entry.update)
    assert str(again.get("source", type=Text)) == ada.text
    assert len({entry.update for entry in entries}) == len(entries), "one was stored twice"


async def test_an_update_whose_answer_was_lost_is_stored_once(house: House) -> None:
    ada = await house.page(await house.person(Role.CANDIDATE)).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    house.log.lost_answers = 2
    ada.type("abc")
    await bob.until(lambda: bob.text == "abc")
    assert house.log.lost_answers == 0
    entries = await house.store.read(house.notebook.id)
    assert len({entry.update for entry in entries}) == len(entries), "one was stored twice"
