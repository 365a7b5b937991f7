"""The scene: servers, database, bus, what stands between them, rooms and robots."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx

from tests.benchmarks.people import Seat
from tests.collab.chaos.nursery import Nursery
from tests.collab.chaos.robots import Robot
from tests.collab.chaos.servers import ServerProcess
from tests.collab.chaos.tabs import NodePages, PycrdtTab
from tests.collab.chaos.wire import Wire
from tests.services.mongodb import ReplicaSet
from tests.services.redis import RedisServer

DATABASE = "chaos"
ROLES = "candidate", "interviewer", "interviewer"
_LETTERS = 0x4E00, 6000
"""Where the first author's characters begin, and how many each has; all take one UTF-16 unit."""


class Room:
    """One room: its ids, and the robots in it."""

    def __init__(self, room_id: str, document: str, path: str) -> None:
        self.id = room_id
        self.document = document
        self.path = path
        self.cells: list[str] = []
        """The ids of the notebook's cells, when it was new."""
        self.greeting = ""
        """What stood in the first of them."""
        self.robots: list[Robot] = []


class Scene:
    """Everything that a test of chaos has. `start` it once, and `stop` it in any case."""

    def __init__(self, folder: Path, node: str, random: Random, *, servers: int = 3) -> None:
        self.began = time.monotonic()
        self.story: list[str] = []
        self.rooms: list[Room] = []
        self._random = random
        self._token = secrets.token_hex(24)
        self.database = ReplicaSet(folder / "mongodb", members=3)
        self.redis = RedisServer(folder / "redis")
        self.bus_wire = Wire([self.redis.port], Random(random.random()))
        self.servers: list[ServerProcess] = []
        self.front = Wire([], Random(random.random()))
        self.node = NodePages(node)
        self.nursery = Nursery()
        self._folder = folder
        self._count = servers
        self._api: httpx.AsyncClient | None = None

    async def start(self, rooms: int) -> None:
        """Start everything, and let the robots begin."""
        self.nursery.open()
        await asyncio.gather(
            asyncio.to_thread(self.database.start), asyncio.to_thread(self.redis.start)
        )
        await self.bus_wire.start()
        traits = {
            "store_url": self.database.url(DATABASE),
            "bus_url": f"redis://127.0.0.1:{self.bus_wire.port}/0",
        }
        self.servers += [
            ServerProcess(
                self.nursery, self._folder / f"server-{number}", traits, token=self._token
            )
            for number in range(self._count)
        ]
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in self.servers))
        self.front.ports = [server.port for server in self.servers]
        await self.front.start()
        await self.node.start()
        self._api = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.front.port}/interview/api",
            headers={"Authorization": f"token {self._token}"},
            timeout=30,
        )
        self.say("started")
        self.rooms += await asyncio.gather(*(self._make_room(n) for n in range(rooms)))
        await asyncio.gather(
            *(
                robot.start(self._pycrdt if number % 3 else self.node.tab)
                for room in self.rooms
                for number, robot in enumerate(room.robots)
            )
        )
        for room in self.rooms:
            tab = room.robots[1].tab
            assert tab is not None
            cells = await tab.cells() or []
            room.cells += [cell["id"] for cell in cells]
            room.greeting = "".join(c for c in cells[0]["source"] if ord(c) < _LETTERS[0])
        self.say("typing")

    async def stop(self) -> None:
        for robot in self.robots:
            await robot.stop()
        if self._api is not None:
            await self._api.aclose()
        await self.node.stop()
        await self.front.stop()
        await asyncio.to_thread(self.nursery.close)
        await self.bus_wire.stop()
        self.redis.kill()
        self.database.stop()

    def say(self, what: str) -> None:
        """Note what happens, for whoever has to find out why a test has failed."""
        self.story.append(f"{time.monotonic() - self.began:6.1f} s {what}")

    @property
    def robots(self) -> list[Robot]:
        return [robot for room in self.rooms for robot in room.robots]

    @property
    def returns(self) -> int:
        """How often tabs have come back."""
        return sum(robot.tab.returns for robot in self.robots if robot.tab is not None)

    def told(self) -> int:
        """How many keystrokes that stand, or their deletions, were called saved."""
        return sum(
            robot.is_deleted(key) if key.removed else robot.is_saved(key)
            for robot in self.robots
            for key in robot.keys
        )

    def summary(self) -> str:
        keys = [key for robot in self.robots for key in robot.keys]
        visits = sum(len(robot.visits) for robot in self.robots)
        return (
            f"{len(keys)} keystrokes, {sum(key.removed for key in keys)} deleted again, "
            f"{self.told()} of them known to be saved, in {visits} tabs"
        )

    def check(self) -> None:
        """Raise if a robot has stopped or Node has complained."""
        for robot in self.robots:
            robot.check()
        assert not self.node.errors, self.node.errors

    async def reload_some(self, random: Random) -> None:
        """One person of each room closes the tab for good, and opens another."""
        await asyncio.gather(*(random.choice(room.robots).reload() for room in self.rooms))

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API as the host."""
        assert self._api is not None
        answer = await self._api.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def _pycrdt(self, robot: Robot) -> PycrdtTab:
        return PycrdtTab(robot.seat, robot.document)

    async def _make_room(self, number: int) -> Room:
        made = await self.ask("POST", "/rooms", {"title": f"Room {number}", "host_name": "Host"})
        document = next(d for d in made["documents"] if d["kind"] == "notebook")
        room = Room(made["id"], document["id"], document["path"])
        for place, role in enumerate(ROLES):
            invite = await self.ask("POST", f"/rooms/{room.id}/invites", {"role": role})
            seat = await Seat.take(invite["url"], name=f"{role} {place}")
            await self.ask("POST", f"/rooms/{room.id}/participants/{seat.participant}/admit")
            random = Random(self._random.random())
            room.robots.append(Robot(seat, room.document, letters(place), random))
        if (await self.ask("GET", f"/rooms/{room.id}"))["state"] != "live":
            await self.ask("POST", f"/rooms/{room.id}/state", {"to": "live"})
        return room


def letters(author: int) -> Iterator[str]:
    """Return the characters of one author in a room, each once."""
    first, count = _LETTERS
    return (chr(first + author * count + number) for number in range(count))
