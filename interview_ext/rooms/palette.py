"""The colours that tell people apart."""

from __future__ import annotations

_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#6a3d9a",
    "#b8860b",
    "#56b4e9",
    "#8c564b",
)
"""After Okabe and Ito's palette, which stays distinct in colour blindness; their yellow
and black, unreadable on a light or dark page, are replaced."""


def colour(index: int) -> str:
    """Return the colour of the participant who came as number `index`, counted from 0."""
    return _COLOURS[index % len(_COLOURS)]
