"""One order for all: what changes a document is committed, then applied, then forwarded.

Everything that changes one document goes through one queue, worked off by one task. It takes
what has gathered, judges it, commits it with one call, applies it and writes it to all
sockets. While the store fails, the same batch is tried again and the queue fills; then
sockets are not read any more. The server's own edits are in the document at once
(that is how pycrdt works), but nobody is shown them before they are committed: a page that
had seen what a crash then lost would hold structs nobody can give back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import pycrdt
from pycrdt import Doc

from interview_ext.collab.awareness import AwarenessBoard
from interview_ext.collab.intake import Intake, UpdateGap
from interview_ext.collab.limits import Limits
from interview_ext.collab.outlet import binary_frame
from interview_ext.collab.rehearsal import apply_guarded
from interview_ext.collab.store_health import StoreHealth
from interview_ext.collab.wire.framing import (
    AwarenessEntry,
    write_awareness,
    write_step_1,
    write_step_2,
    write_update,
)
from interview_ext.collab.wire.update import (
    EMPTY_UPDATE,
    UpdateHead,
    read_state,
    read_update,
)
from interview_ext.errors import InterviewError, StoreUnavailable
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import Clock, new_id
from interview_ext.rooms.model import Document, NewLogEntry
from interview_ext.rooms.ports import Bus, UpdateLog, room_topic

log = logging.getLogger(__name__)

MAX_BATCH = 256
"""Items committed at once; at 5 µs to judge and 20 to apply each, 6 ms of the event loop."""
_RETRY_FIRST_S, _RETRY_LAST_S = 0.05, 2.0
_NEVER = float("-inf")
_ITEM_BYTES = 512
"""What an item weighs in the queue besides its update: about what Python takes for it."""
ASK_AGAIN_S = 5.0
"""After this long without an answer, a gap makes us ask for a sync once more."""


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
class _Edit:
    peer: Peer
    update: bytes
    head: UpdateHead
    answer: bool


@dataclass(slots=True)
class _OwnEdit:
    update: bytes


@dataclass(slots=True)
class _Shown:
    peer: Peer
    entries: tuple[AwarenessEntry, ...]


@dataclass(slots=True)
class _Mark:
    """Something to do once everything before it is committed and forwarded."""

    then: Callable[[], None]


_Item = _Edit | _OwnEdit | _Shown | _Mark


@dataclass(slots=True)
class _Commit:
    """What a batch makes of one item: an entry for the log and who hears of it."""

    update: bytes
    client: int
    edit: _Edit | None


class Relay:
    """The queue of one document, its worker, and its sockets."""

    def __init__(
        self,
        *,
        document: Document,
        doc: Doc[Any],
        intake: Intake,
        log_seq: int,
        update_log: UpdateLog,
        bus: Bus,
        health: StoreHealth,
        limits: Limits,
        clock: Clock,
        applied: Callable[[], None],
        broken: Callable[[], None],
    ) -> None:
        self.log_seq = log_seq
        self._document = document
        self._topic = room_topic(document.room_id)
        self._doc = doc
        self._intake = intake
        self._gate = intake.gate
        self._log = update_log
        self._bus = bus
        self._health = health
        self._limits = limits
        self._clock = clock
        self._applied = applied
        self._broken = broken
        self._board = AwarenessBoard(clock=clock)
        self._peers: dict[Peer, float] = {}
        self._unanswered: dict[Peer, bytes] = {}
        self._inbox: deque[_Item] = deque()
        self._waiting = 0
        self._own_uncommitted = 0
        self._applying = False
        self._stopped = False
        self._wake = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._worker: asyncio.Task[None] | None = None
        self._subscription = doc.observe(self._on_transaction)

    # -- life

    def start(self) -> None:
        """Begin to work the queue off."""
        self._worker = asyncio.create_task(self._work(), name=f"relay of {self._document.id}")

    async def stop(self) -> None:
        """Stop; what is still in the queue has not been acknowledged to anybody."""
        self._shut()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def _shut(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self._doc.unobserve(self._subscription)
        self._has_room.set()
        for peer in list(self._peers):
            peer.go_away()

    # -- sockets

    @property
    def peers(self) -> list[Peer]:
        """The open sockets."""
        return list(self._peers)

    def join(self, peer: Peer, *, writable: bool) -> None:
        """A socket has opened. A writable one is asked for what the server lacks."""
        if self._stopped:
            peer.go_away()
            return
        self._peers[peer] = _NEVER
        if writable:
            self.ask(peer)
        present = self._board.present()
        if present:
            peer.send(binary_frame(write_awareness(present)))

    def leave(self, peer: Peer) -> None:
        """A socket has closed."""
        if self._peers.pop(peer, None) is None:
            return
        self._forward_awareness(self._board.leave(peer), peer)

    def ask(self, peer: Peer) -> None:
        """Send sync step 1, to which the page answers with all that the server lacks."""
        at = asyncio.get_running_loop().time()
        if peer in self._peers and at - self._peers[peer] >= ASK_AGAIN_S:
            self._peers[peer] = at
            peer.send(binary_frame(write_step_1(self._doc.get_state())))

    def became_writable(self, peer: Peer) -> None:
        """What the page typed while it was read-only is missing here: ask for it now."""
        if peer in self._peers:
            self._peers[peer] = _NEVER
            self.ask(peer)

    def answer(self, peer: Peer, state: bytes) -> None:
        """Answer sync step 1, with committed content only. Raises `WireError`."""
        read_state(state)
        if not self._own_uncommitted:
            self._answer_now(peer, state)
            return
        if peer not in self._unanswered:
            self._put(_Mark(partial(self._answer_later, peer)))
        self._unanswered[peer] = state

    def _answer_now(self, peer: Peer, state: bytes) -> None:
        peer.send(binary_frame(write_step_2(self._doc.get_update(state))), counted=False)

    def _answer_later(self, peer: Peer) -> None:
        if self._own_uncommitted:
            self._put(_Mark(partial(self._answer_later, peer)))
        else:
            self._answer_now(peer, self._unanswered.pop(peer))

    def take(self, peer: Peer, update: bytes, *, answer: bool) -> None:
        """Queue an update of a writable socket. Raises `WireError` if it is none."""
        self._put(_Edit(peer, update, read_update(update), answer))

    async def has_room(self) -> None:
        """Return once the queue is not full: who has put something into it waits for that."""
        await self._has_room.wait()

    def show(self, peer: Peer, entries: Iterable[AwarenessEntry]) -> None:
        """Take awareness: the page's own entries go on to all, itself included."""
        owner, me = self._gate.owner, peer.actor.id
        mine = tuple(e for e in entries if owner(e.client) in (me, None))
        if any(owner(entry.client) is None for entry in mine):
            if not self._has_room.is_set():
                return  # a page shows itself again every 15 s
            self._put(_Shown(peer, mine))
        elif mine:
            self._show_now(peer, mine)

    def show_present(self, peer: Peer) -> None:
        """Tell one socket who is there."""
        peer.send(binary_frame(write_awareness(self._board.present())))

    # -- the server's side

    def after_commit(self, then: Callable[[], None]) -> None:
        """Call `then` once everything that is in the queue or the document now is committed."""
        self._put(_Mark(then))

    def _on_transaction(self, event: pycrdt.TransactionEvent) -> None:
        """Called by pycrdt at the end of each transaction; ours are those not being applied."""
        if self._applying or event.update == EMPTY_UPDATE:
            return
        self._own_uncommitted += 1
        self._put(_OwnEdit(event.update))

    # -- the worker

    def _put(self, item: _Item) -> None:
        self._inbox.append(item)
        self._waiting += _weight(item)
        if self._waiting > self._limits.max_waiting:
            self._has_room.clear()
        self._wake.set()

    async def _work(self) -> None:
        """Work the queue off; after a fault of ours the pages bring back what was in it."""
        try:
            await self._work_on()
        except Exception:
            log.exception("%s: its relay has failed and is given up", self._document.id)
            self._broken()
            self._shut()

    async def _work_on(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._inbox:
                count = min(len(self._inbox), MAX_BATCH)
                batch = [self._inbox.popleft() for _ in range(count)]
                await self._settle(batch)
                self._waiting -= sum(map(_weight, batch))
                if self._waiting <= self._limits.max_waiting:
                    self._has_room.set()

    async def _settle(self, batch: list[_Item]) -> None:
        """Judge, commit, apply and forward one batch."""
        await self._claim(batch)
        done: list[Callable[[], None]] = []
        commits: list[_Commit] = []
        for item in batch:
            if isinstance(item, _Edit):
                commits += self._judge(item, done)
            elif isinstance(item, _OwnEdit):
                commits.append(self._own(item))
            elif isinstance(item, _Shown):
                done.append(partial(self._show_claimed, item))
            else:
                done.append(item.then)
        if commits:
            entries = [self._entry(commit) for commit in commits]
            name = new_id("batch")  # of every repetition: a lost answer doubles nothing
            numbered = await self._persistently(
                lambda: self._log.append(self._document.id, entries, batch=name)
            )
            self._apply(commits, [entry.seq for entry in numbered])
            self._forward(commits)
        for then in done:
            try:
                then()
            except Exception:
                log.exception("%s: what was to follow a commit failed", self._document.id)

    async def _claim(self, batch: list[_Item]) -> None:
        """Bind the clients that this batch shows first, in its order, to who shows them."""
        claims: dict[str, list[int]] = {}
        for item in batch:
            if isinstance(item, _Edit):
                clients = [span.client for span in item.head.inserts]
            elif isinstance(item, _Shown):
                clients = [entry.client for entry in item.entries]
            else:
                continue
            free = self._gate.unclaimed(item.peer.actor.id, clients)
            if free:
                claims.setdefault(item.peer.actor.id, []).extend(free)
        for participant_id, clients in claims.items():
            self._gate.own(await self._persistently(self._claiming(participant_id, clients)))

    def _claiming(self, participant_id: str, clients: list[int]) -> Any:
        unique = sorted(set(clients))
        return lambda: self._log.claim_clients(self._document.id, participant_id, unique)

    def _judge(self, edit: _Edit, done: list[Callable[[], None]]) -> list[_Commit]:
        """Return what is to be committed of an edit: itself, its new part, or nothing."""
        peer = edit.peer
        if edit.answer and peer in self._peers:
            self._peers[peer] = _NEVER
        try:
            update = self._intake.examine(peer.actor.id, edit.update, edit.head, answer=edit.answer)
        except UpdateGap:
            if edit.answer:
                log.warning("%s: an answer to sync step 1 has a gap", self._document.id)
            else:
                self.ask(peer)
            return []
        except InterviewError as error:
            peer.refuse(error)
            return []
        if update == EMPTY_UPDATE:
            done.append(partial(self._durable, edit))
            return []
        clients = {span.client for span in edit.head.inserts}
        return [_Commit(update, clients.pop() if len(clients) == 1 else 0, edit)]

    def _own(self, item: _OwnEdit) -> _Commit:
        self._intake.follow(item.update)
        return _Commit(item.update, self._doc.client_id, None)

    def _entry(self, commit: _Commit) -> NewLogEntry:
        seat = commit.edit.peer.actor.seat if commit.edit else None
        return NewLogEntry(
            at=self._clock(),
            client=commit.client,
            seat=seat.id if seat else None,
            update=commit.update,
        )

    async def _persistently(self, call: Callable[[], Any]) -> Any:
        """Call the store until it does it, telling the room when it fails and when it is back."""
        wait_s = _RETRY_FIRST_S
        while True:
            try:
                result = await call()
            except StoreUnavailable as error:
                log.warning("%s waits for the store: %s", self._document.id, error.message)
            except Exception:
                log.exception("%s waits for the store", self._document.id)
            else:
                self._health.works(self._document)
                return result
            self._health.fails(self._document)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _RETRY_LAST_S)

    def _apply(self, commits: list[_Commit], seqs: list[int]) -> None:
        for commit, seq in zip(commits, seqs, strict=True):
            if commit.edit is None:
                self._own_uncommitted -= 1
            else:
                self._apply_one(commit.update)
            self.log_seq = seq
            # After each: a run waits for the very state its page showed, which the next keystroke
            # of the same batch changes again.
            self._applied()
        self._intake.settled()

    def _apply_one(self, update: bytes) -> None:
        self._applying = True
        try:
            if not apply_guarded(self._doc, update):
                log.error("%s: a rehearsed update was refused", self._document.id)
        finally:
            self._applying = False

    def _forward(self, commits: list[_Commit]) -> None:
        frames = [(commit.edit, binary_frame(write_update(commit.update))) for commit in commits]
        for peer in list(self._peers):
            mine = b"".join(f for edit, f in frames if edit is None or edit.peer is not peer)
            if mine:
                peer.send(mine)
        for commit in commits:
            if commit.edit is not None:
                self._durable(commit.edit)

    def _durable(self, edit: _Edit) -> None:
        """Tell the page, by way of its event socket, what of its own is committed."""
        me = edit.peer.actor.id
        message: dict[str, Any] = {
            "type": "durable",
            "document": self._document.id,
            "participant_id": me,
            "clients": {
                str(span.client): span.end
                for span in edit.head.inserts
                if self._gate.owner(span.client) == me
            },
            "deletes": [list(span) for span in edit.head.deletes],
        }
        self._bus.publish(self._topic, message)

    # -- awareness

    def _show_claimed(self, shown: _Shown) -> None:
        me = shown.peer.actor.id
        mine = tuple(e for e in shown.entries if self._gate.owner(e.client) == me)
        if mine and shown.peer in self._peers:
            self._show_now(shown.peer, mine)

    def _show_now(self, peer: Peer, mine: tuple[AwarenessEntry, ...]) -> None:
        peer.send(binary_frame(write_awareness(mine)))
        self._forward_awareness(self._board.show(peer, peer.actor.participant, mine), peer)

    def _forward_awareness(self, news: list[AwarenessEntry], source: Peer) -> None:
        if not news:
            return
        frame = binary_frame(write_awareness(news))
        for peer in list(self._peers):
            if peer is not source:
                peer.send(frame)


def _weight(item: _Item) -> int:
    return _ITEM_BYTES + (len(item.update) if isinstance(item, _Edit) else 0)
