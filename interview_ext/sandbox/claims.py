"""What has to be known to take over a running sandbox, kept where a killed process finds it.

One small file a claim, readable by the server's user only: the marker in it is what tells the
shim's own words from a candidate's (see ``frames``). Nothing is synchronised to the disk: what
takes more than the process along takes the containers too.

A folder beside the store was chosen over the store itself, since a sandbox is usable without one,
and over labels of the container, which cannot say to whom a warm one was handed.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sandbox that somebody has.

    Attributes
    ----------
    id:
        Its name towards whoever has it, a secret of theirs; a file's name here.
    container, process:
        The engine's handles of container and kernel.
    sync:
        The shim's marker, in hexadecimal.
    profile, room:
        What it was claimed as, and for whom.
    owner:
        Which client of a broker has it; empty inside a server.
    run_limit:
        Whether it ends when a cell runs, or nothing does, for longer than the profile allows.
    frozen:
        Whether it stands still now; what a file says of that is as old as the claim.
    """

    id: str
    container: str
    process: str
    sync: str
    profile: str
    room: str
    owner: str = ""
    run_limit: bool = True
    frozen: bool = False


class Claims:
    """The claims of one server or broker.

    Parameters
    ----------
    folder:
        Made when missing, with mode 0700; None keeps nothing, so nothing can be taken over.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def save(self, claim: Claim) -> None:
        """Keep a claim."""
        if self._folder is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(claim.id)
        part = path.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(claim), file)
        part.replace(path)

    def remove(self, claim_id: str) -> None:
        """Forget a claim; no error if there is none."""
        if self._folder is not None:
            self._path(claim_id).unlink(missing_ok=True)

    def load(self) -> list[Claim]:
        """All that are kept. What cannot be read is removed."""
        found: list[Claim] = []
        if self._folder is None:
            return found
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(self._read(path))
            except (OSError, ValueError, TypeError, AttributeError) as error:
                log.warning("a claim could not be read: %s", error)
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        return found

    def _read(self, path: Path) -> Claim:
        claim = Claim(**json.loads(path.read_text()))
        bytes.fromhex(claim.sync)
        if self._path(claim.id) != path:
            raise ValueError("It is not named after its sandbox.")
        return claim

    def _path(self, claim_id: str) -> Path:
        if self._folder is None or not claim_id.isalnum():
            raise ValueError("A claim's id is made of letters and digits.")
        return self._folder / f"{claim_id}.json"


def server_id_of(folder: Path) -> str:
    """By what the containers of whoever keeps its claims here are known; made at the first need.

    Not of the machine's name: that changes with each container that a server is started in.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    path = folder / "server-id"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        part = folder / f"server-id.{secrets.token_hex(4)}"
        part.write_text(secrets.token_hex(8))
        try:
            os.link(part, path)  # the first of two that start together wins, whole
        finally:
            part.unlink()
    return path.read_text().strip()
