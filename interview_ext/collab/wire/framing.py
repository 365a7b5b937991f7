"""The messages of y-websocket, as JupyterLab's document client sends and expects them.

``[0, 0, state vector]`` sync step 1 · ``[0, 1, update]`` step 2 · ``[0, 2, update]``
update · ``[1, awareness update]`` · ``[2, text, …]`` raw messages, of which JupyterLab
has one: ``save`` with a number, answered by JSON that repeats it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from interview_ext.collab.wire.varint import (
    read_bytes,
    read_text,
    read_uint,
    write_bytes,
    write_text,
    write_uint,
)
from interview_ext.errors import WireError

_SYNC, _AWARENESS, _RAW, _QUERY_AWARENESS = 0, 1, 2, 3
_STEP_1, _STEP_2, _UPDATE = 0, 1, 2

MAX_AWARENESS_ENTRIES = 1000
"""In one message; a page re-sends the entries of everybody it has seen in a room."""


@dataclass(frozen=True, slots=True)
class SyncStep1:
    """The client tells its state vector and asks for what is missing."""

    state: bytes


@dataclass(frozen=True, slots=True)
class SyncUpdate:
    """An update; `answer` if it is step 2, the answer to our step 1."""

    update: bytes
    answer: bool


class AwarenessEntry(NamedTuple):
    """One client's presence; `state` is JSON, ``null`` when it has gone."""

    client: int
    clock: int
    state: str


@dataclass(frozen=True, slots=True)
class AwarenessUpdate:
    """Presence of one or more clients."""

    entries: tuple[AwarenessEntry, ...]


@dataclass(frozen=True, slots=True)
class AwarenessQuery:
    """The client asks who is there."""


@dataclass(frozen=True, slots=True)
class Save:
    """Ctrl+S; `number` comes back in the answer."""

    number: int


Frame = SyncStep1 | SyncUpdate | AwarenessUpdate | AwarenessQuery | Save


def read_frame(data: bytes) -> Frame:
    """Read one message of a client.

    Raises
    ------
    WireError
        It is none of those above.
    """
    try:
        frame, at = _read(data)
    except IndexError as error:
        raise WireError("A frame ends too early.") from error
    if at != len(data):
        raise WireError("A frame has bytes behind its end.")
    return frame


def _read(data: bytes) -> tuple[Frame, int]:
    kind, at = read_uint(data, 0)
    if kind == _SYNC:
        step, at = read_uint(data, at)
        body, at = read_bytes(data, at)
        if step == _STEP_1:
            return SyncStep1(body), at
        if step in (_STEP_2, _UPDATE):
            return SyncUpdate(body, step == _STEP_2), at
    elif kind == _AWARENESS:
        body, at = read_bytes(data, at)
        return AwarenessUpdate(_read_awareness(body)), at
    elif kind == _RAW:
        text, at = read_text(data, at)
        if text == "save":
            number, at = read_uint(data, at)
            return Save(number), at
    elif kind == _QUERY_AWARENESS:
        return AwarenessQuery(), at
    raise WireError("A frame is of no known kind.")


def _read_awareness(data: bytes) -> tuple[AwarenessEntry, ...]:
    count, at = read_uint(data, 0)
    if count > MAX_AWARENESS_ENTRIES:
        raise WireError("An awareness message has too many entries.")
    entries = []
    for _ in range(count):
        client, at = read_uint(data, at)
        clock, at = read_uint(data, at)
        state, at = read_text(data, at)
        entries.append(AwarenessEntry(client, clock, state))
    if at != len(data):
        raise WireError("An awareness message has bytes behind its end.")
    return tuple(entries)


def write_step_1(state: bytes) -> bytes:
    """Tell a client our state vector: it answers with what we lack."""
    return b"\x00\x00" + write_bytes(state)


def write_step_2(update: bytes) -> bytes:
    """Answer a client's step 1; a stock client is in sync once it has this."""
    return b"\x00\x01" + write_bytes(update)


def write_update(update: bytes) -> bytes:
    """Forward an update."""
    return b"\x00\x02" + write_bytes(update)


def write_awareness(entries: Iterable[AwarenessEntry]) -> bytes:
    """Forward presence."""
    listed = list(entries)
    parts = [write_uint(len(listed))]
    for entry in listed:
        parts += (write_uint(entry.client), write_uint(entry.clock), write_text(entry.state))
    return b"\x01" + write_bytes(b"".join(parts))


def write_saved(number: int) -> bytes:
    """Answer a `Save` as jupyter-server-ydoc does when the file was written."""
    reply = {"type": "save", "responseTo": number, "status": "success"}
    return b"\x02" + write_text(json.dumps(reply))
