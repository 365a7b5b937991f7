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
from typing import Any

from interview_ext.collab.wire.framing import AwarenessEntry
from interview_ext.rooms.ids import Clock
from interview_ext.rooms.model import Participant

MAX_STATE_CHARACTERS = 32_768
"""Of one entry; JupyterLab's has a few hundred: user, cursors, the active cell."""
GONE = "null"


@dataclass(slots=True)
class _Entry:
    source: object
    clock: int
    shown: AwarenessEntry


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

    def present(self) -> list[AwarenessEntry]:
        """Return the entries of all who are there, for somebody who has just come."""
        return [e.shown for e in self._entries.values() if e.shown.state != GONE]

    def _put(self, client: int, state: str) -> AwarenessEntry:
        before = self._entries.get(client)
        clock = int(self._clock().timestamp() * 1000)
        if before is not None and clock <= before.shown.clock:
            clock = before.shown.clock + 1
        return AwarenessEntry(client, clock, state)


def identified(state: str, participant: Participant) -> str | None:
    """Return an awareness state under the participant's own name; None if it is not one."""
    if len(state) > MAX_STATE_CHARACTERS:
        return None
    try:
        value = json.loads(state)
    except (ValueError, RecursionError):
        return None
    if value is None:
        return GONE
    if not isinstance(value, dict):
        return None
    value["user"] = user_field(participant)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def user_field(participant: Participant) -> dict[str, Any]:
    """Return the identity in the form of JupyterLab's ``User.IIdentity``."""
    name = participant.name or str(participant.role)
    return {
        "username": participant.id,
        "name": name,
        "display_name": name,
        "initials": initials(name),
        "avatar_url": None,
        "color": participant.colour,
    }


def initials(name: str) -> str:
    """Return up to two letters for a name, such as ``AL`` for Ada King Lovelace."""
    words = name.split()
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [name.strip()[:1]]
    return "".join(letters).upper()
