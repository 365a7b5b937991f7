"""How long the running cell has run, and how long nobody has asked for anything.

Runs are told from the shell channel: a request goes to the kernel, its reply comes back. A kernel
taken over by its own code can forge a reply and so stop the clock of a run; it cannot forge what
clients send, so the idle limit holds all the same, and CPU time is capped at any moment.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .frames import Channel
from .profiles import Limits

DELIMITER = b"<IDS|MSG>"
MAX_HEADER_BYTES = 64 * 1024


def header(parts: Sequence[bytes], place: int = 0) -> dict[str, Any]:
    """A message's own header (`place` 0) or its parent's (1); empty if it cannot be read."""
    try:
        raw = parts[parts.index(DELIMITER) + 2 + place]
        value = json.loads(raw) if len(raw) <= MAX_HEADER_BYTES else None
    except (ValueError, IndexError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class RunClock:
    """Watches one sandbox's messages. `now` is monotonic, in seconds.

    Parameters
    ----------
    run_limit:
        Whether runs and rest have their limits here; if not, whoever asks for runs sees to both.
    """

    def __init__(self, limits: Limits, *, now: float, run_limit: bool = True) -> None:
        self._limits = limits
        self._run_limit = run_limit
        self._pending: list[str] = []
        self._since = now
        self._asked = now

    def resumed(self, run: str, now: float) -> None:
        """A kernel was taken over that may still work on `run`: its reply comes again if not."""
        if run:
            self._pending = [run]
            self._since = now

    def sent(self, channel: Channel, parts: Sequence[bytes], now: float) -> None:
        """A client's message goes to the kernel."""
        if channel is Channel.HEARTBEAT:
            return
        self._asked = now
        if channel is Channel.SHELL:
            found = header(parts)
            if found.get("msg_type") == "execute_request":
                if not self._pending:
                    self._since = now
                self._pending.append(str(found.get("msg_id")))

    def received(self, channel: Channel, parts: Sequence[bytes], now: float) -> None:
        """A message of the kernel's goes to the clients."""
        if channel is not Channel.SHELL or not self._pending:
            return
        if header(parts).get("msg_type") == "execute_reply":
            run = str(header(parts, 1).get("msg_id"))
            if run in self._pending:
                self._pending.remove(run)
                self._since = now  # the next one in the queue starts
                self._asked = now

    def rest_over(self, now: float) -> None:
        """It was frozen; that time counts as none."""
        self._since = self._asked = now

    def overdue(self, now: float) -> str:
        """The sentence that says which limit has been passed; empty if none."""
        if not self._run_limit:
            return ""
        if self._pending and now - self._since > self._limits.run_s:
            return f"A cell ran longer than {self._limits.run_s:g} s."
        if not self._pending and now - self._asked > self._limits.idle_s:
            return f"Nothing was run for {self._limits.idle_s:g} s."
        return ""
