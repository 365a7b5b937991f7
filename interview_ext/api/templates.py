"""The templates that come with the package: folders of a notebook, data and a description.

``template.json`` holds title, description, the language of its cells if it has any, the
interviewer's brief, and for the data source and licence; ``notebook.ipynb`` is what the candidate
gets, ``data/`` what its cells find under ``data/``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from interview_ext.errors import BadRequest
from interview_ext.sandbox.datasets import StoredDataset

BLANK = "blank"


@dataclass(frozen=True, kw_only=True)
class RoomContent:
    """What a new room holds: a notebook (nbformat 4), data files by name, a brief.

    Attributes
    ----------
    data:
        Contents; of a large file what it is stored as.
    language:
        What the notebook's cells are written in; None if that is not known, or there are none.
    """

    notebook: dict[str, Any]
    data: Mapping[str, bytes | StoredDataset] = field(default_factory=dict)
    brief: str = ""
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class TemplateInfo:
    """A template as it is listed."""

    id: str
    title: str
    description: str
    language: str | None


class TemplateLibrary:
    """The templates below a folder. Reads files: call it outside the event loop.

    Parameters
    ----------
    root:
        A folder with one folder a template; by default this package's.
    """

    def __init__(self, root: Traversable | None = None) -> None:
        self._root = files("interview_ext") / "templates" if root is None else root

    def list(self) -> list[TemplateInfo]:
        """Return all templates by title, the blank one last."""
        found = [
            TemplateInfo(
                id=folder.name,
                title=about["title"],
                description=about["description"],
                language=about.get("language"),
            )
            for folder in self._root.iterdir()
            if (about := _about(folder)) is not None
        ]
        return sorted(found, key=lambda template: (template.id == BLANK, template.title))

    def load(self, template_id: str) -> RoomContent:
        """Return a template's content.

        Raises
        ------
        BadRequest
            There is no such template.
        """
        folder = next((f for f in self._root.iterdir() if f.name == template_id), None)
        about = None if folder is None else _about(folder)
        if folder is None or about is None:
            raise BadRequest(
                f"There is no template {template_id!r}.", hint="Choose one of the listed ones."
            )
        data = folder / "data"
        return RoomContent(
            notebook=json.loads((folder / "notebook.ipynb").read_text("utf-8")),
            data={f.name: f.read_bytes() for f in data.iterdir()} if data.is_dir() else {},
            brief=about.get("brief", ""),
            language=about.get("language"),
        )


def _about(folder: Traversable) -> dict[str, Any] | None:
    about = folder / "template.json"
    if not about.is_file():
        return None
    loaded: dict[str, Any] = json.loads(about.read_text("utf-8"))
    return loaded
