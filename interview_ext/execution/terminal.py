r"""A stream's text as a terminal would show it: ``\r``, ``\b`` and cursor moves resolved.

Each browser would resolve them for itself and echo the result into the shared
document, which corrupts it; so they never reach it. Colours (SGR sequences) stay in
the text, as JupyterLab draws them; every other control sequence is played or dropped.

Only the last `LIVE_ROWS` rows can still change: progress bars move a few rows at most,
and a bounded window keeps the cost of one more line independent of all before it.
"""

from __future__ import annotations

import re
from itertools import groupby

LIVE_ROWS = 100
"""Rows that cursor moves can reach; a terminal of usual height has fewer."""
MAX_COLUMN = 1000
"""Farthest column a cursor move may reach: the row is filled with blanks up to it."""
MAX_STYLED = 1000
"""Columns that keep their colours: in longer rows each could cost 50 characters."""
FREE_CELLS = 1_000_000
CELLS_PER_CHARACTER = 20
"""Cells that cursor moves and erasures may touch in all, beside those that each character of input
allows; beyond it they are dropped. Four characters can erase a row of a million cells, and a
message holds a million such sequences."""
MAX_SEQUENCE = 256
"""Longest control sequence that is waited for when a message ends inside it."""

_TOKEN = re.compile(
    r"\x1b\[(?P<params>[0-9:;<=>?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-Z\\^-~]"
    r"|(?P<text>[^\x00-\x1f\x7f\x1b]+)"
    r"|(?P<control>[\x00-\x1f\x7f])"
)
_CUT_OFF = re.compile(r"\x1b(?:\[[0-9:;<=>?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)?\Z")
_CLOSES_STYLE = "\x1b[0m"
_EXTENDED = (38, 48)
_DEFAULTS = (39, 49)
_COLOURS = frozenset([*range(30, 38), *range(40, 48), *range(90, 98), *range(100, 108)])
_SWITCHES_OFF = {22: ("1", "2"), 23: ("3",), 24: ("4",), 27: ("7",), 28: ("8",), 29: ("9",)}


class _Row:
    __slots__ = ("cells", "styles")

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.styles: list[str] | None = None

    def write(self, column: int, text: str, style: str) -> None:
        missing = column - len(self.cells)
        if missing > 0:
            self.write(len(self.cells), " " * missing, "")
        if style and self.styles is None and column < MAX_STYLED:
            self.styles = [""] * min(len(self.cells), MAX_STYLED)
        self.cells[column : column + len(text)] = text
        if self.styles is not None and column < MAX_STYLED:
            styled = min(len(text), MAX_STYLED - column)
            self.styles[column : column + styled] = [style] * styled

    def erase(self, start: int, end: int) -> None:
        """Blank the cells from `start` up to `end`; those at the row's end go altogether."""
        if end >= len(self.cells):
            del self.cells[start:]
            if self.styles is not None:
                del self.styles[start:]
        else:
            self.write(start, " " * max(0, end - start), "")

    def render(self) -> str:
        if self.styles is None:
            return "".join(self.cells)
        parts: list[str] = []
        for style, group in groupby(zip(self.styles, self.cells, strict=False), lambda c: c[0]):
            text = "".join(cell for _, cell in group)
            parts.append(f"{style}{text}{_CLOSES_STYLE}" if style else text)
        return "".join([*parts, *self.cells[len(self.styles) :]])


