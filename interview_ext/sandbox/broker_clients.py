"""Who may use a broker: names, digests of their tokens, and how much each may have."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from interview_ext.errors import BadRequest, Unauthenticated

log = logging.getLogger(__name__)

DEFAULT_MAX_SANDBOXES = 20
TOKEN_BYTES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class BrokerUser:
    """One client of the broker: a server of its own, seeing its own sandboxes only."""

    name: str
    token_sha256: str
    max_sandboxes: int


class BrokerUsers:
    """The clients' file: JSON, ``{name: {"token_sha256": …, "max_sandboxes": …}}``, mode 0600.

    It is read again whenever it has changed, so a new client needs no restart of the broker.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._users: list[BrokerUser] = []

    def by_token(self, token: str) -> BrokerUser:
        """Whose token this is. Raises Unauthenticated."""
        digest = _digest(token)
        found = None
        for user in self._current():  # all of them, so that the time taken tells nothing
            if hmac.compare_digest(user.token_sha256, digest):
                found = user
        if found is None or not token:
            raise Unauthenticated(
                "The broker does not know this token.",
                hint="Make one with `jupyter interview broker-token NAME` where the broker runs.",
            )
        return found

    def add(self, name: str, *, max_sandboxes: int = DEFAULT_MAX_SANDBOXES) -> str:
        """Make a client, or a new token for it; the answer, the token, is kept nowhere.

        Raises
        ------
        BadRequest
            Not a name.
        """
        if not _NAME.fullmatch(name):
            raise BadRequest("A client's name is made of a-z, 0-9, - and _, 63 at most.")
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._locked():
            users = {user.name: user for user in self._current()}
            users[name] = BrokerUser(
                name=name, token_sha256=_digest(token), max_sandboxes=max_sandboxes
            )
            self._write(users)
        return token

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, users: dict[str, BrokerUser]) -> None:
        rows = {
            user.name: {"token_sha256": user.token_sha256, "max_sandboxes": user.max_sandboxes}
            for user in users.values()
        }
        part = self._path.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(rows, file, indent=2)
        part.replace(self._path)

    def _current(self) -> list[BrokerUser]:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return []
        at = (status.st_mtime_ns, status.st_ino)
        if at != self._read_at:
            self._read_at = at
            try:
                rows = json.loads(self._path.read_text())
                self._users = [BrokerUser(name=name, **row) for name, row in rows.items()]
            except (OSError, ValueError, TypeError, AttributeError) as error:
                log.warning(
                    "%s cannot be read; clients stay as they were: %s", self._path.name, error
                )
        return self._users


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
