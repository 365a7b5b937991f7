"""Reads what a Yjs update of format v1 holds, with bounds on everything.

Only as much is kept as a server needs to judge it: which clients' structs it inserts
and at which clocks, which it deletes, and what must be known before it can be
applied. The format is that of Yjs 13 (``UpdateEncoderV1``, ``Item.write``, lib0's
``writeAny``). What would make a browser's Yjs throw is refused here, because one
such update, forwarded, would stop every page of the room: content that Yjs 13 does
not know (moves, weak links), JSON that does not parse, texts that are not UTF-8, two
sections of one client, structs of no length. XML types and subdocuments are refused because
pycrdt or a notebook cannot show them. Nesting is bounded, since both engines read nested
values recursively.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, NamedTuple

from interview_ext.collab.wire.sets import MAX_CLOCK, Span, read_deletes
from interview_ext.collab.wire.values import skip_values
from interview_ext.collab.wire.varint import read_bytes, read_text, read_uint
from interview_ext.errors import WireError

MAX_DEPTH = 64
"""Nesting of a value; the deepest MIME bundles seen (Vega specs) have about 20."""

MAX_STRUCTS = 50_000
"""In one update. Yjs merges what is typed in one go, so a day offline has some thousands."""
MAX_VALUES = 500_000
"""Values in one struct; a figure with 100,000 points that is pasted with its cell has 200,000."""

EMPTY_UPDATE = b"\x00\x00"
_NO_DELETES = b"\x00"

_GC, _DELETED, _JSON, _BINARY, _STRING = 0, 1, 2, 3, 4
_EMBED, _FORMAT, _TYPE, _ANY, _SKIP = 5, 6, 7, 8, 10
_LAST_TYPE = _TEXT_TYPE = 2
"""Types: 0 array, 1 map, 2 text; XML and weak links follow."""
_HAS_ORIGIN, _HAS_RIGHT_ORIGIN, _HAS_PARENT_KEY = 0x80, 0x40, 0x20


Id = tuple[int, int]
"""A client and a clock."""


class Sort(Enum):
    """What a struct is, as far as it matters where it sits."""

    LETTERS = auto()
    TEXT = auto()
    """The type that letters belong into."""
    TYPE = auto()
    """Any other type."""
    VALUE = auto()
    GONE = auto()
    """Nothing is left of it, and whatever comes beside it or into it is nothing at once."""


class Place(NamedTuple):
    """Where a struct sits: what its depth in the document can be told from.

    What is `Letters` has none: there is one for each keystroke. `beside` are its neighbours, one
    or two of them, `inside` is what it lies in if it has none; each a client and a clock. In a
    root it has neither.
    """

    span: Span
    sort: Sort
    beside: tuple[Id, ...]
    inside: Id | None
    root: str | None


class Letters(NamedTuple):
    """What one keystroke brings: text behind what the same client has written before.

    JupyterLab's editor says with each that the document is ``dirty``: one struct more, a value in
    place of one that it deletes.

    Attributes
    ----------
    clock, length:
        Of the text. The value, if there is one, has the next clock.
    behind:
        The clock of the client's own struct that it stands behind.
    right:
        What follows it.
    replaced:
        The value that gave way to the new one.
    """

    client: int
    clock: int
    length: int
    behind: int
    right: Id | None
    replaced: Id | None


_NO_PAIRS: Mapping[int, array[int]] = MappingProxyType({})


class UpdateHead(NamedTuple):
    """What an update does, without its content.

    Attributes
    ----------
    inserts:
        The structs it brings, a span a contiguous run.
    deletes:
        The structs it deletes.
    needs:
        By client, the clock that must have been reached before its structs find their
        neighbours and parents, what it brings itself included.
    places:
        Of what it brings, `letters` excepted.
    letters:
        What it brings, if it is nothing but that: nearly every keystroke.
    cuts:
        The clocks before which something is put, `letters` excepted.
    pairs:
        By client, where two clocks of what it brings are one character: the first of them.
    """

    inserts: tuple[Span, ...]
    deletes: tuple[Span, ...]
    needs: dict[int, int]
    places: tuple[Place, ...]
    letters: Letters | None = None
    cuts: tuple[Id, ...] = ()
    pairs: Mapping[int, array[int]] = _NO_PAIRS


def read_update(update: bytes) -> UpdateHead:
    """Return what the update does.

    Raises
    ------
    WireError
        It is no update in the format of Yjs 13, or beyond the bounds.
    """
    try:
        letters = _read_letters(update)
        if letters is not None:
            return letters
        found = _Found()
        at = _read_inserts(update, found)
        deletes, at = read_deletes(update, at)
    except IndexError as error:
        raise WireError("An update ends too early.") from error
    if at != len(update):
        raise WireError("An update has bytes behind its end.")
    return UpdateHead(
        tuple(found.spans),
        deletes,
        found.needs,
        tuple(found.places),
        cuts=tuple(found.cuts),
        pairs=found.pairs,
    )


@dataclass(slots=True)
class _Found:
    """What an update brings, as far as it has been read; see `UpdateHead`."""

    spans: list[Span] = field(default_factory=list)
    needs: dict[int, int] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    cuts: list[Id] = field(default_factory=list)
    pairs: dict[int, array[int]] = field(default_factory=dict)


_LETTERS = frozenset({_HAS_ORIGIN | _STRING, _HAS_ORIGIN | _HAS_RIGHT_ORIGIN | _STRING})
_VALUE_IN_PLACE = _HAS_ORIGIN | _HAS_PARENT_KEY | _ANY
_TRUE = b"\x01\x78"
"""One value: true."""


def _read_letters(data: bytes) -> UpdateHead | None:
    """Read an update that is `Letters`; None if it is more or something else."""
    structs = data[1]
    if data[0] != 1 or not 1 <= structs <= 2:
        return None
    client, at = read_uint(data, 2)
    me = data[2:at]
    clock, at = read_uint(data, at)
    info = data[at]
    at += 1
    if info not in _LETTERS or not data.startswith(me, at):
        return None
    behind, at = read_uint(data, at + len(me))
    if behind >= clock:
        return None
    needs = {client: behind + 1}
    right = None
    if info & _HAS_RIGHT_ORIGIN:
        right, at = _read_need(data, at, needs)
    text, at = read_text(data, at)
    length = _utf16_length(text)
    if not length or clock + length >= MAX_CLOCK:
        return None
    taken, rest = length, _NO_DELETES if structs == 1 else None
    replaced = None
    deletes: tuple[Span, ...] = ()
    if structs == 2 and data[at] == _VALUE_IN_PLACE:
        replaced, at, rest = _read_replaced(data, at, needs)
        taken += 1
        deletes = (Span(*replaced, 1),)
    if data[at:] != rest:
        return None
    letters = Letters(client, clock, length, behind, right, replaced)
    pairs = _NO_PAIRS if length == len(text) else {client: pairs_in(text, clock)}
    return UpdateHead((Span(client, clock, taken),), deletes, needs, (), letters, (), pairs)


def _read_replaced(data: bytes, at: int, needs: dict[int, int]) -> tuple[Id, int, bytes]:
    """Return what a value says it stands behind, the position after that, and what has to follow.

    That is: true, in place of the other, which is all that is deleted.
    """
    _, middle = read_uint(data, at + 1)
    replaced, end = _read_need(data, at + 1, needs)
    gone = b"\x01" + data[at + 1 : middle] + b"\x01" + data[middle:end] + b"\x01"
    return replaced, end, _TRUE + gone


def _read_inserts(data: bytes, found: _Found) -> int:
    sections, at = read_uint(data, 0)
    seen: set[int] = set()
    total = 0
    for _ in range(sections):
        structs, at = read_uint(data, at)
        client, at = read_uint(data, at)
        total += structs
        if total > MAX_STRUCTS:
            raise WireError("An update holds too much at once.")
        if client in seen:
            raise WireError("An update has two sections of one client.")
        seen.add(client)
        at = _read_section(data, at, client, structs, found)
    return at


def _read_section(data: bytes, at: int, client: int, structs: int, found: _Found) -> int:
    """Read one client's structs; skipped ones part them into several spans."""
    spans, places = found.spans, found.places
    clock, at = read_uint(data, at)
    start = clock
    for _ in range(structs):
        kind = data[at] & 0x1F
        if kind == _SKIP:
            length, at = read_uint(data, at + 1)
            if clock > start:
                spans.append(Span(client, start, clock - start))
            start = clock + length
        elif kind == _GC:
            length, at = read_uint(data, at + 1)
            places.append(Place(Span(client, clock, length), Sort.GONE, (), None, None))
        else:
            length, at, sort, where = _read_item(data, at, (client, clock), found)
            places.append(Place(Span(client, clock, length), sort, *where))
        clock += length
        if not length or clock > MAX_CLOCK:
            raise WireError("A struct is empty or out of bounds.")
    if clock > start:
        spans.append(Span(client, start, clock - start))
    return at


