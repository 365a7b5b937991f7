"""A server with the document handlers, real rooms and the real store; pages on loopback."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from interview_ext.collab import snapshots
from interview_ext.collab.documents import Documents
from interview_ext.collab.export import Exporter
from interview_ext.collab.limits import Limits
from interview_ext.collab.shared import SharedDocument
from interview_ext.collab.socket import Desk, handlers
from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import digest, new_id, new_secret, now
from interview_ext.rooms.model import Document, Participant, Role, Room, RoomState, Seat, SeatState
from interview_ext.rooms.ports import Bus, Message, Store, room_topic
from interview_ext.rooms.service import RoomPlan, Rooms, RoomSpec
from interview_ext.rooms.timeline import Timeline
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.sqlite import SqliteStore
from tests.collab.identity import SeatIdentity
from tests.collab.pages import WAIT_S, Page

NODE = Path(__file__).parent / "node"


class FailingLog:
    """The real store, with a switch that makes its log unavailable as a full disk would."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.down = False
        self.appends = 0
        self.lost_answers = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in ("append", "claim_clients"):
            return method

        async def switched(*args: Any, **options: Any) -> Any:
            if self.down:
                raise StoreUnavailable("The disk is full.")
            self.appends += name == "append"
            answer = await method(*args, **options)
            if name == "append" and self.lost_answers:
                self.lost_answers -= 1
                raise StoreUnavailable("It was stored, but the answer was lost.")
            return answer

        return switched


@dataclass
class House:
    """One server with one room."""

    store: Store
    log: FailingLog
    bus: Bus
    timeline: Timeline
    rooms: Rooms
    folder: Path
    limits: Limits
    plan: RoomPlan
    identity: SeatIdentity
    documents: Documents = field(init=False)
    exporter: Exporter = field(init=False)
    desk: Desk = field(init=False)
    server: HTTPServer = field(init=False)
    port: int = field(init=False)
    heard: list[Message] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    @property
    def notebook(self) -> Document:
        return self.plan.notebook

    @property
    def notes(self) -> Document:
        return self.plan.notes

    async def start(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.exporter = Exporter(self.folder, timeline=self.timeline, delay_s=0.05)
        self.documents = Documents(
            update_log=self.log, bus=self.bus, exporter=self.exporter, limits=self.limits
        )
        self.desk = Desk(documents=self.documents, access=self.rooms, bus=self.bus)
        application = Application(
            [
                (r"/door/[^/]+/" + route, handler, kwargs)
                for route, handler, kwargs in handlers(self.desk)
            ],
            identity_provider=self.identity,
            authorizer=Authorizer(),
            base_url="/door/",
            allow_remote_access=True,
            disable_check_xsrf=True,
            headers={},
            log=logging.getLogger("tests.collab"),
        )
        self.server = HTTPServer(application, ssl_options=tls)
        sockets = bind_sockets(0, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        self.server.add_sockets(sockets)

    async def stop(self) -> None:
        self.log.down = False
        for page in self.pages:
            await page.leave()
        await self.documents.stop()
        await self.exporter.stop()
        await self.desk.stop()
        self.server.stop()
        await self.server.close_all_connections()

    async def restart(self) -> None:
        """Stop the server's documents and start others from the log."""
        await self.stop()
        await self.start()

    def listen(self) -> None:
        self.bus.subscribe(room_topic(self.plan.room.id), self.heard.append)

    async def person(self, role: Role, name: str = "Ada King Lovelace") -> Actor:
        """Somebody who sits in the room, admitted."""
        participant = Participant(
            id=new_id("person"),
            room_id=self.plan.room.id,
            role=role,
            name=name,
            colour="#0072b2",
            created_at=now(),
        )
        await self.store.add_participant(participant)
        return await self.sit(participant)

    async def sit(self, participant: Participant) -> Actor:
        """Another browser of the same person."""
        seat = Seat(
            id=new_id("seat"),
            room_id=participant.room_id,
            participant_id=participant.id,
            secret_digest=digest(new_secret()),
            created_at=now(),
            state=SeatState.ADMITTED,
        )
        await self.store.add_seat(seat)
        actor = Actor(participant=participant, seat=seat)
        self.identity.actors[seat.id] = actor
        return actor

    def url(self, actor: Actor, document: Document | None = None) -> str:
        document = document or self.notebook
        name = ("json:notebook:" if document.kind == "notebook" else "text:file:") + document.id
        return f"ws://127.0.0.1:{self.port}{self.base(actor)}/api/collaboration/room/{name}"

    def base(self, actor: Actor) -> str:
        assert actor.seat is not None
        return f"/door/{actor.seat.id}"

    def page(self, actor: Actor, document: Document | None = None, **options: Any) -> Page:
        page = Page(self.url(actor, document), **options)
        self.pages.append(page)
        return page

    async def lead(self, to: RoomState) -> Room:
        """Lead the room to a state, as its host."""
        host = await self.rooms.host_actor(self.plan.room.id, owner="owner")
        return await self.rooms.set_state(host, to)

    async def shared(self, document: Document | None = None) -> SharedDocument:
        return await self.documents.open(document or self.notebook)

    async def hear(self, predicate: Callable[[Message], object]) -> Message:
        """Wait for a message on the room's topic, those heard before included."""
        found: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def listener(message: Message) -> None:
            if not found.done() and predicate(message):
                found.set_result(message)

        for message in self.heard:
            listener(message)
        unsubscribe = self.bus.subscribe(room_topic(self.plan.room.id), listener)
        try:
            async with asyncio.timeout(WAIT_S):
                return await found
        finally:
            unsubscribe()

    async def refusals(self) -> list[Any]:
        events = await self.store.list_events(self.plan.room.id)
        return [event.payload for event in events if event.kind == "access.refused"]


def pytest_configure(config: pytest.Config) -> None:
    """Tornado's client warns of a connection that was refused or closed by the server."""
    message = "ignore:Unclosed WebSocketClientConnection:ResourceWarning"
    config.addinivalue_line("filterwarnings", message)


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture(scope="module")
def snapshots_all_the_time() -> Iterator[None]:
    """So that what is opened after a kill is opened from one, with some of the log behind it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "EVERY", 4)
        patch.setattr(snapshots, "AT_CLOSE", 2)
        yield


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = SqliteStore(tmp_path / "s.sqlite")
    await store.start()
    yield store
    await store.stop()


@pytest.fixture
async def house(tmp_path: Path, limits: Limits, store: Store) -> AsyncIterator[House]:
    bus = MemoryBus()
    timeline = Timeline(store, bus)
    rooms = Rooms(store=store, bus=bus, timeline=timeline)
    plan = rooms.plan(RoomSpec(title="T", host_name="Host"), owner="owner")
    await rooms.create(plan)
    identity = SeatIdentity()
    identity.actors = {}
    house = House(
        store=store,
        log=FailingLog(store),
        bus=bus,
        timeline=timeline,
        rooms=rooms,
        folder=tmp_path / "export",
        limits=limits,
        plan=plan,
        identity=identity,
    )
    await house.start()
    house.listen()
    await house.lead(RoomState.LIVE)
    yield house
    await house.stop()
    await rooms.stop()


@pytest.fixture(scope="session")
def node() -> str:
    """Node with the packages of the lockfile."""
    path = shutil.which("node")
    if path is None or shutil.which("npm") is None:
        pytest.skip("there is no Node")
    if not (NODE / "node_modules" / "yjs").exists():
        command = ["npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return path
