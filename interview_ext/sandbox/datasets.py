"""Large data files on disk: each content once, named after its digest, mounted by containers.

One folder belongs to one process, a server that owns an engine or a broker. In it

    shared/  what every container mounts, read-only: files named after the SHA-256 of their
             contents, mode 0444. The folder may be entered and not be listed, not even by its
             owner (mode 0311): a kernel's uid may be that of the server. So a cell reaches the
             files whose digests it knows, which is as good as knowing the contents.
    names/   an empty file for each of them, since the owner has to know what there is
    new/     what is being written; emptied at the start

A file appears in `shared` by a rename, complete and on the disk.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from interview_ext.errors import BadRequest, Conflict, DatasetMissing, StoreUnavailable, TooLarge

from .profiles import GIB, MIB

MOUNT = "/datasets"
"""Where a container has them; the shim knows it too."""
CHUNK_BYTES = 4 * MIB
SPARE_BYTES = GIB
"""So much of the disk stays free: the store of the rooms may stand on it too."""
DIGEST = re.compile(r"[0-9a-f]{64}")
CHANGED = "The file has changed while it was read."
_SHARED_MODE = 0o311


class Dataset(Protocol):
    """A content by its SHA-256, in hexadecimal, and its size in bytes."""

    @property
    def digest(self) -> str: ...

    @property
    def size(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class StoredDataset:
    """One that stands in a `DatasetFolder`."""

    digest: str
    size: int


class Incoming:
    """A content that is being written. Its methods may be called in any thread, and block.

    Made by `DatasetFolder.begin`; ends by `publish` or `discard`.
    """

    def __init__(self, folder: DatasetFolder, path: Path, size: int) -> None:
        self.size = size
        self.written = 0
        self._folder = folder
        self._path = path
        self._hash = hashlib.sha256()
        self._lock = threading.Lock()
        self._file: BinaryIO | None = path.open("xb", buffering=0)

    def write(self, data: bytes) -> None:
        """Add to the end.

        Raises
        ------
        TooLarge
            More comes than was announced.
        StoreUnavailable
            The disk does not take it.
        """
        with self._lock:
            if self.written + len(data) > self.size:
                raise TooLarge("More bytes came than had been announced.")
            try:
                left = memoryview(data)
                while left:
                    left = left[self._open_file.write(left) :]
            except OSError as error:
                raise _unwritable(error) from error
            self._hash.update(data)
            self.written += len(data)

    def finish(self, digest: str = "") -> StoredDataset:
        """Bring it onto the disk; the answer is what it is.

        Raises
        ------
        Conflict
            Less has come than was announced.
        BadRequest
            It is not the content of that digest.
        StoreUnavailable
        """
        with self._lock:
            if self.written != self.size:
                raise Conflict(CHANGED, hint="Try again.")
            found = self._hash.hexdigest()
            if digest not in ("", found):
                raise BadRequest("What came is not the content of that digest.")
            try:
                os.fchmod(self._open_file.fileno(), 0o444)
                os.fsync(self._open_file.fileno())
            except OSError as error:
                raise _unwritable(error) from error
            return StoredDataset(digest=found, size=self.size)

    def publish(self, stored: StoredDataset) -> None:
        """Give what has been finished its name, or let go of it if that content is there."""
        with self._lock:
            try:
                if self._folder.take(self, self._path, stored):
                    os.fsync(self._open_file.fileno())  # a file's name reaches the disk with it
            except OSError as error:
                raise _unwritable(error) from error
            finally:
                self._close()

    def discard(self) -> None:
        """Let go of it; nothing if it has ended."""
        with self._lock:
            self._close()
            self._path.unlink(missing_ok=True)
            self._folder.forget(self)

    @property
    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise Conflict("The upload has been given up.")
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class DatasetFolder:
    """The data sets of one process. All methods block: call them in a thread.

    Parameters
    ----------
    folder:
        Made when missing, entered by this user only.
    max_bytes:
        All of them together.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._names = folder / "names"
        self._new = folder / "new"
        self._lock = threading.Lock()
        self._incoming: set[Incoming] = set()
        self._count = 0
        self._held: int | None = None

    @property
    def shared(self) -> Path:
        """What containers mount at `MOUNT`."""
        return self._folder / "shared"

    def open(self) -> None:
        """Take the folder. Raises StoreUnavailable if that cannot be: it may be another's."""
        try:
            for folder in (self._folder, self._names, self._new, self.shared):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._hold()
            for left in self._new.iterdir():
                left.unlink()
            self.shared.chmod(_SHARED_MODE)
        except OSError as error:
            raise StoreUnavailable(
                f"The folder of data sets {self._folder} cannot be used: {error.strerror}.",
                hint="Set InterviewApp.datasets_dir to a folder that this server may write.",
            ) from error

    def _hold(self) -> None:
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StoreUnavailable(
                f"Another process uses the folder of data sets {self._folder}.",
                hint="Give each server a folder of its own (InterviewApp.datasets_dir).",
            ) from None
        self._held = lock

    def close(self) -> None:
        """Leave the folder to others. Idempotent."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    # -- what there is

    def path(self, digest: str) -> Path:
        """Where the content of a digest stands, if it is there. Raises BadRequest for no digest."""
        if not DIGEST.fullmatch(digest):
            raise BadRequest("A digest is 64 hexadecimal digits.")
        return self.shared / digest

    def size(self, digest: str) -> int | None:
        """How many bytes a content has; None if it is not there."""
        try:
            return self.path(digest).stat().st_size
        except OSError:
            return None

    def digests(self) -> set[str]:
        """All contents that are there."""
        return {path.name for path in self._names.iterdir() if DIGEST.fullmatch(path.name)}

    def check(self, path: str, dataset: Dataset) -> None:
        """Raise DatasetMissing if a room's data file of that path is not there."""
        if self.size(dataset.digest) != dataset.size:
            raise DatasetMissing(f"The data file {path} is not stored on the server any more.")

    # -- what comes and goes

    def begin(self, size: int) -> Incoming:
        """Make place for a content of that size. Raises TooLarge, StoreUnavailable."""
        with self._lock:
            coming = sum(each.size for each in self._incoming)
            used = coming + sum(self.size(digest) or 0 for digest in self.digests())
            if used + size > self._max_bytes:
                raise TooLarge(
                    f"The data sets stored here may have {_shown(self._max_bytes)} together, of "
                    f"which {_shown(used)} are taken; this one has {_shown(size)}.",
                    hint="Delete interviews with large data files, or let the administrator raise "
                    "the limit (InterviewApp.datasets_bytes, BrokerApp.datasets_bytes).",
                )
            missing = sum(each.size - each.written for each in self._incoming)
            free = shutil.disk_usage(self._folder).free - missing
            if size + SPARE_BYTES > free:
                raise TooLarge(
                    f"The disk has no place for a data set of {_shown(size)}.",
                    hint="Make place on the disk of the data sets, then try again.",
                )
            self._count += 1
            try:
                incoming = Incoming(self, self._new / f"{self._count}.part", size)
            except OSError as error:
                raise _unwritable(error) from error
            self._incoming.add(incoming)
            return incoming

    @staticmethod
    def digest(file: BinaryIO, stopped: Callable[[], bool]) -> str:
        """The digest of a file's content, from where it stands. Raises Conflict if stopped."""
        found = hashlib.sha256()
        while data := file.read(CHUNK_BYTES):
            _check(fits=True, wanted=not stopped())
            found.update(data)
        return found.hexdigest()

    def copy(self, file: BinaryIO, size: int, stopped: Callable[[], bool]) -> Incoming:
        """Read `size` bytes of a file into an `Incoming`; whoever gets that ends it.

        Parameters
        ----------
        stopped:
            Asked again and again; True gives up.

        Raises
        ------
        Conflict
            The file has changed, or it was stopped.
        TooLarge, StoreUnavailable
        """
        incoming = self.begin(size)
        try:
            while data := file.read(CHUNK_BYTES):
                _check(fits=incoming.written + len(data) <= size, wanted=not stopped())
                incoming.write(data)
        except BaseException:
            incoming.discard()
            raise
        return incoming

    def take(self, incoming: Incoming, path: Path, stored: StoredDataset) -> bool:
        """Called by `Incoming.publish`; the answer is whether that content is new here."""
        with self._lock:
            self._incoming.discard(incoming)
            target = self.path(stored.digest)
            if target.exists():
                path.unlink()
                return False
            (self._names / stored.digest).touch()
            _sync(self._names)
            path.rename(target)
            return True

    def forget(self, incoming: Incoming) -> None:
        """Called by `Incoming.discard`."""
        with self._lock:
            self._incoming.discard(incoming)

    def remove(self, digest: str) -> None:
        """Remove a content; no error if it is not there. A sandbox that reads it reads on."""
        with self._lock:
            self.path(digest).unlink(missing_ok=True)
            (self._names / digest).unlink(missing_ok=True)


def _check(*, fits: bool, wanted: bool) -> None:
    """Raise Conflict if a copy need not go on."""
    if not fits:
        raise Conflict(CHANGED, hint="Try again.")
    if not wanted:
        raise Conflict("It was given up.")


def _sync(folder: Path) -> None:
    """Bring the names in a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"The data set cannot be stored: {error.strerror}.",
        hint="See that the disk of the data sets has place and can be written.",
    )


def _shown(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"
