"""Starts a kernel that knows no interrupt message, and gives it the signal instead.

    python3 with_interrupts.py COMMAND …        {connection} stands for the connection file

Such a kernel reads its control channel only between two cells, so an `interrupt_request` would
wait for the very cell it is to end. This process, which runs as the candidate's user beside the
kernel, holds the control port: an interrupt becomes a SIGINT for the kernel, everything else goes on
to the kernel's own control port, one further up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import zmq

CONNECTION_FILE = Path("/opt/interview/kernel.json")
OWN_CONNECTION_FILE = Path("/tmp/.interview-kernel.json")  # noqa: S108  (the container's own)
CONTROL_SHIFT = 10
DELIMITER = b"<IDS|MSG>"


def interrupt_request(parts: list[bytes]) -> dict[str, Any] | None:
    """The header, if the message is an interrupt request."""
    try:
        header = json.loads(parts[parts.index(DELIMITER) + 2])
    except (ValueError, IndexError, RecursionError):
        return None
    found = isinstance(header, dict) and header.get("msg_type") == "interrupt_request"
    return header if found else None


def interrupt_reply(parts: list[bytes], header: dict[str, Any]) -> list[bytes]:
    """The answer to it, unsigned as everything in the container is."""
    own = {**header, "msg_id": header["msg_id"] + "-reply", "msg_type": "interrupt_reply"}
    content = {"status": "ok"}
    identities = parts[: parts.index(DELIMITER)]
    return [
        *identities,
        DELIMITER,
        b"",
        *(json.dumps(each).encode() for each in (own, header, {}, content)),
    ]


def run(command: list[str]) -> int:
    """Start the kernel and carry its control channel until it ends; the answer is its status."""
    connection = json.loads(CONNECTION_FILE.read_text())
    front_port = connection["control_port"]
    connection["control_port"] += CONTROL_SHIFT
    OWN_CONNECTION_FILE.write_text(json.dumps(connection))
    context = zmq.Context()
    front, kernel = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    front.bind(f"tcp://{connection['ip']}:{front_port}")
    kernel.connect(f"tcp://{connection['ip']}:{connection['control_port']}")
    child = subprocess.Popen([a.format(connection=OWN_CONNECTION_FILE) for a in command])
    ended = os.pidfd_open(child.pid)
    poller = zmq.Poller()
    for each in (front, kernel, ended):
        poller.register(each, zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if ended in ready:
            context.destroy(linger=0)
            return child.wait()
        if kernel in ready:
            front.send_multipart(kernel.recv_multipart())
        if front in ready:
            parts = front.recv_multipart()
            header = interrupt_request(parts)
            if header is None:
                kernel.send_multipart(parts)
            else:
                child.send_signal(signal.SIGINT)
                front.send_multipart(interrupt_reply(parts, header))


if __name__ == "__main__":
    status = run(sys.argv[1:])
    sys.exit(status if status >= 0 else 128 - status)
