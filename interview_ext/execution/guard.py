"""What a page may say to the room's kernel, message type by message type.

The table is an allow-list. Cells run only by way of `service`: an ``execute_request``
here would bypass queue, record and document. Questions that the server can answer
itself never reach the kernel, so they work while it is busy or gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any

from interview_ext.errors import BadRequest

MAX_PARTS = 256
"""Header, parent, metadata, content, and the binary buffers of a widget message."""
MAX_HEADER = 16 * 1024
MAX_ID = 128
"""Characters of an id: of a message, a comm or a display. Honest ones have 32 to 50."""
RESERVED = ("run_", "srv_")
"""Message ids that begin so are the server's own; a page that used one would have its
output taken for a cell's."""

CONTROL_TARGET = "jupyter.widget.control"
_STATE_QUESTIONS: tuple[dict[str, Any], ...] = (
    {"method": "request_states"},
    {"method": "request_state"},
)


class Handling(Enum):
    """What becomes of a message."""

    FORWARD = "forward"
    ANSWER = "answer"
    """The server answers."""
    ASK = "ask"
    """To the kernel, from those who may ask it."""
    REFUSE = "refuse"


TABLE: Mapping[tuple[str, str], Handling] = {
    ("shell", "kernel_info_request"): Handling.ANSWER,
    ("control", "kernel_info_request"): Handling.ANSWER,
    ("shell", "comm_info_request"): Handling.ANSWER,
    ("shell", "complete_request"): Handling.ASK,
    ("shell", "inspect_request"): Handling.ASK,
    ("shell", "is_complete_request"): Handling.ASK,
    ("shell", "history_request"): Handling.ASK,
    ("shell", "comm_open"): Handling.ASK,
    ("shell", "comm_msg"): Handling.ASK,
    ("shell", "comm_close"): Handling.ASK,
}
"""Everything else is refused: running cells, answering `input()`, interrupting, shutting
down and debugging go through the API, or not at all."""

RUNS_CODE = frozenset(
    {"complete_request", "inspect_request", "comm_open", "comm_msg", "comm_close"}
)
"""Messages that can make the kernel run code of somebody's: they go onto the timeline."""

REPLIED = frozenset(
    {"complete_request", "inspect_request", "is_complete_request", "history_request"}
)
"""Messages to which the kernel replies."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A page's message, parsed."""

    channel: str
    msg_type: str
    header: dict[str, Any]
    content: dict[str, Any]
    parts: list[bytes]

    @property
    def msg_id(self) -> str:
        return str(self.header["msg_id"])

    @property
    def size(self) -> int:
        return sum(map(len, self.parts))


def read(frame: bytes) -> Asked:
    """Parse a ``v1.kernel.websocket.jupyter.org`` message.

    Raises
    ------
    BadRequest
        It is none, or uses what it may not.
    """
    channel, parts = _split(frame)
    header, content = _object(parts[0], MAX_HEADER), _object(parts[3], len(frame))
    msg_type, msg_id = header.get("msg_type"), header.get("msg_id")
    if not isinstance(msg_type, str) or not isinstance(msg_id, str):
        raise BadRequest("A kernel message needs a type and an id.")
    if not 0 < len(msg_id) <= MAX_ID or msg_id.startswith(RESERVED):
        raise BadRequest("This message id is not allowed.")
    return Asked(channel=channel, msg_type=msg_type, header=header, content=content, parts=parts)


def handling(asked: Asked, *, own_comms: frozenset[str] | set[str]) -> Handling:
    """Return what becomes of a message.

    Parameters
    ----------
    own_comms:
        Comms on which this page asks for the widgets' state.
    """
    if _asks_state(asked, own_comms):
        return Handling.FORWARD
    return TABLE.get((asked.channel, asked.msg_type), Handling.REFUSE)


def opens_state_comm(asked: Asked) -> bool:
    """Whether this opens the comm on which a page that has just loaded asks for all state."""
    return (
        asked.msg_type == "comm_open"
        and asked.content.get("target_name") == CONTROL_TARGET
        and not asked.content.get("data")
    )


def passed_on(asked: Asked, username: str) -> list[bytes]:
    """Return the parts for the kernel: our own header, so that what was checked is what is sent."""
    header = {
        "msg_id": asked.msg_id,
        "msg_type": asked.msg_type,
        "session": str(asked.header.get("session", ""))[:MAX_ID],
        "date": str(asked.header.get("date", ""))[:MAX_ID],
        "version": "5.3",
        "username": username,
    }
    return [json.dumps(header).encode(), b"{}", *asked.parts[2:]]


def refusal(msg_type: str, code: str, message: str) -> dict[str, Any]:
    """Return the content of a reply that says no, in the words of that type of message."""
    if msg_type == "is_complete_request":
        return {"status": "unknown"}
    content: dict[str, Any] = {
        "status": "error",
        "ename": code,
        "evalue": message,
        "traceback": [],
    }
    return {**content, "execution_count": 0} if msg_type == "execute_request" else content


def _asks_state(asked: Asked, own_comms: frozenset[str] | set[str]) -> bool:
    """Whether this only asks for widgets' state, which everybody needs who sees them.

    Its content is fixed, so nobody can put code into it.
    """
    if asked.channel != "shell" or len(asked.parts) > 4:
        return False
    if opens_state_comm(asked):
        return True
    if asked.msg_type == "comm_close":
        return asked.content.get("comm_id") in own_comms
    return asked.msg_type == "comm_msg" and asked.content.get("data") in _STATE_QUESTIONS


def _split(frame: bytes) -> tuple[str, list[bytes]]:
    """Cut a message at its offsets: their number, the offsets, the channel, the parts."""
    count = int.from_bytes(frame[:8], "little")
    if not 6 <= count <= MAX_PARTS + 2 or len(frame) < 8 * (count + 1):
        raise BadRequest("This is no kernel message.")
    offsets = [int.from_bytes(frame[8 * i : 8 * (i + 1)], "little") for i in range(1, count + 1)]
    ordered = all(a <= b for a, b in pairwise(offsets))
    if not ordered or offsets[0] < 8 * (count + 1) or offsets[-1] > len(frame):
        raise BadRequest("This is no kernel message.")
    pieces = [frame[a:b] for a, b in pairwise(offsets)]
    channel = pieces[0].decode("ascii", "replace")
    return channel, pieces[1:]


def _object(part: bytes, limit: int) -> dict[str, Any]:
    try:
        value = json.loads(part) if len(part) <= limit else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadRequest("A kernel message is made of JSON objects.")
    return value
