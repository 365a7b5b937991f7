"""The first content of a document, as an update that is the same each time it is made."""

from __future__ import annotations

import json
from typing import Any

import nbformat
from jupyter_ydoc import YFile, YNotebook
from pycrdt import Doc

from interview_ext.errors import BadRequest
from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import Document

SEED_CLIENT = 1
"""The Yjs client id of first contents, reserved in every document. jupyter-server-ydoc uses 0
for the same purpose, which in our log means "several"."""

_FORMAT, _FORMAT_MINOR = 4, 5


def seed_update(document: Document, content: dict[str, Any] | str) -> bytes:
    """Return an update with the content.

    Parameters
    ----------
    content:
        A notebook of any version that nbformat can read, or a text.

    Raises
    ------
    BadRequest
        The content does not fit the document's kind, or is no notebook.
    """
    doc: Doc[Any] = Doc(client_id=SEED_CLIENT)
    if document.kind == "notebook":
        if not isinstance(content, dict):
            raise BadRequest(f"{document.path} has to begin with a notebook.")
        YNotebook(doc).set(_with_ids(document, _normalised(document, content)))
    else:
        if not isinstance(content, str):
            raise BadRequest(f"{document.path} has to begin with a text.")
        YFile(doc).set(content)
    return doc.get_update()


def _normalised(document: Document, content: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook as format 4.5 with whole texts instead of lists of lines."""
    try:
        notebook: dict[str, Any] = nbformat.reads(  # type: ignore[no-untyped-call]
            json.dumps(content), as_version=_FORMAT
        )
    except Exception as error:  # nbformat raises whatever it runs into
        raise BadRequest(f"{document.path} is not a notebook that can be read.") from error
    plain: dict[str, Any] = json.loads(json.dumps(notebook))
    plain.update(nbformat=_FORMAT, nbformat_minor=_FORMAT_MINOR)
    return plain


def _with_ids(document: Document, notebook: dict[str, Any]) -> dict[str, Any]:
    """Give each cell an id: jupyter_ydoc would take random ones."""
    cells = notebook["cells"] or [
        {"cell_type": "code", "metadata": {}, "source": "", "outputs": [], "execution_count": None}
    ]
    for number, cell in enumerate(cells):
        cell.setdefault("id", digest(f"{document.id}:{number}")[:8])
    return {**notebook, "cells": cells}
