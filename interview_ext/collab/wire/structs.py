"""Walks through a Yjs update struct by struct, so that single structs can be written anew.

`update` reads what a server has to judge of an update that comes from outside, and refuses
what is beyond its bounds. This reads what the log holds: updates that were judged when they
came, and the server's own, to which those bounds do not apply. The work is bounded by the
update's bytes, since every struct takes at least one; nesting is followed without recursion.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from interview_ext.collab.wire.sets import Span
from interview_ext.collab.wire.update import (
    Id,
    Place,
    Sort,
    UpdateHead,
    add_pairs,
    read_update,
    sort_of,
)
from interview_ext.collab.wire.values import skip_values
from interview_ext.collab.wire.varint import read_bytes, read_text, read_uint, write_text
from interview_ext.errors import WireError

GC, DELETED, JSON, BINARY, STRING = 0, 1, 2, 3, 4
EMBED, FORMAT, TYPE, ANY, SKIP = 5, 6, 7, 8, 10
_LAST_TYPE = 2
_HAS_ORIGIN, _HAS_RIGHT_ORIGIN, _HAS_KEY = 0x80, 0x40, 0x20
_KIND = 0x1F


@dataclass(frozen=True, slots=True)
class Struct:
    """One struct, and where it stands in the bytes.

    Attributes
    ----------
    origin, right_origin:
        Its neighbours when it was made.
    root, parent, key:
        What it sits in: the name of a root, or the id of a type, and in a map its key. Only said
        where it had no neighbours; else they are its neighbours'.
    start, content, end:
        Positions of its first byte, of its content, and behind it.
    """

    client: int
    clock: int
    length: int
    kind: int
    origin: Id | None
    right_origin: Id | None
    root: str | None
    parent: Id | None
    key: str | None
    start: int
    content: int
    end: int

    @property
    def is_item(self) -> bool:
        """Whether it is no filler between others."""
        return self.kind not in (GC, SKIP)


@dataclass(frozen=True, slots=True)
class Section:
    """One client's structs in an update; `start` is the position of its first byte."""

    client: int
    start: int
    body: int
    structs: tuple[Struct, ...]


def walk(update: bytes) -> tuple[tuple[Section, ...], int]:
    """Return an update's sections, and the position of the delete set behind them.

    Raises
    ------
    WireError
        It is no update that Yjs 13 reads.
    """
    try:
        count, at = read_uint(update, 0)
        sections = []
        for _ in range(count):
            section, at = _section(update, at)
            sections.append(section)
    except IndexError as error:
        raise WireError("An update ends too early.") from error
    return tuple(sections), at


def read_committed(update: bytes) -> UpdateHead:
    """Return what an update brings that was committed; the server's own may be of any size.

    Raises
    ------
    WireError
        It is no update that Yjs 13 reads.
    """
    try:
        return read_update(update)
    except WireError:
        sections, _ = walk(update)
    inserts = []
    places = []
    pairs: dict[int, array[int]] = {}
    for section in sections:
        for struct in section.structs:
            span = Span(struct.client, struct.clock, struct.length)
            if struct.kind != SKIP:
                inserts.append(span)
            if struct.is_item:
                sort = sort_of(struct.kind, update, struct.content)
                beside = tuple(i for i in (struct.origin, struct.right_origin) if i is not None)
                places.append(Place(span, sort, beside, struct.parent, struct.root))
                if struct.kind == STRING:
                    text, _ = read_text(update, struct.content)
                    add_pairs(pairs, (struct.client, struct.clock), text)
            elif struct.kind == GC:
                places.append(Place(span, Sort.GONE, (), None, None))
    return UpdateHead(tuple(inserts), (), {}, tuple(places), pairs=pairs)


def header(data: bytes, struct: Struct, kind: int, *, root: str | None, key: str | None) -> bytes:
    """Return the bytes before an item's content, for content of another kind.

    `root` and `key` are written where the struct says them, so they may be others.
    """
    info = bytes([data[struct.start] & ~_KIND | kind])
    if struct.origin is not None or struct.right_origin is not None:
        return info + data[struct.start + 1 : struct.content]
    at = struct.start + 1
    if struct.root is not None:
        where = b"\x01" + write_text(struct.root if root is None else root)
    else:
        _, end = read_uint(data, at)
        _, end = read_uint(data, end)
        _, end = read_uint(data, end)
        where = data[at:end]
    if struct.key is not None:
        where += write_text(struct.key if key is None else key)
    return info + where


def values(data: bytes, struct: Struct) -> Iterator[bytes]:
    """Yield the values of an item of kind `ANY`, as they are encoded."""
    _, at = read_uint(data, struct.content)
    for _ in range(struct.length):
        end = skip_values(data, at, 1)
        yield data[at:end]
        at = end


def _section(data: bytes, start: int) -> tuple[Section, int]:
    count, at = read_uint(data, start)
    client, at = read_uint(data, at)
    clock, at = read_uint(data, at)
    body = at
    structs = []
    for _ in range(count):
        struct = _struct(data, at, client, clock)
        if not struct.length:
            raise WireError("A struct is empty.")
        structs.append(struct)
        at, clock = struct.end, clock + struct.length
    return Section(client, start, body, tuple(structs)), at


def _struct(data: bytes, start: int, client: int, clock: int) -> Struct:
    info = data[start]
    kind, at = info & _KIND, start + 1
    if kind in (GC, SKIP):
        length, end = read_uint(data, at)
        return Struct(client, clock, length, kind, None, None, None, None, None, start, at, end)
    origin = right = parent = None
    root = key = None
    if info & _HAS_ORIGIN:
        origin, at = _id(data, at)
    if info & _HAS_RIGHT_ORIGIN:
        right, at = _id(data, at)
    if origin is None and right is None:
        named, at = read_uint(data, at)
        if named == 1:
            root, at = read_text(data, at)
        elif named == 0:
            parent, at = _id(data, at)
        else:
            raise WireError("A struct has no parent.")
        if info & _HAS_KEY:
            key, at = read_text(data, at)
    length, end = _content(data, at, kind)
    if end > len(data):
        raise WireError("An update ends too early.")
    return Struct(client, clock, length, kind, origin, right, root, parent, key, start, at, end)


def _id(data: bytes, at: int) -> tuple[Id, int]:
    client, at = read_uint(data, at)
    clock, at = read_uint(data, at)
    return (client, clock), at


def _content(data: bytes, at: int, kind: int) -> tuple[int, int]:
    """Return the number of clocks the content takes, and the position behind it."""
    if kind == STRING:
        text, at = read_text(data, at)
        return len(text.encode("utf-16-le")) // 2, at
    length, texts = _TEXTS.get(kind, (1, 0))
    if kind in (DELETED, ANY, JSON):
        length, at = read_uint(data, at)
        texts = length if kind == JSON else 0
    if kind == ANY:
        at = skip_values(data, at, length)
    elif kind == TYPE:
        which, at = read_uint(data, at)
        if which > _LAST_TYPE:
            raise WireError("An update holds a type that notebooks do not have.")
    elif kind not in _TEXTS and kind not in (DELETED, JSON):
        raise WireError("An update holds content that notebooks do not have.")
    for _ in range(texts):
        _, at = read_bytes(data, at)
    return length, at


_TEXTS = {BINARY: (1, 1), EMBED: (1, 1), FORMAT: (1, 2)}
"""By kind, the clocks it takes and the pieces with a length that follow."""
