"""Who is where in a document: cursors and names, for as long as a socket is open.

A page speaks for its own client ids only and under its participant's name only. It gets
its own entry back unchanged, since y-websocket counts messages and reconnects after 30 s
without any. The others get the entry under a clock of the server's making: after a
reconnect a page goes on with its old clock, which the others would ignore after they
have been told that it had gone. Milliseconds as a start keep that clock rising over a
restart of the server.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from pydantic_core import from_json

from interview_ext.collab.wire.framing import AwarenessEntry
from interview_ext.rooms.ids import Clock
from interview_ext.rooms.model import Participant

MAX_STATE_CHARACTERS = 32_768
"""Of one entry; JupyterLab's has a few hundred: user, cursors, the active cell."""
GONE = "null"
OUTDATED_MS = 35_000
"""Pages show themselves again every 15 s and take who has not for gone after 30 (y-protocols)."""


# A third of the time that `json` takes, and each keystroke brings one.
_read = partial(from_json, allow_inf_nan=False)
_write = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


@dataclass(slots=True)
class _Entry:
    """What one client shows.

    `source` is the socket it came through last, or the name of the relay on another server that
    has that socket; `clock` is the source's own.
    """

    source: object
    clock: int
    shown: AwarenessEntry

    @property
    def elsewhere(self) -> bool:
        return isinstance(self.source, str)


class AwarenessBoard:
    """The entries of one document."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[int, _Entry] = {}

    def show(
        self, source: object, participant: Participant, entries: Iterable[AwarenessEntry]
    ) -> list[AwarenessEntry]:
        """Take entries of a page's own clients; return what the others are to see.

        Parameters
        ----------
        source:
            The socket, so that `leave` removes only what came through it last.
        """
        news = []
        for entry in entries:
            before = self._entries.get(entry.client)
            if before is not None and before.source is source and entry.clock < before.clock:
                continue
            state = identified(entry.state, participant)
            if state is None:
                continue
            shown = self._put(entry.client, state)
            self._entries[entry.client] = _Entry(source, entry.clock, shown)
            news.append(shown)
        return news

    def leave(self, source: object) -> list[AwarenessEntry]:
        """A socket has closed: return the entries that tell the others."""
        gone = [client for client, entry in self._entries.items() if entry.source is source]
        news = [self._put(c, GONE) for c in gone if self._entries[c].shown.state != GONE]
        for client in gone:
            del self._entries[client]
        return news

    def show_elsewhere(self, relay: str, entries: Iterable[AwarenessEntry]) -> list[AwarenessEntry]:
        """Take what another server's board has shown; return what the sockets here are to see.

        As on one server, whoever has shown a client last has it, and only who has it can end it:
        a page may have come to one server before another notices that its old socket is dead.
        """
        news = []
        for entry in entries:
            before = self._entries.get(entry.client)
            same = before is not None and before.source == relay
            if entry.state == GONE and not same:
                continue
            if before is not None and entry.clock <= (before.clock if same else before.shown.clock):
                continue
            if len(entry.state) > 2 * MAX_STATE_CHARACTERS:
                continue
            shown = self._put(entry.client, entry.state, at_least=entry.clock)
            self._entries[entry.client] = _Entry(relay, entry.clock, shown)
            news.append(shown)
        return news

    def expire(self) -> list[AwarenessEntry]:
        """Return what tells of pages of other servers that have not been heard of for too long."""
        oldest = int(self._clock().timestamp() * 1000) - OUTDATED_MS
        gone = [
            client
            for client, entry in self._entries.items()
            if entry.elsewhere and entry.shown.clock < oldest
        ]
        news = [self._put(c, GONE) for c in gone if self._entries[c].shown.state != GONE]
        for client in gone:
            del self._entries[client]
        return news

    def here(self) -> list[AwarenessEntry]:
        """Return the entries of those who are on this server."""
        return [
            e.shown for e in self._entries.values() if not e.elsewhere and e.shown.state != GONE
        ]

    def present(self) -> list[AwarenessEntry]:
        """Return the entries of all who are there, for somebody who has just come."""
        return [e.shown for e in self._entries.values() if e.shown.state != GONE]

    def _put(self, client: int, state: str, *, at_least: int = 0) -> AwarenessEntry:
        before = self._entries.get(client)
        clock = max(int(self._clock().timestamp() * 1000), at_least)
        if before is not None and clock <= before.shown.clock:
            clock = before.shown.clock + 1
        return AwarenessEntry(client, clock, state)


def identified(state: str, participant: Participant) -> str | None:
    """Return an awareness state under the participant's own name; None if it is not one."""
    if len(state) > MAX_STATE_CHARACTERS:
        return None
    user = user_field(participant)
    try:
        value = _read(state)
        if value is None:
            return GONE
        if not isinstance(value, dict):
            return None
        if value.get("user") == user:
            return state  # as an honest page sends it: the identity that its door has told it
        return _write({**value, "user": user})
    except ValueError:  # no JSON, or with a number that is beyond any
        return None


def user_field(participant: Participant) -> dict[str, Any]:
    """Return the identity in the form of JupyterLab's ``User.IIdentity``. Not to be changed."""
    name = participant.name or str(participant.role)
    return _user_field(participant.id, name, participant.colour)


@lru_cache(maxsize=1024)
def _user_field(username: str, name: str, colour: str) -> dict[str, Any]:
    return {
        "username": username,
        "name": name,
        "display_name": name,
        "initials": initials(name),
        "avatar_url": None,
        "color": colour,
    }


def initials(name: str) -> str:
    """Return up to two letters for a name, such as ``AL`` for Ada King Lovelace."""
    words = name.split()
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [name.strip()[:1]]
    return "".join(letters).upper()
