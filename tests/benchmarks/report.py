"""Rows of figures, their bars, and how they are printed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

UNITS = {"ms": (1000.0, "ms"), "s": (1.0, "s"), "kB": (0.001, "kB")}
HEADINGS = ("", "n", "ours: median", "p95", "peer: median", "p95", "ratio", "bar", "held")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity, measured here and at a peer.

    Attributes
    ----------
    unit:
        ``ms`` or ``s``: samples are seconds; ``kB``: samples are bytes.
    peer:
        Samples of the peer; empty where it has no such thing.
    most_ratio:
        The bar: median over the peer's median.
    most:
        The bar: no sample is above; in the unit of the samples.
    """

    name: str
    unit: str
    ours: Sequence[float]
    peer: Sequence[float] = ()
    peer_name: str = ""
    most_ratio: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        """Median over the peer's median."""
        if not self.peer:
            return None
        return statistics.median(self.ours) / statistics.median(self.peer)

    @property
    def held(self) -> bool | None:
        """Whether the bar is held; None where there is none."""
        if self.most_ratio is not None:
            return self.ratio is not None and self.ratio <= self.most_ratio
        if self.most is not None:
            return max(self.ours) < self.most
        return None

    @property
    def bar(self) -> str:
        """The bar in words."""
        if self.most_ratio is not None:
            return f"≤ {self.most_ratio:g} × peer"
        if self.most is not None:
            return f"< {self._shown(self.most)}"
        return ""

    def cells(self) -> tuple[str, ...]:
        """The row of the printed table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        held = "" if self.held is None else "yes" if self.held else "NO"
        name = f"{self.name} / {self.peer_name}" if self.peer_name else self.name
        return (
            name,
            str(len(self.ours)),
            *self._summary(self.ours),
            *self._summary(self.peer),
            ratio,
            self.bar,
            held,
        )

    def as_json(self) -> dict[str, Any]:
        """All samples, and what follows from them."""
        return asdict(self) | {"ratio": self.ratio, "bar": self.bar, "held": self.held}

    def _summary(self, samples: Sequence[float]) -> tuple[str, str]:
        if not samples:
            return "", ""
        return self._shown(statistics.median(samples)), self._shown(percentile(samples, 95))

    def _shown(self, sample: float) -> str:
        factor, unit = UNITS[self.unit]
        value = sample * factor
        return f"{value:,.{0 if value >= 100 else 1 if unit != 's' else 2}f} {unit}"


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that `percent` of all do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table with aligned columns."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    rule = tuple("-" * width for width in widths)
    padded = (
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in [lines[0], rule, *lines[1:]]
    )
    return "\n".join(f"| {line} |" for line in padded)
