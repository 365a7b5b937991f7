"""Any order of typing, losses, deaths, kills and failures of the store converges.

Pages follow y-websocket, over links whose frames wait until a step lets them through, so that
every order is tried and comes again. Letters are all different: what is lost or doubled shows.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text, TransactionEvent

from interview_ext.collab.documents import Documents
from interview_ext.collab.relay import Relay
from interview_ext.collab.shared import SharedDocument
from interview_ext.collab.wire.framing import (
    SyncStep1,
    SyncUpdate,
    read_frame,
    write_step_1,
    write_step_2,
    write_update,
)
from interview_ext.collab.wire.sets import read_state
from interview_ext.errors import InterviewError
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import now
from interview_ext.rooms.model import Document, Participant, Role, Seat, SeatState
from interview_ext.rooms.ports import Message, room_topic
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.sqlite import SqliteStore
from tests.collab.conftest import FailingLog
from tests.collab.updates import be_dirty

pytestmark = pytest.mark.usefixtures("snapshots_all_the_time")
PEOPLE = 3
FIRST_LETTER = 0x4E00
"""Letters from here on have three bytes each, in which pycrdt counts places."""
LETTER_BYTES = 3
DOCUMENT = Document(
    id="doc_a",
    room_id="room_a",
    path="notes.md",
    kind="file",
    readers=frozenset(Role),
    writers=frozenset(Role),
)

person = st.integers(0, PEOPLE - 1)
place = st.integers(0, 20)
typing = st.tuples(st.just("type_and_send"), person, place, st.integers(1, 3))
rare = st.one_of(
    st.tuples(st.just("drop"), person),
    st.tuples(st.just("connect"), person),
    st.tuples(st.just("close_the_tab"), person),
    st.tuples(st.just("kill")),
    st.tuples(st.just("power_cut"), person),
    st.tuples(st.just("set_store"), st.booleans()),
)
common = st.one_of(
    st.tuples(st.just("type"), person, place, st.integers(1, 3)),
    st.tuples(st.just("delete"), person, place, st.integers(1, 3)),
    st.tuples(st.just("up"), person, st.integers(1, 4)),
    st.tuples(st.just("down"), person, st.integers(1, 4)),
    st.tuples(st.just("serve"), place),
    st.tuples(st.just("settle")),
)
steps = st.lists(st.one_of(typing, common, rare), min_size=10, max_size=60)


def letters_of(doc: Doc[Any]) -> str:
    return str(doc.get("source", type=Text))


class Peer:
    """The server's end of one connection."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.sent: deque[bytes] = deque()
        self.closed = False

    def send(self, frames: bytes, *, counted: bool = True) -> None:
        """Take WebSocket frames apart (RFC 6455, 5.2), as a browser does."""
        at = 0
        while at < len(frames):
            size, at = frames[at + 1], at + 2
            if size == 126:
                (size,), at = struct.unpack_from("!H", frames, at), at + 2
            self.sent.append(frames[at : at + size])
            at += size

    def refuse(self, error: InterviewError) -> None:
        raise AssertionError(f"an honest page was refused: {error.message}")

    def go_away(self) -> None:
        self.closed = True


class Page:
    """One person's tab, whose document outlives connections but not the tab."""

    def __init__(self, actor: Actor, clients: Iterator[int]) -> None:
        self.actor = actor
        self._clients = clients
        self.peer: Peer | None = None
        self.unsent: deque[bytes] = deque()
        self._remote = False
        self._open_tab()

    def _open_tab(self) -> None:
        self.doc: Doc[Any] = Doc(client_id=next(self._clients))
        self.doc.get("source", type=Text)
        self.doc.observe(self._on_transaction)

    def _on_transaction(self, event: TransactionEvent) -> None:
        if not self._remote and self.peer is not None:
            self.unsent.append(write_update(event.update))

    def connect(self, relay: Relay) -> None:
        if self.peer is None or self.peer.closed:
            self.drop(relay)
            self.peer = Peer(self.actor)
            relay.join(self.peer, writable=True)
            self.unsent.append(write_step_1(self.doc.get_state()))

    def drop(self, relay: Relay) -> None:
        """What is on its way is lost."""
        self.unsent.clear()
        if self.peer is not None:
            relay.leave(self.peer)
            self.peer = None

    def close_the_tab(self, relay: Relay) -> None:
        """What only this page had is lost with it."""
        self.drop(relay)
        self._open_tab()

    def up(self, relay: Relay, count: int) -> None:
        """Some of the page's frames reach the server."""
        for _ in range(min(count, len(self.unsent))):
            frame = read_frame(self.unsent.popleft())
            if self.peer is None or self.peer.closed:
                continue
            if isinstance(frame, SyncUpdate):
                relay.take(self.peer, frame.update, answer=frame.answer)
            elif isinstance(frame, SyncStep1):
                relay.answer(self.peer, frame.state)

    def down(self, count: int) -> None:
        """Some of the server's frames reach the page."""
        if self.peer is None:
            return
        for _ in range(min(count, len(self.peer.sent))):
            frame = read_frame(self.peer.sent.popleft())
            if isinstance(frame, SyncStep1):
                self.unsent.append(write_step_2(self.doc.get_update(frame.state)))
            elif isinstance(frame, SyncUpdate):
                self._remote = True
                self.doc.apply_update(frame.update)
                self._remote = False


