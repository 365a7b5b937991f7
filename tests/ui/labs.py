"""JupyterLab with this package, and beside it the same JupyterLab without."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from jupyter_core.paths import jupyter_path

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
OUR_LABEXTENSION = "jupyter-interview-rooms"
NOTEBOOK = "own/own.ipynb"
_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # The terminal's rows as text, which a canvas is not.
    "terminal-extension/plugin": {"screenReaderMode": True},
}
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.]*(Z|[+-]\d\d:\d\d)?")
_ANONYMOUS = re.compile(r"\b[0-9a-f]{32}\b|Anonymous \w+|(?<=\"initials\": \")A\w")
"""The name that Jupyter makes up for whoever comes with the token."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(kw_only=True)
class Lab:
    """A JupyterLab process with stock collaboration, whose own notebook is `NOTEBOOK`.

    Parameters
    ----------
    folder:
        For all that it reads and writes.
    ours:
        Whether this package's server extension, labextension and kernel specs are there.
    """

    folder: Path
    ours: bool
    token: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    port: int = field(default_factory=_free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def notebook(self) -> Path:
        return self.folder / "notebooks" / NOTEBOOK

    def start(self) -> None:
        """Start the process; it answers after `wait`."""
        self._write_files()
        paths = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data"} | {
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }
        environment = {n: v for n, v in os.environ.items() if not n.lower().endswith("_proxy")}
        with (self.folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,  # where stock collaboration puts its own store
                env=environment
                | {name: str(self.folder / path) for name, path in paths.items()}
                | {"JUPYTER_TOKEN": self.token},
            )

    def wait(self) -> None:
        """Return when it answers."""
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                if self.get("api/status").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
            log = (self.folder / "server.log").read_text(errors="replace")
            assert self._process.poll() is None, log[-4000:]
            assert time.monotonic() < deadline, log[-4000:]

    def stop(self) -> None:
        """Stop the process, if it runs."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    # -- asking

    def get(self, path: str, *, login: bool = True) -> httpx.Response:
        """GET a path below the base URL, by the host's login or as somebody unknown."""
        headers = {"Authorization": f"token {self.token}"} if login else {}
        return httpx.get(self.url + path, headers=headers, timeout=30, trust_env=False)

    def page_config(self) -> dict[str, Any]:
        """Return what ``/lab`` tells its scripts."""
        return dict(json.loads(_page_config(self.get("lab").text)[1]))

    def told(self, text: str) -> str:
        """Return an answer's text without what differs between any two servers and moments."""
        names = {self.token: "TOKEN", str(self.folder): "FOLDER", str(self.port): "PORT"}
        for value, name in names.items():
            text = text.replace(value, name)
        text = _TIME.sub("TIME", text)
        return _ANONYMOUS.sub("SOMEBODY", text)

    # -- what it is started with

    def _arguments(self) -> list[str]:
        arguments = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.folder / "notebooks",
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            # Nothing listens on the discard port: no test asks a package index.
            "PyPIExtensionManager.base_url": "http://127.0.0.1:9",
        }
        if self.ours:
            arguments |= {
                "InterviewApp.store_path": self.folder / "interviews.sqlite",
                "InterviewApp.sandbox_pool_size": 0,
            }
        else:
            arguments |= {
                "LabApp.labextensions_path": self.folder / "labextensions",
                "KernelSpecManager.allowed_kernelspecs": "python3",
            }
        return [f"--{name}={value}" for name, value in arguments.items()]

    def _write_files(self) -> None:
        for name, settings in _SETTINGS.items():
            file = self.folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(settings))
        self.notebook.parent.mkdir(parents=True)
        self.notebook.write_text(json.dumps(_empty_notebook()))
        config = self.folder / "config" / "jupyter_server_config.json"
        config.parent.mkdir()
        extensions = {"interview_ext": self.ours}
        config.write_text(json.dumps({"ServerApp": {"jpserver_extensions": extensions}}))
        if not self.ours:
            _link_others(self.folder / "labextensions")


def without_config(page: str) -> str:
    """Return JupyterLab's page without its page config."""
    before, _, after = _page_config(page)
    return before + after


def _page_config(page: str) -> tuple[str, str, str]:
    before, begin, rest = page.partition('<script id="jupyter-config-data"')
    attributes, end, rest = rest.partition(">")
    config, close, after = rest.partition("</script>")
    assert begin, page
    return before + begin + attributes + end, config, close + after


def _empty_notebook() -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "first",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": "",
    }
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "cells": [cell],
        "metadata": {"kernelspec": kernelspec},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _link_others(folder: Path) -> None:
    """Fill a folder with the installed labextensions that are not ours."""
    for root in map(Path, jupyter_path("labextensions")):
        for manifest in [*root.glob("*/package.json"), *root.glob("@*/*/package.json")]:
            name = manifest.parent.relative_to(root)
            link = folder / name
            if str(name) != OUR_LABEXTENSION and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(manifest.parent)
