"""Tables of one line a server, and the bars that the first of them is held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A sentence, and whether it is so."""

    words: str
    held: bool


@dataclass(kw_only=True)
class Sheet:
    """One table."""

    title: str
    headings: Sequence[str]
    lines: list[Sequence[str]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    """What the lines were made from."""

    def text(self) -> str:
        """The table in Markdown, its bars and notes."""
        table = [self.headings, *self.lines]
        widths = [max(len(line[i]) for line in table) for i in range(len(self.headings))]
        rule = tuple("-" * width for width in widths)
        rows = (
            " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            for line in [table[0], rule, *table[1:]]
        )
        bars = [f"- {'held' if bar.held else 'MISSED'}: {bar.words}" for bar in self.bars]
        parts = [self.title, "\n".join(f"| {row} |" for row in rows)]
        parts += ["\n".join([*bars, *(f"- {note}" for note in self.notes)])]
        return "\n\n".join(part for part in parts if part)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "title": self.title,
            "figures": self.figures,
            "bars": [{"bar": bar.words, "held": bar.held} for bar in self.bars],
        }
