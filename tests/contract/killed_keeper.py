"""A process to be killed while it keeps snapshots of a document, each newer than the last.

Usage: ``python -m tests.contract.killed_keeper STORE``, a URL of MongoDB or a file. The first line
is the document's id, each later one the seq of a snapshot that is stored.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from interview_ext.rooms.model import Snapshot
from interview_ext.storage.backends import MONGODB, store_of
from tests.contract.test_store import made_room

SIZE = 9 * 1024 * 1024
"""Three parts in MongoDB."""


def content(seq: int) -> bytes:
    """What the snapshot of a seq is: no part of it could be another's."""
    return bytes([seq % 256]) * (SIZE + seq)


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def keep(place: str) -> None:
    store = store_of(place if place.startswith(MONGODB.schemes) else "", path=Path(place))
    await store.start()
    _, document, _ = await made_room(store)
    say(document.id)
    seq = 0
    while True:
        seq += 1
        await store.keep_snapshot(document.id, Snapshot(seq=seq, data=content(seq)))
        say(seq)


if __name__ == "__main__":
    asyncio.run(keep(sys.argv[1]))
