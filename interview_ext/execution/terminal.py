r"""A stream's text as a terminal would show it: ``\r``, ``\b`` and cursor moves resolved.

Each browser would resolve them for itself and echo the result into the shared
document, which corrupts it; so they never reach it. Colours (SGR sequences) stay in
the text, as JupyterLab draws them; every other control sequence is played or dropped.

Only the last `LIVE_ROWS` rows can still change: progress bars move a few rows at most,
and a bounded window keeps the cost of one more line independent of all before it. Likewise
only the last columns of a row that gets longer than any terminal is wide (`MAX_ROW`): where
a terminal would wrap it, its beginning is out of reach, and ``\r`` goes back to what is left.
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
MAX_ROW = 10_000
"""Columns at which a row's beginning settles, and with it all rows above: each character that is
written into a row costs a copy of it."""
KEPT_OF_ROW = 1000
"""Columns that can still change then; at least `MAX_STYLED`, so that no colour is cut in two."""
FREE_CELLS = 1_000_000
CELLS_PER_CHARACTER = 20
"""Cells that cursor moves and erasures may touch in all, beside those that each character of input
allows; beyond it they are dropped. Four characters can blank a row of ten thousand cells, and a
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
    __slots__ = ("styles", "text")

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.styles: list[str] | None = None

    def write(self, column: int, text: str, style: str) -> None:
        missing = column - len(self.text)
        if missing > 0:
            self.write(len(self.text), " " * missing, "")
        if style and self.styles is None and column < MAX_STYLED:
            self.styles = [""] * min(len(self.text), MAX_STYLED)
        end = column + len(text)
        self.text = self.text[:column] + text + self.text[end:]
        if self.styles is not None and column < MAX_STYLED:
            styled = min(len(text), MAX_STYLED - column)
            self.styles[column : column + styled] = [style] * styled

    def erase(self, start: int, end: int) -> None:
        """Blank the cells from `start` up to `end`; those at the row's end go altogether."""
        if end >= len(self.text):
            self.text = self.text[:start]
            if self.styles is not None:
                del self.styles[start:]
        else:
            self.write(start, " " * max(0, end - start), "")

    def split(self, column: int) -> _Row:
        """Keep what stands before `column`, beyond all colours; return the rest."""
        rest = _Row(self.text[column:])
        self.text = self.text[:column]
        return rest

    def render(self) -> str:
        if self.styles is None:
            return self.text
        parts: list[str] = []
        start = 0
        for style, group in groupby(self.styles):
            end = start + sum(1 for _ in group)
            text = self.text[start:end]
            parts.append(f"{style}{text}{_CLOSES_STYLE}" if style else text)
            start = end
        return "".join([*parts, self.text[start:]])


class StreamText:
    """The text of one stream output, fed message by message.

    The text is the `settled` rows followed by `live()`. Settled ones, each with its line end,
    never change again, nor does a long row's beginning, which is settled without one.
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
        before = len(row.text)
        self._cells_left -= max(0, self._column - before) + len(text)
        row.write(self._column, text, self._style.sequence)
        self._column += len(text)
        self._live_size += len(row.text) - before
        if len(row.text) >= MAX_ROW:
            self._settle_beginning()

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
            self._settle_row()

    def _settle_row(self) -> None:
        """Settle the first row; the cursor stands below it."""
        row = self._rows.pop(0)
        self._row -= 1
        self._live_size -= len(row.text) + 1
        self._settle(row.render() + "\n")

    def _settle_beginning(self) -> None:
        """Settle what the cursor, at the end of a long row, can no longer reach.

        By steps of one length, so that it does not matter how many columns came at once.
        """
        while self._row:
            self._settle_row()
        row = self._rows[0]
        step = MAX_ROW - KEPT_OF_ROW
        columns = (len(row.text) - KEPT_OF_ROW) // step * step
        self._rows[0] = row.split(columns)
        self._column -= columns
        self._live_size -= columns
        self._settle(row.render())

    def _settle(self, text: str) -> None:
        self.settled.append(text)
        self._settled_size += len(text)

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
        before = len(row.text)
        self._cells_left -= before
        if what == 0:
            row.erase(self._column, before)
        elif what == 1:
            row.erase(0, min(self._column + 1, before))
        else:
            row.erase(0, before)
        self._live_size += len(row.text) - before

    def _erase_rows(self, what: int) -> None:
        self._cells_left -= sum(len(row.text) for row in self._rows)
        if what == 0:
            self._erase_in_row(0)
            del self._rows[self._row + 1 :]
        elif what == 1:
            self._erase_in_row(1)
            for row in self._rows[: self._row]:
                row.erase(0, len(row.text))
        else:  # a cleared screen starts at its top, as no empty rows should stand above
            self._rows = [_Row()]
            self._row = self._column = 0
        self._live_size = sum(len(row.text) + 1 for row in self._rows)


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