_Where = tuple[tuple[Id, ...], Id | None, str | None]


def _read_item(data: bytes, at: int, me: Id, found: _Found) -> tuple[int, int, Sort, _Where]:
    """Return the clocks the item takes, the position behind it, what it is and where it sits."""
    info = data[at]
    at += 1
    beside: tuple[Id, ...] = ()
    inside: Id | None = None
    root: str | None = None
    for flag in (_HAS_ORIGIN, _HAS_RIGHT_ORIGIN):
        if info & flag:
            near, at = _read_need(data, at, found.needs)
            beside = (*beside, near)
            found.cuts.append((near[0], near[1] + 1) if flag == _HAS_ORIGIN else near)
    if not beside:
        named, at = read_uint(data, at)
        if named == 1:
            root, at = read_text(data, at)
        elif named == 0:
            inside, at = _read_need(data, at, found.needs)
        else:
            raise WireError("A struct has no parent.")
        if info & _HAS_PARENT_KEY:
            _, at = read_text(data, at)
    kind = info & 0x1F
    sort = sort_of(kind, data, at)
    if kind == _STRING:
        text, at = read_text(data, at)
        length = _utf16_length(text)
        add_pairs(found.pairs, me, text)
    else:
        length, at = _read_content(data, at, kind)
    return length, at, sort, (beside, inside, root)


