"""Starts a kernel that does not keep to Jupyter's protocol in all, and stands before its sockets.

    python3 front.py [--signal] [--late-output] COMMAND …

``{connection}`` in the command stands for the connection file. What kernels get wrong is put right
here, so that shim and host need not know of it:

* A kernel that knows one client only answers without the identities that stand before a message,
  and nobody gets the answer. They are put back, by the message that is answered.
* A kernel that reads its control channel only between two cells would see an `interrupt_request`
  when the very cell is over that it is to end. With ``--signal`` it becomes a SIGINT.
* A kernel that says idle while output is still on its way would have it land in the next cell. With
  ``--late-output`` the end of a cell is passed on when its output has been quiet for a moment.

This process runs as the candidate's user beside the kernel, which may do with it what it likes:
nothing here is trusted by anyone. It holds the kernel's ports; the kernel listens further up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import zmq

CONNECTION_FILE = Path("/opt/interview/kernel.json")
OWN_CONNECTION_FILE = Path("/tmp/.interview-kernel.json")
PORT_SHIFT = 10
DELIMITER = b"<IDS|MSG>"
REMEMBERED = 10_000
"""Requests whose identities are kept; more than anybody has waiting for an answer."""
QUIET_S = 0.03
LONGEST_S = 0.5
"""A cell's end waits so long for the last of its output, and no longer."""
CROWDED_S = 0.01
"""How soon output is tried again that the shim did not take."""


