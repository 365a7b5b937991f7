"""The reader of updates agrees with pycrdt, refuses the rest, and never runs away."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyter_ydoc import YNotebook
from pycrdt import Array, Doc, Map, Text

from interview_ext.collab.rehearsal import apply_guarded
from interview_ext.collab.wire.framing import (
    AwarenessEntry,
    AwarenessUpdate,
    Save,
    SyncStep1,
    SyncUpdate,
    read_frame,
    write_awareness,
    write_step_1,
    write_step_2,
    write_update,
)
from interview_ext.collab.wire.sets import MAX_CLOCK, Span, read_state, write_deletes, write_state
from interview_ext.collab.wire.update import MAX_STRUCTS, read_update
from interview_ext.collab.wire.varint import read_uint, write_bytes, write_text, write_uint
from interview_ext.errors import WireError
from tests.collab.updates import letters, nested, typed

json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
edits = st.lists(
    st.tuples(
        st.sampled_from(["text", "array", "map", "nested", "cell", "delete", "clear", "format"]),
        st.integers(0, 50),
        st.text(min_size=1, max_size=6),
        json_values,
    ),
    min_size=1,
    max_size=15,
)


def edited(client: int, steps: list[tuple[str, int, str, Any]]) -> tuple[Doc[Any], list[bytes]]:
    """A document made by pycrdt, and the updates of each step."""
    doc: Doc[Any] = Doc(client_id=client)
    text, array, mapping = (
        doc.get("source", type=Text),
        doc.get("cells", type=Array),
        doc.get("meta", type=Map),
    )
    updates: list[bytes] = []
    doc.observe(lambda event: updates.append(event.update))
    for kind, place, word, value in steps:
        if kind == "text":
            text += word
        elif kind == "format" and len(text):
            text.format(0, len(text), {"bold": place % 2 == 0})
        elif kind == "array":
            array.insert(place % (len(array) + 1), value)
        elif kind == "map":
            mapping[word] = value
        elif kind == "nested":
            mapping[word] = Map({"a": Array([value, Text(word)])})
        elif kind == "cell":
            array.append(Map({"source": Text(word), "outputs": Array([Map({"v": value})])}))
        elif kind == "delete" and len(array):
            del array[place % len(array)]
        elif kind == "clear":
            array.clear()
    return doc, updates


@given(client=st.integers(1, 2**53 - 1), steps=edits)
def test_it_reads_what_pycrdt_writes(client: int, steps: list[tuple[str, int, str, Any]]) -> None:
    """The spans of the updates add up to pycrdt's own state vector, without gap or overlap."""
    doc, updates = edited(client, steps)
    clock = 0
    for update in updates:
        head = read_update(update)
        for span in head.inserts:
            assert (span.client, span.clock) == (client, clock)
            clock = span.end
        assert all(end <= clock for end in head.needs.values())
        assert all(span.end <= clock for span in head.deletes)
    assert read_state(doc.get_state()) == ({client: clock} if clock else {})
    whole = read_update(doc.get_update())
    assert sum(span.length for span in whole.inserts) == clock
    assert write_state(read_state(doc.get_state())) == doc.get_state()


@given(steps=edits)
def test_deletions_alone_can_be_written(steps: list[tuple[str, int, str, Any]]) -> None:
    doc, _ = edited(7, steps)
    deletes = read_update(doc.get_update()).deletes
    again = read_update(write_deletes(deletes))
    assert (again.inserts, again.deletes) == ((), deletes)
    assert doc.get_update(doc.get_state()) == write_deletes(deletes)


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    for reader in (read_frame, read_update, read_state):
        with contextlib.suppress(WireError):
            reader(data)


