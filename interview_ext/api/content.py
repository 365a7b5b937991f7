"""The host's own notebook and data files as the content of a new room.

They are read once, through the contents manager of the host's own server, outside of
any door: with that login's rights, wherever that manager keeps its files. Only a data file that
is too large to be held in memory is read from the disk, when the manager has found it there.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat
from jupyter_core.utils import ensure_async
from jupyter_server.services.contents.manager import ContentsManager
from tornado.web import HTTPError

from interview_ext.api.datasets import Add
from interview_ext.api.local_files import local_root, open_file, size_of
from interview_ext.errors import BadRequest, TooLarge
from interview_ext.sandbox.datasets import StoredDataset
from interview_ext.sandbox.profiles import Profile
from interview_ext.sandbox.specs import kernel_name

MIB = 1024 * 1024
MAX_NOTEBOOK_BYTES = 8 * MIB
MAX_DATA_BYTES = 48 * MIB
"""All data files of a room together that are put into its sandbox, which takes 64 MiB of files
by default."""
DATASET_BYTES = 16 * MIB
"""A larger one becomes a data set where it can: stored once, and mounted instead of put."""


async def own_notebook(contents: ContentsManager, path: str, profile: Profile) -> dict[str, Any]:
    """Return the notebook at `path` as a template: no outputs, counts or trust marks.

    Outputs are left out because they would show what the host tried; the room's people see
    what the room's own kernel makes.

    Raises
    ------
    BadRequest
        There is no notebook there.
    TooLarge
    """
    if await _size(contents, path) > MAX_NOTEBOOK_BYTES:
        raise _too_large("A notebook", MAX_NOTEBOOK_BYTES)
    model = await _get(contents, path, type="notebook")
    return await asyncio.to_thread(fresh_notebook, model["content"], path, profile)


async def own_data(
    contents: ContentsManager, paths: Sequence[str], add: Add | None = None
) -> dict[str, bytes | StoredDataset]:
    """Return the files at `paths` by their names, which must differ.

    Parameters
    ----------
    add:
        Takes those above `DATASET_BYTES`; None if sandboxes cannot be given any.

    Raises
    ------
    BadRequest, TooLarge, Conflict, StoreUnavailable
    """
    found: dict[str, bytes | StoredDataset] = {}
    left = MAX_DATA_BYTES
    root = local_root(contents)
    for path in paths:
        name = PurePosixPath(path).name
        if name in found:
            raise BadRequest(
                f"Two data files are named {name!r}.", hint="Rename one of them, then try again."
            )
        size = await _size(contents, path)
        if root is not None:
            size = max(size, await asyncio.to_thread(size_of, root, path))
        if add is not None and root is not None and size > DATASET_BYTES:
            found[name] = await _stored(root, path, add)
            continue
        if size <= left:
            found[name] = content = await _content(contents, path)
            size = len(content)
        left -= size
        if left < 0:
            raise _too_large(
                "A room's data files together", MAX_DATA_BYTES, hint=_way_out(add, root)
            )
    return found


def _way_out(add: Add | None, root: Path | None) -> str:
    """What a host can do whose data files are too large together."""
    if add is None:
        return (
            "Larger files need sandboxes that are containers, which this server does not use "
            "(InterviewApp.sandbox_engine)."
        )
    if root is None:
        return (
            f"Files above {DATASET_BYTES // MIB} MiB may be larger, but only where they stand on "
            "the server's own disk; these are kept elsewhere."
        )
    return f"Files above {DATASET_BYTES // MIB} MiB do not count: they are stored apart."


async def _stored(root: Path, path: str, add: Add) -> StoredDataset:
    file, size = await asyncio.to_thread(open_file, root, path)
    with file:
        return await add(file, size)


async def _content(contents: ContentsManager, path: str) -> bytes:
    model = await _get(contents, path, type="file", format="base64")
    try:
        return await asyncio.to_thread(base64.b64decode, model["content"])
    except (binascii.Error, TypeError, ValueError) as error:
        raise BadRequest(f"The file {path!r} could not be read.") from error


def fresh_notebook(content: Any, path: str, profile: Profile) -> dict[str, Any]:
    """Return any notebook as nbformat 4.5 with cell ids, for a kernel of the room's profile.

    Raises
    ------
    BadRequest
        It is not a valid notebook.
    """
    try:
        notebook = nbformat.from_dict(content)  # type: ignore[no-untyped-call]
        if notebook.nbformat != 4:
            notebook = nbformat.convert(notebook, 4)  # type: ignore[no-untyped-call]
        notebook = nbformat.v4.upgrade(notebook)  # type: ignore[no-untyped-call]
        for cell in notebook.cells:
            cell.metadata.pop("trusted", None)
            if cell.cell_type == "code":
                cell.outputs = []
                cell.execution_count = None
        notebook.metadata.clear()
        notebook.metadata.update(
            kernelspec={
                "name": kernel_name(profile),
                "display_name": profile.display_name,
                "language": profile.language,
            },
            language_info=dict(profile.language_info),
        )
        nbformat.validate(notebook, relax_add_props=True)
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadRequest(f"{path!r} is not a valid notebook.") from error
    plain: dict[str, Any] = _plain(notebook)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


async def _size(contents: ContentsManager, path: str) -> int:
    model = await _get(contents, path, content=False)
    if model.get("type") == "directory":
        raise BadRequest(f"{path!r} is a folder.", hint="Name its files one by one.")
    return model.get("size") or 0


def _too_large(what: str, limit: int, *, hint: str = "") -> TooLarge:
    return TooLarge(f"{what} may have at most {limit // MIB} MiB.", hint=hint)


async def _get(contents: ContentsManager, path: str, **wanted: Any) -> dict[str, Any]:
    if ".." in path.split("/"):
        raise BadRequest(f"{path!r} is not a path in your files.")
    try:
        got = contents.get(path.strip("/"), **wanted)  # type: ignore[no-untyped-call]
        model: dict[str, Any] = await ensure_async(got)
    except HTTPError as error:
        if error.status_code >= 500:
            raise
        raise BadRequest(
            f"{path!r} could not be read from your files: {error.log_message or error.reason}.",
            hint="Give paths as the file browser shows them.",
        ) from error
    return model
