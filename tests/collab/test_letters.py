"""Letters behind letters, nearly every keystroke: read quickly, tried once, and no less watched."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Text

from interview_ext.collab.gate import Gate
from interview_ext.collab.intake import Intake
from interview_ext.collab.nesting import Nesting
from interview_ext.collab.rehearsal import MOST_PUT_OFF, Rehearsal, apply_guarded
from interview_ext.collab.wire import update as update_module
from interview_ext.collab.wire.sets import MAX_CLOCK, Span, read_state
from interview_ext.collab.wire.update import Letters, UpdateHead, read_update
from interview_ext.collab.wire.varint import write_text, write_uint
from interview_ext.errors import WireError
from tests.collab.updates import be_dirty, typed


class Tried(Rehearsal):
    """Counts what is tried at once."""

    count = 0

    def attempt(self, update: bytes, head: UpdateHead) -> bool:
        self.count += 1
        return super().attempt(update, head)


class Table:
    """A document and what it takes, of clients 5 to 7 who belong to ``p5`` to ``p7``."""

    def __init__(self) -> None:
        self.doc: Doc[Any] = Doc()
        self.intake = Intake(
            doc=self.doc,
            gate=Gate(clocks={}, owners={client: f"p{client}" for client in (5, 6, 7)}),
            nesting=Nesting(),
            size=0,
            max_size=10**6,
        )
        self.tried = self.intake._rehearsal = Tried(self.doc.get_update)

    def take(self, update: bytes, client: int = 5) -> None:
        """Examine an update, and apply it as the relay does."""
        new = self.intake.examine(f"p{client}", update, read_update(update), answer=False)
        assert apply_guarded(self.doc, new)
        self.intake.settled()


def following(
    client: int,
    clock: int,
    text: str,
    *,
    behind: int | None = None,
    right: tuple[int, int] | None = None,
    replaced: tuple[int, int] | None = None,
) -> bytes:
    """An update that types a text behind an own struct, and sets a value in place of another."""
    info = b"\x84" if right is None else b"\xc4"
    place = write_uint(client) + write_uint(clock - 1 if behind is None else behind)
    if right is not None:
        place += write_uint(right[0]) + write_uint(right[1])
    count, value, deletes = b"\x01", b"", b"\0"
    if replaced is not None:
        of, at = map(write_uint, replaced)
        count, value, deletes = (
            b"\x02",
            b"\xa8" + of + at + b"\x01\x78",
            b"\x01" + of + b"\x01" + at + b"\x01",
        )
    head = b"\x01" + count + write_uint(client) + write_uint(clock)
    return head + info + place + write_text(text) + value + deletes


@given(
    client=st.integers(1, 2**53 - 1),
    clock=st.integers(1, 2**30),
    before=st.integers(0, 3),
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9),
    right=st.none() | st.tuples(st.integers(1, 2**32), st.integers(0, 2**30)),
    replaced=st.none() | st.tuples(st.integers(1, 2**32), st.integers(0, 2**30)),
    own=st.booleans(),
)
def test_letters_are_known_as_such(
    client: int,
    clock: int,
    before: int,
    text: str,
    right: tuple[int, int] | None,
    replaced: tuple[int, int] | None,
    own: bool,
) -> None:
    behind = max(0, clock - 1 - before)
    if replaced is not None and own:
        replaced = client, clock - 1
    update = following(client, clock, text, behind=behind, right=right, replaced=replaced)
    length = len(text.encode("utf-16-le")) // 2
    needs = {client: behind + 1}
    for near in (right, replaced):
        if near is not None:
            needs[near[0]] = max(needs.get(near[0], 0), near[1] + 1)
    span = Span(client, clock, length + (replaced is not None))
    deletes = () if replaced is None else (Span(*replaced, 1),)
    letters = Letters(client, clock, length, behind, right, replaced)
    pairs: dict[int, array[int]] = {}
    at = clock
    for letter in text:
        if letter > "\uffff":
            pairs.setdefault(client, array("I")).append(at)
        at += 1 + (letter > "\uffff")
    assert read_update(update) == UpdateHead(
        (span,), deletes, needs, (), letters, cuts=(), pairs=pairs
    )


@pytest.mark.parametrize(
    "update",
    [
        b"\x01\x01\x05\x03\x84\x06\x02\x01a\x00",  # behind somebody else's
        following(5, 3, "a", behind=3),  # behind itself
        following(5, 3, "a", behind=4),
        following(5, 3, "a")[:-1] + b"\x01\x05\x01\x00\x01",  # and deletes
        b"\x01\x02\x05\x03\x84\x05\x02\x01a\x84\x05\x03\x01b\x00",  # two texts
        b"\x01\x01\x05\x03\x81\x05\x02\x01\x00",  # no text
        *(
            following(5, 3, "a", replaced=(5, 1)).replace(*other)
            for other in (
                (b"\x78", b"\x79"),  # false
                (b"\x05\x01\x01\x78", b"\x05\x00\x01\x78"),  # another goes
                (b"\x78\x01\x05\x01\x01\x01", b"\x78\x01\x05\x01\x01\x02"),  # two go
                (b"\x01\x05\x01\x01\x01", b"\x00"),  # none goes
                (b"\xa8", b"\x88"),  # in a list
            )
        ),
    ],
)
def test_what_is_more_than_letters_is_read_as_all_else(update: bytes) -> None:
    assert read_update(update).letters is None


@pytest.mark.parametrize(
    "update",
    [
        b"\x01\x01\x05\x03\x84\x05\x02\x00\x00",  # nothing typed
        b"\x01\x01\x05\x03\x84\x05\x02\x01\xff\x00",  # no UTF-8
        b"\x01\x01\x05\x03\x84\x05\x02\x01a\x00\x00",  # bytes behind the end
        b"\x01\x01\x05\x03\x84\x05\x02\x01a",
        b"\x01\x01\x05\x03\x84\x05\x02\x05a",
        following(5, MAX_CLOCK, "a"),
        following(5, MAX_CLOCK - 1, "a", replaced=(5, 1)),
        following(5, 3, "a", replaced=(5, 2)) + b"\0",
        following(5, 3, "a", replaced=(5, 2))[:-1],
        b"\x01\x02\x05\x03\x84\x05\x02\x01a\x00",  # the second is missing
    ],
)
def test_letters_that_are_none_are_refused(update: bytes) -> None:
    with pytest.raises(WireError):
        read_update(update)


def test_letters_behind_letters_are_tried_once() -> None:
    table = Table()
    pages = {client: typed(client, "abcdefgh" * 40) for client in (5, 6, 7)}
    for together in zip(*pages.values(), strict=True):
        for client, update in zip(pages, together, strict=True):
            table.take(update, client)
    assert table.tried.count == 6, "the first letter of each, and the first behind it"
    assert len(str(table.doc.get("source", type=Text))) == 3 * 320
    assert 2 * MOST_PUT_OFF < 3 * 320, "what was put off has been made up for meanwhile"
    # What builds on letters that have been put off finds them.
    page: Doc[Any] = Doc(client_id=5)
    page.apply_update(table.doc.get_update())
    updates: list[bytes] = []
    page.observe(lambda event: updates.append(event.update))
    page.get("source", type=Text).insert(100, "in the midst")
    table.take(updates[0])
    assert table.tried._doc.get_state() == table.doc.get_state()


class Page:
    """A page with keys pressed as in JupyterLab: a letter behind its last, and it is dirty."""

    def __init__(self, client: int) -> None:
        self._letter = chr(ord("a") + client)
        self._doc: Doc[Any] = Doc(client_id=client)
        self._source = self._doc.get("source", type=Text)
        self._updates: list[bytes] = []
        self._doc.observe(lambda event: self._updates.append(event.update))

    def press(self) -> bytes:
        """Press a key; return what is sent."""
        with self._doc.transaction():
            behind = str(self._source).rfind(self._letter) + 1
            self._source.insert(behind, self._letter)
            be_dirty(self._doc)
        return self._updates[-1]

    def hear(self, update: bytes) -> None:
        """Take what another page has sent."""
        self._doc.apply_update(update)


@pytest.mark.parametrize("how", ["apart", "in turns", "at once"])
def test_keys_are_tried_once_and_counted_like_any_update(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apart each page replaces its own value, else that of whoever pressed last."""
    table = Table()
    pages = {client: Page(client) for client in (5, 6, 7)}
    heads: list[tuple[bytes, UpdateHead]] = []
    early = 0
    for number in range(2 * MOST_PUT_OFF):
        if number == 4:
            early = table.tried.count
        sent: list[bytes] = []
        for client, page in pages.items():
            update = page.press()
            table.take(update, client)
            heads.append((update, read_update(update)))
            sent.append(update)
            if how == "in turns":
                for other in pages.values():
                    other.hear(update)
        if how == "at once":
            for update in sent:
                for page in pages.values():
                    page.hear(update)
    assert table.tried.count == early <= 12, "none is tried after some of each"
    table.tried._catch_up()
    assert table.tried._doc.get_state() == table.doc.get_state()

    monkeypatch.setattr(update_module, "_read_letters", lambda data: None)
    nesting = Nesting()
    for update, head in heads:
        plain = read_update(update)
        assert plain[:3] == head[:3]
        nesting.add(plain)
    assert nesting.dump() == table.intake.nesting.dump()


