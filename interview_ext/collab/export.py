"""The notebook as a file in the host's folder: written, never read back.

The log is the truth; the file is for looking, copying and version control. A file that somebody
changed since it was written is their work: it is kept aside under a name with the time,
and the document is written in its old place.
"""

from __future__ import annotations

import asyncio
import glob
import json
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from interview_ext.rooms.ids import Clock, digest, now
from interview_ext.rooms.model import STAFF, Document
from interview_ext.rooms.ports import Recorder

log = logging.getLogger(__name__)

RESTS = 9
"""After each file the exporter rests so many times as long as it took: a tenth of the disk is its.

Every file is synced to the disk, upon which the log's commits wait: with 500 rooms in which people
type, a file for each every five seconds made one commit in twenty take more than a second.
"""
_RECORD = ".exported.json"
"""In each room's folder: what was last written, by path, as a digest."""


class Exportable(Protocol):
    """A shared document, as the exporter needs it."""

    @property
    def document(self) -> Document: ...

    def read(self) -> Callable[[], dict[str, Any] | str]: ...


class Exporter:
    """Writes files some time after their documents have changed, one by one. One per server.

    Parameters
    ----------
    folder:
        Gets a folder for each room, named by the room's id, with the room's documents.
    delay_s:
        From the first change that is not in the file to the writing of the file, if not many wait.
    timeline:
        Told, for the staff, when a file was kept aside.
    """

    def __init__(
        self,
        folder: Path,
        *,
        timeline: Recorder | None = None,
        delay_s: float = 5.0,
        clock: Clock = now,
    ) -> None:
        self._folder = folder
        self._timeline = timeline
        self._delay_s = delay_s
        self._clock = clock
        self._pending: dict[str, tuple[Exportable, asyncio.TimerHandle]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._due: dict[str, None] = {}
        self._worker: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def changed(self, shared: Exportable) -> None:
        """Called by a document after each change."""
        if shared.document.id not in self._pending:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self._delay_s, self._is_due, shared.document.id)
            self._pending[shared.document.id] = (shared, timer)

    async def flush(self, document: Document) -> None:
        """Write now what waits to be written, and what is being written to its end."""
        pending = self._pending.pop(document.id, None)
        if pending is not None:
            pending[1].cancel()
            await self._export(pending[0])
        async with self._lock(document.room_id):
            return

    async def rewrite(self, document: Document, content: dict[str, Any] | str) -> None:
        """Put the content in the place of all that was ever written of a document.

        Copies kept aside, and those that an editor made beside the file, go as well: what has
        been erased from the document stands in them. A document without a file gets none.

        Raises
        ------
        OSError
        """
        pending = self._pending.pop(document.id, None)
        if pending is not None:
            pending[1].cancel()
        async with self._lock(document.room_id):
            await asyncio.to_thread(self._write_over, document, _encode(content))

    async def stop(self) -> None:
        """Write everything that waits."""
        self._stopping.set()
        for shared, _ in list(self._pending.values()):
            await self.flush(shared.document)
        if self._worker is not None:
            await self._worker

    def path(self, document: Document) -> Path:
        """Return where a document's file is."""
        room = self._folder / document.room_id
        path = (room / document.path).resolve()
        if room.resolve() not in path.parents:
            raise ValueError(f"{document.path!r} leads out of the room's folder")
        return path

    def _lock(self, room_id: str) -> asyncio.Lock:
        return self._locks.setdefault(room_id, asyncio.Lock())

    def _is_due(self, document_id: str) -> None:
        self._due[document_id] = None
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._write_due(), name="exporter")

    async def _write_due(self) -> None:
        loop = asyncio.get_running_loop()
        while self._due:
            document_id = next(iter(self._due))
            del self._due[document_id]
            pending = self._pending.pop(document_id, None)
            if pending is None:
                continue  # written meanwhile, because somebody could not wait
            began = loop.time()
            await self._export(pending[0])
            with suppress(TimeoutError):
                async with asyncio.timeout(RESTS * (loop.time() - began)):
                    await self._stopping.wait()

    async def _export(self, shared: Exportable) -> None:
        """Write one file; a folder that cannot be written must not disturb the interview."""
        document = shared.document
        try:
            async with self._lock(document.room_id):
                content = shared.read()
                kept = await asyncio.to_thread(lambda: self._write(document, _encode(content())))
            if kept is not None and self._timeline is not None:
                await self._timeline.record(
                    document.room_id,
                    "export.kept_aside",
                    actor="server",
                    audience=STAFF,
                    payload={"path": document.path, "kept_as": kept.name},
                )
        except Exception:
            log.exception("%s could not be exported", document.path)

    def _write(self, document: Document, data: bytes) -> Path | None:
        """Replace the file; return where a changed one was put. Runs in a thread."""
        path = self.path(document)
        path.parent.mkdir(parents=True, exist_ok=True)
        record_path = self._folder / document.room_id / _RECORD
        record = _read_record(record_path)
        kept = None
        if path.exists():
            present = digest(path.read_bytes())
            if present == digest(data):
                return None
            if present != record.get(document.path):
                kept = self._aside(path)
                path.rename(kept)
        record[document.path] = digest(data)
        _replace(record_path, json.dumps(record, indent=1).encode())
        _replace(path, data)
        return kept

    def _write_over(self, document: Document, data: bytes) -> None:
        path = self.path(document)
        exported = path.exists()
        copies = f"{glob.escape(path.stem)} changed outside *{glob.escape(path.suffix)}"
        kept = f"{glob.escape(path.stem)}*{glob.escape(path.suffix)}"
        for old in [
            *path.parent.glob(copies),
            *path.parent.glob(".*.part"),
            *(path.parent / ".ipynb_checkpoints").glob(kept),
        ]:
            old.unlink(missing_ok=True)
            exported = True
        if not exported:
            return
        record_path = self._folder / document.room_id / _RECORD
        record = _read_record(record_path) | {document.path: digest(data)}
        _replace(record_path, json.dumps(record, indent=1).encode())
        _replace(path, data)

    def _aside(self, path: Path) -> Path:
        stamp = self._clock().strftime("%Y-%m-%d %H%M%S")
        kept, number = path.with_stem(f"{path.stem} changed outside {stamp}"), 1
        while kept.exists():
            number += 1
            kept = path.with_stem(f"{path.stem} changed outside {stamp} {number}")
        return kept


def _encode(content: dict[str, Any] | str) -> bytes:
    """Return the bytes of the file; of a notebook as nbformat writes it."""
    if isinstance(content, str):
        return content.encode()
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    return (text + "\n").encode(errors="replace")


def _read_record(path: Path) -> dict[str, str]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
