"""Takes one person's text out of a document's log, and leaves everything else where it is.

Each update is written anew, struct by struct, under the same ids and lengths. So positions in
the log, times, seats and the order of all letters stay, and replay and attribution with them:

* what carries text of theirs (letters, values, formats, embeds, bytes) becomes what Yjs itself
  leaves of something deleted: an item of the same length without content;
* types stay (cells, their sources, lists of outputs): they hold no text, and may hold others';
* outputs of their runs, and of any run of a cell whose source they wrote in, go as a whole: the
  output's own item stays as a deleted one, since its neighbours name it; what is inside it
  becomes garbage-collected structs, as when Yjs deletes a type;
* keys and roots that only they ever named get another name, ids of cells that could be words
  another id.

What a cell is (its kind, its count, whether it runs) stays readable. Text that somebody else
typed, pasted or moved is that person's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import uuid4

from interview_ext.collab.gate import SERVER
from interview_ext.collab.places import Place, Places
from interview_ext.collab.seed import SEED_CLIENT
from interview_ext.collab.wire import structs
from interview_ext.collab.wire.structs import Section, Struct, walk
from interview_ext.collab.wire.update import Id
from interview_ext.collab.wire.varint import read_text, write_text, write_uint
from interview_ext.rooms.erasure import Author, ErasedText
from interview_ext.rooms.model import LogEntry, Run

DISPLAY_LAG = timedelta(seconds=2)
"""How long after a run's end what it changed elsewhere may come into the log."""

_ROOTS = frozenset({"cells", "meta", "state", "source"})
_KEYS = frozenset(
    [
        "attachments",
        "cell_type",
        "codemirror_mode",
        "collapsed",
        "deletable",
        "display_name",
        "document_id",
        "editable",
        "execution_count",
        "execution_state",
        "file_extension",
        "file_id",
        "id",
        "jupyter",
        "kernelspec",
        "language",
        "language_info",
        "metadata",
        "mimetype",
        "name",
        "nbconvert_exporter",
        "nbformat",
        "nbformat_minor",
        "outputs",
        "outputs_hidden",
        "path",
        "pygments_lexer",
        "scrolled",
        "source",
        "source_hidden",
        "tags",
        "trusted",
        "version",
        "vscode",
    ]
)
"""Names that the notebook format and JupyterLab give, which say nothing of whoever used them."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?")
"""Ids of cells as nbformat and JupyterLab make them."""
_WORDS = {
    "cell_type": frozenset({"code", "markdown", "raw"}),
    "execution_state": frozenset({"idle", "running"}),
}
_COUNTS = frozenset({"execution_count", "nbformat", "nbformat_minor"})
_TEXT, _NUMBERS, _EMPTY = 119, frozenset({122, 123, 124, 125}), frozenset({120, 121, 126, 127})
"""First bytes of lib0's values: a text; numbers; booleans, null and undefined."""


@dataclass
class _Cell:
    """What the log says of one cell id.

    `begun` are the positions in the log at which a run emptied its outputs.
    """

    wrote: bool = False
    begun: list[tuple[int, datetime]] = field(default_factory=list)


