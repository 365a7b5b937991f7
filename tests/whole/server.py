"""A JupyterLab of its own with interviews, as ``jupyter interview demo`` starts one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import docker
import docker.errors
import httpx
import pytest

from interview_ext.sandbox.claims import server_id_of
from tests.containers import containers

START_TIMEOUT_S = 180
STOP_TIMEOUT_S = 30


class Guest(Protocol):
    """Somebody whose browser has to be closed in the end."""

    async def leave(self) -> None: ...


class Server:
    """A server process on a folder; it may be killed and started again.

    Attributes
    ----------
    secrets:
        The server's token, and all that people were given to come in by.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.token = secrets.token_hex(24)
        self.secrets = {"the server's token": self.token}
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.store = folder / "interviews.sqlite"
        self.api = httpx.AsyncClient(
            base_url=f"{self.url}interview/api",
            headers={"Authorization": f"token {self.token}"},
            timeout=30,
        )
        self.guests: list[Guest] = []
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("notebooks", "tmp"):
            (folder / name).mkdir()

    # -- life

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that this and earlier processes have written."""
        return (self.folder / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """Start the process; return when it answers."""
        assert self._process is None
        arguments = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": str(self.port),
            "ServerApp.port_retries": "0",
            "ServerApp.root_dir": str(self.folder / "notebooks"),
            "ServerApp.open_browser": "False",
            "ServerApp.allow_root": "True",
            "ServerApp.log_level": "DEBUG",
            "InterviewApp.store_path": str(self.store),
            **self._settings,
        }
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab"]
                + [f"--{name}={value}" for name, value in arguments.items()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=os.environ
                | {
                    "JUPYTER_TOKEN": self.token,
                    "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
                    "JUPYTER_DATA_DIR": str(self.folder / "data"),
                    "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
                    "TMPDIR": str(self.folder / "tmp"),
                },
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, self.log[-4000:]
            assert time.monotonic() < deadline, self.log[-4000:]
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            answer = httpx.get(
                f"{self.url}interview/api/rooms", headers={"Authorization": f"token {self.token}"}
            )
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def fail_to_start(self) -> int:
        """Start the process, which does not come up; return its exit status."""
        with pytest.raises(AssertionError):
            self.start()
        process, self._process = self._process, None
        assert process is not None
        return process.wait(STOP_TIMEOUT_S)

    def wait_killed(self) -> None:
        """Return when the process that was sent SIGKILL is gone."""
        assert self._process is not None
        assert self._process.wait(STOP_TIMEOUT_S) == -9
        self._process = None

    def stop(self) -> None:
        """Stop as by Ctrl+C twice; nothing if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    async def close(self) -> None:
        """Send everybody home, and stop."""
        for guest in self.guests:
            await guest.leave()
        await self.api.aclose()
        await asyncio.to_thread(self.stop)

    # -- what it has

    @property
    def claims(self) -> Path:
        """Of the sandboxes it owns; a broker has its own."""
        return Path(f"{self.store}.claims")

    def containers(self) -> set[str]:
        """The ids of its containers, in whatever state."""
        return set(containers(server_id_of(self.claims)))

    def remove_containers(self) -> None:
        """End all its containers, as a restart of the machine would."""
        client = docker.from_env()
        try:
            for container in self.containers():
                with contextlib.suppress(docker.errors.APIError):
                    client.api.remove_container(container, force=True)
        finally:
            client.close()

    def temporary(self) -> list[str]:
        """What lies in its folder for temporary files."""
        return sorted(path.name for path in (self.folder / "tmp").iterdir())

    # -- the host, outside the doors

    async def ask(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """Ask the API by the host's login; the answer has to have that status."""
        answer = await self.api.request(method, path, json=body)
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    async def room(self, cells: Mapping[str, str]) -> str:
        """Make a room whose notebook has these cells of code; return its id."""
        notebook = {
            "cells": [
                {
                    "cell_type": "code",
                    "id": cell_id,
                    "metadata": {},
                    "execution_count": None,
                    "outputs": [],
                    "source": source,
                }
                for cell_id, source in cells.items()
            ],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (self.folder / "notebooks" / "task.ipynb").write_text(json.dumps(notebook))
        wish = {"title": "Whole", "host_name": "Hanna", "notebook_path": "task.ipynb"}
        room = await self.ask("POST", "/rooms", wish, status=201)
        return str(room["id"])

    async def invite(self, room: str, role: str = "candidate") -> str:
        """Return an invite's link."""
        invite = await self.ask("POST", f"/rooms/{room}/invites", {"role": role}, status=201)
        link = str(invite["url"])
        self.secrets[f"an invite's token {len(self.secrets)}"] = link.partition("#")[2]
        return link

    def leaks(self) -> list[str]:
        """The secrets, by what they are, that stand in the log."""
        log = self.log
        return [what for what, secret in self.secrets.items() if secret in log]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
