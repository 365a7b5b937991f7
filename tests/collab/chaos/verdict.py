"""What has to hold in the end: everybody has the same, and it is what was typed."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from pycrdt import Array, Doc

from interview_ext.collab.wire.update import read_update
from interview_ext.rooms.model import LogEntry
from interview_ext.storage.mongo import MongoStore
from tests.collab.chaos.robots import Robot
from tests.collab.chaos.scene import DATABASE, Room, Scene
from tests.collab.chaos.tabs import PycrdtTab

SETTLE_S = 40.0
EXPORT_S = 30.0


async def judge(scene: Scene) -> None:
    """Let the robots rest, wait until everybody has the same, and look at all of it.

    Each server is read by a tab of its own. After these are open everybody types once more, so
    that every server has something to export.
    """
    await asyncio.gather(*(robot.rest() for robot in scene.robots))
    scene.say("at rest")
    readers = {
        room.id: [
            PycrdtTab(room.robots[0].seat, room.document, port=server.port)
            for server in scene.servers
        ]
        for room in scene.rooms
    }
    try:
        async with asyncio.timeout(SETTLE_S):
            await asyncio.gather(*(tab.open() for tabs in readers.values() for tab in tabs))
        await asyncio.gather(*(robot.stroke() for robot in scene.robots))
        scene.say("everybody has typed once more")
        store = MongoStore(scene.database.url(DATABASE))
        await store.start()
        try:
            for room in scene.rooms:
                await _judge_room(scene, room, readers[room.id], store)
        finally:
            await store.stop()
    finally:
        await asyncio.gather(*(tab.close() for tabs in readers.values() for tab in tabs))
    scene.check()
    for server in scene.servers:
        assert not (faults := server.faults()), faults


async def _judge_room(
    scene: Scene, room: Room, readers: list[PycrdtTab], store: MongoStore
) -> None:
    robots = [robot.tab for robot in room.robots if robot.tab is not None]
    sources: dict[str, Callable[[], Awaitable[object]]] = {
        f"robot {number}": tab.cells for number, tab in enumerate(robots)
    }
    sources |= {f"server {number}": tab.cells for number, tab in enumerate(readers)}

    async def log() -> object:
        return _cells_of(await store.read(room.document))

    cells = await _agreed(scene, sources | {"log": log}, SETTLE_S)
    assert isinstance(cells, list)
    assert [cell["id"] for cell in cells] == room.cells, "no cell is doubled, and none is lost"
    text = cells[0]["source"]
    _check_log(await store.read(room.document))
    _check_text(text.removeprefix(room.greeting), room.robots)

    def exported(number: int) -> Callable[[], Awaitable[object]]:
        path = scene.servers[number].exports / room.id / room.path

        async def read() -> object:
            if not await asyncio.to_thread(path.exists):
                return None
            notebook = json.loads(await asyncio.to_thread(path.read_text))
            return ["".join(cell["source"]) for cell in notebook["cells"]]

        return read

    exports = {f"export {number}": exported(number) for number in range(len(scene.servers))}

    async def expected() -> object:
        return [cell["source"] for cell in cells]

    await _agreed(scene, {"document": expected, **exports}, EXPORT_S)


async def _agreed(
    scene: Scene, sources: dict[str, Callable[[], Awaitable[object]]], wait_s: float
) -> object:
    """Return what all of them have, once they have the same."""
    deadline = time.monotonic() + wait_s
    while True:
        found = {name: await read() for name, read in sources.items()}
        first, *others = found.values()
        if first is not None and all(other == first for other in others):
            return first
        if time.monotonic() > deadline:
            told = "\n".join(f"{name}: {value}" for name, value in found.items())
            story = "\n".join(scene.story)
            raise AssertionError(f"they differ:\n{told}\n{story}")
        await asyncio.sleep(0.2)


def _cells_of(entries: list[LogEntry]) -> list[dict[str, Any]]:
    doc: Doc[Any] = Doc()
    for entry in entries:
        doc.apply_update(entry.update)
    found: list[dict[str, Any]] = doc.get("cells", type=Array).to_py()
    return found


def _check_log(entries: list[LogEntry]) -> None:
    """Numbered without a gap; every struct is in it once, after all before it of its client."""
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    clocks: dict[int, int] = {}
    for entry in entries:
        for span in read_update(entry.update).inserts:
            assert span.clock == clocks.get(span.client, 0), f"update {entry.seq}: {span}"
            clocks[span.client] = span.end


def _check_text(text: str, robots: list[Robot]) -> None:
    counts = Counter(text)
    places = {letter: place for place, letter in enumerate(text)}
    typed = [key.letter for robot in robots for key in robot.keys]
    assert set(counts) <= set(typed), "only what was typed"
    for robot in robots:
        edge = -1
        for visit in robot.visits:
            # A tab that was closed for good may have lost what was not saved, and nothing else.
            gone = {key.letter for key in visit.keys if key.removed}
            certain = visit.keys if visit.left is None else visit.left
            for key in certain:
                if not key.removed:
                    assert counts[key.letter] == 1, f"{key} was saved"
                elif visit.left is None or robot.is_deleted(key):
                    assert counts[key.letter] == 0, f"{key} was deleted, and that was saved"
            for key in visit.keys:
                assert counts[key.letter] <= 1, f"{key} is doubled"
            there = [places[key.letter] for key in visit.keys if key.letter in places]
            assert there == sorted(there), "typed in this order"
            assert not there or there[0] > edge, "typed after the tab before was closed"
            edge = max(
                (places[k.letter] for k in certain if k.letter in places and k.letter not in gone),
                default=edge,
            )
