"""Which topics other servers listen to: what none of them would hear need not be sent.

Most rooms have all their people on one server, and Redis would only hand each of their keystrokes
back. So each server says what it listens to, and a message for a topic that no other has
named is withheld. What a server believes may be behind for a moment. Then it has withheld what
somebody would have heard, and tells them of a gap as soon as it learns of them: what the bus
owes stays the same (see `redis_bus`).

Redis' own answer to PUBLISH, how many got it, is not used: in a cluster, and behind some proxies,
it counts those of one node only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from time import monotonic

from interview_ext.rooms.ports import Message

UNSURE_S = 2.0
"""How long the other servers have to say what they listen to; until then everything is sent."""
GONE_AFTER_S = 30.0
"""A server that has said nothing for so long listens to nothing."""
MAX_WITHHELD = 10_000
"""Topics that are remembered for having been withheld."""


@dataclass
class _Server:
    heard_at: float
    said: int
    topics: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What follows from a message.

    Attributes
    ----------
    missed:
        Topics with listeners now that have missed something.
    ask:
        Whether something that another server has said has not arrived.
    """

    missed: tuple[str, ...] = ()
    ask: bool = False


class Elsewhere:
    """What this server knows of the others. It never sends: `redis_bus` does."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._servers: dict[str, _Server] = {}
        self._listened: dict[str, int] = {}
        self._withheld: set[str] = set()
        self._sure_at = inf

    def listens(self, topic: str) -> bool:
        """Whether a message has to be sent. If not, it is remembered that one was withheld."""
        if topic in self._listened or self._clock() < self._sure_at:
            return True
        self._withheld.add(topic)
        return False

    @property
    def overflows(self) -> bool:
        """Whether so much has been withheld that it is better to begin anew."""
        return len(self._withheld) > MAX_WITHHELD

    def asked(self) -> None:
        """The others can be heard, and have been asked what they listen to."""
        self._sure_at = self._clock() + UNSURE_S

    def forget(self) -> bool:
        """Nothing is known any more; return whether somebody may have missed something."""
        missed = bool(self._withheld)
        self._servers.clear()
        self._listened.clear()
        self._withheld.clear()
        self._sure_at = inf
        return missed

    def heard(self, server_id: str, message: Message) -> Learned:
        """Take what another server says of itself: ``listens`` (see `said`) or ``here``."""
        said = int(message["said"])
        server = self._servers.get(server_id)
        if message["type"] == "here":
            if server is None:
                return Learned(ask=True)
            missing, server.said = server.said != said, said
            server.heard_at = self._clock()
            return Learned(ask=missing)
        whole = bool(message["all"])
        missing = not whole and (server is None or server.said + 1 != said)
        if server is None:
            server = self._servers[server_id] = _Server(self._clock(), said)
        server.heard_at, server.said = self._clock(), said
        added = {str(topic) for topic in message["add"]}
        removed = server.topics - added if whole else {str(topic) for topic in message["remove"]}
        self._remove(server, removed & server.topics)
        return Learned(missed=self._add(server, added - server.topics), ask=missing)

    def drop_silent(self) -> None:
        """Forget servers that are gone."""
        before = self._clock() - GONE_AFTER_S
        for server_id in [i for i, server in self._servers.items() if server.heard_at < before]:
            server = self._servers.pop(server_id)
            self._remove(server, set(server.topics))

    def _add(self, server: _Server, topics: Iterable[str]) -> tuple[str, ...]:
        missed = []
        for topic in topics:
            server.topics.add(topic)
            self._listened[topic] = self._listened.get(topic, 0) + 1
            if topic in self._withheld:
                self._withheld.discard(topic)
                missed.append(topic)
        return tuple(missed)

    def _remove(self, server: _Server, topics: Iterable[str]) -> None:
        for topic in topics:
            server.topics.discard(topic)
            self._listened[topic] -= 1
            if not self._listened[topic]:
                del self._listened[topic]


class OwnTopics:
    """What this server listens to, and what of it the others have not been told yet."""

    def __init__(self) -> None:
        self._topics: set[str] = set()
        self._changed: dict[str, bool] = {}
        self._all = True
        self._said = 0

    def begins(self, topic: str) -> None:
        """Redis sends the topic from now on."""
        self._topics.add(topic)
        self._changed[topic] = True

    def ends(self, topic: str) -> None:
        """The topic is given up."""
        self._topics.discard(topic)
        self._changed[topic] = False

    def forget(self) -> None:
        """Redis sends nothing any more."""
        self._topics.clear()
        self.repeat()

    def repeat(self) -> None:
        """Somebody asks, or may not have heard all: everything is said again."""
        self._all = True

    def news(self) -> Message | None:
        """Return what is to be said now, once."""
        if not self._all and not self._changed:
            return None
        self._said += 1
        message: Message = {
            "type": "listens",
            "said": self._said,
            "all": self._all,
            "add": sorted(self._topics if self._all else self._named(listened=True)),
            "remove": [] if self._all else sorted(self._named(listened=False)),
        }
        self._changed.clear()
        self._all = False
        return message

    def sign_of_life(self) -> Message:
        """Return what is said every few seconds: who has missed something learns of it."""
        return {"type": "here", "said": self._said}

    def _named(self, *, listened: bool) -> list[str]:
        return [topic for topic, now in self._changed.items() if now is listened]
