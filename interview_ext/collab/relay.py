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
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pycrdt
from pycrdt import Doc

from interview_ext.collab.acknowledgements import Acknowledgements
from interview_ext.collab.across import LOOK_EVERY_S, Across, News, Update
from interview_ext.collab.audience import Audience, Peer
from interview_ext.collab.inbox import Edit, Inbox, Item, Look, Mark, OwnEdit, Shown
from interview_ext.collab.intake import Intake
from interview_ext.collab.judging import Commit, Judge, Judgement
from interview_ext.collab.limits import Limits
from interview_ext.collab.outlet import binary_frame
from interview_ext.collab.rehearsal import apply_guarded, asked_of_engine
from interview_ext.collab.showing import Showing
from interview_ext.collab.store_health import StoreHealth
from interview_ext.collab.wire.framing import (
    AwarenessEntry,
    write_step_1,
    write_step_2,
    write_update,
)
from interview_ext.collab.wire.sets import read_state
from interview_ext.collab.wire.update import EMPTY_UPDATE, read_update
from interview_ext.errors import WireError
from interview_ext.rooms.ids import Clock, new_id
from interview_ext.rooms.model import Document, NewLogEntry
from interview_ext.rooms.ports import Bus, LogMoved, UpdateLog

log = logging.getLogger(__name__)


