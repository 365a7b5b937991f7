"""The host's own notebook and data files as the content of a new room.

They are read once, through the contents manager of the host's own server, outside of
any door: with that login's rights, wherever that manager keeps its files.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import nbformat
from jupyter_core.utils import ensure_async
from jupyter_server.services.contents.manager import ContentsManager
from tornado.web import HTTPError

from interview_ext.errors import BadRequest, TooLarge
from interview_ext.sandbox.profiles import Profile
from interview_ext.sandbox.specs import kernel_name

MIB = 1024 * 1024
MAX_NOTEBOOK_BYTES = 4 * MIB
MAX_DATA_BYTES = 48 * MIB
"""All data files of a room together; a sandbox takes 64 MiB of files by default."""


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
    await _sized(contents, path, MAX_NOTEBOOK_BYTES, "A notebook")
    model = await _get(contents, path, type="notebook")
    return await asyncio.to_thread(fresh_notebook, model["content"], path, profile)


async def own_data(contents: ContentsManager, paths: Sequence[str]) -> dict[str, bytes]:
    """Return the files at `paths` by their names, which must differ.

    Raises
    ------
    BadRequest, TooLarge
    """
    found: dict[str, bytes] = {}
    left = MAX_DATA_BYTES
    for path in paths:
        name = PurePosixPath(path).name
        if name in found:
            raise BadRequest(
                f"Two data files are named {name!r}.", hint="Rename one of them, then try again."
            )
        await _sized(contents, path, left, "A room's data files together")
        model = await _get(contents, path, type="file", format="base64")
        try:
            found[name] = await asyncio.to_thread(base64.b64decode, model["content"])
        except (binascii.Error, TypeError, ValueError) as error:
            raise BadRequest(f"The file {path!r} could not be read.") from error
        left -= len(found[name])
        if left < 0:
            raise _too_large("A room's data files together", MAX_DATA_BYTES)
    return found


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


async def _sized(contents: ContentsManager, path: str, limit: int, what: str) -> None:
    model = await _get(contents, path, content=False)
    if model.get("type") == "directory":
        raise BadRequest(f"{path!r} is a folder.", hint="Name its files one by one.")
    if (model.get("size") or 0) > limit:
        raise _too_large(what, limit)


def _too_large(what: str, limit: int) -> TooLarge:
    return TooLarge(f"{what} may have at most {limit // MIB} MiB.")


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
