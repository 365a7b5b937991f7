"""TLS and authentication go through the URL, to a real mongod that demands both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from interview_ext.errors import StoreUnavailable
from interview_ext.storage.mongo import MongoStore
from tests.contract.test_store import made_room
from tests.services.certificates import make_certificate
from tests.services.mongodb import ReplicaSet

USER, PASSWORD = "me", "p@ss:w/ord"
ENCODED = "p%40ss%3Aw%2Ford"


@dataclass(frozen=True, kw_only=True)
class Secured:
    """A replica set, and the certificate by which it is believed."""

    replica_set: ReplicaSet
    certificate: Path

    def url(self, *, password: str = ENCODED, tls: bool = True) -> str:
        options = f"&tls=true&tlsCAFile={self.certificate}" if tls else ""
        url = self.replica_set.url("interviews", f"&authSource=admin&timeoutMS=4000{options}")
        return url.replace("mongodb://", f"mongodb://{USER}:{password}@")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    made, both = make_certificate(folder, "127.0.0.1"), folder / "both"
    certificate = made.path
    both.write_bytes(made.key.read_bytes() + certificate.read_bytes())
    shared = folder / "shared"
    shared.write_text(os.urandom(48).hex())
    shared.chmod(0o600)
    options = (
        *("--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(both)),
        *("--tlsCAFile", str(certificate), "--tlsAllowConnectionsWithoutCertificates"),
        *("--keyFile", str(shared)),
    )
    trusted = {"tls": True, "tlsCAFile": str(certificate)}
    replica_set = ReplicaSet(folder / "data", options=options)
    try:
        replica_set.start(**trusted)
        port = replica_set.ports[0]
        with replica_set.client(port, **trusted) as client:
            client.admin.command("createUser", "root", pwd="root", roles=["root"])
        with replica_set.client(port, username="root", password="root", **trusted) as client:
            roles = [{"role": "readWrite", "db": "interviews"}]
            client.admin.command("createUser", USER, pwd=PASSWORD, roles=roles)
        yield Secured(replica_set=replica_set, certificate=certificate)
    finally:
        replica_set.stop()


async def test_with_both_it_works(secured: Secured) -> None:
    store = MongoStore(secured.url())
    await store.start()
    try:
        room, _, _ = await made_room(store)
        assert await store.get_room(room.id) == room
    finally:
        await store.stop()


async def test_a_wrong_password_is_said_and_not_shown(secured: Secured) -> None:
    with pytest.raises(StoreUnavailable, match="refuses the user") as caught:
        await MongoStore(secured.url(password="wr0ng")).start()
    assert "readWrite" in caught.value.hint
    assert "wr0ng" not in str(caught.value) + caught.value.hint


async def test_without_tls_nothing_answers(secured: Secured) -> None:
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await MongoStore(secured.url(tls=False)).start()
