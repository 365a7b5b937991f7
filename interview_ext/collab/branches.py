"""Private branches: thinking on a fork of the notebook unobserved, then merging or discarding it.

A branch begins with the whole state of the room's notebook and is edited with JupyterLab's own
client over an ordinary document socket. Being a fork of a Yjs document, what was written on it
applies to the notebook as it is, whatever others have written there meanwhile, and applying it
again changes nothing: a merge that was cut off is repeated, and the text is there once.

What it takes to begin one is asked when it is begun: if the host forbids branches afterwards,
those that are open may be merged or discarded. A branch ends by its participant's own act or
with the interview. At the end it is discarded: that nobody sees it until it is merged is what was
promised, and the page says so with the announcement of the end.

`sealing` says how a branch is stored and what becomes of its key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from interview_ext.collab.documents import Documents
from interview_ext.collab.gate import SERVER
from interview_ext.collab.merging import Counts, Merging, Thought, thought
from interview_ext.collab.sealing import BranchKeys, SealedLog
from interview_ext.collab.shared import NOTEBOOK
from interview_ext.collab.wire.sets import read_state
from interview_ext.errors import (
    BadRequest,
    BranchExists,
    BranchGone,
    BranchNotAllowed,
    Conflict,
    Forbidden,
    InterviewError,
    NotFound,
    StoreUnavailable,
)
from interview_ext.rooms import branching
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import Clock, digest, new_id, new_secret, now
from interview_ext.rooms.model import Branch, Document, NewLogEntry
from interview_ext.rooms.ports import Bus, Store, room_topic, tell_people
from interview_ext.rooms.roles import Action
from interview_ext.rooms.service import Rooms
from interview_ext.rooms.timeline import Timeline

log = logging.getLogger(__name__)


class Branches:
    """The branches of all rooms. Made once by ``house.py``."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        documents: Documents,
        store: Store,
        keys: BranchKeys,
        update_log: SealedLog,
        bus: Bus,
        timeline: Timeline,
        clock: Clock = now,
    ) -> None:
        self._rooms = rooms
        self._documents = documents
        self._store = store
        self._keys = keys
        self._log = update_log
        self._bus = bus
        self._timeline = timeline
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def start(self) -> None:
        """Discard what a killed server has left of interviews that are over."""
        for branch in await self._store.list_branches():
            room = await self._store.get_room(branch.room_id)
            if room is None or room.state.is_over:
                await self._end_with_room(branch)

    async def show(self, actor: Actor, secrets: Mapping[str, str]) -> None:
        """Take what the actor's browser has brought of keys. Called by the doors."""
        await self._keys.show(actor.id, secrets)

    # -- what a participant does

    async def begin(self, actor: Actor, document_id: str) -> Branch:
        """Fork a document of the room. `secret` has the half of the key that the browser gets.

        Raises
        ------
        BranchNotAllowed, BranchExists, Forbidden, RoomNotLive, NotFound, BadRequest
        """
        room = await self._rooms.check(actor, Action.BRANCH)
        if not room.policy.branch:
            raise BranchNotAllowed("Branches are not allowed in this interview.")
        _, document, writable = await self._rooms.document(actor, document_id)
        if document.branch_of is not None or document.kind != NOTEBOOK:
            raise BadRequest("A branch is made of one of the room's notebooks.")
        if not writable:
            raise Forbidden("You cannot make a branch of a notebook that you cannot edit.")
        async with self._turn(actor.id):
            if await self.own(actor) is not None:
                raise BranchExists("You have a branch already.")
            branch = await self._fork(actor, document)
        await self._timeline.record(
            room.id, "branch.started", actor=actor.id, payload={"document": document.id}
        )
        self._tell(room.id)
        return branch

    async def own(self, actor: Actor) -> Branch | None:
        """Return the actor's branch, if there is one."""
        for branch in await self._store.list_branches(actor.room_id):
            if branch.participant_id == actor.id:
                return branch
        return None

    def secret(self, branch: Branch) -> str | None:
        """Return the browser's half of a key: None if it has not been shown to this server.

        For the participant's own browser only.
        """
        return self._keys.secret(branch.id)

    async def changes(self, branch: Branch) -> Counts | None:
        """Return what the branch has changed so far; None if its key is not here."""
        if self._keys.secret(branch.id) is None:
            return None
        entries = await self._log.last(branch.id)
        return (await asyncio.to_thread(thought, entries)).counts if entries else None

    async def focusing(self, room_id: str) -> frozenset[str]:
        """Return the participants who are on a branch: that much everybody in the room sees."""
        return frozenset(b.participant_id for b in await self._store.list_branches(room_id))

    async def merge(self, actor: Actor, branch_id: str) -> Counts:
        """Bring what was written on the branch into the document, under the actor's name.

        Raises
        ------
        BranchGone
            The actor has no such branch.
        BranchLocked
            This server has not been shown its key.
        StoreUnavailable
            Not all of the branch can be saved now; it stays, open as it is.
        RoomNotLive, Forbidden, NotFound, TooLarge, Conflict
            The document does not take it now; the branch stays.
        """
        await self._rooms.check(actor, Action.BRANCH)
        branch = await self._the(actor, branch_id)
        _, document, writable = await self._rooms.document(actor, branch.document_id)
        if not writable:
            raise Forbidden("You cannot edit the notebook that this is a branch of.")
        async with self._turn(actor.id), self._ending(await self._the(actor, branch_id)):
            self._keys.seal(branch_id)
            if not await self._documents.close_one(branch_id):
                raise StoreUnavailable("Not all that was written on the branch is saved yet.")
            entries = await self._log.last(branch_id)
            brought = await asyncio.to_thread(thought, entries)
            if not brought.empty:
                await self._bring(actor, document, brought)
            await self._timeline.record(
                branch.room_id,
                "branch.merged",
                actor=actor.id,
                payload={"document": document.id, **vars(brought.counts)},
            )
            await self._remove(branch)
        return brought.counts

    async def discard(self, actor: Actor, branch_id: str) -> None:
        """Throw the branch away with all that was written on it. Raises `BranchGone`."""
        async with self._turn(actor.id):
            branch = await self._the(actor, branch_id)
            await self._throw_away(branch, actor=actor.id, reason="discarded")

    # -- what the room does

    async def close_room(self, room_id: str) -> None:
        """The interview is over: discard what was not merged. Called by ``house.py``."""
        for branch in await self._store.list_branches(room_id):
            async with self._turn(branch.participant_id):
                await self._end_with_room(branch)

    async def _end_with_room(self, branch: Branch) -> None:
        try:
            await self._throw_away(branch, actor="server", reason="the interview ended")
        except NotFound:  # with the room, whose timeline has gone too
            log.info("%s went with its room", branch.id)
        except InterviewError as error:  # the next start comes to it
            log.warning("%s could not be discarded yet: %s", branch.id, error.message)

    # -- inside

    def _turn(self, participant_id: str) -> asyncio.Lock:
        """One thing at a time is done to a participant's branch."""
        return self._turns.setdefault(participant_id, asyncio.Lock())

    async def _the(self, actor: Actor, branch_id: str) -> Branch:
        branch = await self.own(actor)
        if branch is None or branch.id != branch_id:
            raise BranchGone("There is no such branch of yours.")
        return branch

    async def _fork(self, actor: Actor, document: Document) -> Branch:
        """Store the branch: what it begins with first, so that it is there whole or not at all."""
        shared = await self._documents.open(document)
        base = await shared.snapshot()
        secret = new_secret()
        branch = Branch(
            id=new_id(branching.PREFIX),
            room_id=document.room_id,
            document_id=document.id,
            participant_id=actor.id,
            path=branching.branch_path(document.path),
            begun_at=self._clock(),
            salt=new_secret(),
            secret_digest=digest(secret),
        )
        self._keys.keep(branch, secret)
        begun = False
        try:
            # Ids that the document knows are not gone on with here: in a merge the same id and
            # clock would stand for two different things.
            clients = sorted(read_state(shared.ydoc.ydoc.get_state()))
            await self._log.claim_clients(branch.id, SERVER, clients)
            first = NewLogEntry(at=branch.begun_at, client=0, seat=None, update=base)
            await self._log.append(branch.id, [first])
            await self._store.add_branch(branch)
            begun = True
        finally:
            if not begun:
                self._keys.forget(branch.id)
                await self._store.delete_branch(branch.id)
        return branch

    @asynccontextmanager
    async def _ending(self, branch: Branch) -> AsyncIterator[None]:
        """Nobody opens the branch meanwhile; if it does not end, its pages come back to it."""
        self._log.begin_ending(branch.id)
        try:
            yield
        finally:
            self._log.end_ending(branch.id)

    async def _bring(self, actor: Actor, document: Document, brought: Thought) -> None:
        """Give the update to the document's relay, and wait until it has been committed.

        However long: somebody who discards a branch that is being merged waits for the merge.
        """
        shared = await self._documents.open(document)
        merging = Merging(actor)
        shared.relay.take(merging, brought.update, answer=False)
        await shared.committed()
        if merging.refusal is not None:
            raise merging.refusal
        reached = read_state(shared.ydoc.ydoc.get_state())
        if any(reached.get(span.client, 0) < span.end for span in brought.head.inserts):
            raise Conflict("The branch does not fit the notebook any more.", hint="Discard it.")

    async def _throw_away(self, branch: Branch, *, actor: str, reason: str) -> None:
        async with self._ending(branch):
            await self._documents.close_one(branch.id, commit=False)
            await self._remove(branch)
            await self._timeline.record(
                branch.room_id,
                "branch.discarded",
                actor=actor,
                payload={
                    "document": branch.document_id,
                    "participant": branch.participant_id,
                    "reason": reason,
                },
            )

    async def _remove(self, branch: Branch) -> None:
        await self._store.delete_branch(branch.id)
        self._keys.forget(branch.id)
        self._tell(branch.room_id)

    def _tell(self, room_id: str) -> None:
        """Pages read anew who is focusing, and what their own documents are."""
        tell_people(self._bus, room_id)
        self._bus.publish(room_topic(room_id), {"type": "room"})
