"""Snapshots: a document opened from one is the document its whole log makes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from interview_ext.collab import snapshots
from interview_ext.collab.content import notebook_json
from interview_ext.collab.deletions import deleted
from interview_ext.collab.gate import SERVER, Gate
from interview_ext.collab.intake import Intake, UpdateGap
from interview_ext.collab.nesting import MAX_LEVELS
from interview_ext.collab.restoring import Restored, restore
from interview_ext.collab.sealing import BranchKeys, SealedLog
from interview_ext.collab.snapshots import Shortcut, pack, unpack
from interview_ext.collab.wire.sets import read_state, write_state
from interview_ext.collab.wire.update import EMPTY_UPDATE, MAX_DEPTH, read_update
from interview_ext.collab.wire.varint import write_uint
from interview_ext.errors import InterviewError, StoreUnavailable
from interview_ext.rooms.erasure import Author
from interview_ext.rooms.ids import new_id, now
from interview_ext.rooms.model import LogEntry, NewLogEntry, Role, Snapshot
from interview_ext.rooms.ports import Store
from tests.collab.conftest import FailingLog, House
from tests.collab.pages import WAIT_S
from tests.collab.updates import letters, nested, typed
from tests.contract.test_store import made_room

SERVER_CLIENT = 999


class WatchedLog(FailingLog):
    """The real store; says how much of the log is read, and which snapshots are kept."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.read_entries = 0
        self.kept: list[tuple[str, Snapshot]] = []
        self.snapshots_fail = False
        self._news = asyncio.Condition()

    async def read(self, document_id: str, *, after: int = 0) -> list[LogEntry]:
        found = await self._store.read(document_id, after=after)
        self.read_entries += len(found)
        return found

    async def keep_snapshot(self, document_id: str, snapshot: Snapshot) -> None:
        if self.snapshots_fail:
            raise StoreUnavailable("The disk is full.")
        await self._store.keep_snapshot(document_id, snapshot)
        async with self._news:
            self.kept.append((document_id, snapshot))
            self._news.notify_all()

    async def until_kept(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: len(self.kept) >= count)


@pytest.fixture
async def watched(house: House) -> WatchedLog:
    log = house.log = WatchedLog(house.store)
    await house.restart()
    return log


async def reserve() -> int:
    return SERVER_CLIENT


async def from_log(store: Any, document_id: str) -> Restored:
    return await restore(document_id, reserve=reserve, update_log=store, shortcut=None)


def shortcut_of(found: Restored) -> Shortcut:
    return Shortcut(
        seq=found.seq, update=found.doc.get_update(), size=found.size, nesting=found.nesting
    )


class Beginning:
    """A log that ends earlier than it does."""

    def __init__(self, store: Any, last: int) -> None:
        self._store, self._last = store, last

    async def read(self, document_id: str, *, after: int = 0) -> list[LogEntry]:
        entries = await self._store.read(document_id, after=after)
        return [entry for entry in entries if entry.seq <= self._last]


def assert_same(one: Restored, two: Restored) -> None:
    assert read_state(one.doc.get_state()) == read_state(two.doc.get_state())
    assert deletes_of(one.doc) == deletes_of(two.doc)
    assert notebook_json(one.doc) == notebook_json(two.doc)
    assert str(one.doc.get("source", type=Text)) == str(two.doc.get("source", type=Text))
    assert (one.seq, one.size) == (two.seq, two.size)
    assert depths_of(one) == depths_of(two)


def deletes_of(doc: Doc[Any]) -> set[tuple[int, int]]:
    return {(span.client, clock) for span in deleted(doc) for clock in range(span.clock, span.end)}


def depths_of(found: Restored) -> tuple[Any, Any]:
    nesting = found.nesting
    starts = {client: each for client, each in nesting._starts.items() if each}
    return starts, {client: nesting._ends[client] for client in starts}


async def check_kept(log: WatchedLog) -> None:
    """Every snapshot ever kept is what the log up to its seq makes."""
    for document_id, snapshot in log.kept:
        beginning: Any = Beginning(log._store, snapshot.seq)
        whole = await from_log(beginning, document_id)
        short = await restore(
            document_id, reserve=reserve, update_log=beginning, shortcut=unpack(snapshot)
        )
        assert short.from_seq == snapshot.seq == whole.seq
        assert_same(short, whole)


