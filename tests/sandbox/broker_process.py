"""A broker of a test's own, as ``jupyter interview broker`` runs it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from interview_ext.sandbox.broker_client import PATIENCE_S, BrokerClient
from interview_ext.sandbox.broker_clients import BrokerUsers
from interview_ext.sandbox.broker_http import BrokerAddress, BrokerHttp
from interview_ext.sandbox.datasets import DatasetFolder

START_S = 60
STOP_S = 30


@asynccontextmanager
async def running_broker(**settings: object) -> AsyncIterator[BrokerProcess]:
    """A broker that runs, in a folder whose path is short enough for its socket."""
    with tempfile.TemporaryDirectory(prefix="broker-") as folder:
        broker = BrokerProcess(Path(folder) / "state", **settings)
        await broker.start()
        try:
            yield broker
        finally:
            await broker.stop()


class BrokerProcess:
    """A process on a folder; it may be killed and started again."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.socket = folder / "broker.sock"
        self.log = folder / "broker.log"
        self.settings: dict[str, object] = {"pool_size": 0, **settings}
        self.tokens: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(mode=0o700, exist_ok=True)
        self.temporary.mkdir(exist_ok=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def temporary(self) -> Path:
        """Its folder for temporary files."""
        return self.folder.with_name(f"{self.folder.name}-tmp")

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    async def start(self) -> None:
        """Start the process; return when it listens."""
        before = self._said()
        process = self._process = self._spawn()
        deadline = time.monotonic() + START_S
        while self._said() == before:
            assert process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            await asyncio.sleep(0.05)

    def _spawn(self) -> subprocess.Popen[bytes]:
        traits = {"state_dir": self.folder, **self.settings}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "interview_ext.cli", "broker"]
                + [f"--BrokerApp.{name}={value}" for name, value in traits.items()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=os.environ
                | {
                    "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
                    "TMPDIR": str(self.temporary),
                },
            )

    def _said(self) -> int:
        """How often it has said that it listens."""
        return self.log.read_text().count("listens on") if self.log.exists() else 0

    async def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        assert await asyncio.to_thread(self._process.wait, STOP_S) == -signal.SIGKILL
        self._process = None

    async def stop(self) -> None:
        """End it as a service manager does; nothing if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            assert await asyncio.to_thread(process.wait, STOP_S) == 0, self.log.read_text()[-4000:]

    def token_file(self, name: str, *, max_sandboxes: int = 20) -> Path:
        """Make a token for a server, once; it stands in the file."""
        path = self.folder.with_name(f"{self.folder.name}-{name}.token")
        if name not in self.tokens:
            users = BrokerUsers(self.folder / "clients.json")
            self.tokens[name] = users.add(name, max_sandboxes=max_sandboxes)
            path.write_text(self.tokens[name])
        return path

    def client(
        self,
        name: str,
        *,
        max_sandboxes: int = 20,
        patience_s: float = PATIENCE_S,
        datasets: DatasetFolder | None = None,
    ) -> BrokerClient:
        """A server's client, under a name; not yet started."""
        token_file = self.token_file(name, max_sandboxes=max_sandboxes)
        http = BrokerHttp(BrokerAddress.parse(self.url), token_file=token_file)
        # Brokers of other tests have clients of that name too, and may run beside this one.
        own = hashlib.sha256(str(self.folder).encode()).hexdigest()[:6]
        return BrokerClient(
            http, server_id=f"test-{own}-{name}", patience_s=patience_s, datasets=datasets
        )