def sort_of(kind: int, data: bytes, content: int) -> Sort:
    """Return what an item of a kind is whose content stands there."""
    if kind == _STRING:
        return Sort.LETTERS
    if kind == _TYPE:
        return Sort.TEXT if data[content] == _TEXT_TYPE else Sort.TYPE
    return Sort.VALUE


def _read_need(data: bytes, at: int, needs: dict[int, int]) -> tuple[Id, int]:
    client, at = read_uint(data, at)
    clock, at = read_uint(data, at)
    if clock >= needs.get(client, 0):
        needs[client] = clock + 1
    return (client, clock), at


def _read_content(data: bytes, at: int, kind: int) -> tuple[int, int]:
    """Return the number of clocks the content takes, and the position behind it."""
    reader = _CONTENTS.get(kind)
    if reader is None:
        raise WireError("An update holds content that notebooks do not have.")
    return reader(data, at)


def _read_values(data: bytes, at: int) -> tuple[int, int]:
    count, at = read_uint(data, at)
    return count, skip_values(data, at, count, most=MAX_VALUES, deepest=MAX_DEPTH)


def _read_type(data: bytes, at: int) -> tuple[int, int]:
    kind, at = read_uint(data, at)
    if kind > _LAST_TYPE:
        raise WireError("An update holds a type that notebooks do not have.")
    return 1, at


def _read_binary(data: bytes, at: int) -> tuple[int, int]:
    return 1, read_bytes(data, at)[1]


def _read_embed(data: bytes, at: int) -> tuple[int, int]:
    return 1, _skip_json(data, at)


def _read_format(data: bytes, at: int) -> tuple[int, int]:
    _, at = read_text(data, at)
    return 1, _skip_json(data, at)


def _read_json(data: bytes, at: int) -> tuple[int, int]:
    count, at = read_uint(data, at)
    for _ in range(count):
        at = _skip_json(data, at)
    return count, at


_CONTENTS = {
    _DELETED: read_uint,
    _JSON: _read_json,
    _BINARY: _read_binary,
    _EMBED: _read_embed,
    _FORMAT: _read_format,
    _TYPE: _read_type,
    _ANY: _read_values,
}


def _utf16_length(text: str) -> int:
    if text.isascii():
        return len(text)
    return len(text) + sum(character > "\uffff" for character in text)


def pairs_in(text: str, clock: int) -> array[int]:
    """Return where two clocks are one character, in a text that begins at a clock."""
    found = array("I")
    for character in text:
        if character > "\uffff":
            found.append(clock)
            clock += 1
        clock += 1
    return found


def add_pairs(pairs: dict[int, array[int]], me: Id, text: str) -> None:
    """Add those of a text that begins at a client's clock to what is known by client."""
    client, clock = me
    if _utf16_length(text) != len(text):
        pairs.setdefault(client, array("I")).extend(pairs_in(text, clock))


def _skip_json(data: bytes, at: int) -> int:
    text, at = read_text(data, at)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        raise WireError("A value in an update is nested too deeply.")
    try:
        json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        raise WireError("A value in an update is not JSON.") from error
    return at


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
