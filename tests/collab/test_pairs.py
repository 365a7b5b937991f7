"""Characters of two clocks: nobody parts one, and whatever is beside them is as it was."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Doc, Text

from interview_ext.collab.gate import Gate
from interview_ext.collab.intake import Intake
from interview_ext.collab.nesting import Nesting
from interview_ext.collab.rehearsal import apply_guarded
from interview_ext.collab.wire.framing import write_step_1, write_update
from interview_ext.collab.wire.sets import write_state
from interview_ext.collab.wire.structs import read_committed
from interview_ext.collab.wire.update import read_update
from interview_ext.errors import WireError
from interview_ext.rooms.model import Role
from tests.collab.conftest import House
from tests.collab.updates import be_dirty, letters, typed

PAGE = 7
SHOWN = letters("a😀b", client=PAGE)
"""Client 7 wrote it: the halves are its clocks 1 and 2."""
PARTING = {
    "replaces the second half": "01010704c40702070303efbfbd0107010201",
    "deletes the first half": "000107010101",
    "deletes the second half": "000107010201",
    "puts a letter between": "01010704c407010702017800",
}
"""What Yjs 13.6 sends for such an edit of that text."""


def made(doc: Doc[Any], nesting: Nesting | None = None) -> Intake:
    return Intake(
        doc=doc,
        gate=Gate(clocks={}, owners={PAGE: "page", 8: "other"}),
        nesting=nesting or Nesting(),
        size=0,
        max_size=10**9,
    )


class Table:
    """A document that takes what pages send, as a relay has it."""

    def __init__(self) -> None:
        self.doc: Doc[Any] = Doc(client_id=1)
        self.intake = made(self.doc)

    def take(self, update: bytes, who: str = "page") -> None:
        new = self.intake.examine(who, update, read_update(update), answer=False)
        assert apply_guarded(self.doc, new)
        self.intake.settled()

    @property
    def text(self) -> str:
        return str(self.doc.get("source", type=Text))


@pytest.mark.parametrize("update", PARTING.values(), ids=PARTING)
def test_what_parts_one_is_refused_and_changes_nothing(update: str) -> None:
    table = Table()
    table.take(SHOWN)
    with pytest.raises(WireError):
        table.take(bytes.fromhex(update))
    assert table.text == "a😀b"
    table.take(letters("before ", client=8), "other")
    copy: Doc[Any] = Doc()
    assert apply_guarded(copy, table.doc.get_update())
    assert str(copy.get("source", type=Text)) == table.text


def test_one_that_comes_with_what_parts_it_is_refused() -> None:
    table = Table()
    whole = bytes.fromhex("01020700040106736f757263650661f09f988062840701017800")
    assert [list(clocks) for clocks in read_update(whole).pairs.values()] == [[1]]
    with pytest.raises(WireError):
        table.take(whole)
    assert table.text == ""


def test_honest_edits_among_them_are_taken() -> None:
    """Whatever a page of the same engine does, letter by letter, as the editor sends it."""
    chance = random.Random(5)
    table = Table()
    page: Doc[Any] = Doc(client_id=PAGE)
    sent: list[bytes] = []
    page.observe(lambda event: sent.append(event.update))
    source = page.get("source", type=Text)
    for _ in range(600):
        text = str(source)
        at = chance.randrange(len(text) + 1)
        byte = len(text[:at].encode())
        with page.transaction():
            if text[at:] and chance.random() < 0.4:
                gone = len(text[at : at + chance.randint(1, 3)].encode())
                del source[byte : byte + gone]
            else:
                source.insert(byte, chance.choice(["a", "é", "😀", "😀😀", "x😀y", "𝒳"]))
            be_dirty(page)
        for update in sent:
            table.take(update)
        sent.clear()
        assert table.text == str(source)


def test_a_word_typed_behind_one_is_put_off_and_known() -> None:
    """Keystrokes that are not tried at once have them as well."""
    table = Table()
    page: Doc[Any] = Doc(client_id=PAGE)
    page.observe(lambda event: table.take(event.update))
    source = page.get("source", type=Text)
    for letter in "a😀😀b":
        source += letter
    with pytest.raises(WireError):
        table.take(bytes.fromhex("000107010401"))
    table.take(bytes.fromhex("000107010302"))
    assert table.text == "a😀b"


@pytest.mark.parametrize(
    "again",
    [
        lambda table: Nesting.load(table.intake.nesting.dump()),
        lambda table: read_anew(table.doc.get_update()),
    ],
    ids=["from a snapshot", "from the log"],
)
def test_they_are_known_after_a_restart(again: Callable[[Table], Nesting]) -> None:
    table = Table()
    table.take(SHOWN)
    intake = made(table.doc, again(table))
    intake.gate.advance(read_update(SHOWN).inserts)
    for update in map(bytes.fromhex, PARTING.values()):
        with pytest.raises(WireError):
            intake.examine("page", update, read_update(update), answer=False)


def read_anew(update: bytes) -> Nesting:
    nesting = Nesting()
    nesting.add(read_committed(update))
    return nesting


def test_what_is_examined_anew_is_not_known_from_before() -> None:
    """Another server was faster: the same clocks may become other letters."""
    table = Table()
    table.intake.examine("page", SHOWN, read_update(SHOWN), answer=False)
    table.intake.rewind()
    table.take(letters("abcd", client=PAGE))
    table.take(bytes.fromhex("000107010101"))
    assert table.text == "acd"


class Panic(BaseException):
    """As the engine's are: no `Exception`."""


async def test_a_panic_while_one_is_answered_closes_only_who_asked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = await house.page(await house.person(Role.CANDIDATE)).connect()
    other = await house.page(await house.person(Role.INTERVIEWER)).connect()
    shared = await house.shared()
    usual = type(shared.ydoc.ydoc).get_update
    asked = write_state({PAGE: 4711})

    def panics(doc: Doc[Any], state: bytes | None = None) -> bytes:
        if state == asked:
            raise Panic
        found: bytes = usual(doc) if state is None else usual(doc, state)
        return found

    monkeypatch.setattr(type(shared.ydoc.ydoc), "get_update", panics)
    hostile.send(write_step_1(asked))
    async with asyncio.timeout(10):
        await hostile.closed.wait()
    hostile = await house.page(await house.person(Role.CANDIDATE)).connect()
    source = shared.ydoc.ydoc.get("source", type=Text)
    house.log.down = True
    source.insert(0, "from the server ")
    hostile.send(write_step_1(asked))
    async with asyncio.timeout(10):
        while not shared.relay._unanswered:  # noqa: ASYNC110 - no frame tells
            await asyncio.sleep(0.01)
    house.log.down = False
    async with asyncio.timeout(10):
        await hostile.closed.wait()
    other.type("still here")
    assert await shared.wait_for(lambda: "still here" in str(source), 10)
    assert not other.closed.is_set()


async def test_a_panic_in_the_relay_gives_it_up_and_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await house.page(await house.person(Role.CANDIDATE)).connect()
    shared = await house.shared()

    def panics(_batch: object) -> None:
        raise Panic

    monkeypatch.setattr(shared.relay._judge, "judge", panics)
    update = write_update(typed(page.client, "x")[0])
    page.send(update)
    async with asyncio.timeout(10):
        await page.closed.wait()
    anew = await house.shared()
    assert anew is not shared
