"""Which store a server keeps its interviews in, by its URL. Drivers are imported when used."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Protocol

from interview_ext.rooms.ports import Store
from interview_ext.storage.sqlite import SqliteStore

SCHEMES = ("mongodb://", "mongodb+srv://")
INSTALL = "pip install 'jupyter-interview-rooms[mongodb]'"


class PlacedStore(Store, Protocol):
    """A store that can tell people what and where it is."""

    @property
    def about(self) -> str:
        """What is used, of which version and where, without secrets; known after `start`."""


def check_url(url: str) -> None:
    """Look at a store's URL without connecting. Called when the trait is set.

    Raises
    ------
    ValueError
        In words for a person, and without anything of the URL that may be secret.
    """
    if not url:
        return
    if not url.startswith(SCHEMES):
        raise ValueError(
            "has to begin with mongodb:// or mongodb+srv://, or be empty for the SQLite file of "
            "InterviewApp.store_path"
        )
    if importlib.util.find_spec("pymongo") is None:
        raise ValueError(f"MongoDB needs pymongo, which is not installed: {INSTALL}")
    from interview_ext.storage.mongo_url import check

    check(url)


def store_of(url: str, *, path: Path) -> PlacedStore:
    """Return the store of a checked URL, or with none the SQLite file at `path`; not started."""
    if not url:
        return SqliteStore(path)
    from interview_ext.storage.mongo import MongoStore

    return MongoStore(url)
