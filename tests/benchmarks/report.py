"""Rows of figures, their bars, and how they are printed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

UNITS = {"ms": (1000.0, "ms"), "s": (1.0, "s"), "kB": (1e-3, "kB"), "MB": (1e-6, "MB")}
HEADINGS = ("", "n", "ours: median", "p95", "peer: median", "p95", "ratio", "bar", "held")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity, measured here and at a peer.

    Attributes
    ----------
    unit:
        ``ms`` or ``s``: samples are seconds; ``kB`` or ``MB``: samples are bytes.
    peer:
        Samples of the peer; empty where it has no such thing.
    most_ratio:
        The bar: median over the peer's median.
    most_p95_ratio:
        The bar: p95 over the peer's p95.
    most_p95:
        The bar: the p95, in the unit of the samples.
    most:
        The bar: no sample is above; in the unit of the samples.

    Every bar that is given has to be held.
    """

    name: str
    unit: str
    ours: Sequence[float]
    peer: Sequence[float] = ()
    peer_name: str = ""
    most_ratio: float | None = None
    most_p95_ratio: float | None = None
    most_p95: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        """Median over the peer's median."""
        if not self.peer:
            return None
        return statistics.median(self.ours) / statistics.median(self.peer)

    @property
    def held(self) -> bool | None:
        """Whether all bars are held; None where there is none."""
        bars = self._bars()
        return all(held for _, held in bars) if bars else None

    @property
    def bar(self) -> str:
        """The bars in words."""
        return ", ".join(words for words, _ in self._bars())

    def _bars(self) -> list[tuple[str, bool]]:
        """Each bar in words, and whether it is held."""
        bars = []
        if self.most_ratio is not None:
            held = self.ratio is not None and self.ratio <= self.most_ratio
            bars.append((f"≤ {self.most_ratio:g} × peer", held))
        if self.most_p95_ratio is not None:
            most = self.most_p95_ratio * percentile(self.peer, 95)
            bars.append(
                (f"p95 ≤ {self.most_p95_ratio:g} × peer", percentile(self.ours, 95) <= most)
            )
        if self.most_p95 is not None:
            held = percentile(self.ours, 95) <= self.most_p95
            bars.append((f"p95 ≤ {self._shown(self.most_p95)}", held))
        if self.most is not None:
            bars.append((f"< {self._shown(self.most)}", max(self.ours) < self.most))
        return bars

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
