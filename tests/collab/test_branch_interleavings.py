"""Any order of typing on the notebook and on a branch of it, of losses, repetitions, kills, and
of merging or discarding converges: what was merged is there once, of what was discarded nothing is
left in any file of the store.

What is typed on a branch are words of their own, each inserted whole, so that a search of the
store's bytes finds every one of them.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text

from interview_ext.collab.branches import Branches
from interview_ext.collab.documents import Documents
from interview_ext.collab.relay import Relay
from interview_ext.collab.sealing import BranchKeys, SealedLog
from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import digest, now
from interview_ext.rooms.model import (
    Branch,
    Participant,
    Policy,
    Role,
    RoomState,
    Seat,
    SeatState,
)
from interview_ext.rooms.service import RoomPlan, Rooms, RoomSpec
from interview_ext.rooms.timeline import Timeline
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.sqlite import SqliteStore
from tests.collab.conftest import FailingLog
from tests.collab.test_interleavings import Page

pytestmark = pytest.mark.usefixtures("snapshots_all_the_time")
PEOPLE = 2
WORD = re.compile(r"<(\d{7})>")

person = st.integers(0, PEOPLE - 1)
place = st.integers(0, 4)
alone = st.one_of(
    st.tuples(st.just("think"), place),
    st.tuples(st.just("think_and_send"), place),
    st.tuples(st.just("think_and_send"), place),
    st.tuples(st.just("take_back"), place),
    st.tuples(st.just("send"), st.integers(1, 4)),
)
ends = st.one_of(
    st.tuples(st.just("merge")), st.tuples(st.just("merge_cut_off")), st.tuples(st.just("discard"))
)
begins = st.tuples(st.just("begin"))
anything = st.one_of(
    st.tuples(st.just("main_write"), person, place),
    st.tuples(st.just("main_erase"), person, place),
    st.tuples(st.just("main_up"), person, st.integers(1, 4)),
    st.tuples(st.just("main_down"), person, st.integers(1, 4)),
    st.tuples(st.just("main_drop"), person),
    st.tuples(st.just("main_connect"), person),
    st.tuples(st.just("serve"), place),
    st.tuples(st.just("send_twice")),
    st.tuples(st.just("receive"), st.integers(1, 4)),
    st.tuples(st.just("lose_connection")),
    st.tuples(st.just("come_back")),
    st.tuples(st.just("reload")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("set_store"), st.booleans()),
    st.tuples(st.just("settle")),
)
steps = st.lists(st.one_of(begins, alone, alone, ends, anything), min_size=10, max_size=50)


def text_of(doc: Doc[Any]) -> str:
    return str(doc.get("source", type=Text))


def words_of(doc: Doc[Any]) -> list[str]:
    return [f"<{number}>" for number in WORD.findall(text_of(doc))]


class CutStore(SqliteStore):
    """The real store, whose next removal of a branch fails if told so, as in a crash before it."""

    cut = False

    async def delete_branch(self, branch_id: str) -> None:
        if self.cut:
            self.cut = False
            raise StoreUnavailable("Cut off.")
        await super().delete_branch(branch_id)


class World:
    """A live room with two people on the notebook; the first has a branch now and then."""

    def __init__(self, store: CutStore, rooms: Rooms, plan: RoomPlan, bus: MemoryBus) -> None:
        self.store = store
        self.bus = bus
        self.rooms = rooms
        self.document = plan.notebook
        self.log = FailingLog(store)
        clients = itertools.count(1000)
        self.clients: Iterator[int] = clients
        self.actors = [seated(plan.room.id, f"person_{n}") for n in range(PEOPLE)]
        self.main = [Page(actor, clients) for actor in self.actors]
        self.words = (f"<{number:07d}>" for number in itertools.count(1))
        self.alone: Page | None = None
        self.branch: Branch | None = None
        self.cookie = ""
        self.private: set[str] = set()
        """Words of branches that were never merged with them in."""
        self.merged: set[str] = set()
        self.erased: set[str] = set()

    @property
    def me(self) -> Actor:
        return self.actors[0]

    @property
    def relay(self) -> Relay:
        return self.shared.relay

    async def start(self) -> None:
        """Begin a server, which knows what is stored and what browsers show."""
        keys = BranchKeys(self.store)
        sealed = SealedLog(self.log, keys)
        self.documents = Documents(update_log=sealed, bus=self.bus)
        self.branches = Branches(
            rooms=self.rooms,
            documents=self.documents,
            store=self.store,
            keys=keys,
            update_log=sealed,
            bus=self.bus,
            timeline=Timeline(self.store, self.bus),
        )
        await self.branches.start()
        self.shared = await self.documents.open(self.document)
        if self.branch is not None:
            await self.branches.show(self.me, {self.branch.id: self.cookie})

    async def step(self, name: str, *what: int) -> None:
        if name.startswith("main_"):
            self.on_main(name.removeprefix("main_"), self.main[what[0]], *what[1:])
        elif name == "serve":
            self.write(self.shared.ydoc.ydoc, what[0])
        else:
            await getattr(self, name)(*what)
        await asyncio.sleep(0)

    # -- on the notebook

    def on_main(self, name: str, page: Page, *what: int) -> None:
        if name == "write":
            self.write(page.doc, *what)
        elif name == "erase":
            self.erased |= self.erase(page.doc, *what)
        elif name == "down":
            page.down(*what)
        else:
            getattr(page, name)(self.relay, *what)

    def write(self, doc: Doc[Any], at: int) -> str:
        """Insert a new word before the word at a place."""
        word, source = next(self.words), doc.get("source", type=Text)
        source.insert(min(at, len(words_of(doc))) * len(word), word)
        return word

    def erase(self, doc: Doc[Any], at: int) -> set[str]:
        words, source = words_of(doc), doc.get("source", type=Text)
        if at >= len(words):
            return set()
        del source[at * len(words[at]) : (at + 1) * len(words[at])]
        return {words[at]}

    # -- on the branch

    async def begin(self) -> None:
        if self.branch is not None or self.log.down:
            return
        self.branch = await self.branches.begin(self.me, self.document.id)
        secret = self.branches.secret(self.branch)
        assert secret is not None
        self.cookie = secret
        self.alone = Page(self.me, self.clients)
        await self.converge_branch()

    async def _open(self) -> Relay | None:
        """The branch's relay; None while it would have to be read from a store that fails."""
        assert self.branch is not None
        if self.log.down and self.branch.id not in self.documents._open:
            return None
        _, document, writable = await self.rooms.document(self.me, self.branch.id)
        assert writable
        return (await self.documents.open(document)).relay

    async def think(self, at: int) -> None:
        """Nobody writes on a branch before the page has what it began with."""
        if self.alone is not None and words_of(self.alone.doc):
            self.private.add(self.write(self.alone.doc, at))

    async def think_and_send(self, at: int) -> None:
        await self.think(at)
        await self.send(10_000)

    async def take_back(self, at: int) -> None:
        if self.alone is not None:
            self.erased |= self.erase(self.alone.doc, at)

    async def send(self, count: int) -> None:
        if self.alone is not None and (relay := await self._open()) is not None:
            self.alone.up(relay, count)

    async def send_twice(self) -> None:
        """A frame comes a second time."""
        if self.alone is not None and self.alone.unsent:
            self.alone.unsent.appendleft(self.alone.unsent[0])

    async def receive(self, count: int) -> None:
        if self.alone is not None:
            self.alone.down(count)

    async def lose_connection(self) -> None:
        if self.alone is not None and (relay := await self._open()) is not None:
            self.alone.drop(relay)

    async def come_back(self) -> None:
        if self.alone is not None and (relay := await self._open()) is not None:
            self.alone.connect(relay)

    async def reload(self) -> None:
        """What only the page had is lost with it."""
        if self.alone is not None and (relay := await self._open()) is not None:
            self.alone.close_the_tab(relay)
            if not self.log.down:
                await self.converge_branch()

    async def merge(self) -> None:
        """As the page does it: when all that was typed is saved."""
        if self.alone is None or self.branch is None or self.log.down:
            return
        await self.converge_branch()
        brought = set(words_of(self.alone.doc)) & self.private
        try:
            await self.branches.merge(self.me, self.branch.id)
        except StoreUnavailable:  # after it was committed to the notebook
            self.private -= brought
            self.merged |= brought
            return
        self.private -= brought
        self.merged |= brought
        self.branch = self.alone = None

    async def merge_cut_off(self) -> None:
        self.store.cut = self.branch is not None and not self.log.down
        await self.merge()

    async def discard(self) -> None:
        if self.branch is not None:
            await self.branches.discard(self.me, self.branch.id)
            self.branch = self.alone = None

    # -- what happens to the server

    async def settle(self) -> None:
        if not self.log.down:
            await self.shared.committed()

    async def set_store(self, works: int) -> None:
        self.log.down = not works

    async def kill(self) -> None:
        """The server ends as it stands; another one begins from the store."""
        for page in [*self.main, *([self.alone] if self.alone else [])]:
            if page.peer is not None:
                page.peer.closed = True
        for shared in list(self.documents._open.values()):
            await shared.relay.stop()
        await self.store.claim_clients("another", "nobody", [1])  # what was on its way is written
        down, self.log.down = self.log.down, False
        await self.start()
        self.log.down = down

    # -- the end

    async def converge_branch(self) -> None:
        assert self.alone is not None
        assert self.branch is not None
        while True:
            relay = await self._open()
            assert relay is not None
            self.alone.connect(relay)
            self.alone.up(relay, 10_000)
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            relay.after_commit(partial(reached.set_result, None))
            await reached
            self.alone.down(10_000)
            if not self.alone.unsent and not (self.alone.peer and self.alone.peer.sent):
                return

    async def converge(self) -> None:
        self.log.down = False
        if self.branch is not None:
            await self.converge_branch()
        while True:
            for page in self.main:
                page.connect(self.relay)
                page.up(self.relay, 10_000)
            await self.shared.committed()
            for page in self.main:
                page.down(10_000)
            if not any(page.unsent or (page.peer and page.peer.sent) for page in self.main):
                return

    def check(self, recorded: Doc[Any]) -> None:
        text = text_of(recorded)
        assert [text_of(page.doc) for page in self.main] == [text] * PEOPLE
        assert text_of(self.shared.ydoc.ydoc) == text
        words = words_of(recorded)
        assert len(set(words)) == len(words), "a word stands there twice"
        assert "".join(words) == text
        assert not self.private & set(words), "a word of a branch came out unmerged"
        assert self.merged - self.erased <= set(words), "a merged word is lost"


