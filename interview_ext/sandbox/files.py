"""Files in a sandbox's work folder, through its shim."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Any

from interview_ext.errors import (
    BadRequest,
    DatasetMissing,
    NotFound,
    SandboxProtocolError,
    TooLarge,
)

from .broker import Listing, StoredFile, clean_path
from .datasets import Dataset
from .link import Link, is_number
from .profiles import MIB

FILE_CHUNK_BYTES = 512 * 1024


class SandboxFiles:
    """One sandbox's work folder. Made by `Sandbox`.

    Parameters
    ----------
    link:
        The way to a shim that can answer. Raises SandboxGone, and Conflict while it is frozen.
    limit_bytes:
        What may be put there in all, and the size of the largest file that is taken out.
    """

    def __init__(self, link: Callable[[], Link], limit_bytes: int) -> None:
        self._link = link
        self._limit_bytes = limit_bytes
        self._put_bytes = 0

    async def put(self, path: str, data: bytes) -> None:
        """See :class:`SandboxHandle`."""
        clean_path(path)
        if self._put_bytes + len(data) > self._limit_bytes:
            raise TooLarge(f"A sandbox takes {self._limit_bytes // MIB} MB of files in all.")
        self._put_bytes += len(data)
        link = self._link()
        for offset in range(0, max(len(data), 1), FILE_CHUNK_BYTES):
            chunk = data[offset : offset + FILE_CHUNK_BYTES]
            answer, _ = await link.request("put", path=path, offset=offset, data=chunk)
            _raise_for(answer, path)

    async def link(self, path: str, dataset: Dataset) -> None:
        """See :class:`SandboxHandle`."""
        clean_path(path)
        data = dataset.digest.encode()
        answer, _ = await self._link().request("link", path=path, data=data)
        if answer.get("errno") in (errno.ENOENT, errno.EACCES):
            raise DatasetMissing(
                f"The sandbox does not see the data file {path}.",
                hint="The container engine has to reach the folder of data sets by the same path "
                "as who asks it: InterviewApp.datasets_dir, or a broker's BrokerApp.state_dir.",
            )
        _raise_for(answer, path)
        if answer.get("linked") != dataset.size:
            raise SandboxProtocolError(f"{path} was not linked.")

    async def get(self, path: str) -> bytes:
        """See :class:`SandboxHandle`."""
        clean_path(path)
        link = self._link()
        limit = self._limit_bytes
        content = bytearray()
        while True:
            answer, data = await link.request("get", path=path, offset=len(content))
            _raise_for(answer, path)
            content += data
            if len(content) > limit:
                raise TooLarge(f"{path} is larger than {limit // MIB} MB.")
            if not data:
                return bytes(content)

    async def listing(self) -> Listing:
        """What stands there, in so far as the shim may see it. Raises as `get` does."""
        answer, _ = await self._link().request("list")
        rows = answer.get("files")
        if not isinstance(rows, list):
            raise SandboxProtocolError("The list of files is none.")
        found = []
        for row in rows:
            match row:
                case [str() as path, size] if is_number(size):
                    found.append(StoredFile(path=path, size_bytes=size))
                case _:
                    raise SandboxProtocolError("The list of files is none.")
        return Listing(files=tuple(found), complete=answer.get("complete") is True)


def _raise_for(answer: Mapping[str, Any], path: str) -> None:
    number = answer.get("errno")
    if number is None:
        return
    if number == errno.ENOENT:
        raise NotFound(f"There is no file {path}.")
    if number in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        raise TooLarge("The work folder is full.")
    raise BadRequest(f"{path}: {answer.get('error')}.")
