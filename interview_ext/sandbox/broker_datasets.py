"""The data sets at a broker: each content once, whichever of its clients have sent it.

A client that names a digest may link that content, without having sent it: whoever knows the
SHA-256 of a content knows the content, or has been told of it by somebody who does. What it can
find out besides is whether another client's rooms have a content that it has itself.

Each client's use of a content is an empty file in `uses`, named after both, whose age says when
that client last named it. A content goes when no client uses it: because each has dropped it, or
has not named it for `KEPT_S`, since a client may be away for good. One that comes again sends it
again.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from interview_ext.errors import NotFound

from .datasets import DatasetFolder, Incoming

KEPT_S = 7 * 24 * 3600.0
"""Much longer than an interview: a sandbox that runs has its data sets named when it started."""


class BrokerDatasets:
    """Made once by the broker's application. All methods block: call them in a thread.

    Parameters
    ----------
    uses:
        Folder for what is said above; made when missing.
    """

    def __init__(self, folder: DatasetFolder, uses: Path, *, kept_s: float = KEPT_S) -> None:
        self._folder = folder
        self._uses = uses
        self._kept_s = kept_s
        self._lock = threading.Lock()

    def open(self) -> None:
        """Take the folder. Raises StoreUnavailable."""
        self._folder.open()
        self._uses.mkdir(mode=0o700, exist_ok=True)
        self.expire()

    def close(self) -> None:
        """Leave it."""
        self._folder.close()

    def name(self, client: str, digest: str) -> int:
        """Note that a client uses a content; the answer is its size.

        Raises
        ------
        NotFound
            It has to be sent.
        BadRequest
            Not a digest.
        """
        with self._lock:
            size = self._folder.size(digest)
            if size is None:
                raise NotFound("There is no data set of that digest.")
            self._use(client, digest).touch()
            return size

    def begin(self, size: int) -> Incoming:
        """Make place for a content. Raises TooLarge, StoreUnavailable."""
        return self._folder.begin(size)

    def keep(self, client: str, digest: str, incoming: Incoming) -> None:
        """Take what a client has sent, if it is the content of that digest.

        Raises
        ------
        BadRequest, Conflict, StoreUnavailable
        """
        stored = incoming.finish(digest)
        with self._lock:
            self._use(client, digest).touch()
            incoming.publish(stored)

    def drop(self, client: str, digest: str) -> None:
        """A client uses a content no more. Raises BadRequest for no digest."""
        with self._lock:
            self._folder.path(digest)
            self._use(client, digest).unlink(missing_ok=True)
            if not list(self._uses.glob(f"{digest}.*")):
                self._folder.remove(digest)

    def expire(self) -> None:
        """Remove what no client has named for long."""
        with self._lock:
            used = set()
            for use in self._uses.iterdir():
                if time.time() - use.stat().st_mtime > self._kept_s:
                    use.unlink()
                else:
                    used.add(use.name.partition(".")[0])
            for digest in self._folder.digests() - used:
                self._folder.remove(digest)

    def _use(self, client: str, digest: str) -> Path:
        return self._uses / f"{digest}.{client}"
