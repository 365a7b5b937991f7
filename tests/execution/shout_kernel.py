"""A Jupyter kernel that says in capitals what it is told, on Debian's own Python and pyzmq."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

import zmq

KINDS = {"shell": zmq.ROUTER, "control": zmq.ROUTER, "iopub": zmq.PUB, "hb": zmq.REP}
INFO = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "shout",
    "implementation_version": "1",
    "language_info": {"name": "shout", "mimetype": "text/plain", "file_extension": ".txt"},
    "banner": "",
    "help_links": [],
}


class Shout:
    """Answers until its container ends."""

    def __init__(self, connection: dict[str, Any]) -> None:
        context = zmq.Context()
        self.poller = zmq.Poller()
        self.sockets: dict[str, zmq.Socket[bytes]] = {}
        self.count = 0
        for name, kind in KINDS.items():
            socket = context.socket(kind)
            socket.bind(f"tcp://{connection['ip']}:{connection[f'{name}_port']}")
            self.sockets[name] = socket
            if name != "iopub":
                self.poller.register(socket, zmq.POLLIN)

    def send(
        self, name: str, kind: str, content: object, parent: dict[str, Any], *identities: bytes
    ) -> None:
        header = {**parent, "msg_id": uuid.uuid4().hex, "msg_type": kind}
        parts = [json.dumps(each).encode() for each in (header, parent, {}, content)]
        self.sockets[name].send_multipart([*identities, b"<IDS|MSG>", b"", *parts])

    def answer(self, name: str, parts: list[bytes]) -> None:
        at = parts.index(b"<IDS|MSG>")
        header, _, _, content = (json.loads(part) for part in parts[at + 2 : at + 6])
        asked = header["msg_type"]
        self.send("iopub", "status", {"execution_state": "busy"}, header)
        reply: dict[str, Any] = INFO if asked == "kernel_info_request" else {"status": "ok"}
        if asked == "execute_request":
            self.count += 1
            stream = {"name": "stdout", "text": content["code"].upper()}
            self.send("iopub", "stream", stream, header)
            reply = {"status": "ok", "execution_count": self.count, "user_expressions": {}}
        self.send(name, asked.replace("request", "reply"), reply, header, *parts[:at])
        self.send("iopub", "status", {"execution_state": "idle"}, header)

    def run(self) -> None:
        names = {socket: name for name, socket in self.sockets.items()}
        while True:
            for socket, _ in self.poller.poll():
                parts = socket.recv_multipart()
                if names[socket] == "hb":
                    socket.send_multipart(parts)
                else:
                    self.answer(names[socket], parts)


if __name__ == "__main__":
    Shout(json.loads(Path(sys.argv[1]).read_text())).run()
