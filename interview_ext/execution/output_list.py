"""The outputs of one cell or one Output widget, as the kernel's messages make them.

A plain model without any document: `outputs` writes it into a cell, `widgets` sends it
to browsers.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from interview_ext.execution.clean import clean, counted, joined, weight
from interview_ext.execution.guard import MAX_ID
from interview_ext.execution.terminal import StreamText

MAX_HELD = 8 * 1024 * 1024
"""Characters that may stand in one cell. The largest honest outputs (a Plotly figure with
all its data) are about 5 MB; everybody who opens the notebook has to load it."""
MAX_OUTPUTS = 1000
"""Outputs of one cell; JupyterLab shows the first 50 and asks before showing more."""
MAX_DISPLAY_IDS = 10_000
"""Display ids remembered for one kernel; the longest unused goes first."""
MAX_PLACES = 20
"""Outputs of one display id that an update changes, the newest: each update changes all."""
SLICE = 16 * 1024
"""Characters of a stream taken in before the bound is looked at: cursor moves can make a row of
1000 columns out of six characters."""

NOTICE = "\n[Output stopped here: this cell has shown all that fits, about 8 MB or 1000 parts.]\n"

SHOWN = frozenset({"stream", "display_data", "execute_result", "error"})
"""Message types that become an output."""


class Stream:
    """A stream output; its text grows and changes at the end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = StreamText()
        self.version = 0
        self._size = 0

    def feed(self, text: str) -> None:
        self.text.feed(text)
        self.version += 1
        self._size = self.text.size()

    def size(self) -> int:
        return self._size

    def as_json(self) -> dict[str, Any]:
        return {"output_type": "stream", "name": self.name, "text": self.text.text()}


class Fixed:
    """A display, result or error; changed only as a whole, by its display id."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.version = 0
        self.replace(content)

    def replace(self, content: dict[str, Any]) -> None:
        self._content = content
        self._size = weight(content)
        self.version += 1

    def size(self) -> int:
        return self._size

    def as_json(self) -> dict[str, Any]:
        return dict(self._content)


Output = Stream | Fixed


class Allowance:
    """Characters that some places may still take together."""

    def __init__(self, characters: int = MAX_HELD) -> None:
        self.left = characters


@dataclass(eq=False)
class OutputList:
    """What stands in one place, and the rules by which messages change it.

    Attributes
    ----------
    allowance:
        What it shares with other places, beside its own bound.
    full:
        Whether a bound was reached: the notice stands, and the rest is left out.
    """

    items: list[Output] = field(default_factory=list)
    allowance: Allowance = field(default_factory=Allowance)
    full: bool = False
    _clear_next: bool = False
    _size: int = 0

    def apply(self, msg_type: str, content: dict[str, Any]) -> Output | None:
        """Apply one iopub message; return the output it made or changed, if any."""
        if msg_type == "clear_output":
            self._clear_next = bool(content.get("wait"))
            if not self._clear_next:
                self.clear()
            return None
        if msg_type not in SHOWN:
            return None
        if self._clear_next:
            self.clear()
        if self.full:
            return None
        if msg_type == "stream":
            return self.write(str(content.get("name")), joined(content.get("text")))
        return self._add(Fixed(_fixed(msg_type, content)))

    def write(self, name: str, text: str) -> Stream | None:
        """Add to a stream: the last output, if it is that stream, else a new one."""
        name = name if name in ("stdout", "stderr") else "stdout"
        if self.full or not text:
            return None
        if self._room() <= 0 or not isinstance(stream := self._stream(name), Stream):
            self._stop()
            return None
        for at in range(0, len(text), SLICE):
            room = self._room()
            if room <= 0:
                break
            self._feed(stream, text[at : at + min(SLICE, room)])
        if self._room() <= 0:
            self._stop()
        return stream

    def note(self, text: str) -> None:
        """Add a word of the server's own, above all bounds."""
        last = self.items[-1] if self.items else None
        if not (isinstance(last, Stream) and last.name == "stderr"):
            last = Stream("stderr")
            self.items.append(last)
        self._feed(last, text)

    def clear(self) -> None:
        """Remove all; there is room again."""
        self.keep([])
        self.full = False
        self._clear_next = False

    def keep(self, items: list[Output]) -> None:
        """Let these stand, and no others."""
        self.items[:] = items
        self._grow(sum(item.size() for item in items) - self._size)

    def replace(self, output: Fixed, content: dict[str, Any]) -> bool:
        """Change one of the outputs; return whether there was room for that."""
        more = weight(content) - output.size()
        if more > max(0, self._room()):
            return False
        output.replace(content)
        self._grow(more)
        return True

    def size(self) -> int:
        """About how many characters stand here."""
        return self._size

    def as_json(self) -> list[dict[str, Any]]:
        """All outputs as nbformat has them."""
        return [item.as_json() for item in self.items]

    def _room(self) -> int:
        return min(MAX_HELD - self._size, self.allowance.left)

    def _grow(self, by: int) -> None:
        self._size += by
        self.allowance.left -= by

    def _stream(self, name: str) -> Stream | None:
        last = self.items[-1] if self.items else None
        if isinstance(last, Stream) and last.name == name:
            return last
        if len(self.items) >= MAX_OUTPUTS:
            return None
        stream = Stream(name)
        self.items.append(stream)
        return stream

    def _feed(self, stream: Stream, text: str) -> None:
        before = stream.size()
        stream.feed(text)
        self._grow(stream.size() - before)

    def _add(self, output: Fixed) -> Fixed | None:
        if self.full:
            return None
        if len(self.items) >= MAX_OUTPUTS or output.size() > self._room():
            self._stop()
            return None
        self.items.append(output)
        self._grow(output.size())
        return output

    def _stop(self) -> None:
        """Say that the rest is left out."""
        self.full = True
        self.note(NOTICE)


