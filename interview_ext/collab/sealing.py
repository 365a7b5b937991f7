"""How branches are stored: encrypted, under keys of which no store ever has both halves.

The key of a branch is made (HKDF, RFC 5869) of a salt that is stored with the branch and of a
secret of 256 random bits that only the participant's browser keeps, in a cookie that no script
reads and that goes to their own door only. The browser shows it with every request, so a server
that was killed reads the branch again as soon as its page comes back, and a store or a backup
alone never can: SQLite's pages, MongoDB's journal and oplog and whatever copies an administrator
makes hold what they held for longer than a discard takes. A discard overwrites the salt and the
ciphertext where the backend can, takes the cookie from the browser and forgets the key here; a
merge does the same. The price: another browser cannot open the branch, and one that has lost its
cookies has lost it.

What stays visible in the store while there is a branch: whose it is, when something was written,
how large each update was.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from interview_ext.errors import BranchGone, BranchLocked, InterviewError, StoreUnavailable
from interview_ext.rooms.branching import is_branch
from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import Branch, LogEntry, NewLogEntry, Snapshot
from interview_ext.rooms.ports import UpdateLog

log = logging.getLogger(__name__)

_KEY_BYTES = 32
_NONCE_BYTES = 12
"""Random, as NIST SP 800-38D 8.2.2 has it: good for 2**32 updates under one key."""


class Seal:
    """Encrypts and decrypts the updates of one branch (AES-256-GCM).

    Parameters
    ----------
    salt:
        The store's half of the key.
    secret:
        The browser's half.
    """

    def __init__(self, branch_id: str, *, salt: str, secret: str) -> None:
        self._about = branch_id.encode()
        derive = HKDF(
            algorithm=SHA256(),
            length=_KEY_BYTES,
            salt=salt.encode(),
            info=b"interview branch " + self._about,
        )
        self._cipher = AESGCM(derive.derive(secret.encode()))

    def close(self, update: bytes) -> bytes:
        """Return an update as it is stored."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, update, self._about)

    def open(self, stored: bytes) -> bytes:
        """Return the update; raise `StoreUnavailable` if it was not sealed with this."""
        try:
            nonce, sealed = stored[:_NONCE_BYTES], stored[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, sealed, self._about)
        except (InvalidTag, ValueError) as error:
            raise StoreUnavailable("What is stored of this branch is damaged.") from error


class BranchFinder(Protocol):
    """Where branches are looked up; every store is it."""

    async def get_branch(self, branch_id: str) -> Branch | None: ...


@dataclass(frozen=True, kw_only=True)
class _Key:
    branch: Branch
    secret: str
    seal: Seal


class BranchKeys:
    """The keys whose both halves have met in this process. One per server."""

    def __init__(self, branches: BranchFinder) -> None:
        self._branches = branches
        self._keys: dict[str, _Key] = {}

    async def show(self, participant_id: str, secrets: Mapping[str, str]) -> None:
        """Take the halves that a participant's browser has brought with a request, by branch.

        Called for every request through a door. What is no half of a branch of theirs is left.
        """
        for branch_id, secret in secrets.items():
            if branch_id in self._keys:
                continue
            try:
                branch = await self._branches.get_branch(branch_id)
            except InterviewError as error:
                log.info("%s stays locked for now: %s", branch_id, error.message)
                continue
            if branch is not None and branch.participant_id == participant_id:
                self.keep(branch, secret)

    def keep(self, branch: Branch, secret: str) -> None:
        """Put a key together, if this is its half."""
        if digest(secret) == branch.secret_digest:
            seal = Seal(branch.id, salt=branch.salt, secret=secret)
            self._keys[branch.id] = _Key(branch=branch, secret=secret, seal=seal)

    def secret(self, branch_id: str) -> str | None:
        """Return the browser's half, if it is known here, for that browser only."""
        key = self._keys.get(branch_id)
        return None if key is None else key.secret

    def seal(self, branch_id: str) -> Seal:
        """Return what a branch's updates are sealed with, or raise `BranchLocked`."""
        key = self._keys.get(branch_id)
        if key is None:
            raise BranchLocked("This branch was begun in another browser, which has its key.")
        return key.seal

    def forget(self, branch_id: str) -> None:
        """The branch is gone."""
        self._keys.pop(branch_id, None)


class SealedLog:
    """The update log as `collab` writes it: nothing of a branch passes here in clear.

    What it is asked of documents of the room it hands on as it is.
    """

    def __init__(self, inner: UpdateLog, keys: BranchKeys) -> None:
        self._inner = inner
        self._keys = keys
        self._ending: set[str] = set()

    async def append(
        self,
        document_id: str,
        entries: Sequence[NewLogEntry],
        *,
        batch: str | None = None,
        after: int | None = None,
    ) -> int:
        """See `rooms.ports.UpdateLog.append`. Raises `BranchLocked` too."""
        if is_branch(document_id):
            seal = self._keys.seal(document_id)
            entries = [replace(entry, update=seal.close(entry.update)) for entry in entries]
        return await self._inner.append(document_id, entries, batch=batch, after=after)

    async def read(self, document_id: str, *, after: int = 0) -> list[LogEntry]:
        """See `rooms.ports.UpdateLog.read`. Raises `BranchLocked` and `BranchGone` too."""
        if not is_branch(document_id):
            return await self._inner.read(document_id, after=after)
        if document_id in self._ending:
            raise BranchGone("This branch is being merged or discarded.")
        return await self.last(document_id, after=after)

    async def last(self, branch_id: str, *, after: int = 0) -> list[LogEntry]:
        """Read a branch that is ending. Called by `branches`."""
        seal = self._keys.seal(branch_id)
        entries = await self._inner.read(branch_id, after=after)
        return [replace(entry, update=seal.open(entry.update)) for entry in entries]

    async def replace(self, document_id: str, entries: Sequence[LogEntry]) -> None:
        """See `rooms.ports.UpdateLog.replace`. No branch outlives the room, so none is erased."""
        if is_branch(document_id):
            raise BranchGone("This branch is gone.")
        await self._inner.replace(document_id, entries)

    async def last_seq(self, document_id: str) -> int:
        return await self._inner.last_seq(document_id)

    async def keep_snapshot(self, document_id: str, snapshot: Snapshot) -> None:
        """See `rooms.ports.UpdateLog.keep_snapshot`. It would be in clear: a branch has none."""
        if not is_branch(document_id):
            await self._inner.keep_snapshot(document_id, snapshot)

    async def get_snapshot(self, document_id: str) -> Snapshot | None:
        return None if is_branch(document_id) else await self._inner.get_snapshot(document_id)

    async def claim_clients(
        self, document_id: str, participant_id: str, clients: Sequence[int]
    ) -> Mapping[int, str]:
        return await self._inner.claim_clients(document_id, participant_id, clients)

    async def client_owners(self, document_id: str) -> dict[int, str]:
        return await self._inner.client_owners(document_id)

    def begin_ending(self, branch_id: str) -> None:
        """From now on nobody opens this branch again."""
        self._ending.add(branch_id)

    def end_ending(self, branch_id: str) -> None:
        """It is gone, or has to go on after all."""
        self._ending.discard(branch_id)
