"""What a document takes: all that is asked about an update before it is committed."""

from __future__ import annotations

from typing import Any

import pycrdt
from pycrdt import Doc

from interview_ext.collab.deletions import deleted, with_deletes, without
from interview_ext.collab.gate import Gate, Verdict
from interview_ext.collab.nesting import Nesting, Spots
from interview_ext.collab.rehearsal import Rehearsal, asked_of_engine
from interview_ext.collab.wire.sets import Span, read_state, write_deletes, write_state
from interview_ext.collab.wire.structs import read_committed
from interview_ext.collab.wire.update import EMPTY_UPDATE, Id, Letters, UpdateHead, read_update
from interview_ext.errors import ForeignClient, TooLarge, WireError


class UpdateGap(Exception):
    """An update builds on what the server does not have: dropped, and a sync is asked for.

    Honest pages send such updates while their first sync is under way; nobody is told.
    """


class Intake:
    """Of one document. Updates are examined in the order in which they will be committed.

    Parameters
    ----------
    size:
        Bytes of all updates of clients so far.
    max_size:
        Beyond it no update of a client is taken.
    """

    def __init__(
        self, *, doc: Doc[Any], gate: Gate, nesting: Nesting, size: int, max_size: int
    ) -> None:
        self.gate = gate
        self._doc = doc
        self.nesting = nesting
        self._placed: Spots = []
        """What was examined since the last `settled` has brought to it."""
        self._size = self._settled_size = size
        self._max_size = max_size
        self._rehearsal = Rehearsal(doc.get_update)
        self._typing: dict[int, tuple[int, Id | None]] = {}
        """By client, its last letter and what follows that."""
        self._values: dict[int, int] = {}
        """By client, the last value that came with its letters."""

    @property
    def size(self) -> int:
        """Bytes of all updates of clients in the document."""
        return self._settled_size

    def examine(
        self, participant_id: str, update: bytes, head: UpdateHead, *, answer: bool
    ) -> bytes:
        """Return what is to be committed: the update, or what of it is not known yet.

        Parameters
        ----------
        answer:
            It is an answer to sync step 1, which repeats every deletion there ever was.

        Raises
        ------
        ForeignClient, TooLarge, UpdateGap, WireError
        """
        verdict = self.gate.judge(participant_id, head)
        if verdict is Verdict.FOREIGN:
            raise ForeignClient("An update spoke for somebody else's page.")
        if verdict is Verdict.GAP:
            raise UpdateGap("An update builds on another that is missing.")
        new = update if verdict is Verdict.NEW else self._new_part(update, head, verdict)
        if answer and head.deletes:
            new = self._without_known_deletes(new, head)
        if new is update:
            return self._accept(update, head)
        return new if new == EMPTY_UPDATE else self._accept(new, read_update(new))

    def follow(self, update: bytes) -> None:
        """Count an update of the server itself, which is in the document already."""
        self._typing.clear()
        self._rehearsal.follow(update)
        head = read_committed(update)
        self.gate.advance(head.inserts)
        self._placed += self.nesting.add(head)

    def learn(self, update: bytes, *, by_page: bool) -> None:
        """Count an update that another server has committed, which is in the document already."""
        if by_page:
            self._size += len(update)
        self._typing.clear()
        self._rehearsal.follow(update)
        head = read_committed(update)
        self.gate.advance(head.inserts)
        self.nesting.add(head)

    def rewind(self) -> None:
        """Forget what was examined since the last `settled`: it is going to be examined anew."""
        self._size = self._settled_size
        self._typing.clear()
        self._values.clear()
        self.nesting.forget(self._placed)
        self._placed = []
        state = read_state(self._doc.get_state())
        self.nesting.pairs.keep_below(state)
        self.gate.reset(tuple(Span(client, 0, clock) for client, clock in state.items()))
        self._rehearsal.reset()

    def settled(self) -> None:
        """Everything examined so far is in the document now."""
        self._settled_size = self._size
        self._placed = []
        self._rehearsal.settled()

    def _accept(self, update: bytes, head: UpdateHead) -> bytes:
        if self._size + len(update) > self._max_size:
            raise TooLarge("This document takes no more: it has grown too large.")
        letters = head.letters
        if letters is None or not self._types_on(letters):
            self._try(update, head)
        else:
            self._keep(self.nesting.place_value(letters))
            self._rehearsal.put_off(update)
        if letters is not None:
            last = letters.clock + letters.length - 1
            self._typing[letters.client] = last, letters.right
            if letters.replaced is not None:
                self._values[letters.client] = last + 1
        self._size += len(update)
        self.gate.advance(head.inserts)
        self.nesting.pairs.add(head)
        return update

    def _types_on(self, letters: Letters) -> bool:
        """Whether it is one keystroke more, behind one that was taken and before the same struct.

        What the engine did with the first it does with the second: Yjs itself makes one struct
        of such letters, and the value stands where the one before stood. Nothing but such
        keystrokes has come since.
        """
        where = letters.behind, letters.right
        return self._typing.get(letters.client) == where and self._replaces_value(letters)

    def _replaces_value(self, letters: Letters) -> bool:
        """Whether nothing that matters to letters goes with a keystroke."""
        replaced = letters.replaced
        return replaced is None or self._values.get(replaced[0]) == replaced[1]

    def _try(self, update: bytes, head: UpdateHead) -> None:
        """Raise `WireError` if the engine cannot apply it."""
        if head.letters is None or not self._replaces_value(head.letters):
            self._typing.clear()
        if self.nesting.pairs.part_of(head):
            raise WireError("An update parts a character.")
        spots = self.nesting.place(head)
        if spots is None or not self._rehearsal.attempt(update, head):
            raise WireError("An update cannot be applied.")
        self._keep(spots)

    def _keep(self, spots: Spots) -> None:
        self.nesting.remember(spots)
        self._placed += spots

    def _new_part(self, update: bytes, head: UpdateHead, verdict: Verdict) -> bytes:
        """Return the update without the structs that are known."""
        if verdict is Verdict.OVERLAP:
            known = self.gate.known({span.client for span in head.inserts})
            return asked_of_engine(lambda: pycrdt.get_update(update, write_state(known)))
        return write_deletes(head.deletes) if head.deletes else EMPTY_UPDATE

    def _without_known_deletes(self, update: bytes, head: UpdateHead) -> bytes:
        """Return the update without what is deleted already, if there is any such thing."""
        new = without(head.deletes, deleted(self._doc))
        return update if len(new) == len(head.deletes) else with_deletes(update, new)
