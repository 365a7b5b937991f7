"""Who is where in one document, handed on: from its sockets to its sockets and other servers."""

from __future__ import annotations

from interview_ext.collab.across import Across
from interview_ext.collab.audience import Audience, Peer
from interview_ext.collab.awareness import AwarenessBoard
from interview_ext.collab.outlet import binary_frame
from interview_ext.collab.wire.framing import AwarenessEntry, write_awareness
from interview_ext.rooms.ids import Clock


class Showing:
    """The awareness of one document. Called by its relay only."""

    def __init__(self, audience: Audience, across: Across, *, clock: Clock) -> None:
        self._audience = audience
        self._across = across
        self._board = AwarenessBoard(clock=clock)

    def show(self, peer: Peer, mine: tuple[AwarenessEntry, ...]) -> None:
        """Take what a socket shows of its person's own clients."""
        if self._audience.hears_nothing(peer):
            self._audience.send(peer, binary_frame(write_awareness(mine)))
        news = self._board.show(peer, peer.actor.participant, mine)
        self._forward(news, peer)
        self._across.tell_presence(news)

    def show_present(self, peer: Peer) -> None:
        """Tell one socket who is there."""
        self._audience.send(peer, binary_frame(write_awareness(self._board.present())))

    def greet(self, peer: Peer) -> None:
        """A socket has opened: tell it who is there, if anybody is."""
        if self._board.present():
            self.show_present(peer)

    def leave(self, peer: Peer) -> None:
        """A socket has closed."""
        gone = self._board.leave(peer)
        self._forward(gone, peer)
        self._across.tell_presence(gone)

    def end(self) -> None:
        """The document is closed here: tell the other servers that its sockets are gone."""
        self._across.tell_presence([e for peer in self._audience for e in self._board.leave(peer)])

    def show_elsewhere(self, relay: str, entries: list[AwarenessEntry]) -> None:
        """Take who is where on the server of another relay."""
        self._forward(self._board.show_elsewhere(relay, entries), None)

    def tell_here(self) -> None:
        """Tell the other servers who is here."""
        self._across.tell_presence(self._board.here())

    def expire(self) -> None:
        """Forget pages of other servers that have not been heard of for too long."""
        self._forward(self._board.expire(), None)

    def _forward(self, news: list[AwarenessEntry], source: Peer | None) -> None:
        if not news:
            return
        frame = binary_frame(write_awareness(news))
        for peer in self._audience:
            if peer is not source:
                self._audience.send(peer, frame)