def part(parts: list[bytes], index: int) -> dict[str, Any]:
    """Header (0), parent header (1) or content (3); empty if there is none."""
    try:
        found = json.loads(parts[parts.index(DELIMITER) + 2 + index])
    except (ValueError, IndexError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def ends_a_cell(parts: list[bytes]) -> bool:
    """Whether the kernel says that it is idle after a cell."""
    return (
        part(parts, 0).get("msg_type") == "status"
        and part(parts, 3).get("execution_state") == "idle"
        and part(parts, 1).get("msg_type") == "execute_request"
    )


def interrupt_reply(parts: list[bytes]) -> list[bytes]:
    """The answer to an interrupt request, unsigned as everything in the container is."""
    header = part(parts, 0)
    own = {**header, "msg_id": f"{header.get('msg_id')}-reply", "msg_type": "interrupt_reply"}
    answer = (own, header, {}, {"status": "ok"})
    identities = parts[: parts.index(DELIMITER)]
    return [*identities, DELIMITER, b"", *(json.dumps(each).encode() for each in answer)]


class Requests:
    """The way of requests and answers: shell, control, stdin."""

    def __init__(self, context: zmq.Context[Any], connection: dict[str, Any]) -> None:
        self.fronts: dict[zmq.Socket[bytes], zmq.Socket[bytes]] = {}
        self.kernels: dict[zmq.Socket[bytes], zmq.Socket[bytes]] = {}
        self.control: zmq.Socket[bytes] | None = None
        self._askers: OrderedDict[object, list[bytes]] = OrderedDict()
        for channel in ("shell", "control", "stdin"):
            front, kernel = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
            kernel.identity = b"interview"  # one for all: input is asked of who sent the cell
            front.bind(address(connection, channel))
            kernel.connect(moved(connection, channel))
            self.fronts[front], self.kernels[kernel] = kernel, front
            if channel == "control":
                self.control = front

    def ask(self, front: zmq.Socket[bytes], parts: list[bytes]) -> None:
        """Pass a request on, and remember whose it is."""
        if DELIMITER in parts:
            self._askers[part(parts, 0).get("msg_id")] = parts[: parts.index(DELIMITER)]
            if len(self._askers) > REMEMBERED:
                self._askers.popitem(last=False)
        self.fronts[front].send_multipart(parts)

    def answer(self, kernel: zmq.Socket[bytes], parts: list[bytes]) -> None:
        """Pass the kernel's message on, to who asked if it does not say to whom."""
        if parts and parts[0] == DELIMITER:
            parts = [*self._askers.get(part(parts, 1).get("msg_id"), []), *parts]
        self.kernels[kernel].send_multipart(parts)


class Output:
    """The way of what is shown: iopub."""

    def __init__(self, context: zmq.Context[Any], connection: dict[str, Any]) -> None:
        self.kernel = context.socket(zmq.SUB)
        self.kernel.subscribe(b"")
        self._front = context.socket(zmq.XPUB)
        self._front.setsockopt(zmq.XPUB_NODROP, 1)
        self._front.bind(address(connection, "iopub"))
        self.kernel.connect(moved(connection, "iopub"))
        self._waiting: list[list[bytes]] = []
        self._end: list[bytes] | None = None
        self._heard = self._since = 0.0

    @property
    def crowded(self) -> bool:
        """Whether something waits that the shim did not take: nothing more is read then."""
        return bool(self._waiting)

    def take(self, parts: list[bytes]) -> None:
        """Pass a message on; hold it if it ends a cell."""
        self._heard = time.monotonic()
        if ends_a_cell(parts):
            self._release()
            self._end, self._since = parts, self._heard
        else:
            self._waiting.append(parts)
        self.tick()

    def tick(self) -> float | None:
        """Send what can be sent; the answer is after how many seconds to look again."""
        now = time.monotonic()
        due = min(self._heard + QUIET_S, self._since + LONGEST_S)
        if self._end is not None and now >= due:
            self._release()
        while self._waiting:
            try:
                self._front.send_multipart(self._waiting[0], zmq.NOBLOCK)
            except zmq.Again:
                return CROWDED_S
            del self._waiting[0]
        return None if self._end is None else max(0.0, due - now)

    def _release(self) -> None:
        if self._end is not None:
            self._waiting.append(self._end)
            self._end = None


def address(connection: dict[str, Any], channel: str) -> str:
    """Where the shim looks for a channel."""
    return f"tcp://{connection['ip']}:{connection[f'{channel}_port']}"


def moved(connection: dict[str, Any], channel: str) -> str:
    """Where the kernel has to listen instead; noted in what it is told."""
    connection[f"{channel}_port"] += PORT_SHIFT
    return address(connection, channel)


def run(command: list[str], *, by_signal: bool, late_output: bool) -> int:
    """Start the kernel and carry its messages until it ends; the answer is its status."""
    connection = json.loads(CONNECTION_FILE.read_text())
    context = zmq.Context()
    requests = Requests(context, connection)
    output = Output(context, connection) if late_output else None
    OWN_CONNECTION_FILE.write_text(json.dumps(connection))
    child = subprocess.Popen([a.format(connection=OWN_CONNECTION_FILE) for a in command])
    ended = os.pidfd_open(child.pid)
    poller = zmq.Poller()
    for each in (*requests.fronts, *requests.kernels, ended):
        poller.register(each, zmq.POLLIN)
    while True:
        wait_s = output.tick() if output else None
        if output:
            poller.register(output.kernel, 0 if output.crowded else zmq.POLLIN)
        for ready, _ in poller.poll(None if wait_s is None else wait_s * 1000):
            if ready == ended:
                context.destroy(linger=0)
                return child.wait()
            parts = ready.recv_multipart()
            if output and ready is output.kernel:
                output.take(parts)
            elif ready in requests.kernels:
                requests.answer(ready, parts)
            elif by_signal and ready is requests.control and is_interrupt(parts):
                child.send_signal(signal.SIGINT)
                ready.send_multipart(interrupt_reply(parts))
            else:
                requests.ask(ready, parts)


def is_interrupt(parts: list[bytes]) -> bool:
    """Whether it asks for an interrupt."""
    return part(parts, 0).get("msg_type") == "interrupt_request"


def main(arguments: list[str]) -> int:
    """See the module."""
    options = set()
    while arguments[0].startswith("--"):
        options.add(arguments.pop(0))
    late_output = "--late-output" in options
    status = run(arguments, by_signal="--signal" in options, late_output=late_output)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
