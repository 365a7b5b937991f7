"""What a document takes: all that is asked about an update before it is committed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pycrdt
from pycrdt import Doc

from interview_ext.collab.gate import Gate, Verdict
from interview_ext.collab.nesting import Nesting
from interview_ext.collab.rehearsal import Rehearsal
from interview_ext.collab.wire.update import (
    EMPTY_UPDATE,
    Span,
    UpdateHead,
    read_state,
    read_update,
    write_deletes,
    write_state,
)
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
        self._nesting = nesting
        self._size = size
        self._max_size = max_size
        self._rehearsal = Rehearsal(doc.get_update)

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
        if verdict is Verdict.NEW:
            return self._accept(update, head)
        new = self._new_part(update, head, verdict, answer=answer)
        return new if new == EMPTY_UPDATE else self._accept(new, read_update(new))

    def follow(self, update: bytes) -> None:
        """Count an update of the server itself, which is in the document already."""
        self._rehearsal.follow(update)
        try:
            head = read_update(update)
        except WireError:
            # An output beyond the bounds that hold for pages: the engine knows its clock.
            clock = read_state(self._doc.get_state()).get(self._doc.client_id, 0)
            head = UpdateHead((Span(self._doc.client_id, 0, clock),), (), {}, ())
        self.gate.advance(head.inserts)
        self._nesting.add(head)

    def settled(self) -> None:
        """Everything examined so far is in the document now."""
        self._rehearsal.settled()

    def _accept(self, update: bytes, head: UpdateHead) -> bytes:
        if self._size + len(update) > self._max_size:
            raise TooLarge("This document takes no more: it has grown too large.")
        depths = self._nesting.place(head)
        if depths is None or not self._rehearsal.attempt(update, head):
            raise WireError("An update cannot be applied.")
        self._size += len(update)
        self.gate.advance(head.inserts)
        self._nesting.remember(depths)
        return update

    def _new_part(
        self, update: bytes, head: UpdateHead, verdict: Verdict, *, answer: bool
    ) -> bytes:
        """Return the update without what is known; a page repeats much after a reconnect."""
        if verdict is Verdict.OVERLAP:
            known = self.gate.known({span.client for span in head.inserts})
            try:
                return pycrdt.get_update(update, write_state(known))
            except (ValueError, RuntimeError) as error:
                raise WireError("An update cannot be read.") from error
        deletes = head.deletes
        if answer and deletes:
            deletes = without(deletes, self._deleted())
        return write_deletes(deletes) if deletes else EMPTY_UPDATE

    def _deleted(self) -> dict[int, list[Span]]:
        """Return the ranges that are deleted in the document, by client."""
        deleted: dict[int, list[Span]] = {}
        for span in read_update(self._doc.get_update(self._doc.get_state())).deletes:
            deleted.setdefault(span.client, []).append(span)
        return deleted


def without(spans: tuple[Span, ...], ranges: Mapping[int, list[Span]]) -> tuple[Span, ...]:
    """Return the spans that are not wholly inside a range of their client."""
    return tuple(
        span
        for span in spans
        if not any(
            known.clock <= span.clock and span.end <= known.end
            for known in ranges.get(span.client, ())
        )
    )