def test_a_value_of_no_keystroke_that_is_replaced_is_looked_at() -> None:
    """A cell could go with it, and the letters of others in it."""
    table = Table()
    other: Doc[Any] = Doc(client_id=6)
    updates: list[bytes] = []
    other.observe(lambda event: updates.append(event.update))
    cells: Array[Any] = other.get("cells", type=Array)
    cells.append(Text("x"))
    table.take(updates[0], 6)
    pages = {client: Page(client) for client in (5, 7)}
    for _ in range(4):
        for client, page in pages.items():
            table.take(page.press(), client)
    before = table.tried.count
    # In place of the cell, whose id is (6, 0), behind the last letter of page 7.
    table.take(following(7, 8, "h", behind=6, replaced=(6, 0)), 7)
    table.take(pages[5].press(), 5)
    assert table.tried.count == before + 2, "itself, and the other's next letter"


@pytest.mark.parametrize("between", ["delete", "type", "other place", "older letter"])
def test_after_anything_else_a_letter_is_tried_again(between: str) -> None:
    table = Table()
    for update in typed(5, "abc"):
        table.take(update)
    other: Doc[Any] = Doc(client_id=6)
    other.apply_update(table.doc.get_update())
    updates: list[bytes] = []
    other.observe(lambda event: updates.append(event.update))
    if between == "delete":
        del other.get("source", type=Text)[1:3]
        table.take(updates[0], 6)
    elif between == "type":
        cells: Array[Any] = other.get("cells", type=Array)
        cells.append(Text("x"))
        table.take(updates[0], 6)
    before = table.tried.count
    right = (5, 0) if between == "other place" else None
    behind = 0 if between == "older letter" else None
    table.take(following(5, 3, "d", behind=behind, right=right))
    assert table.tried.count == before + 1


def test_what_the_engine_refuses_behind_letters_is_refused_and_they_stay() -> None:
    table = Table()
    first, *rest = typed(5, "abcdef")
    for update in (first, *rest[:3]):
        table.take(update)
    number = b"\x28\x01" + write_text("meta") + write_text("k") + b"\x01\x7d\x01"
    table.take(b"\x01\x01\x06\x00" + number + b"\x00", 6)
    for update in rest[3:]:
        table.take(update)
    inside = b"\x04\x00\x06\x00" + write_text("z")  # a letter whose parent is that number
    with pytest.raises(WireError):
        table.take(b"\x01\x01\x06\x01" + inside + b"\x00", 6)
    table.take(following(5, 6, "g"))
    assert str(table.doc.get("source", type=Text)) == "abcdefg"
    table.tried._catch_up()
    assert read_state(table.tried._doc.get_state()) == {5: 7, 6: 1}
