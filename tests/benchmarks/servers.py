"""The servers: this product as ``jupyter interview demo`` starts it, and stock JupyterLab."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from interview_ext.sandbox.claims import server_id_of
from interview_ext.sandbox.profiles import PYTHON

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 30
HOST = "127.0.0.1"
OURS_AND_COLLABORATION = (
    "interview_ext",
    "jupyter_collaboration",
    "jupyter_server_ydoc",
    "jupyter_server_fileid",
)
"""Server extensions that stock JupyterLab comes without."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running Jupyter server.

    Attributes
    ----------
    folder:
        Its settings, data and log.
    contents:
        What its file browser shows.
    """

    base_url: str
    token: str = field(repr=False)
    folder: Path
    contents: Path

    @property
    def headers(self) -> dict[str, str]:
        """The host's login."""
        return {"Authorization": f"token {self.token}"}

    @property
    def socket_url(self) -> str:
        return self.base_url.replace("http", "ws", 1)

    @property
    def sandbox_label(self) -> str:
        """What the containers of this product's server bear."""
        return f"interview.server={server_id_of(self.folder / 'interviews.sqlite.claims')}"


@asynccontextmanager
async def product(folder: Path, *, pool_size: int) -> AsyncIterator[Server]:
    """Run a demo server with a warm pool of that size, however fast the benchmark makes rooms."""
    traits = {
        "sandbox_pool_size": pool_size,
        "sandbox_pool_memory_bytes": pool_size * PYTHON.waiting_bytes,
    }
    environment = _environment(folder, {"InterviewApp": traits})
    command = ["interview_ext.cli", "demo", "--json", "--no-browser"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command, f"--dir={folder}", f"--port={_free_port()}"),
        stdout=PIPE,
        env=environment,
        cwd=folder,  # where stock collaboration puts its own store
    )
    async with _stopped_after(process):
        assert process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"the demo did not start; see {folder / 'server.log'}")
        ready = json.loads(line)
        yield Server(
            base_url=ready["base_url"],
            token=ready["token"],
            folder=folder,
            contents=folder / "notebooks",
        )


@asynccontextmanager
async def stock(folder: Path) -> AsyncIterator[Server]:
    """Run JupyterLab by itself: no extension, neither ours nor collaboration's, and no news."""
    contents = folder / "notebooks"
    contents.mkdir(parents=True)
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    token, port = secrets.token_hex(24), _free_port()
    off = dict.fromkeys(OURS_AND_COLLABORATION, False)
    environment = _environment(folder, {"ServerApp": {"jpserver_extensions": off}})
    with (folder / "server.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            f"--ServerApp.ip={HOST}",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={contents}",
            f"--LabApp.labextensions_path={folder / 'no-extensions'}",
            cwd=folder,
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
            env=environment
            | {
                "JUPYTER_TOKEN": token,
                "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
                "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            },
        )
    server = Server(
        base_url=f"http://{HOST}:{port}/", token=token, folder=folder, contents=contents
    )
    async with _stopped_after(process):
        await _answers(server, process)
        yield server


def _environment(folder: Path, config: Mapping[str, object]) -> dict[str, str]:
    """Return an environment in which the user's own Jupyter settings do not count."""
    config_dir = folder / "config"
    config_dir.mkdir(parents=True)
    (config_dir / "jupyter_server_config.json").write_text(json.dumps(config))
    return os.environ | {
        "JUPYTER_CONFIG_DIR": str(config_dir),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
    }


async def _answers(server: Server, process: Process) -> None:
    async with asyncio.timeout(START_TIMEOUT_S), httpx.AsyncClient() as client:
        while process.returncode is None:
            try:
                answer = await client.get(f"{server.base_url}api/status", headers=server.headers)
                if answer.status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start; see {server.folder / 'server.log'}")


@asynccontextmanager
async def _stopped_after(process: Process) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
