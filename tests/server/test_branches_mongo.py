"""A discarded branch in MongoDB, whose journal and oplog keep what was inserted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interview_ext.collab.sealing import Seal
from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.ids import new_id
from tests.server.conftest import serve
from tests.server.test_branches import Interview, found_in, write
from tests.services.mongodb import ReplicaSet

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def uncompressed(tmp_path: Path) -> Iterator[ReplicaSet]:
    """Files in which a text stands as it was written."""
    options = (
        *("--wiredTigerCollectionBlockCompressor", "none"),
        *("--wiredTigerJournalCompressor", "none"),
    )
    replica_set = ReplicaSet(tmp_path / "mongodb", options=options)
    try:
        replica_set.start()
        yield replica_set
    finally:
        replica_set.stop()


def oplog(database: ReplicaSet, collection: str) -> list[dict[str, Any]]:
    """Every row that was ever inserted into a collection."""
    with database.client(database.ports[0]) as client:
        rows = client["local"]["oplog.rs"].find({})
        found: list[dict[str, Any]] = []
        for row in rows:
            operations = row["o"].get("applyOps", [row]) if row["op"] == "c" else [row]
            found += [
                op["o"]
                for op in operations
                if op.get("op") == "i" and op.get("ns", "").endswith(f".{collection}")
            ]
        return found


async def test_what_mongodb_keeps_of_a_discarded_branch_no_remaining_key_opens(
    tmp_path: Path, uncompressed: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    (tmp_path / "one").mkdir()
    url = uncompressed.url(new_id("test"))
    async with serve(tmp_path / "one", store_url=url) as server:
        interview = await Interview.make(server)
        branch = await interview.begin()
        (row,) = await server.services.store.list_branches()
        secret = server.services.branches.secret(row)
        assert secret
        page = await interview.open(branch.id)
        await write(page, interview.canary)
        other = await interview.open(interview.notebook.id)
        await write(other, interview.seen)
        await interview.discard(branch)
        await interview.leave()
        assert await server.services.store.list_branches() == []
        assert await server.services.store.read(branch.id) == []
    with uncompressed.client(uncompressed.ports[0]) as client:
        client.admin.command("fsync")
    assert found_in(interview.seen, tmp_path / "mongodb"), "the search finds what is there"
    assert found_in(interview.canary, tmp_path) == []
    assert found_in(secret, tmp_path) == [], "the browser's half has never been stored"
    stored = [
        bytes(entry["update"])
        for group in oplog(uncompressed, "updates")
        if group["document_id"] == branch.id
        for entry in group["entries"]
    ]
    assert len(stored) > 1, "the oplog has kept the ciphertext"
    salts = [kept for kept in oplog(uncompressed, "branches") if kept["_id"] == branch.id]
    assert salts, "and the store's half"
    remaining = ["", row.secret_digest, row.salt, branch.id]
    for ciphertext in stored:
        for guess in remaining:
            with pytest.raises(StoreUnavailable):
                Seal(branch.id, salt=row.salt, secret=guess).open(ciphertext)
    opened = [Seal(branch.id, salt=row.salt, secret=secret).open(each) for each in stored]
    canary = interview.canary.encode()
    assert any(canary in update for update in opened), "it is the branch that was tried"