# -- from a snapshot or from the log: the same


class Writer:
    """Somebody, or the server, who edits a notebook at random on a copy that lags behind."""

    def __init__(self, client: int, name: str, chance: random.Random) -> None:
        self.client, self.name, self._random = client, name, chance
        self.doc: Doc[Any] = Doc(client_id=client)
        self.made: list[bytes] = []
        self.seen = 0
        self.doc.get("cells", type=Array)
        self.doc.get("source", type=Text)
        self._remote = False
        self.doc.observe(self._note)

    def _note(self, event: Any) -> None:
        if not self._remote and event.update != EMPTY_UPDATE:
            self.made.append(event.update)

    def learn(self, log: Sequence[tuple[Writer, bytes]]) -> None:
        self._remote = True
        for author, update in log[self.seen :]:
            if author is not self:
                self.doc.apply_update(update)
        self.seen = len(log)
        self._remote = False

    def edit(self) -> None:
        cells = self.doc.get("cells", type=Array)
        act = self._random.choice(
            ["type", "type", "type", "delete", "cell", "move", "drop", "meta", "output", "root"]
        )
        if act in ("cell", "root") or not len(cells):
            if act == "root":
                self.doc.get("source", type=Text).insert(0, self._words())
            else:
                cells.insert(self._random.randint(0, len(cells)), self._cell(self._words()))
            return
        at = self._random.randrange(len(cells))
        cell = cells[at]
        source = cell["source"]
        if act == "type":
            source.insert(self._place(source), self._words())
        elif act == "delete" and len(source):
            start, end = sorted((self._place(source), self._place(source)))
            del source[start:end]
        elif act == "move":  # as jupyter_ydoc and JupyterLab do it: a copy, and the old one goes
            with self.doc.transaction():
                text = str(source)
                del cells[at]
                cells.insert(self._random.randint(0, len(cells)), self._cell(text))
        elif act == "drop":
            del cells[at]
        elif act == "meta":
            cell["metadata"]["tags"] = Array([self._words(), {"deep": [[1, "🙂"]]}])
        elif act == "output":
            value: Any = "x"
            depth = MAX_DEPTH + 5 if self.name == SERVER else 3  # beyond the bounds for pages
            for _ in range(depth):
                value = [value]
            shown = {"output_type": "display_data", "data": {"application/json": value}}
            cell["outputs"].append(Map({"output_type": "stream", "text": Text(self._words())}))
            cell["outputs"].append(Map(shown))

    def _words(self) -> str:
        return "".join(self._random.choices("ab🙂ü漢𝔘\n", k=self._random.randint(1, 5)))

    def _place(self, text: Text) -> int:
        """A place between two letters, in bytes, as pycrdt counts."""
        whole = str(text)
        return len(whole[: self._random.randint(0, len(whole))].encode())

    def _cell(self, text: str) -> Map[Any]:
        values = {"cell_type": "code", "id": f"{self._random.getrandbits(32):08x}"}
        parts = {"source": Text(text), "metadata": Map({}), "outputs": Array([])}
        return Map({**values, "execution_count": None, **parts})


def history_of(seed: int) -> tuple[list[tuple[Writer, bytes]], list[Writer]]:
    """A log of three people and the server, and what they have made but not sent yet."""
    chance = random.Random(seed)
    authors = [Writer(100 + n, f"person_{n}", chance) for n in range(3)]
    authors.append(Writer(SERVER_CLIENT - 1, SERVER, chance))
    log: list[tuple[Writer, bytes]] = []
    for _ in range(80):
        author = chance.choice(authors)
        if chance.random() < 0.6:
            author.learn(log)
        author.edit()
        if chance.random() < 0.7:
            log += [(author, update) for update in author.made]
            author.made.clear()
    return log, authors