class Eraser:
    """Writes one document's log anew without one person's text. Made for one erasure.

    Parameters
    ----------
    entries:
        The whole log.
    owners:
        By Yjs client id, the participant it belongs to, or `SERVER`.
    """

    def __init__(
        self, entries: Sequence[LogEntry], owners: Mapping[int, str], author: Author
    ) -> None:
        self._entries = entries
        self._owners = owners
        self._author = author
        self._read = [walk(entry.update) for entry in entries]
        self._ids: dict[Id, str] = {}
        self._wrote: set[Id] = set()
        self._cells: dict[str, _Cell] = {}
        self._named_by_others: set[str] = set()
        self._names: dict[str, str] = {}
        self._renamed: dict[str, str] = {}
        self._gone: set[Id] = set()
        self._runs: dict[str, list[tuple[int, bool]]] = {}

    def erase(self) -> tuple[list[LogEntry], ErasedText]:
        """Return the new log, and what has to be known of it elsewhere. Blocks: run in a thread.

        Raises
        ------
        WireError
            An update of the log cannot be read.
        """
        self._look()
        for item in self._wrote & self._ids.keys():
            self._cell(self._ids[item]).wrote = True
        for cell_id, cell in self._cells.items():
            self._runs[cell_id] = list(self._theirs_of(cell_id, cell))
        places = Places()
        written = [
            self._rewritten(entry, sections, places)
            for entry, (sections, _) in zip(self._entries, self._read, strict=True)
        ]
        touched = frozenset(cell_id for cell_id, cell in self._cells.items() if cell.wrote)
        known = frozenset(self._renamed.get(text, text) for text in self._cells)
        return written, ErasedText(cells=touched, renamed=dict(self._renamed), known=known)

    # -- looking

    def _look(self) -> None:
        """Find out what sits where, who named what, and when runs began."""
        places = Places()
        for entry, (sections, _) in zip(self._entries, self._read, strict=True):
            emptied: dict[Id, set[str]] = {}
            for section in sections:
                theirs = self._is_theirs(section.client, entry)
                for struct in section.structs:
                    place = places.add(struct)
                    if not theirs:
                        self._named_by_others.update(filter(None, (struct.root, struct.key)))
                    if place is None or place.cell is None:
                        continue
                    self._look_at(entry, struct, place, theirs=theirs)
                    if self._is_server(section.client) and place.below == 0 and place.field:
                        emptied.setdefault(place.cell, set()).add(place.field)
            for cell, fields in emptied.items():
                both = {"execution_count", "execution_state"} <= fields and cell in self._ids
                if both and self._begins(sections, places, entry.update):
                    self._cell(self._ids[cell]).begun.append((entry.seq, entry.at))

    def _look_at(self, entry: LogEntry, struct: Struct, place: Place, *, theirs: bool) -> None:
        cell_id = place.cell
        if cell_id is None:
            return
        if place.field == "id" and place.below == 0 and struct.kind == structs.ANY:
            text = _text_of(entry.update, struct)
            if text is not None:
                self._ids[cell_id] = text
                self._cell(text)
        elif theirs and place.field == "source" and struct.kind != structs.TYPE:
            # Also what is deleted already: an erasure that was cut off finds the same cells again.
            self._wrote.add(cell_id)

    def _begins(self, sections: Iterable[Section], places: Places, update: bytes) -> bool:
        """Whether an entry sets a count to nothing, as only the beginning of a run does."""
        for section in sections:
            for struct in section.structs:
                place = places.at((struct.client, struct.clock))
                if place and place.field == "execution_count" and struct.kind == structs.ANY:
                    return next(structs.values(update, struct))[0] in _EMPTY
        return False

    def _cell(self, cell_id: str) -> _Cell:
        return self._cells.setdefault(cell_id, _Cell())

    def _is_theirs(self, client: int, entry: LogEntry) -> bool:
        owner = self._owners.get(client)
        if owner is None:
            return entry.seat in self._author.seats
        return owner == self._author.participant_id

    def _is_server(self, client: int) -> bool:
        return client != SEED_CLIENT and self._owners.get(client) == SERVER

    # -- whose outputs

    def _theirs_of(self, cell_id: str, cell: _Cell) -> Iterable[tuple[int, bool]]:
        """Yield from which position on a cell's outputs go, or stay.

        A run empties its cell when it begins, and what is in the log after that is its own. Where
        not every run of the cell has left that mark, all that may be meant count.
        """
        runs = sorted(
            (run for run in self._author.runs if run.cell_id == cell_id and run.started_at),
            key=lambda run: run.started_at or run.accepted_at,
        )
        if len(runs) == len(cell.begun):
            for run, (seq, _) in zip(runs, cell.begun, strict=True):
                yield seq, self._is_by_them(run)
            return
        for seq, at in cell.begun:
            earlier = [run for run in runs if run.started_at and run.started_at <= at]
            yield seq, any(map(self._is_by_them, earlier)) or not earlier

    def _is_by_them(self, run: Run) -> bool:
        return run.by == self._author.participant_id

    def _output_goes(self, entry: LogEntry, place: Place) -> bool:
        """Whether an output that the server wrote is to go."""
        cell_id = self._ids.get(place.cell) if place.cell else None
        if cell_id is None:
            return False
        if self._cell(cell_id).wrote:
            return True
        began = [theirs for seq, theirs in self._runs.get(cell_id, ()) if seq <= entry.seq]
        return bool(began and began[-1]) or self._is_elsewhere(entry, cell_id)

    def _is_elsewhere(self, entry: LogEntry, cell_id: str) -> bool:
        """Whether one of their runs may have changed a display in somebody else's cell."""
        own = [r for r in self._author.runs if r.cell_id == cell_id and r.started_at]
        if any(r.started_at <= entry.at and not _ended(r, entry.at) for r in own if r.started_at):
            return False
        return any(
            run.started_at is not None
            and run.started_at <= entry.at
            and not _ended(run, entry.at - DISPLAY_LAG)
            for run in self._author.runs
            if self._is_by_them(run)
        )

    # -- writing

    def _rewritten(
        self, entry: LogEntry, sections: tuple[Section, ...], places: Places
    ) -> LogEntry:
        parts: list[bytes] = []
        copied = 0
        for section in sections:
            theirs = self._is_theirs(section.client, entry)
            for struct in section.structs:
                place = places.add(struct)
                new = self._struct(entry, struct, place, theirs=theirs)
                if new is not None:
                    parts += (entry.update[copied : struct.start], new)
                    copied = struct.end
        origin = None if entry.seat in self._author.seats else entry.origin
        if not parts:
            return entry if origin == entry.origin else replace(entry, origin=origin)
        update = b"".join(parts) + entry.update[copied:]
        return replace(entry, update=update, origin=origin)

    def _struct(
        self, entry: LogEntry, struct: Struct, place: Place | None, *, theirs: bool
    ) -> bytes | None:
        """Return a struct's new bytes; None if it stays as it is."""
        own = struct.client, struct.clock
        if not struct.is_item:
            return None
        if place is not None and place.parent in self._gone:
            self._gone.add(own)
            return bytes([structs.GC]) + write_uint(struct.length)
        is_output = place is not None and place.field == "outputs" and place.below == 1
        if (
            is_output
            and place is not None
            and (theirs or (self._is_server(struct.client) and self._output_goes(entry, place)))
        ):
            self._gone.add(own)
            return self._without_content(entry.update, struct)
        return self._own_struct(entry.update, struct, place) if theirs else None

    def _own_struct(self, data: bytes, struct: Struct, place: Place | None) -> bytes | None:
        if struct.kind == structs.ANY:
            kept = self._value(data, struct, place)
            if kept is not None:
                return self._header(data, struct, structs.ANY) + kept
            return self._without_content(data, struct)
        if struct.kind in _WITHOUT_TEXT:
            same = self._header(data, struct, struct.kind) + data[struct.content : struct.end]
            return None if same == data[struct.start : struct.end] else same
        return self._without_content(data, struct)

    def _without_content(self, data: bytes, struct: Struct) -> bytes:
        return self._header(data, struct, structs.DELETED) + write_uint(struct.length)

    def _header(self, data: bytes, struct: Struct, kind: int) -> bytes:
        root = self._name(struct.root, _ROOTS)
        key = self._name(struct.key, _KEYS)
        return structs.header(data, struct, kind, root=root, key=key)

    def _name(self, name: str | None, common: frozenset[str]) -> str | None:
        """Return what a root or key is to be called: another name if only they ever used it."""
        if name is None or name in common or name in self._named_by_others:
            return name
        return self._names.setdefault(name, f"erased-{len(self._names) + 1}")

    def _value(self, data: bytes, struct: Struct, place: Place | None) -> bytes | None:
        """Return the content of a value that says what a cell is; None if it is to go."""
        same = data[struct.content : struct.end]
        found = list(structs.values(data, struct))
        if all(value[0] in _EMPTY for value in found):
            return same
        if place is None or len(found) != 1 or place.below:
            return None
        name = place.key if place.parent == "meta" else place.field
        text = _text_of(data, struct)
        if name in _COUNTS and found[0][0] in _NUMBERS:
            return same
        if text is None or (name != "id" and text not in _WORDS.get(name or "", ())):
            return None
        if name != "id" or _ID.fullmatch(text):
            return same
        new = self._renamed.setdefault(text, str(uuid4()))
        return write_uint(1) + bytes([_TEXT]) + write_text(new)


_WITHOUT_TEXT = frozenset({structs.TYPE, structs.DELETED})


def _text_of(data: bytes, struct: Struct) -> str | None:
    """Return a value that is one text."""
    if struct.kind != structs.ANY or struct.length != 1:
        return None
    value = next(structs.values(data, struct))
    return read_text(value, 1)[0] if value[0] == _TEXT else None


def _ended(run: Run, at: datetime) -> bool:
    return run.ended_at is not None and run.ended_at < at