def seated(room_id: str, name: str) -> Actor:
    at = now()
    participant = Participant(
        id=name, room_id=room_id, role=Role.CANDIDATE, name=name, colour="#000", created_at=at
    )
    seat = Seat(
        id=f"seat_{name}",
        room_id=room_id,
        participant_id=name,
        secret_digest=digest(name),
        created_at=at,
        state=SeatState.ADMITTED,
    )
    return Actor(participant=participant, seat=seat)


def left_in_files(folder: Path, words: set[str]) -> set[str]:
    """Words that some file of the store holds in clear."""
    stored = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    return {word for word in words if word.encode() in stored}


async def play(script: list[tuple[Any, ...]], folder: Path) -> None:
    store, bus = CutStore(folder / "s.sqlite"), MemoryBus()
    await store.start()
    try:
        rooms = Rooms(store=store, bus=bus, timeline=Timeline(store, bus))
        spec = RoomSpec(title="T", host_name="H", policy=Policy(branch=True))
        plan = rooms.plan(spec, owner="owner")
        room = await rooms.create(plan)
        host = await rooms.host_actor(room.id, owner="owner")
        await rooms.set_state(host, RoomState.LIVE)
        world = World(store, rooms, plan, bus)
        for actor in world.actors:
            assert actor.seat is not None
            await store.add_seat(actor.seat)
        await world.start()
        for page in world.main:
            page.connect(world.relay)
            world.write(page.doc, 0)
        await world.converge()
        await world.begin()
        await world.think_and_send(0)
        for step in script:
            await world.step(*step)
        await world.converge()
        if world.alone is not None and world.branch is not None:
            _, document, _ = await rooms.document(world.me, world.branch.id)
            server = (await world.documents.open(document)).ydoc.ydoc
            assert text_of(server) == text_of(world.alone.doc)
        assert not left_in_files(folder, world.private), "stored in clear while there is a branch"
        await world.branches.close_room(room.id)
        recorded: Doc[Any] = Doc()
        recorded.get("source", type=Text)
        for entry in await store.read(world.document.id):
            recorded.apply_update(entry.update)
        world.check(recorded)
        assert await store.list_branches() == []
        await world.documents.stop()
    finally:
        await store.stop()
    assert not left_in_files(folder, world.private)
    visible = world.merged - world.erased
    assert left_in_files(folder, visible) == visible, "the search finds what is there"


def converges(script: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(play(script, Path(folder)))


@settings(max_examples=200)
@given(steps)
def test_two_hundred_orders_with_a_branch(script: list[tuple[Any, ...]]) -> None:
    converges(script)


@pytest.mark.soak
@settings(max_examples=2000)
@given(steps)
def test_two_thousand_orders_with_a_branch(script: list[tuple[Any, ...]]) -> None:
    converges(script)