class StreamText:
    """The text of one stream output, fed message by message.

    The text is the `settled` rows followed by `live()`; settled rows, each with its line
    end, never change again.
    """

    def __init__(self) -> None:
        self.settled: list[str] = []
        self._settled_size = 0
        self._live_size = 1
        self._rows = [_Row()]
        self._row = 0
        self._column = 0
        self._style = _Style()
        self._cut_off = ""
        self._cells_left = FREE_CELLS

    def feed(self, data: str) -> None:
        """Play `data` onto the text."""
        data = self._cut_off + data
        self._cut_off = ""
        cut = _CUT_OFF.search(data, max(0, len(data) - MAX_SEQUENCE))
        if cut:
            self._cut_off = cut.group()
            data = data[: cut.start()]
        for token in _TOKEN.finditer(data):
            self._cells_left += CELLS_PER_CHARACTER * (token.end() - token.start())
            if token["text"] is not None:
                self._write(token["text"])
            elif token["control"] is not None:
                self._control(token["control"])
            elif token["final"] is not None:
                self._sequence(token["params"], token["final"])

    def live(self) -> str:
        """The rows that can still change."""
        return "\n".join(row.render() for row in self._rows)

    def text(self) -> str:
        """All of it."""
        return "".join(self.settled) + self.live()

    def size(self) -> int:
        """Characters held, without those of colours in live rows."""
        return self._settled_size + self._live_size

    def _write(self, text: str) -> None:
        row = self._rows[self._row]
        before = len(row.cells)
        self._cells_left -= max(0, self._column - before) + len(text)
        row.write(self._column, text, self._style.sequence)
        self._column += len(text)
        self._live_size += len(row.cells) - before

    def _control(self, control: str) -> None:
        if control in "\n\x0b\x0c":
            self._new_line()
        elif control == "\r":
            self._column = 0
        elif control == "\b":
            self._column = max(0, self._column - 1)
        elif control == "\t":
            self._write("\t")

    def _new_line(self) -> None:
        self._column = 0
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append(_Row())
            self._live_size += 1
        if len(self._rows) > LIVE_ROWS:
            self._live_size -= len(self._rows[0].cells) + 1
            line = self._rows.pop(0).render() + "\n"
            self.settled.append(line)
            self._settled_size += len(line)
            self._row -= 1

    def _sequence(self, params: str, final: str) -> None:
        if final == "m":
            self._style.apply(params)
        elif self._cells_left > 0:
            numbers = [int(p[:4]) if p.isdigit() else 0 for p in params.split(";")]
            if final == "K":
                self._erase_in_row(numbers[0])
            elif final == "J":
                self._erase_rows(numbers[0])
            else:
                self._move(numbers, final)

    def _move(self, numbers: list[int], final: str) -> None:
        count = min(max(1, numbers[0]), MAX_COLUMN)
        if final in "ABEF":
            self._move_rows(-count if final in "AF" else count)
            if final in "EF":
                self._column = 0
        elif final == "C":
            self._column = min(self._column + count, max(MAX_COLUMN, self._column))
        elif final == "D":
            self._column = max(0, self._column - count)
        elif final == "G":
            self._column = count - 1
        elif final in "Hf":
            self._row = min(count, len(self._rows)) - 1
            self._column = min(max(1, numbers[1]) if len(numbers) > 1 else 1, MAX_COLUMN) - 1

    def _move_rows(self, by: int) -> None:
        self._row = min(max(0, self._row + by), len(self._rows) - 1)

    def _erase_in_row(self, what: int) -> None:
        row = self._rows[self._row]
        before = len(row.cells)
        self._cells_left -= before
        if what == 0:
            row.erase(self._column, before)
        elif what == 1:
            row.erase(0, min(self._column + 1, before))
        else:
            row.erase(0, before)
        self._live_size += len(row.cells) - before

    def _erase_rows(self, what: int) -> None:
        self._cells_left -= sum(len(row.cells) for row in self._rows)
        if what == 0:
            self._erase_in_row(0)
            del self._rows[self._row + 1 :]
        elif what == 1:
            self._erase_in_row(1)
            for row in self._rows[: self._row]:
                row.erase(0, len(row.cells))
        else:  # a cleared screen starts at its top, as no empty rows should stand above
            self._rows = [_Row()]
            self._row = self._column = 0
        self._live_size = sum(len(row.cells) + 1 for row in self._rows)


class _Style:
    """The colours and attributes in force, kept small whatever sequences come."""

    def __init__(self) -> None:
        self._attributes: dict[str, None] = {}
        self._foreground = ""
        self._background = ""
        self.sequence = ""

    def apply(self, params: str) -> None:
        codes = [int(p[:3]) if p.isdigit() else 0 for p in params.replace(":", ";").split(";")]
        at = 0
        while at < len(codes):
            at += self._apply_one(codes, at)
        parts = [*self._attributes, self._foreground, self._background]
        inner = ";".join(part for part in parts if part)
        self.sequence = f"\x1b[{inner}m" if inner else ""

    def _apply_one(self, codes: list[int], at: int) -> int:
        """Apply the code at `at`; return how many numbers it took."""
        code = codes[at]
        if code == 0:
            self._attributes.clear()
            self._foreground = self._background = ""
        elif code <= 9:
            self._attributes[str(code)] = None
        elif code in _SWITCHES_OFF:
            for attribute in _SWITCHES_OFF[code]:
                self._attributes.pop(attribute, None)
        elif code in _EXTENDED:
            taken = codes[at : at + (3 if codes[at + 1 : at + 2] == [5] else 5)]
            self._colour(code, ";".join(str(min(number, 255)) for number in taken))
            return len(taken)
        elif code in _DEFAULTS:
            self._colour(code, "")
        elif code in _COLOURS:
            self._colour(code, str(code))
        return 1

    def _colour(self, code: int, value: str) -> None:
        if code // 10 in (3, 9):
            self._foreground = value
        else:
            self._background = value
