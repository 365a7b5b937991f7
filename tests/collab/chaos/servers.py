"""Server processes that share a store and a bus and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.collab.chaos.nursery import Nursery
from tests.services.process import free_port

START_TIMEOUT_S = 120.0
_TOO_EARLY = "Interviews cannot be held"
"""What a server says that ends at its start because it cannot reach its database or its bus."""
_OWN_FAULT = re.compile(r'File "[^"]*/interview_ext/[^\n]*\n[^\n]*')
"""A line of a traceback that leads through this package."""


class ServerProcess:
    """JupyterLab with interviews, on a folder of its own; killed, and started again.

    Parameters
    ----------
    traits:
        Of `InterviewApp`, besides those that are each server's own.
    token:
        The host's login. All servers have the same.
    """

    def __init__(
        self, nursery: Nursery, folder: Path, traits: Mapping[str, str], *, token: str
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.folder = folder
        self.pid = 0
        self._begins = 0
        self._nursery = nursery
        self._log = folder / "server.log"
        self._headers = {"Authorization": f"token {token}"}
        for name in ("notebooks", "tmp"):
            (folder / name).mkdir(parents=True)
        arguments = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": str(self.port),
            "ServerApp.port_retries": "0",
            "ServerApp.root_dir": str(folder / "notebooks"),
            "ServerApp.open_browser": "False",
            "ServerApp.allow_root": "True",
            "InterviewApp.store_path": str(folder / "interviews.sqlite"),
            "InterviewApp.server_url": self.url.rstrip("/"),
            "InterviewApp.sandbox_pool_size": "0",
            "InterviewApp.join_attempts_per_minute": "10000",
            **{f"InterviewApp.{name}": value for name, value in traits.items()},
        }
        self._arguments = [f"--{name}={value}" for name, value in arguments.items()]
        self._environment = {
            "JUPYTER_TOKEN": token,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "TMPDIR": str(folder / "tmp"),
            "DOCKER_HOST": "tcp://127.0.0.1:9",  # no cell is run here, and nobody listens there
        }

    @property
    def exports(self) -> Path:
        """The folder of the rooms' exported documents."""
        return self.folder / "notebooks" / "interviews"

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start the process; return when it answers.

        One that cannot reach the database or the bus says so and ends; as the documentation asks
        of whoever runs several servers, it is started again.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        self._launch()
        while not self._answers():
            if self._nursery.ended(self.pid):
                assert _TOO_EARLY in self.log[self._begins :], self.log[-4000:]
                self._launch()
            assert time.monotonic() < deadline, self.log[-4000:]
            time.sleep(0.1)  # of another process nothing can be awaited but its answer

    def _launch(self) -> None:
        self._begins = len(self.log)
        self.pid = self._nursery.start(
            self._arguments, environment=self._environment, folder=self.folder, log=self._log
        )

    def kill(self) -> int:
        """Send SIGKILL; return the exit status once the process is gone."""
        return self._nursery.kill(self.pid)

    def faults(self) -> list[str]:
        """What of this package stands in tracebacks in its log."""
        return _OWN_FAULT.findall(self.log)

    def _answers(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}interview/api/rooms", headers=self._headers, timeout=10)
        except httpx.TransportError:
            return False
        return answer.status_code == 200