class World:
    """A server with one document, three people, and what has been promised to them."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.log = FailingLog(store)
        self.bus = MemoryBus()
        clients = itertools.count(1000)
        self.pages = [Page(actor(f"person_{name}"), clients) for name in range(PEOPLE)]
        self.letters = map(chr, itertools.count(FIRST_LETTER))
        self.strokes: list[str] = []
        self.promised: dict[int, int] = {}
        self.by_client: dict[int, list[tuple[str, int]]] = {}
        """By client, its letters with the clock from which on each is promised."""
        self.deleted: set[str] = set()
        self.documents: Documents
        self.shared: SharedDocument

    async def start(self) -> None:
        await self.bus.start()
        self.bus.subscribe(room_topic(DOCUMENT.room_id), self._hear)
        await self._open()

    async def _open(self) -> None:
        self.documents = Documents(update_log=self.log, bus=self.bus)
        self.shared = await self.documents.open(DOCUMENT)

    @property
    def relay(self) -> Relay:
        return self.shared.relay

    def _hear(self, message: Message) -> None:
        if message["type"] == "durable":
            for client, end in message["clients"].items():
                self.promised[int(client)] = max(end, self.promised.get(int(client), 0))

    # -- steps

    async def step(self, name: str, *what: int) -> None:
        if name in ("settle", "kill", "set_store", "power_cut"):
            await getattr(self, name)(*what)
        elif name == "serve":
            self.write(self.shared.ydoc.ydoc, what[0], 1)
        else:
            page, rest = self.pages[what[0]], what[1:]
            if name == "type":
                self.write(page.doc, *rest)
            elif name == "delete":
                self.erase(page.doc, *rest)
            elif name == "type_and_send":
                self.write(page.doc, *rest)
                page.up(self.relay, 10_000)
            elif name == "down":
                page.down(*rest)
            else:
                getattr(page, name)(self.relay, *rest)
        await asyncio.sleep(0)

    def write(self, doc: Doc[Any], at: int, count: int) -> None:
        """Type letters in a row, each an update of its own."""
        source = doc.get("source", type=Text)
        at = min(at, len(str(source)))
        typed = "".join(itertools.islice(self.letters, count))
        mine = self.by_client.setdefault(doc.client_id, [])
        for offset, letter in enumerate(typed):
            with doc.transaction():
                source.insert(LETTER_BYTES * (at + offset), letter)
                be_dirty(doc)
            mine.append((letter, read_state(doc.get_state())[doc.client_id]))
        self.strokes.append(typed)

    def erase(self, doc: Doc[Any], at: int, count: int) -> None:
        source = doc.get("source", type=Text)
        gone = str(source)[at : at + count]
        if gone:
            with doc.transaction():
                del source[LETTER_BYTES * at : LETTER_BYTES * (at + len(gone))]
                be_dirty(doc)
            self.deleted.update(gone)

    async def settle(self) -> None:
        """Give the server the time to work off what it has."""
        if not self.log.down:
            await self.shared.committed()

    async def set_store(self, works: int) -> None:
        self.log.down = not works

    async def power_cut(self, who: int) -> None:
        """The server and one person's machine go at once."""
        self.pages[who].close_the_tab(self.relay)
        await self.kill()

    async def kill(self) -> None:
        """The server ends as it stands, and another one begins from the log."""
        await self.relay.stop()
        # What the store had been given is written or not before the next one reads.
        await self.store.claim_clients("another", "nobody", [1])
        down, self.log.down = self.log.down, False
        await self._open()
        self.log.down = down

    async def converge(self) -> None:
        """Everything works again; go on until nobody has anything to say."""
        self.log.down = False
        while True:
            for page in self.pages:
                page.connect(self.relay)
                page.up(self.relay, 10_000)
            await self.shared.committed()
            for page in self.pages:
                page.down(10_000)
            if not any(page.unsent or (page.peer and page.peer.sent) for page in self.pages):
                return

    def check(self, recorded: Doc[Any]) -> None:
        text = letters_of(recorded)
        assert [letters_of(page.doc) for page in self.pages] == [text] * PEOPLE
        assert letters_of(self.shared.ydoc.ydoc) == text
        assert len(set(text)) == len(text), "a letter stands there twice"
        for client, end in self.promised.items():
            for letter, clock in self.by_client.get(client, []):
                kept = letter in text or letter in self.deleted
                assert kept or clock > end, "a promised letter is lost"
        for page in self.pages:
            mine = self.by_client.get(page.doc.client_id, [])
            assert all(letter in text or letter in self.deleted for letter, _ in mine)
        for stroke in self.strokes:
            left = [text.index(letter) for letter in stroke if letter in text]
            assert left == sorted(left), "letters typed in a row have changed their order"


def actor(name: str) -> Actor:
    participant = Participant(
        id=name, room_id="room_a", role=Role.CANDIDATE, name=name, colour="#000", created_at=now()
    )
    seat = Seat(
        id=f"seat_{name}",
        room_id="room_a",
        participant_id=name,
        secret_digest="",
        created_at=now(),
        state=SeatState.ADMITTED,
    )
    return Actor(participant=participant, seat=seat)


async def play(script: list[tuple[Any, ...]], folder: Path) -> None:
    store = SqliteStore(folder / "s.sqlite")
    await store.start()
    try:
        await store.add_document(DOCUMENT)
        world = World(store)
        await world.start()
        for page in world.pages:
            world.write(page.doc, 0, 1)
        await world.converge()
        for step in script:
            await world.step(*step)
        await world.converge()
        recorded: Doc[Any] = Doc()
        recorded.get("source", type=Text)
        for entry in await store.read(DOCUMENT.id):
            recorded.apply_update(entry.update)
        world.check(recorded)
        await world.documents.stop()
    finally:
        await store.stop()


def converges(script: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(play(script, Path(folder)))


@settings(max_examples=200)
@given(steps)
def test_two_hundred_orders(script: list[tuple[Any, ...]]) -> None:
    converges(script)


@pytest.mark.soak
@settings(max_examples=2000)
@given(steps)
def test_two_thousand_orders(script: list[tuple[Any, ...]]) -> None:
    converges(script)
