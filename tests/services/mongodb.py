"""MongoDB: replica sets of any size on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import PyMongoError

from tests.services.process import Service, free_port, listens

MONGOD = Path(__file__).resolve().parents[2] / ".cache" / "mongodb" / "mongod"


class ReplicaSet:
    """Members on loopback; the first wins the first election."""

    def __init__(self, folder: Path, *, members: int = 1, options: tuple[str, ...] = ()) -> None:
        if not MONGOD.exists():
            pytest.skip("there is no mongod (scripts/unpack-mongod.sh)")
        self.ports = [free_port() for _ in range(members)]
        self.members = {p: self._member(folder / str(p), p, options) for p in self.ports}

    def _member(self, folder: Path, port: int, options: tuple[str, ...]) -> Service:
        folder.mkdir(parents=True)
        command = [
            *(str(MONGOD), "--dbpath", str(folder), "--port", str(port)),
            *("--bind_ip", "127.0.0.1", "--replSet", "rs", "--nounixsocket"),
            *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64", "--quiet", *options),
        ]
        return Service(command, log=folder / "log", answers=lambda: listens(port))

    def start(self, **client_options: Any) -> None:
        for member in self.members.values():
            member.start()
        hosts = [{"_id": n, "host": f"127.0.0.1:{p}"} for n, p in enumerate(self.ports)]
        config = {"_id": "rs", "members": hosts, "settings": {"electionTimeoutMillis": 1000}}
        with self.client(self.ports[0], **client_options) as client:
            client.admin.command("replSetInitiate", config)
        self.primary(**client_options)

    def stop(self) -> None:
        for member in self.members.values():
            member.kill()

    @property
    def address(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def url(self, database: str, options: str = "") -> str:
        return f"mongodb://{self.address}/{database}?replicaSet=rs{options}"

    @contextmanager
    def client(self, port: int, **options: Any) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=2000, **options
        )
        try:
            yield client
        finally:
            client.close()

    def primary(self, **options: Any) -> int:
        """Return the port of the member that takes writes, once there is one."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for port, member in self.members.items():
                if not member.running:
                    continue
                try:
                    with self.client(port, **options) as client:
                        if client.admin.command("hello").get("isWritablePrimary"):
                            return port
                except PyMongoError:
                    continue
            time.sleep(0.05)
        raise RuntimeError("no primary was elected")
