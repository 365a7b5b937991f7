"""``jupyter interview demo``: a JupyterLab of its own with a sample interview in it."""

from __future__ import annotations

import contextlib
import html
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any

from jupyter_core.paths import jupyter_data_dir, secure_write

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20
FIRST_PORT = 8888
TITLE = "Sample data-science interview"
HOST = "127.0.0.1"
ROOMS_HOST = "localhost"
"""The rooms get another name than the server: so the browser itself keeps what a candidate
makes away from the host's own Jupyter pages."""
BROWSER_FILE = "open.html"
"""In the demo's folder while it runs: leads the browser to the host's link."""


class DemoError(Exception):
    """The demo could not be started; the message says why and what to do."""


class PortTaken(DemoError):
    """Somebody else took the port between the look and the start."""


@dataclass(kw_only=True)
class Demo:
    """Starts the server, makes the interview, prints its links, and waits.

    Parameters
    ----------
    folder:
        Holds the notebooks, the store and the server's log; None: in Jupyter's data folder.
    port:
        None takes the first free one from 8888 on.
    """

    folder: Path | None
    port: int | None
    open_browser: bool
    as_json: bool
    token: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)

    def run(self) -> int:
        """Run until interrupted; return the exit status."""
        folder = (self.folder or Path(jupyter_data_dir()) / "interview-demo").absolute()
        self._say("Starting JupyterLab …")
        first = self.port or FIRST_PORT
        last = self.port or FIRST_PORT + 100
        try:
            while True:
                port = self.port or _free_port(first)
                try:
                    return self._serve(folder, port)
                except PortTaken:
                    if port >= last:
                        raise
                    first = port + 1
        except (OSError, DemoError) as error:
            print(f"The demo could not be started: {error}", file=sys.stderr)
            return 1

    def _serve(self, folder: Path, port: int) -> int:
        server = self._start(folder, port)
        stop = _StopOnSignal(server)
        try:
            client = _Client(f"http://{HOST}:{port}/", self.token)
            self._wait_until_ready(client, server, folder)
            self._announce(client, folder)
            return stop.wait()
        finally:
            stop.now()
            (folder / BROWSER_FILE).unlink(missing_ok=True)

    def _start(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        notebooks = folder / "notebooks"
        notebooks.mkdir(parents=True, exist_ok=True)
        settings = _quiet_settings(folder / "settings")
        arguments = [
            f"--ServerApp.ip={HOST}",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={notebooks}",
            "--ServerApp.open_browser=False",
            f"--InterviewApp.store_path={folder / 'interviews.sqlite'}",
            f"--InterviewApp.rooms_url=http://{ROOMS_HOST}:{port}",
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            arguments.append("--ServerApp.allow_root=True")
        log = (folder / "server.log").open("wb")
        with log:
            # The token goes by the environment: arguments can be read by every local user.
            return subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,  # stock collaboration keeps a file of its own where it is started
                env=os.environ
                | {
                    "JUPYTER_TOKEN": self.token,
                    "JUPYTERLAB_SETTINGS_DIR": str(settings),
                    "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
                },
                start_new_session=True,
            )

    def _wait_until_ready(
        self, client: _Client, server: subprocess.Popen[bytes], folder: Path
    ) -> None:
        log = folder / "server.log"
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if server.poll() is not None:
                said = _tail(log)
                if "port" in said and "not available" in said:
                    raise PortTaken("the port is taken; name another with --port.")
                raise DemoError(f"the server has ended. Its log:\n{said}")
            with contextlib.suppress(OSError):
                status, _ = client.call("GET", "interview/api/rooms")
                if status == HTTPStatus.OK:
                    return
                if status == HTTPStatus.NOT_FOUND:
                    raise DemoError(
                        "JupyterLab runs without the extension interview_ext. "
                        f"See `jupyter server extension list`, and the log {log}."
                    )
            time.sleep(0.2)
        raise DemoError(f"the server did not answer within {START_TIMEOUT_S} s. Log: {log}")

    def _announce(self, client: _Client, folder: Path) -> None:
        room = _sample_room(client)
        invite = client.expect(
            "POST", f"interview/api/rooms/{room['id']}/invites", {"role": "candidate"}
        )
        host_url = f"{client.base_url}lab?token={self.token}&interview={room['id']}"
        ready = {
            "base_url": client.base_url,
            "token": self.token,
            "room": room["id"],
            "host_url": host_url,
            "candidate_url": invite["url"],
        }
        if self.as_json:
            print(json.dumps(ready), flush=True)
        else:
            sandbox = client.expect("GET", f"interview/api/rooms/{room['id']}/sandbox")
            _print_links(ready, sandbox["engine"], folder)
        if self.open_browser:
            webbrowser.open(_browser_file(folder, host_url).as_uri())

    def _say(self, line: str) -> None:
        if not self.as_json:
            print(line, flush=True)


@dataclass(frozen=True)
class _Client:
    """Speaks the API of the demo's own server, by the host's login."""

    base_url: str
    token: str = field(repr=False)

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own server on loopback
            self.base_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, _json_or_none(error.read())

    def expect(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer's body, or raise `DemoError` with the server's own words."""
        status, answer = self.call(method, path, body)
        if status >= HTTPStatus.BAD_REQUEST:
            said = answer["error"] if isinstance(answer, dict) and "error" in answer else {}
            message = said.get("message", f"{method} {path} was answered with {status}")
            raise DemoError(f"{message} {said.get('hint', '')}".strip())
        return answer


class _StopOnSignal:
    """Ends the server together with this process."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        self._server = server
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._server.terminate()

    def wait(self) -> int:
        status = self._server.wait()
        return 0 if status in (0, -signal.SIGTERM) else 1

    def now(self) -> None:
        if self._server.poll() is None:
            self._server.terminate()
            try:
                self._server.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()


def _sample_room(client: _Client) -> dict[str, Any]:
    """Return the sample interview of an earlier start that is not over, or a new one."""
    rooms = client.expect("GET", "interview/api/rooms")["rooms"]
    for room in rooms:
        if room["title"] == TITLE and room["state"] not in ("ended", "archived"):
            _forget_unused_invites(client, room["id"])
            return dict(room)
    spec = {"title": TITLE, "template": "sample", "host_name": "Host"}
    return dict(client.expect("POST", "interview/api/rooms", spec))


def _forget_unused_invites(client: _Client, room_id: str) -> None:
    people = client.expect("GET", f"interview/api/rooms/{room_id}/participants")["participants"]
    for person in people:
        if person["state"] == "invited":
            path = f"interview/api/rooms/{room_id}/participants/{person['id']}"
            client.expect("DELETE", path)


def _print_links(ready: dict[str, Any], engine: dict[str, Any], folder: Path) -> None:
    print(
        f"""
The sample interview is ready.

  You are the host. Open this, then press "Enter room":
    {ready["host_url"]}

  The candidate opens this, in another browser or a private window if you like:
    {ready["candidate_url"]}
"""
    )
    if not engine["available"]:
        print(f"  Cells cannot run: {engine['message']}\n  {engine['hint']}\n")
    print(f"  Notebooks, store and log are in {folder}\n  Press Ctrl+C to stop.", flush=True)


def _quiet_settings(folder: Path) -> Path:
    """Return a settings folder of the demo's own, in which JupyterLab asks about no news."""
    file = folder / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    if not file.exists():
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    return folder


def _browser_file(folder: Path, url: str) -> Path:
    """Return a file for this user only that leads to `url`.

    A browser's arguments can be read by every local user, and the link holds the token.
    """
    address = html.escape(url)
    file = folder / BROWSER_FILE
    with secure_write(str(file)) as page:
        page.write(
            f"""<!DOCTYPE html>
<html lang="en">
  <meta charset="utf-8">
  <meta http-equiv="refresh" content="0; url={address}">
  <title>Sample interview</title>
  <p><a href="{address}">Go to the sample interview</a></p>
</html>
"""
        )
    return file


def _free_port(first: int) -> int:
    for port in range(first, FIRST_PORT + 100):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise DemoError(f"no port from {FIRST_PORT} on is free; name one with --port.")


def _json_or_none(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
