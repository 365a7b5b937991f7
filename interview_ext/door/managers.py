"""What JupyterLab's services see of a room: its documents and data, its one kernel.

These are not jupyter_server's managers with parts cut off, but small views made from
nothing: a manager of the server knows forty methods, each of which would have to be
refused; these know what is listed here.
"""

from __future__ import annotations

import base64
import mimetypes
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from interview_ext.api.services import Services
from interview_ext.door.context import DoorContext, Kernel
from interview_ext.errors import BadRequest, BranchNoRuns, NotFound, TooLarge
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.model import DataFile, Document, Room
from interview_ext.rooms.roles import Action

DATA_FOLDER = "data"
MAX_SHOWN_BYTES = 2 * 1024 * 1024
"""Of a data file in the page. The kernel reads files of any size."""


class RoomContents:
    """A virtual folder: the documents this person may read, and ``data/``. Never written."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, actor: Actor, path: str, *, content: bool) -> dict[str, Any]:
        """Return the contents model of a document, a data file or a folder.

        Raises
        ------
        NotFound
            For everything that is not this person's to read.
        """
        room = await self._services.rooms.check(actor, Action.DOCUMENT_READ)
        path = path.strip("/")
        if path in ("", DATA_FOLDER):
            return await self._folder(actor, room, path, content=content)
        if path.startswith(f"{DATA_FOLDER}/"):
            return await self._data_file(
                room, path.removeprefix(f"{DATA_FOLDER}/"), content=content
            )
        room, document, writable = await self._services.rooms.document_by_path(actor, path)
        model = _document_model(room, document, writable=writable)
        if content:
            model["content"] = await self._services.documents.content(document)
            notebook = document.kind == "notebook"
            model["format"] = "json" if notebook else "text"
            model["mimetype"] = None if notebook else _mimetype(path)
        return model

    async def _folder(
        self, actor: Actor, room: Room, path: str, *, content: bool
    ) -> dict[str, Any]:
        model = _model(path, "directory", at=room.created_at, writable=False)
        if not content:
            return model
        files = await self._services.store.list_data_files(room.id)
        if path == DATA_FOLDER:
            items = [_data_model(room, file) for file in files]
        else:
            items = [
                _document_model(room, document, writable=writable)
                for document, writable in await self._services.rooms.documents(actor)
            ]
            if files:
                items.append(_model(DATA_FOLDER, "directory", at=room.created_at, writable=False))
        return model | {"content": items, "format": "json"}

    async def _data_file(self, room: Room, name: str, *, content: bool) -> dict[str, Any]:
        for file in await self._services.store.list_data_files(room.id):
            if file.path == name:
                break
        else:
            raise NotFound("There is no such file in this interview.")
        model = _data_model(room, file)
        if not content:
            return model
        if file.size > MAX_SHOWN_BYTES:
            raise TooLarge("This file is too large to be shown.", hint="Read it in a cell.")
        return model | _as_content(name, await self._services.store.read_content(file.digest))


KINDS = {"webassembly": " (standard library only)", "none": " (not isolated)"}
"""What a kernel's name says of engines that are no containers."""


