"""Where every struct of a notebook sits, told from its updates alone."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from interview_ext.collab.wire.structs import Struct
from interview_ext.collab.wire.update import Id


class Place(NamedTuple):
    """What a struct sits in: a root's name or a type's id, and in a map its key.

    `cell` is the item of the cell it belongs to, `field` that cell's key it lies under (None: it
    is the cell), and `below` how many levels under that key's own item.
    """

    parent: Id | str
    key: str | None
    cell: Id | None = None
    field: str | None = None
    below: int = 0


class Places:
    """Where every struct of a document sits, also those that only say beside what they do."""

    def __init__(self) -> None:
        self._clients: dict[int, tuple[list[int], list[Place | None]]] = {}
        self._ends: dict[int, int] = {}

    def at(self, struct_id: Id | None) -> Place | None:
        """Return where a struct sits; None if that is not known."""
        if struct_id is None:
            return None
        client, clock = struct_id
        starts, places = self._clients.get(client, ([], []))
        number = bisect_right(starts, clock) - 1
        return places[number] if number >= 0 and clock < self._ends[client] else None

    def add(self, struct: Struct) -> Place | None:
        """Take a struct and return where it sits."""
        place = self._place(struct) if struct.is_item else None
        end = struct.clock + struct.length
        if end > self._ends.get(struct.client, 0):
            starts, places = self._clients.setdefault(struct.client, ([], []))
            if not places or places[-1] is not place or place is None:
                starts.append(max(struct.clock, self._ends.get(struct.client, 0)))
                places.append(place)
            self._ends[struct.client] = end
        return place

    def _place(self, struct: Struct) -> Place | None:
        own = struct.client, struct.clock
        beside = self.at(struct.origin) or self.at(struct.right_origin)
        if beside is not None:
            return beside._replace(cell=own) if beside.parent == "cells" else beside
        if struct.root is not None:
            cell = own if struct.root == "cells" else None
            return Place(struct.root, struct.key, cell)
        if struct.parent is None:
            return None
        around = self.at(struct.parent)
        if around is None or around.cell is None:
            return Place(struct.parent, struct.key)
        if around.field is None:
            return Place(struct.parent, struct.key, around.cell, struct.key)
        return Place(struct.parent, struct.key, around.cell, around.field, around.below + 1)