class _LogRewritten(Exception):
    """Somebody was erased: what is held here may not be saved, or shown, any more."""


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
        self._doc = doc
        self._intake = intake
        self._gate = intake.gate
        self._log = update_log
        self._health = health
        self._persistently = partial(health.persistently, document)
        self._clock = clock
        self._applied = applied
        self._broken = broken
        private = document.branch_of is not None
        self._across = Across(document.id, bus, self, private=private)
        self._behind: set[Peer] = set()
        """Sockets that have come since the log was last read to its end."""
        self._audience = Audience()
        self._showing = Showing(self._audience, self._across, clock=clock)
        self._acknowledgements = Acknowledgements(document, bus, self._gate)
        self._judge = Judge(
            document.id,
            intake,
            self._audience,
            self._acknowledgements,
            server_client=doc.client_id,
            ask=self.ask,
            show=self._show_claimed,
        )
        self._batches = itertools.count()
        self._name = new_id("batch")
        self._unanswered: dict[Peer, bytes] = {}
        self._inbox = Inbox(limits.max_waiting)
        self._strangers = False
        """Whether something in the queue may show a client that belongs to nobody yet."""
        self._own_uncommitted = 0
        self._applying = False
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []
        self._subscription = doc.observe(self._on_transaction)

    # -- life

    def start(self) -> None:
        """Begin to work the queue off."""
        name = f"relay of {self._document.id}"
        self._tasks.append(asyncio.create_task(self._work(), name=name))
        if self._across.shared:
            self._across.start()
            self._tasks.append(asyncio.create_task(self._look_again(), name=name))

    async def stop(self) -> None:
        """Stop; what is still in the queue has not been acknowledged to anybody."""
        self._shut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _shut(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self._showing.end()
        self._across.stop()
        self._doc.unobserve(self._subscription)
        self._inbox.let_go()
        for peer in self._audience:
            peer.go_away()

    # -- sockets

    @property
    def peers(self) -> list[Peer]:
        """The open sockets."""
        return list(self._audience)

    def join(self, peer: Peer, *, writable: bool) -> None:
        """A socket has opened. A writable one is asked for what the server lacks."""
        if self._stopped:
            peer.go_away()
            return
        self._audience.add(peer)
        if self._across.shared:
            # It may come from a server that has died, and has to find what that one acknowledged.
            self._behind.add(peer)
            self._inbox.put(Look(News()))
            self._inbox.put(Mark(partial(self._confirm, peer)))
        else:
            self._confirm(peer)
        if writable:
            self.ask(peer)
        self._showing.greet(peer)

    def leave(self, peer: Peer) -> None:
        """A socket has closed."""
        self._behind.discard(peer)
        if self._audience.remove(peer):
            self._showing.leave(peer)

    def ask(self, peer: Peer) -> None:
        """Send sync step 1, to which the page answers with all that the server lacks."""
        if self._audience.may_be_asked(peer):
            self.send(peer, binary_frame(write_step_1(self._doc.get_state())))

    def became_writable(self, peer: Peer) -> None:
        """What the page typed while it was read-only is missing here: ask for it now."""
        self._audience.owes_nothing(peer)
        self.ask(peer)

    def answer(self, peer: Peer, state: bytes) -> None:
        """Answer sync step 1, with committed content only. Raises `WireError`."""
        read_state(state)
        if not self._own_uncommitted and peer not in self._behind:
            self._answer_now(peer, state)
            return
        if peer not in self._unanswered:
            self._inbox.put(Mark(partial(self._answer_later, peer)))
        self._unanswered[peer] = state

    def _answer_now(self, peer: Peer, state: bytes) -> None:
        update = asked_of_engine(lambda: self._doc.get_update(state))
        self._audience.send(peer, binary_frame(write_step_2(update)), counted=False)

    def _answer_later(self, peer: Peer) -> None:
        if self._own_uncommitted:
            self._inbox.put(Mark(partial(self._answer_later, peer)))
        else:
            try:
                self._answer_now(peer, self._unanswered.pop(peer))
            except WireError as error:
                peer.refuse(error)

    def take(self, peer: Peer, update: bytes, *, answer: bool) -> None:
        """Queue an update of a writable socket. Raises `WireError` if it is none."""
        head = read_update(update)
        owner = self._gate.owner
        if any(owner(span.client) is None for span in head.inserts):
            self._strangers = True
        self._inbox.put(Edit(peer, update, head, answer))

    @property
    def full(self) -> bool:
        """Whether who has put something into the queue waits for `has_room`."""
        return self._inbox.full

    async def has_room(self) -> None:
        """Return once the queue is not full: who has put something into it waits for that."""
        await self._inbox.has_room()

    def show(self, peer: Peer, entries: Iterable[AwarenessEntry]) -> None:
        """Take awareness: the page's own entries go on to all."""
        owner, me = self._gate.owner, peer.actor.id
        mine = tuple(
            entry
            for entry in entries
            if owner(entry.client) in (me, None) and self._audience.speaks_for(peer, entry.client)
        )
        if any(owner(entry.client) is None for entry in mine):
            if self.full:
                return  # a page shows itself again every 15 s
            self._strangers = True
            self._inbox.put(Shown(peer, mine))
        elif mine and self._waits:
            # Behind the keystroke that moved the cursor: both reach a page with one write, and
            # nobody is shown a place in what they have not got yet.
            self._inbox.put(Shown(peer, mine))
        elif mine:
            self._showing.show(peer, mine)

    def _show_claimed(self, shown: Shown) -> None:
        me = shown.peer.actor.id
        mine = tuple(e for e in shown.entries if self._gate.owner(e.client) == me)
        if mine and shown.peer in self._audience:
            self._showing.show(shown.peer, mine)

    def show_present(self, peer: Peer) -> None:
        """Tell one socket who is there."""
        self._showing.show_present(peer)

    def send(self, peer: Peer, frames: bytes) -> None:
        """Write ready frames to a socket, behind all that it was sent before."""
        self._audience.send(peer, frames)

    # -- the server's side

    def after_commit(self, then: Callable[[], None]) -> None:
        """Call `then` once everything that is in the queue or the document now is committed."""
        self._inbox.put(Mark(then))

    def committed_update(self) -> bytes | None:
        """Return the whole document as one update; None while edits of the server wait."""
        return None if self._own_uncommitted else self._doc.get_update()

    def _on_transaction(self, event: pycrdt.TransactionEvent) -> None:
        """Called by pycrdt at the end of each transaction; ours are those not being applied."""
        if self._applying or event.update == EMPTY_UPDATE:
            return
        self._own_uncommitted += 1
        self._inbox.put(OwnEdit(event.update))

    # -- the worker

    async def _work(self) -> None:
        """Work the queue off; after a fault of ours the pages bring back what was in it."""
        try:
            await self._work_on()
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except _LogRewritten:
            log.info("%s: its log has been written anew", self._document.id)
            self._broken()
            self._shut()
        except BaseException:  # the engine's panics have no other base
            log.exception("%s: its relay has failed and is given up", self._document.id)
            self._broken()
            self._shut()

    async def _work_on(self) -> None:
        while True:
            batch = await self._inbox.next()
            await self._settle(batch)
            self._inbox.settled(batch)

    @property
    def _waits(self) -> bool:
        """Whether something is about to be committed."""
        inbox = self._inbox
        return bool(inbox.bytes) and not inbox.full and not self._health.failing(self._document)

    async def _settle(self, batch: list[Item]) -> None:
        """Judge, commit, apply and forward one batch."""
        for item in batch:
            if isinstance(item, Look):
                await self._take_news(item.news)
        if self._strangers:
            self._strangers = not self._inbox.empty
            await self._claim(batch)
        found = self._judge.judge(batch)
        if found.gap and self._across.shared:
            # What it builds on may have come to another server.
            found = await self._judge_anew(batch)
        seqs: Sequence[int] = ()
        while found.commits:
            try:
                seqs = await self._commit(found.commits)
                break
            except LogMoved:
                found = await self._judge_anew(batch)
        self._finish(found, seqs)

    async def _judge_anew(self, batch: list[Item]) -> Judgement:
        """Judge once more, with all that the log has by now."""
        self._intake.rewind()
        await self._catch_up()
        return self._judge.judge(batch)

    def _finish(self, found: Judgement, seqs: Sequence[int]) -> None:
        """Apply and forward what has been committed, and do what was to follow."""
        with self._audience.at_once():
            if found.commits:
                self._apply(found.commits, seqs)
                self._forward(found.commits)
                self._tell(found.commits, seqs)
            for then in found.then:
                try:
                    then()
                except Exception:
                    log.exception("%s: what was to follow a commit failed", self._document.id)

    async def _commit(self, commits: list[Commit]) -> Sequence[int]:
        """Return the seq of each. Raises `LogMoved` if another server has committed something."""
        entries = [self._entry(commit) for commit in commits]
        # The name of every repetition: a lost answer doubles nothing.
        name = f"{self._name}.{next(self._batches)}"
        after = self.log_seq if self._across.shared else None
        last = await self._persistently(
            lambda: self._log.append(self._document.id, entries, batch=name, after=after)
        )
        return range(last + 1 - len(entries), last + 1)

    async def _claim(self, batch: list[Item]) -> None:
        """Bind the clients that this batch shows first, in its order, to who shows them."""
        claims: dict[str, list[int]] = {}
        for item in batch:
            if isinstance(item, Edit):
                clients = [span.client for span in item.head.inserts]
            elif isinstance(item, Shown):
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

    def _entry(self, commit: Commit) -> NewLogEntry:
        seat = commit.edit.peer.actor.seat if commit.edit else None
        return NewLogEntry(
            at=self._clock(),
            client=commit.client,
            seat=seat.id if seat else None,
            update=commit.update,
        )

    def _apply(self, commits: list[Commit], seqs: Sequence[int]) -> None:
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

    def _forward(self, commits: list[Commit]) -> None:
        frames = [(commit.edit, binary_frame(write_update(commit.update))) for commit in commits]
        for peer in self._audience:
            mine = b"".join(f for edit, f in frames if edit is None or edit.peer is not peer)
            if mine:
                self.send(peer, mine)
        for commit in commits:
            if commit.edit is not None:
                self._acknowledgements.tell(commit.edit)

    def _confirm(self, peer: Peer) -> None:
        """Tell the page that has come what of its own was committed before.

        Its last `durable` may have been lost. Its answer to sync step 1 has only what the server
        lacks, and all that is deleted, which is then told like any edit.
        """
        self._behind.discard(peer)
        if peer not in self._audience:
            return
        clocks = read_state(self._doc.get_state())
        self._acknowledgements.tell_again(peer.actor.id, clocks)

    # -- other servers (see `across.Listener`)

    def heard_news(self, news: News) -> None:
        """See `across.Listener`."""
        if not self._stopped:
            self._inbox.put(Look(news))

    def heard_presence(self, relay: str, entries: list[AwarenessEntry]) -> None:
        """See `across.Listener`."""
        self._showing.show_elsewhere(relay, entries)

    def asked_for_presence(self) -> None:
        """See `across.Listener`."""
        self._showing.tell_here()

    async def _look_again(self) -> None:
        while not self._stopped:
            self.heard_news(News())
            self._showing.expire()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _take_news(self, news: News) -> None:
        last = self.log_seq
        if news.updates and news.updates[-1].seq <= last:
            return
        if news.updates and news.updates[0].seq <= last + 1:
            await self._take_in([each for each in news.updates if each.seq > last])
        else:
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Take in what the log has beyond what is known here."""
        document_id, last = self._document.id, self.log_seq
        if await self._persistently(lambda: self._log.last_seq(document_id)) > last:
            entries = await self._persistently(lambda: self._log.read(document_id, after=last))
            await self._take_in([Update.of(entry) for entry in entries])

    async def _take_in(self, updates: list[Update]) -> None:
        """Apply and forward what another server has committed. Raises `_LogRewritten`."""
        if any(each.ends_relays for each in updates):
            raise _LogRewritten
        for each in updates:
            self._apply_one(each.update)
            self._intake.learn(each.update, by_page=each.by_page)
            self.log_seq = each.seq
            self._applied()
        self._intake.settled()
        frames = b"".join(binary_frame(write_update(each.update)) for each in updates)
        for peer in self._audience:
            self.send(peer, frames)
        if self._gate.strangers():
            owners = await self._persistently(lambda: self._log.client_owners(self._document.id))
            self._gate.own(owners)

    def _tell(self, commits: list[Commit], seqs: Sequence[int]) -> None:
        self._across.tell_updates(
            Update(seq=seq, update=commit.update, by_page=commit.edit is not None)
            for commit, seq in zip(commits, seqs, strict=True)
        )