class Displays:
    """Which outputs carry a display id, in all cells that one kernel has written to.

    None is kept by this alone: an animation makes a display of a new id for each picture.
    """

    def __init__(self) -> None:
        self._places: OrderedDict[str, list[tuple[ref[OutputList], ref[Fixed]]]] = OrderedDict()

    def add(self, display_id: str, place: OutputList, output: Fixed) -> None:
        """Remember an output that was just made."""
        places = self._places.setdefault(display_id, [])
        places.append((ref(place), ref(output)))
        del places[:-MAX_PLACES]
        self._places.move_to_end(display_id)
        if len(self._places) > MAX_DISPLAY_IDS:
            self._places.popitem(last=False)

    def update(self, display_id: str, content: dict[str, Any]) -> list[OutputList]:
        """Change every output of that id; return the places that changed."""
        changed = []
        for place, output in self._standing(display_id):
            shown = output.as_json()
            shown.update(_bundle(content))
            if place.replace(output, shown):
                changed.append(place)
        return changed

    def _standing(self, display_id: str) -> list[tuple[OutputList, Fixed]]:
        """The outputs of that id that are still in their places; the others are forgotten."""
        standing = []
        for place_ref, output_ref in self._places.get(display_id, []):
            place, output = place_ref(), output_ref()
            if place is not None and output is not None and output in place.items:
                standing.append((place, output))
        if display_id in self._places:
            self._places[display_id] = [(ref(place), ref(output)) for place, output in standing]
        return standing


def display_id(content: dict[str, Any]) -> str | None:
    """Return the display id of a message's content; none is so long as no honest one is."""
    transient = content.get("transient")
    found = transient.get("display_id") if isinstance(transient, dict) else None
    return found if isinstance(found, str) and len(found) <= MAX_ID else None


def error_output(name: str, message: str, lines: list[str]) -> dict[str, Any]:
    """Return the content of an ``error`` message of the server's own."""
    return {"ename": name, "evalue": message, "traceback": lines}


def _fixed(msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
    if msg_type == "error":
        traceback = content.get("traceback")
        return {
            "output_type": "error",
            "ename": joined(content.get("ename")),
            "evalue": joined(content.get("evalue")),
            "traceback": [joined(line) for line in traceback if isinstance(line, str)]
            if isinstance(traceback, list)
            else [],
        }
    output = {"output_type": msg_type, **_bundle(content)}
    if msg_type == "execute_result":
        output["execution_count"] = counted(content.get("execution_count"))
    return output


def _bundle(content: dict[str, Any]) -> dict[str, Any]:
    """Return data and metadata; whether to trust an output is never the kernel's to say."""
    data, metadata = content.get("data"), content.get("metadata")
    told = clean(metadata) if isinstance(metadata, dict) else {}
    told.pop("trusted", None)
    return {"data": clean(data) if isinstance(data, dict) else {}, "metadata": told}
