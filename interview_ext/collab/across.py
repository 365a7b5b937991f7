"""One document on several servers: what the relays tell each other over the bus.

The update log is the order: every commit names the entry that it follows, so two servers never
commit what contradicts. The bus only makes it fast. A relay that hears of entries it has no
predecessors of, or hears that it may have missed something, reads the log; therefore plain
messages are enough, and no stream has to be kept, trimmed and read again beside the log.

An erasure writes the log anew under relays of other servers that may hold what it takes away, some
of it not saved yet. So it puts an entry that does nothing, as no relay commits one, before what it
reads and behind what it has written. A relay that finds such an entry behind what it has is given
up with all it holds; nothing can be committed without having found it.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from interview_ext.collab.wire.framing import AwarenessEntry
from interview_ext.collab.wire.update import EMPTY_UPDATE
from interview_ext.rooms.ids import new_id
from interview_ext.rooms.model import LogEntry
from interview_ext.rooms.ports import GAP, Bus, Message

log = logging.getLogger(__name__)

MAX_TOLD_BYTES = 256 * 1024
"""Updates beyond it are not sent over the bus: the others read them from the log."""
LOOK_EVERY_S = 3.0
"""How often a relay asks the log whether it lacks something, whatever it has heard."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """An entry of the log, as far as a relay needs it."""

    seq: int
    update: bytes
    by_page: bool

    @property
    def ends_relays(self) -> bool:
        """Whether it is an erasure's."""
        return self.update == EMPTY_UPDATE

    @classmethod
    def of(cls, entry: LogEntry) -> Update:
        return cls(seq=entry.seq, update=entry.update, by_page=entry.seat is not None)


@dataclass(frozen=True, kw_only=True)
class News:
    """What the log may have that this relay lacks. `updates` are contiguous; empty: look there."""

    updates: tuple[Update, ...] = ()


class Listener(Protocol):
    """What a relay does with what it hears."""

    def heard_news(self, news: News) -> None:
        """Another relay has committed, or this one may have missed something."""

    def heard_presence(self, relay: str, entries: list[AwarenessEntry]) -> None:
        """Who is where on the server of another relay."""

    def asked_for_presence(self) -> None:
        """Another relay wants to know who is here."""


class Across:
    """The bus of one document. With a bus that no other server has it does nothing.

    Parameters
    ----------
    listener:
        Called on the event loop, and only with what other relays have said.
    private:
        A participant's own branch: the others are told that there is something new, never what,
        and not where anybody is in it.
    """

    def __init__(
        self, document_id: str, bus: Bus, listener: Listener, *, private: bool = False
    ) -> None:
        self._private = private
        self._topic = f"document:{document_id}"
        self._bus = bus
        self._listener = listener
        self._me = new_id("relay")
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def shared(self) -> bool:
        """Whether there may be other servers."""
        return self._bus.shared

    def start(self) -> None:
        """Listen, and ask who is there."""
        if self.shared:
            self._unsubscribe = self._bus.subscribe(self._topic, self._hear)
            self._tell({"type": "who"})

    def stop(self) -> None:
        """Listen no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    @property
    def _heard(self) -> bool:
        """Whether another server wants to be told; if not, it is going to look into the log."""
        return self._bus.heard_elsewhere(self._topic)

    def tell_updates(self, made: Iterable[Update]) -> None:
        """Tell the others what has been committed: at least one. Made only if anybody hears it."""
        if not self._heard:
            return
        updates = list(made)
        body: list[list[Any]] = []
        size = sum(len(each.update) for each in updates)
        if size <= MAX_TOLD_BYTES and not self._private:
            body = [[base64.b64encode(u.update).decode(), u.by_page] for u in updates]
        self._tell({"type": "updates", "first": updates[0].seq, "updates": body})

    def tell_presence(self, entries: Sequence[AwarenessEntry]) -> None:
        """Tell the others who is where on this server."""
        if entries and not self._private and self._heard:
            body = [[entry.client, entry.clock, entry.state] for entry in entries]
            self._tell({"type": "presence", "entries": body})

    def _tell(self, message: Message) -> None:
        self._bus.publish(self._topic, {**message, "relay": self._me})

    def _hear(self, message: Message) -> None:
        if message == GAP:
            self._listener.heard_news(News())
            self._listener.asked_for_presence()
            self._tell({"type": "who"})
            return
        if message.get("relay") == self._me:
            return
        try:
            self._take(message)
        except (KeyError, TypeError, ValueError, binascii.Error):
            log.warning("%s: another server sent what no relay sends", self._topic)
            self._listener.heard_news(News())

    def _take(self, message: Message) -> None:
        kind = message["type"]
        if kind == "updates":
            first = int(message["first"])
            found = tuple(
                Update(seq=seq, update=base64.b64decode(text), by_page=bool(by_page))
                for seq, (text, by_page) in enumerate(message["updates"], start=first)
            )
            self._listener.heard_news(News(updates=found))
        elif kind == "presence":
            entries = [AwarenessEntry(int(c), int(k), str(s)) for c, k, s in message["entries"]]
            self._listener.heard_presence(str(message["relay"]), entries)
        elif kind == "who":
            self._listener.asked_for_presence()
