"""One message from a kernel: checked, bounded, and only then parsed.

What a kernel sends is at worst the work of hostile code, and whoever parses it does so on the
event loop that all rooms share. JSON costs by its values rather than its bytes: 15 MB of one
string are read in 40 ms, 15 MB of numbers take more than a second until they stand in a document.
So the values are counted before anything is parsed, and a message of too many is replaced by a
short one that says so: beside an output, or in the place of a reply that somebody waits for.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from jupyter_client.session import DELIM, Session
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1

MAX_VALUES = 100_000
"""Values in one message: an Altair chart of the most rows it takes by itself, 5,000, with twenty
columns. So many cost about 0.1 s from the socket to the document."""
MAX_HEAD_BYTES = 64 * 1024
"""Largest header, parent header or metadata; an honest one has some hundred bytes."""
MIN_PARTS = 4
"""Header, parent header, metadata and content; buffers may follow."""


class Incoming:
    """One message from the kernel. Its frame for pages is made once for all of them."""

    def __init__(self, channel: str, message: Mapping[str, Any], parts: Sequence[bytes]) -> None:
        self.channel = channel
        self.msg_type: str = message["header"]["msg_type"]
        self.header: dict[str, Any] = message["header"]
        self.parent: dict[str, Any] = message["parent_header"]
        self.content: dict[str, Any] = message["content"]
        self._parts = parts

    @property
    def parent_id(self) -> str:
        found = self.parent.get("msg_id", "")
        return found if isinstance(found, str) else ""

    @cached_property
    def frame(self) -> bytes:
        """The message as ``v1.kernel.websocket.jupyter.org`` sends it."""
        return cast(
            bytes,
            serialize_msg_to_ws_v1(self._parts, self.channel),  # type: ignore[no-untyped-call]
        )


class MessageReader:
    """Reads the messages of one kernel. Not by `Session.deserialize`: that parses whatever comes,
    and looks for dates in every header, which takes longer than all the rest.

    Parameters
    ----------
    session:
        Signs as the kernel's endpoints do.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def read(self, channel: str, parts: Sequence[bytes]) -> Incoming | None:
        """Read a message, or what stands for it; None if nobody would miss it.

        Raises
        ------
        ValueError, TypeError, RecursionError
            It is no message.
        """
        signature, *rest = parts[parts.index(DELIM) + 1 :]
        if len(rest) < MIN_PARTS:
            raise ValueError("parts are missing")
        if self._session.auth is not None and not hmac.compare_digest(
            signature, self._session.sign(rest[:MIN_PARTS])
        ):
            raise ValueError("wrongly signed")
        header, parent, metadata, content = rest[:MIN_PARTS]
        if max(len(header), len(parent), len(metadata)) > MAX_HEAD_BYTES:
            raise ValueError("a header is too large")
        message = {"header": _object(header), "parent_header": _object(parent)}
        if not isinstance(message["header"].get("msg_type"), str):
            raise TypeError("no message type")
        if metadata != b"{}":
            _object(metadata)  # pages parse it
        if has_too_many_values(content):
            return self._stand_in(channel, message, sum(map(len, rest)))
        return Incoming(channel, message | {"content": _object(content)}, rest)

    def own(
        self, channel: str, msg_type: str, content: dict[str, Any], parent: dict[str, Any]
    ) -> Incoming:
        """Make a message of the server's own that looks like the kernel's."""
        message = self._session.msg(msg_type, content=content, parent=parent)
        names = ("header", "parent_header", "metadata", "content")
        return Incoming(channel, message, [self._session.pack(message[name]) for name in names])

    def _stand_in(
        self, channel: str, message: Mapping[str, dict[str, Any]], size: int
    ) -> Incoming | None:
        """What is said instead of a message of too many values."""
        kind, parent = message["header"]["msg_type"], message["parent_header"]
        what = f"of {size / 1e6:.1f} MB was not shown: it holds more than {MAX_VALUES:,} values."
        if kind.endswith("_reply"):
            error = {"ename": "ReplyTooLarge", "evalue": f"A reply {what}", "traceback": []}
            return self.own(channel, kind, {"status": "error", **error}, parent)
        if channel == "iopub" and kind != "status":
            text = f"[An output {what}]\n"
            return self.own(channel, "stream", {"name": "stderr", "text": text}, parent)
        return None


def has_too_many_values(content: bytes) -> bool:
    """Whether JSON has more values than are parsed, told without parsing it.

    A comma stands between any two values, and between an object's members. Those within strings
    are not counted, which takes longer, and only where it matters.
    """
    if content.count(b",") < MAX_VALUES:
        return False
    bare = content.replace(rb"\\", b"").replace(rb"\"", b"")
    if bare.count(b'"') > 4 * MAX_VALUES:  # each member of an object has two strings at most
        return True
    return sum(piece.count(b",") for piece in bare.split(b'"')[::2]) >= MAX_VALUES


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text.decode("utf-8", "replace"))
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value
