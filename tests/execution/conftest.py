"""A room with a notebook, two pages and a kernel, put together as ``house.py`` does."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from interview_ext.execution.cells import source_digest
from interview_ext.execution.ports import KernelLauncher
from interview_ext.execution.service import Executions
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.admission import Admission
from interview_ext.rooms.model import Document, Role, Room, RoomState, Run
from interview_ext.rooms.ports import Leases, Message, room_topic
from interview_ext.rooms.presence import Presence
from interview_ext.rooms.service import Rooms, RoomSpec
from interview_ext.rooms.timeline import Timeline
from interview_ext.sandbox.profiles import PYTHON, Limits
from interview_ext.sandbox.sandboxes import Sandboxes
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.sqlite import SqliteStore
from tests.execution.documents import Notebook, Notebooks, code_cell
from tests.execution.kernels import LocalLauncher

PATIENCE_S = 60
"""A machine that runs other tests beside these is slow."""


@dataclass
class Bench:
    """A live room, and what is needed to run cells in it.

    Attributes
    ----------
    another:
        Makes another room on the same server.
    label:
        What its containers bear, if it has any.
    """

    store: SqliteStore
    bus: MemoryBus
    timeline: Timeline
    rooms: Rooms
    admission: Admission
    executions: Executions
    notebooks: Notebooks
    launcher: KernelLauncher
    room: Room
    document: Document
    host: Actor
    candidate: Actor
    another: Callable[[], Awaitable[Bench]]
    label: str = ""
    heard: list[Message] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, message: Message) -> None:
        self.heard.append(message)
        self.news.set()

    def notebook(self, **cells: str) -> Notebook:
        """The room's notebook, with these cells."""
        made = Notebook(self.document, [code_cell(name, text) for name, text in cells.items()])
        self.notebooks.by_id[self.document.id] = made
        return made

    async def message(self, test: Callable[[Message], bool], *, after: int = 0) -> Message:
        """Wait for a message on the room's topic."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in self.heard[after:]:
                    if test(message):
                        return message
                self.news.clear()
                await self.news.wait()

    async def submit(self, cell_id: str, *, actor: Actor | None = None) -> Run:
        """Run a cell as its page shows it."""
        source = self.notebooks.by_id[self.document.id].pages[0].cell(cell_id)["source"]
        return await self.executions.submit(
            actor or self.candidate,
            document_id=self.document.id,
            cell_id=cell_id,
            source_sha256=source_digest(source),
        )

    async def state(self, run: Run, *states: str) -> dict[str, Any]:
        """Wait until the run is in one of these states."""
        message = await self.message(
            lambda m: (
                m["type"] == "run" and m["run"]["id"] == run.id and m["run"]["state"] in states
            )
        )
        return dict(message["run"])

    async def ended(self, run: Run) -> dict[str, Any]:
        return await self.state(run, "done", "error", "cleared", "interrupted", "died")

    async def run(self, cell_id: str) -> dict[str, Any]:
        """Run a cell to its end."""
        return await self.ended(await self.submit(cell_id))

    def outputs(self, cell_id: str) -> list[dict[str, Any]]:
        """The cell's outputs, the same in the server's copy and on both pages."""
        notebook = self.notebooks.by_id[self.document.id]
        seen = [page.cell(cell_id)["outputs"] for page in notebook.pages]
        server = next(c for c in notebook.ydoc.get()["cells"] if c["id"] == cell_id)["outputs"]
        assert seen[0] == seen[1] == server
        return list(server)

    def text(self, cell_id: str, name: str = "stdout") -> str:
        """What stands in the cell's streams of that name."""
        return "".join(
            o["text"]
            for o in self.outputs(cell_id)
            if o["output_type"] == "stream" and o["name"] == name
        )

    async def kinds(self) -> list[str]:
        return [event.kind for event in await self.store.list_events(self.room.id)]

    async def set_state(self, state: RoomState) -> None:
        await self.rooms.set_state(self.host, state)


MakeBench = Callable[..., Awaitable[Bench]]


async def make_bench(
    folder: Path,
    launcher: KernelLauncher,
    profile: str = "python",
    leases: Leases | None = None,
) -> AsyncIterator[Bench]:
    store, bus = SqliteStore(folder / "s.sqlite"), MemoryBus()
    await store.start()
    timeline = Timeline(store, bus)
    rooms = Rooms(store=store, bus=bus, timeline=timeline)
    presence = Presence(bus=bus, timeline=timeline)
    admission = Admission(rooms=rooms, store=store, bus=bus, timeline=timeline, presence=presence)
    notebooks = Notebooks()
    executions = Executions(
        rooms=rooms,
        documents=notebooks,
        launcher=launcher,
        store=store,
        bus=bus,
        timeline=timeline,
        leases=leases,
    )
    await executions.start()

    async def make_room() -> Bench:
        plan = rooms.plan(RoomSpec(title="T", host_name="Host", profile=profile), owner="owner")
        room = await rooms.create(plan)
        host = await rooms.host_actor(room.id, owner="owner")
        candidate = await guest(admission, host, Role.CANDIDATE)
        bench = Bench(
            store, bus, timeline, rooms, admission, executions, notebooks, launcher,
            await rooms.get(room.id), plan.notebook, host, candidate, make_room,
        )  # fmt: skip
        bus.subscribe(room_topic(room.id), bench.hear)
        return bench

    yield await make_room()
    await executions.stop()
    await presence.stop()
    await rooms.stop()
    await store.stop()


async def guest(admission: Admission, host: Actor, role: Role) -> Actor:
    """Somebody with an admitted seat; admitting a candidate makes the room live."""
    _, _, token = await admission.invite(host, role=role, name="", expires_in_s=3600)
    actor, secret = await admission.join(host.room_id, token=token, name="Guest", secrets=[])
    await admission.admit(host, actor.id)
    return await admission.seated(host.room_id, actor.id, secret)


@pytest.fixture
def launcher(tmp_path: Path) -> LocalLauncher:
    return LocalLauncher(tmp_path)


@pytest.fixture
async def bench(tmp_path: Path, launcher: LocalLauncher) -> AsyncIterator[Bench]:
    async for made in make_bench(tmp_path, launcher):
        yield made


@pytest.fixture
async def make_sandbox_bench(sandbox_image: None, tmp_path: Path) -> AsyncIterator[MakeBench]:
    """Makes a room whose kernel runs in a container, with limits of the test's; each room is on
    a server of its own, in this process.
    """
    from tests.execution.sandboxes import house

    async with AsyncExitStack() as stack:

        async def make(**limits: Any) -> Bench:
            sandboxes = Sandboxes(
                server_id=f"test-{secrets.token_hex(6)}",
                pool_size=0,
                profiles={"python": replace(PYTHON, limits=Limits(**limits))},
            )
            folder = tmp_path / sandboxes.server_id
            bench = await stack.enter_async_context(house(folder, sandboxes))
            bench.label = sandboxes.server_id
            return bench

        yield make