@given(steps=edits, seed=st.integers(0, 2**32))
@settings(max_examples=300)
def test_mutated_updates_are_refused_or_harmless(
    steps: list[tuple[str, int, str, Any]], seed: int
) -> None:
    """What the reader lets pass, the engine takes or refuses, and lives on."""
    doc, updates = edited(7, steps)
    if not updates:
        return
    chance = random.Random(seed)
    data = bytearray(chance.choice([*updates, doc.get_update()]))
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] = chance.choice([0, 1, 4, 7, 8, 0x28, 0x84, 0xC4, 255])
    try:
        read_update(bytes(data))
    except WireError:
        return
    target: Doc[Any] = Doc()
    apply_guarded(target, doc.get_update())
    apply_guarded(target, bytes(data))
    target.get("source", type=Text)
    YNotebook(target)
    target.get_update()


@pytest.mark.parametrize(
    "update",
    [
        b"",
        b"\x01",
        b"\x00\x00\x00",
        b"\x00" + write_uint(2**60) + b"\x00",
        letters("a", client=5)[:-2],
        letters("a", client=5) + b"\x00",
        letters("", client=5),
        letters("a", client=5, clock=MAX_CLOCK),
        b"\x02\x01\x05\x00\x00\x01\x01\x05\x01\x00\x01\x00",  # two sections of one client
        b"\x01\x01\x05\x00\x0b\x01\x01a\x00\x00",  # a move, which Yjs 13 does not know
        b"\x01\x01\x05\x00\x09\x01\x01a\x01b\x7f\x00",  # a subdocument
        b"\x01\x01\x05\x00\x07\x01\x01a\x04\x00",  # an XML fragment
        b"\x01\x01\x05\x00\x07\x01\x01a\x07\x00",  # a weak link
        b"\x01\x01\x05\x00\x04\x01\x01a\x01\xff\x00",  # not UTF-8
        b"\x01\x01\x05\x00\x05\x01\x01a\x01{\x00",  # not JSON
        b"\x01\x01\x05\x00\x05\x01\x01a" + write_text("NaN") + b"\x00",
        b"\x01\x01\x05\x00\x05\x01\x01a" + write_text("[" * 100) + b"\x00",
        b"\x01\x01\x05\x00\x08\x01\x01a\x01" + b"\x75\x01" * 100 + b"\x7e\x00",  # nested
        b"\x01\x01\x05\x00\x08\x01\x01a" + write_uint(2**40) + b"\x7e\x00",
        b"\x01\x01\x05\x00\x08\x01\x01a\x01\x50\x00",  # a value of no type
        b"\x01\x01\x05\x00\x00\x00\x00",  # a struct of no length
        b"\x00\x01\x05\x01\x00\x00",  # a deletion of no length
        nested(MAX_STRUCTS + 1, client=5),
    ],
)
def test_what_would_stop_a_page_is_refused(update: bytes) -> None:
    with pytest.raises(WireError):
        read_update(update)


def test_lengths_count_utf_16_as_browsers_do() -> None:
    assert read_update(letters("é😀x", client=5)).inserts == (Span(5, 0, 4),)
    assert [read_update(u).inserts[0].length for u in typed(5, "ab")] == [1, 1]


def test_skipped_structs_part_an_update_in_two() -> None:
    one, two = b"\x04\x01\x01a\x01x", b"\x0a\x05"
    update = b"\x01\x03\x07\x00" + one + two + one + b"\x00"
    assert read_update(update).inserts == (Span(7, 0, 1), Span(7, 6, 1))


@given(st.integers(0, 2**53 - 1))
def test_numbers(value: int) -> None:
    assert read_uint(write_uint(value), 0) == (value, len(write_uint(value)))


@given(
    st.lists(
        st.tuples(st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1), st.text(max_size=20)),
        max_size=5,
    )
)
def test_awareness_there_and_back(entries: list[tuple[int, int, str]]) -> None:
    listed = tuple(AwarenessEntry(*entry) for entry in entries)
    assert read_frame(write_awareness(listed)) == AwarenessUpdate(listed)


def test_frames_there_and_back() -> None:
    assert read_frame(write_step_1(b"ab")) == SyncStep1(b"ab")
    assert read_frame(write_step_2(b"ab")) == SyncUpdate(b"ab", answer=True)
    assert read_frame(write_update(b"ab")) == SyncUpdate(b"ab", answer=False)
    assert read_frame(b"\x02" + write_bytes(b"save") + b"\x81\x01") == Save(129)