class RoomKernels:
    """The room's one kernel, and the one session everybody in the room shares."""

    def __init__(self, context: DoorContext) -> None:
        self._services = context.services
        self._kernels = context.kernels

    async def specs(self, actor: Actor) -> dict[str, Any]:
        """Return the one kernel spec there is: the room's profile."""
        kernel = await self._kernels.kernel(actor)
        name = kernel.name
        kind = KINDS.get(await self._services.executions.isolation(), "")
        spec = {
            "argv": [],
            "env": {},
            "display_name": f"{kernel.language.display_name}{kind}",
            "language": kernel.language.name,
            "interrupt_mode": "message",
            "metadata": {"debugger": False},
        }
        return {
            "default": name,
            "kernelspecs": {name: {"name": name, "spec": spec, "resources": {}}},
        }

    async def the_kernel(self, actor: Actor) -> dict[str, Any]:
        """Return the room's kernel's model; a page never starts or chooses one."""
        return _kernel_model(await self._kernels.kernel(actor))

    async def get(self, actor: Actor, kernel_id: str) -> dict[str, Any]:
        """Return the kernel's model by its id; any other id does not exist."""
        model = await self.the_kernel(actor)
        if model["id"] != kernel_id:
            raise NotFound("There is no such kernel in this interview.")
        return model

    async def interrupt(self, actor: Actor, kernel_id: str) -> None:
        """Interrupt what runs."""
        await self.get(actor, kernel_id)
        await self._services.executions.interrupt(actor)

    async def restart(self, actor: Actor, kernel_id: str) -> dict[str, Any]:
        """Replace the kernel by a fresh one, under the same id."""
        await self.get(actor, kernel_id)
        await self._services.executions.restart(actor)
        return await self.the_kernel(actor)

    async def sessions(self, actor: Actor) -> list[dict[str, Any]]:
        """Return a session on the kernel for each notebook: so no page asks for one."""
        kernel = await self.the_kernel(actor)
        documents = await self._services.rooms.documents(actor)
        return [
            _session_model(document, kernel)
            for document, _ in documents
            if document.kind == "notebook"
        ]

    async def session(self, actor: Actor, session_id: str) -> dict[str, Any]:
        """Return one session by its id."""
        for model in await self.sessions(actor):
            if model["id"] == session_id:
                return model
        raise NotFound("There is no such session in this interview.")

    async def attach(self, actor: Actor, path: object) -> dict[str, Any]:
        """Return the session of a notebook, whatever kernel the page would have liked."""
        if not isinstance(path, str):
            raise BadRequest("`path` says which notebook the session is for.")
        _, document, _ = await self._services.rooms.document_by_path(actor, path)
        if document.branch_of is not None:
            raise BranchNoRuns("A branch has no kernel: the room's is everybody's.")
        if document.kind != "notebook":
            raise BadRequest("Only notebooks have a kernel here.")
        return _session_model(document, await self.the_kernel(actor))


def _model(path: str, kind: str, *, at: datetime, writable: bool) -> dict[str, Any]:
    stamp = at.isoformat().replace("+00:00", "Z")
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "type": kind,
        "writable": writable,
        "created": stamp,
        "last_modified": stamp,
        "size": None,
        "mimetype": None,
        "content": None,
        "format": None,
        "hash": None,
        "hash_algorithm": None,
    }


def _document_model(room: Room, document: Document, *, writable: bool) -> dict[str, Any]:
    return _model(document.path, document.kind, at=room.created_at, writable=writable)


def _data_model(room: Room, file: DataFile) -> dict[str, Any]:
    model = _model(f"{DATA_FOLDER}/{file.path}", "file", at=room.created_at, writable=False)
    return model | {"size": file.size, "mimetype": _mimetype(file.path)}


def _as_content(name: str, body: bytes) -> dict[str, Any]:
    try:
        return {"content": body.decode(), "format": "text", "mimetype": _mimetype(name)}
    except UnicodeDecodeError:
        content = base64.encodebytes(body).decode("ascii")
        return {"content": content, "format": "base64", "mimetype": _mimetype(name)}


def _mimetype(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "text/plain"


def _kernel_model(kernel: Kernel) -> dict[str, Any]:
    return {
        "id": kernel.id,
        "name": kernel.name,
        "last_activity": kernel.last_activity.isoformat().replace("+00:00", "Z"),
        "execution_state": kernel.execution_state,
        "connections": kernel.connections,
    }


def _session_model(document: Document, kernel: dict[str, Any]) -> dict[str, Any]:
    name = document.path.rpartition("/")[2]
    return {
        "id": str(uuid5(NAMESPACE_URL, document.id)),
        "path": document.path,
        "name": name,
        "type": "notebook",
        "kernel": kernel,
        "notebook": {"path": document.path, "name": name},
    }
