"""Starts server processes by fork from one that has imported everything: a second instead of five.

Run as a module it is that process. It reads commands as lines of JSON and answers each with one;
when its stdin is closed it ends all that it has started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


class Nursery:
    """The one process, as the tests see it. May be used from several threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def close(self) -> None:
        """End all servers, and itself."""
        if self._process is not None:
            self._process.communicate()

    def start(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path
    ) -> int:
        """Start JupyterLab; return its process id."""
        started: int = self._ask(
            {
                "arguments": list(arguments),
                "environment": dict(environment),
                "folder": str(folder),
                "log": str(log),
            }
        )
        return started

    def kill(self, pid: int) -> int:
        """Send SIGKILL to a server; return its exit status, as `subprocess` has it."""
        status: int = self._ask({"kill": pid})
        return status

    def ended(self, pid: int) -> bool:
        """Whether a server has ended by itself."""
        ended: bool = self._ask({"ended": pid})
        return ended

    def _ask(self, command: dict[str, Any]) -> Any:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with self._turn:
            process.stdin.write(json.dumps(command).encode() + b"\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())


def _serve() -> None:
    """Do what the lines say."""
    import jupyterlab.labapp  # type: ignore[import-untyped]  # noqa: F401

    import interview_ext.app
    import interview_ext.storage.mongo
    import interview_ext.storage.redis_bus  # noqa: F401

    children: set[int] = set()
    for line in sys.stdin:
        command = json.loads(line)
        answer: object
        if "kill" in command:
            pid = command["kill"]
            os.kill(pid, signal.SIGKILL)
            answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            children.discard(pid)
        elif "ended" in command:
            answer = os.waitid(os.P_PID, command["ended"], os.WEXITED | os.WNOHANG | os.WNOWAIT)
            answer = answer is not None
        else:
            pid = os.fork()
            if not pid:
                _become(command)
            children.add(pid)
            answer = pid
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _become(command: dict[str, Any]) -> None:
    """Be a JupyterLab of its own, until its end."""
    from jupyterlab.labapp import LabApp

    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(command["environment"])
    tempfile.tempdir = None
    os.chdir(command["folder"])
    try:
        LabApp.launch_instance(argv=command["arguments"])
    finally:
        os._exit(1)


if __name__ == "__main__":
    _serve()
