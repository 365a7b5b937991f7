"""Redis on a free loopback port."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.services.process import Service, free_port, listens


class RedisServer:
    """One server that keeps nothing on disk."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        # redis-tools holds the whole server, which goes by the name it is called by.
        program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
        if program is None:
            pytest.skip("there is no redis-server (make services)")
        self.port = free_port()
        self._password = password
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--requirepass", password] if password else []
        command = [
            *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--dir", str(folder), *options),
        ]
        self.service = Service(
            command,
            log=folder / "redis.log",
            answers=lambda: listens(self.port),
            executable=program,
        )

    @property
    def url(self) -> str:
        who = f":{self._password}@" if self._password else ""
        return f"redis://{who}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.service.start()

    def kill(self) -> None:
        self.service.kill()
