"""What people type, made beforehand: real documents and updates, presence as JupyterLab has it."""

from __future__ import annotations

import json
import secrets
from typing import Any

from jupyter_ydoc import YNotebook
from pycrdt import Array, Doc, Map

from interview_ext.collab.wire.framing import AwarenessEntry, write_awareness, write_update

SOURCE = (
    "import pandas as pd\n",
    'frame = pd.read_csv("measurements.csv", parse_dates=["at"])\n',
    'frame.groupby("station").temperature.describe()\n',
)
WORDS = "mean = frame.temperature.rolling(24, min_periods=6).mean()  # gaps are left out "


def notebook(*, more_bytes: int = 0) -> dict[str, Any]:
    """Return a notebook whose first cell is typed into; with so many bytes of notes behind it.

    They are sources: templates of ours come without outputs.
    """
    cells: list[dict[str, Any]] = [code("typed-into", "".join(SOURCE))]
    cells += [code(f"cell-{number}", f"frame.head({number})\n") for number in range(4)]
    line = "# 2026-01-05 07:00  station 12   temperature  -3.25   humidity  81.0   wind 4.1\n"
    text = line * 500
    for number in range(-(-more_bytes // len(text))):
        cells.append(code(f"long-{number}", text))
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def code(cell_id: str, source: str) -> dict[str, Any]:
    """Return a code cell."""
    return {
        "cell_type": "code",
        "id": cell_id,
        "metadata": {},
        "source": source,
        "execution_count": None,
        "outputs": [],
    }


def first_update(content: dict[str, Any]) -> bytes:
    """Return the update that makes an empty document the notebook."""
    doc: Doc[Any] = Doc()
    YNotebook(doc).set(content)
    return doc.get_update()


def somebody(place: int) -> dict[str, Any]:
    """Return an identity as a Jupyter server tells it to a page, where none has told any."""
    return {
        "username": secrets.token_hex(16),
        "name": f"Anonymous Person {place}",
        "display_name": f"Anonymous Person {place}",
        "initials": f"A{place}",
        "avatar_url": None,
        "color": "var(--jp-collaborator-color4)",
    }


CLOCKS = 2
"""What a keystroke takes of its client's clock: the letter, and ``dirty`` in the document's state,
which the editor of JupyterLab 4.6 sets with each, in the same update."""


class Typist:
    """One page's own messages: a letter each, and where its cursor is after each."""

    def __init__(self, state: bytes, *, place: int, letters: int, user: dict[str, Any]) -> None:
        self.client = secrets.randbelow(2**32 - 2) + 2
        self._user = user
        self._updates: list[bytes] = []
        doc: Doc[Any] = Doc(client_id=self.client)
        doc.apply_update(state)
        source = doc.get("cells", type=Array)[0]["source"]
        shared_state: Map[Any] = doc.get("state", type=Map)
        subscription = doc.observe(lambda event: self._updates.append(event.update))
        line = place % len(SOURCE)
        at = sum(len(text) for text in SOURCE[: line + 1]) - 1
        for number in range(letters):
            with doc.transaction():
                source.insert(at + number, WORDS[number % len(WORDS)])
                shared_state["dirty"] = True
        doc.unobserve(subscription)

    @property
    def updates(self) -> list[bytes]:
        """One for each letter; each brings `CLOCKS` of this client."""
        return self._updates

    def keystroke(self, number: int) -> tuple[bytes, bytes]:
        """Return the two messages of one keystroke, in the order of JupyterLab's client."""
        return write_update(self._updates[number]), self.presence(number + 2, number)

    def presence(self, clock: int, number: int | None = None) -> bytes:
        """Return the awareness message with the cursor behind that letter."""
        cursors = []
        if number is not None:
            place = {
                "type": {"client": 1, "clock": 7},
                "tname": None,
                "item": {"client": self.client, "clock": CLOCKS * number},
                "assoc": 0,
            }
            cursors = [{"anchor": place, "head": place, "primary": True, "empty": True}]
        state = {
            "user": self._user,
            "current": "notebook:RTC:interview.ipynb",
            "autosave": True,
            "cursors": cursors,
            "activeCellId": "typed-into",
        }
        text = json.dumps(state, separators=(",", ":"))
        return write_awareness([AwarenessEntry(self.client, clock, text)])
