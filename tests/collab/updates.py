"""Hand-made updates."""

from __future__ import annotations

from typing import Any

from pycrdt import Doc, Map, Text

from interview_ext.collab.wire.varint import write_text, write_uint


def letters(text: str, *, client: int, clock: int = 0, root: str = "source") -> bytes:
    """An update that inserts a text at the beginning of a root, at any client and clock."""
    head = b"".join(map(write_uint, (1, 1, client, clock)))
    return head + b"\x04\x01" + write_text(root) + write_text(text) + b"\x00"


def be_dirty(doc: Doc[Any]) -> None:
    """Do what JupyterLab's editor does within each edit: it deletes the value before."""
    doc.get("state", type=Map)["dirty"] = True


def typed(client: int, text: str) -> list[bytes]:
    """The updates of a page that types a text, a letter each."""
    doc: Doc[Any] = Doc(client_id=client)
    source = doc.get("source", type=Text)
    updates: list[bytes] = []
    doc.observe(lambda event: updates.append(event.update))
    for place, letter in enumerate(text):
        source.insert(place, letter)
    return updates


def nested(levels: int, *, client: int, root: str = "cells") -> bytes:
    """An update with arrays in arrays, each the first in its parent."""
    head = b"".join(map(write_uint, (1, levels, client, 0)))
    outer = b"\x07\x01" + write_text(root) + b"\x00"
    inner = (
        b"\x07\x00" + write_uint(client) + write_uint(level) + b"\x00"
        for level in range(levels - 1)
    )
    return head + outer + b"".join(inner) + b"\x00"
