"""The sockets on one document, and what is written to them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from interview_ext.errors import InterviewError
from interview_ext.rooms.actor import Actor

ASK_AGAIN_S = 5.0
"""After this long without an answer, a gap makes us ask for a sync once more."""
SILENCE_S = 8.0
"""A page that has been sent nothing for so long gets its own presence back: y-websocket takes a
server for lost that it has not heard of for 30 s, and shows its page again after 15 to 18 s."""
_NEVER = float("-inf")


class Peer(Protocol):
    """One socket, as the relay sees it. Its methods never wait."""

    @property
    def actor(self) -> Actor: ...

    def send(self, frames: bytes, *, counted: bool = True) -> None:
        """Write ready WebSocket frames; see `outlet.Outlet.write`."""

    def refuse(self, error: InterviewError) -> None:
        """Close the socket and note the attempt."""

    def go_away(self) -> None:
        """Close the socket; the page may come back at once."""


@dataclass(slots=True)
class _Line:
    """When a socket was asked for a sync that has not come, and last sent something; its client."""

    asked: float = _NEVER
    sent: float = _NEVER
    client: int | None = None


class Audience:
    """The open sockets of one document."""

    def __init__(self) -> None:
        self._lines: dict[Peer, _Line] = {}
        self._post: dict[Peer, list[bytes]] | None = None
        self._now = asyncio.get_running_loop().time

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._lines))

    def __contains__(self, peer: Peer) -> bool:
        return peer in self._lines

    def add(self, peer: Peer) -> None:
        """A socket has opened."""
        self._lines[peer] = _Line()

    def remove(self, peer: Peer) -> bool:
        """A socket has closed; return whether it was there."""
        return self._lines.pop(peer, None) is not None

    def may_be_asked(self, peer: Peer) -> bool:
        """Whether to ask a socket for a sync now: it is there, and owes no answer to an earlier."""
        line, at = self._lines.get(peer), self._now()
        if line is None or at - line.asked < ASK_AGAIN_S:
            return False
        line.asked = at
        return True

    def owes_nothing(self, peer: Peer) -> None:
        """The answer has come, or another one is wanted: it may be asked again."""
        line = self._lines.get(peer)
        if line is not None:
            line.asked = _NEVER

    def speaks_for(self, peer: Peer, client: int) -> bool:
        """Whether presence of this client is a socket's to show: it is the first it has shown.

        y-websocket begins with its own and then sends back whatever it hears. Two tabs of one
        person would else hand each other's presence to and fro without end, each time as news.
        """
        line = self._lines.get(peer)
        if line is None:
            return False
        if line.client is None:
            line.client = client
        return line.client == client

    def hears_nothing(self, peer: Peer) -> bool:
        """Whether a socket has been sent nothing for `SILENCE_S`."""
        line = self._lines.get(peer)
        return line is not None and self._now() - line.sent >= SILENCE_S

    def send(self, peer: Peer, frames: bytes, *, counted: bool = True) -> None:
        """Write frames to a socket, behind all that was sent before; see `Peer.send`."""
        if self._post is None:
            self._write(peer, frames, counted=counted)
        elif counted:
            self._post.setdefault(peer, []).append(frames)
        else:
            self._write(peer, b"".join(self._post.pop(peer, ())))
            self._write(peer, frames, counted=False)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is sent within goes out at the end of it, as one write a socket.

        A keystroke and the cursor behind it cost one call of the system then.
        """
        self._post = {}
        try:
            yield
        finally:
            post, self._post = self._post, None
            for peer, frames in post.items():
                self._write(peer, frames[0] if len(frames) == 1 else b"".join(frames))

    def _write(self, peer: Peer, frames: bytes, *, counted: bool = True) -> None:
        if not frames:
            return
        line = self._lines.get(peer)
        if line is not None:
            line.sent = self._now()
        peer.send(frames, counted=counted)