@pytest.mark.parametrize("seed", range(25))
async def test_both_ways_give_the_same_document(seed: int, store: Store) -> None:
    log, authors = history_of(seed)
    _, document, _ = await made_room(store)
    new = [
        NewLogEntry(
            at=now(),
            client=author.client,
            seat=None if author.name == SERVER else "seat",
            update=update,
        )
        for author, update in log
    ]
    await store.append(document.id, new)
    whole = await from_log(store, document.id)
    for cut in sorted({1, len(log) // 3, len(log) // 2, len(log) - 1, len(log)}):
        beginning: Any = Beginning(store, cut)
        stored = pack(shortcut_of(await from_log(beginning, document.id)))
        assert stored.seq == cut
        short = await restore(
            document.id, reserve=reserve, update_log=store, shortcut=unpack(stored)
        )
        assert short.from_seq == cut
        assert_same(short, whole)
        check_verdicts(short, await from_log(store, document.id), log, authors)


class Twins:
    """Two documents that should be the same, asked the same."""

    def __init__(self, founds: Sequence[Restored], owners: dict[int, str]) -> None:
        self.intakes = [
            Intake(
                doc=found.doc,
                gate=Gate(clocks=read_state(found.doc.get_state()), owners=dict(owners)),
                nesting=found.nesting,
                size=found.size,
                max_size=found.size + 20_000,
            )
            for found in founds
        ]
        self.said: Counter[str] = Counter()

    def judge(self, who: str, update: bytes, *, answer: bool = False) -> str:
        """Return the verdict of both: a word, and what is to be committed."""
        verdicts = set()
        for intake in self.intakes:
            try:
                taken = intake.examine(who, update, read_update(update), answer=answer)
                verdicts.add("known" if taken == EMPTY_UPDATE else f"taken {taken.hex()}")
            except (InterviewError, UpdateGap) as error:
                verdicts.add(type(error).__name__)
        (verdict,) = verdicts
        self.said[verdict.split()[0]] += 1
        return verdict


def check_verdicts(
    short: Restored, whole: Restored, log: list[tuple[Writer, bytes]], authors: list[Writer]
) -> None:
    """What pages send next is taken, cut or refused in the same way."""
    owners = {author.client: author.name for author in authors} | {SERVER_CLIENT: SERVER}
    twins = Twins([short, whole], owners | dict.fromkeys(range(50, 60), "person_0"))
    for author, update in log[:: max(1, len(log) // 10)]:
        if author.name != SERVER:
            twins.judge(author.name, update)
    for author in authors[:3]:
        # Whole documents, as after a reconnect; what is new with what is known; the next; a gap.
        twins.judge(author.name, author.doc.get_update(), answer=True)
        for update in (author.doc.get_update(write_state({author.client: 3})), *author.made):
            twins.judge(author.name, update)
        end = read_state(author.doc.get_state()).get(author.client, 0)
        gap = letters("x", client=author.client, clock=end + 7)
        assert twins.judge(author.name, gap) == "UpdateGap"
        assert twins.judge("stranger", gap) == "ForeignClient"
    assert twins.said["known"]
    twins.said.clear()
    # Types beside and in everything there is, and in what is deleted; then without end.
    clock = 0
    for client, end in read_state(whole.doc.get_state()).items():
        for at in range(end):
            for put in (beside, inside):
                said = twins.judge("person_0", put((client, at), 51, clock))
                clock += said.startswith("taken")
    assert set(twins.said) == {"taken", "WireError"}
    assert twins.judge("person_0", nested(MAX_LEVELS, client=52)).startswith("taken")
    assert twins.judge("person_0", inside((52, MAX_LEVELS - 1), 53, 0)) == "WireError"
    assert twins.judge("person_0", nested(MAX_LEVELS + 1, client=54)) == "WireError"
    assert twins.judge("person_0", letters("y" * 20_001, client=55)) == "TooLarge"


def beside(where: tuple[int, int], client: int, clock: int) -> bytes:
    """An update that puts an array behind a struct."""
    return _array(b"\x87", where, client, clock)


def inside(where: tuple[int, int], client: int, clock: int) -> bytes:
    """An update that puts an array into a type."""
    return _array(b"\x07\x00", where, client, clock)


def _array(info: bytes, where: tuple[int, int], client: int, clock: int) -> bytes:
    head = b"".join(map(write_uint, (1, 1, client, clock)))
    return head + info + write_uint(where[0]) + write_uint(where[1]) + b"\x00\x00"


# -- opening


async def write_log(house: House, text: str) -> None:
    """A log of a letter each."""
    await house.store.claim_clients(house.notebook.id, "person_x", [7])
    new = [NewLogEntry(at=now(), client=7, seat="seat", update=u) for u in typed(7, text)]
    await house.store.append(house.notebook.id, new)


async def test_a_long_document_opens_without_its_log(house: House, watched: WatchedLog) -> None:
    await write_log(house, "x" * 3000)
    actor = await house.person(Role.CANDIDATE)
    page = await house.page(actor).connect()
    assert watched.read_entries == 3000
    page.type("abc")
    await watched.until_kept(1)
    ((document_id, snapshot),) = watched.kept
    assert document_id == house.notebook.id
    assert snapshot.seq > 3000
    page.type("d" * 20)
    await page.round_trip()
    await house.restart()
    watched.read_entries = 0
    again = await house.page(await house.person(Role.INTERVIEWER)).connect()
    assert again.text == "x" * 3000 + "abc" + "d" * 20
    assert 3023 - snapshot.seq == watched.read_entries
    assert (await house.shared()).log_seq == 3023
    page.url = house.url(actor)
    await page.connect()
    page.type("e")
    await again.until(lambda: again.text.endswith("de"))
    assert [entry.seq for entry in await house.store.read(house.notebook.id)] == [*range(1, 3025)]
    await check_kept(watched)


async def test_the_next_is_made_a_thousand_updates_later(house: House, watched: WatchedLog) -> None:
    await write_log(house, "x" * (snapshots.EVERY - 2))
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    page.type("a")
    await page.round_trip()
    await (await house.shared()).committed()
    assert watched.kept == []
    page.type("b")
    await watched.until_kept(1)
    assert watched.kept[0][1].seq == snapshots.EVERY
    for _ in range(snapshots.EVERY - 1):
        page.type("c")
    await page.until(lambda: len(page.text) == 2 * snapshots.EVERY - 1)
    await (await house.shared()).committed()
    assert len(watched.kept) == 1
    page.type("d")
    await watched.until_kept(2)
    assert watched.kept[1][1].seq == 2 * snapshots.EVERY
    await check_kept(watched)


@pytest.mark.parametrize("beyond", [0, 1])
async def test_one_is_made_when_a_document_is_closed(
    beyond: int, house: House, watched: WatchedLog
) -> None:
    await write_log(house, "x" * (snapshots.AT_CLOSE - 1 + beyond))
    await house.shared()
    await house.documents.close_room(house.plan.room.id)
    await house.documents.stop()
    assert [each.seq for _, each in watched.kept] == [snapshots.AT_CLOSE] * beyond
    await check_kept(watched)


async def test_each_holds_what_is_committed_and_nothing_else(
    house: House, watched: WatchedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pages and outputs at once, over failures of the store, one after every update."""
    monkeypatch.setattr(snapshots, "EVERY", 1)
    shared = await house.shared()
    ada = await house.page(await house.person(Role.CANDIDATE)).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    source = shared.ydoc.ydoc.get("source", type=Text)
    for number in range(60):
        ada.type("🙂")
        if number % 3 == 0:
            source.insert(0, f"[{number}]")
        bob.type("b", at=0)
        if number % 5 == 4:
            bob.delete(0, 1)
        await asyncio.sleep(0.002)
        if number % 10 == 4:
            watched.down = True
            house.heard.clear()
            source.insert(0, "late")
            await house.hear(lambda m: m["type"] == "store" and not m["ok"])
            watched.down = False
        if number % 10 == 9:
            await shared.committed()
            await watched.until_kept(number // 10 + 1)
    await ada.until(lambda: ada.text.count("🙂") == 60)
    await shared.committed()
    await check_kept(watched)


async def test_a_store_that_keeps_none_harms_nothing(
    house: House, watched: WatchedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "EVERY", 5)
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    watched.snapshots_fail = True
    page.type("abcdefgh")
    await page.until(lambda: page.text == "abcdefgh")
    await (await house.shared()).committed()
    assert watched.kept == []
    watched.snapshots_fail = False
    page.type("ijklmnop")
    await watched.until_kept(1)
    assert [m for m in house.heard if m["type"] == "store"] == []
    await check_kept(watched)


def _cut(data: bytes) -> bytes:
    return data[:-5]


def _other_format(data: bytes) -> bytes:
    return b"\x7f" + data[1:]


def _no_update(data: bytes) -> bytes:
    found = unpack(Snapshot(seq=1, data=data))
    return pack(replace(found, update=b"\x05\x05 no update")).data


@pytest.mark.parametrize("damage", [_cut, _other_format, _no_update, lambda _: b""])
async def test_one_that_is_no_use_is_left_alone_and_the_log_is_read(
    damage: Callable[[bytes], bytes], house: House, watched: WatchedLog
) -> None:
    await write_log(house, "abc" * 50)
    whole = pack(shortcut_of(await from_log(house.store, house.notebook.id)))
    bad = Snapshot(seq=100, data=damage(whole.data))
    await house.store.keep_snapshot(house.notebook.id, bad)
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    assert page.text == "abc" * 50
    page.type("d")
    await page.round_trip()
    await house.restart()  # closing it makes one that is whole
    assert [each.seq for _, each in watched.kept] == [151]
    watched.read_entries = 0
    assert str((await house.shared()).ydoc.ydoc.get("source", type=Text)) == "abc" * 50 + "d"
    assert watched.read_entries == 0


async def test_one_that_cannot_be_read_now_keeps_nobody_out(
    house: House, watched: WatchedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_log(house, "abc")

    async def fails(document_id: str) -> Snapshot:
        raise StoreUnavailable("A part of what is stored is missing.")

    monkeypatch.setattr(watched, "get_snapshot", fails, raising=False)
    assert str((await house.shared()).ydoc.ydoc.get("source", type=Text)) == "abc"


# -- what must not be in one


async def test_an_erased_log_has_none_whoever_is_late(house: House, watched: WatchedLog) -> None:
    await write_log(house, "x" * 150)
    await house.shared()
    late = pack(shortcut_of(await from_log(house.store, house.notebook.id)))
    await house.store.keep_snapshot(house.notebook.id, late)
    author = Author(participant_id="person_x", seats=frozenset({"seat"}))
    await house.documents.erase(house.notebook, author)
    assert watched.kept == [], "none is made of what is going to be erased"
    assert await house.store.get_snapshot(house.notebook.id) is None
    await house.store.keep_snapshot(house.notebook.id, replace(late, seq=2**40))
    shared = await house.shared()
    assert str(shared.ydoc.ydoc.get("source", type=Text)) == ""
    await house.documents.close_room(house.plan.room.id)
    await house.documents.stop()
    assert await house.store.get_snapshot(house.notebook.id) is None


async def test_a_branch_is_in_none(
    house: House, watched: WatchedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "EVERY", 1)
    monkeypatch.setattr(snapshots, "AT_CLOSE", 1)
    branch = replace(house.notebook, id=new_id("branch"), branch_of=house.notebook.id)
    shared = await house.shared(branch)
    shared.ydoc.ydoc.get("source", type=Text).insert(0, "thought")
    await shared.committed()
    await house.documents.close_one(branch.id)
    await house.documents.stop()
    assert watched.kept == []
    asked: list[str] = []

    class Asked:
        def __getattr__(self, name: str) -> Callable[..., Awaitable[None]]:
            async def call(document_id: str, *_: object) -> None:
                asked.append(document_id)

            return call

    inner: Any = Asked()
    sealed = SealedLog(inner, BranchKeys(house.store))
    for document_id in (branch.id, house.notebook.id):
        await sealed.keep_snapshot(document_id, Snapshot(seq=1, data=b"thought"))
        assert await sealed.get_snapshot(document_id) is None
    assert asked == [house.notebook.id] * 2
