"""The host's own files where their contents manager has them on this machine's disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.services.contents.manager import ContentsManager
from jupyter_server.utils import to_os_path

from interview_ext.errors import BadRequest


def local_root(contents: ContentsManager) -> Path | None:
    """The folder that the contents manager shows; None if its files are elsewhere."""
    if isinstance(contents, FileContentsManager) and contents.root_dir:
        return Path(contents.root_dir).absolute()
    return None


def size_of(root: Path, path: str) -> int:
    """How large a file is; the contents API tells of a link how large the link is. Blocks."""
    try:
        return Path(to_os_path(path, str(root))).stat().st_size  # type: ignore[arg-type]
    except (OSError, ValueError):
        return 0


def open_file(root: Path, path: str) -> tuple[BinaryIO, int]:
    """Open a regular file below `root`, whose size is told too. Blocks.

    A link is followed within `root` only: what it leads to is found first, and then opened part by
    part without following any, so that none can be put there in between.

    Raises
    ------
    BadRequest
        There is none, or it leads out of `root`.
    """
    top = root.resolve()
    try:
        found = Path(to_os_path(path, str(top))).resolve(strict=True)  # type: ignore[arg-type]
        if not found.is_relative_to(top):
            raise BadRequest(
                f"{path!r} is a link out of your files.", hint="Copy the file, then name the copy."
            )
        descriptor = _open(top, found.relative_to(top).parts)
    except (OSError, ValueError) as error:
        raise BadRequest(
            f"{path!r} could not be read from your files.",
            hint="Give paths as the file browser shows them.",
        ) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise BadRequest(f"{path!r} is no regular file.")
    return os.fdopen(descriptor, "rb", buffering=0), status.st_size


def _open(top: Path, parts: tuple[str, ...]) -> int:
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for number, part in enumerate(parts, 1):
        kind = os.O_NONBLOCK if number == len(parts) else os.O_DIRECTORY
        try:
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | kind, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here
