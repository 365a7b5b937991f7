"""What a document holds, as a file would hold it.

Clients can put anything into a Yjs document: cells that are numbers, a source that is
a list, a format version that is a text. This reads what is there and always returns a
notebook that nbformat accepts, with everything in it that a notebook can hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from pycrdt import Array, Doc, Map, Text

from interview_ext.rooms.ids import digest

FORMAT, FORMAT_MINOR = 4, 5
_CELL_TYPES = frozenset({"code", "markdown", "raw"})
_MAX_ID = 64
_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def file_text(doc: Doc[Any]) -> str:
    """Return a text document's content."""
    return str(doc.get("source", type=Text))


def notebook_json(doc: Doc[Any]) -> dict[str, Any]:
    """Return a notebook document as nbformat 4.5."""
    return read_notebook(doc)()


def read_notebook(doc: Doc[Any]) -> Callable[[], dict[str, Any]]:
    """Take what a notebook document holds now; return what makes `notebook_json` of it.

    That takes 10 µs a cell and may run in another thread.
    """
    cells, meta = str(doc.get("cells", type=Array)), str(doc.get("meta", type=Map))

    def make() -> dict[str, Any]:
        seen: set[str] = set()
        return {
            "cells": [
                cell_json(cell, number, seen)
                for number, cell in enumerate(_list(json.loads(cells)))
                if isinstance(cell, Mapping)
            ],
            "metadata": _metadata(json.loads(meta)),
            "nbformat": FORMAT,
            "nbformat_minor": FORMAT_MINOR,
        }

    return make


def held(shared: Array[Any] | Map[Any]) -> Any:
    """Return what a shared value holds, as JSON has it.

    `to_py` asks for each element by its place, which takes 20 times as long for 10,000 cells, and
    refuses what has no equivalent in Python, such as XML.
    """
    return json.loads(str(shared))


def cell_json(value: Mapping[str, Any], number: int, seen: set[str]) -> dict[str, Any]:
    """Return one cell, the `number`-th, as nbformat has it; its id is added to `seen`."""
    cell = _plain(value)
    kind = cell.get("cell_type")
    kind = kind if isinstance(kind, str) and kind in _CELL_TYPES else "raw"
    result: dict[str, Any] = {
        "cell_type": kind,
        "id": _unique_id(cell.get("id"), number, seen),
        "metadata": _mapping(cell.get("metadata")),
        "source": _text(cell.get("source")),
    }
    if kind == "code":
        count = cell.get("execution_count")
        result["execution_count"] = count if _is_count(count) else None
        result["outputs"] = [_output(o) for o in _list(cell.get("outputs")) if _is_output(o)]
    else:
        attachments = {
            name: bundle
            for name, bundle in _mapping(cell.get("attachments")).items()
            if isinstance(bundle, dict)
        }
        if attachments:
            result["attachments"] = attachments
    return result


def _output(output: dict[str, Any]) -> dict[str, Any]:
    kind = output["output_type"]
    if kind == "stream":
        name = output.get("name")
        return {
            "output_type": kind,
            "name": name if isinstance(name, str) else "stdout",
            "text": _text(output.get("text")),
        }
    if kind == "error":
        return {
            "output_type": kind,
            "ename": _text(output.get("ename")),
            "evalue": _text(output.get("evalue")),
            "traceback": [_text(line) for line in _list(output.get("traceback"))],
        }
    result = {
        "output_type": kind,
        "data": _mapping(output.get("data")),
        "metadata": _mapping(output.get("metadata")),
    }
    if kind == "execute_result":
        count = output.get("execution_count")
        result["execution_count"] = count if _is_count(count) else None
    return result


def _is_output(value: object) -> bool:
    kinds = ("stream", "error", "display_data", "execute_result")
    return isinstance(value, dict) and value.get("output_type") in kinds


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def notebook_metadata(doc: Doc[Any]) -> dict[str, Any]:
    """Return a notebook's metadata without what nbformat would refuse."""
    return _metadata(held(doc.get("meta", type=Map)))


def _metadata(meta: object) -> dict[str, Any]:
    metadata = _mapping(_plain(_mapping(meta).get("metadata")))
    for key in ("kernelspec", "language_info"):
        named = metadata.get(key)
        if not isinstance(named, dict) or not isinstance(named.get("name"), str):
            metadata.pop(key, None)
        elif key == "kernelspec" and not isinstance(named.get("display_name"), str):
            named["display_name"] = named["name"]
    for key in ("orig_nbformat", "title", "authors"):
        metadata.pop(key, None)
    return metadata


def _unique_id(value: object, number: int, seen: set[str]) -> str:
    """Return the cell's id, or one made from its place when it is missing, bad or taken."""
    usable = isinstance(value, str) and 0 < len(value) <= _MAX_ID and set(value) <= _ID_CHARACTERS
    cell_id = str(value) if usable else ""
    attempt = 0
    while not cell_id or cell_id in seen:
        cell_id = digest(f"{value}:{number}:{attempt}")[:16]
        attempt += 1
    seen.add(cell_id)
    return cell_id


def _plain(value: object) -> Any:
    """Return the value as JSON has it; whole floats, as browsers write them, as integers."""
    if isinstance(value, float):
        if not isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int)) else None


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "".join(part for part in _list(value) if isinstance(part, str))
