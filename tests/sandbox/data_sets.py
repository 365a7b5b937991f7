"""Folders of data sets, and contents put into them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interview_ext.sandbox.datasets import DatasetFolder, StoredDataset


@contextmanager
def opened(path: Path, *, max_bytes: int) -> Iterator[DatasetFolder]:
    """A folder that this process has taken."""
    folder = DatasetFolder(path, max_bytes=max_bytes)
    folder.open()
    yield folder
    folder.close()


def put(folder: DatasetFolder, content: bytes) -> StoredDataset:
    """Store a content."""
    incoming = folder.begin(len(content))
    incoming.write(content)
    stored = incoming.finish()
    incoming.publish(stored)
    return stored
