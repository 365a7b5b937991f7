"""What a batch of the queue leads to: what is committed of it, and what is done then.

Nothing is done here: a batch is judged again when another server turns out to have been faster.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from interview_ext.collab.acknowledgements import Acknowledgements
from interview_ext.collab.audience import Audience, Peer
from interview_ext.collab.inbox import Edit, Item, Mark, OwnEdit, Shown
from interview_ext.collab.intake import Intake, UpdateGap
from interview_ext.collab.wire.update import EMPTY_UPDATE
from interview_ext.errors import ForeignClient, InterviewError

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Commit:
    """What is to be committed of one item.

    Attributes
    ----------
    client:
        Whose structs the update has; 0 if it has several clients' or none.
    edit:
        The page's; None for an edit of the server's own.
    """

    update: bytes
    client: int
    edit: Edit | None


@dataclass(slots=True)
class Judgement:
    """What a batch leads to.

    Attributes
    ----------
    then:
        What is to be done once the commits are, in this order.
    gap:
        Whether something builds on what is not known here.
    """

    commits: list[Commit] = field(default_factory=list)
    then: list[Callable[[], None]] = field(default_factory=list)
    gap: bool = False


class Judge:
    """That of one document. Called by its relay only.

    Parameters
    ----------
    server_client:
        Under which the server itself writes.
    ask:
        Has a page send what the server lacks.
    show:
        Hands on presence that was waiting for what was before it.
    """

    def __init__(
        self,
        document_id: str,
        intake: Intake,
        audience: Audience,
        acknowledgements: Acknowledgements,
        *,
        server_client: int,
        ask: Callable[[Peer], None],
        show: Callable[[Shown], None],
    ) -> None:
        self._document_id = document_id
        self._intake = intake
        self._audience = audience
        self._acknowledgements = acknowledgements
        self._server_client = server_client
        self._ask = ask
        self._show = show

    def judge(self, batch: list[Item]) -> Judgement:
        """Return what the batch leads to, examined in its order."""
        found = Judgement()
        for item in batch:
            if isinstance(item, Edit):
                try:
                    self._examine(item, found)
                except UpdateGap:
                    found.gap = True
                    found.then.append(partial(self._missing, item))
                except ForeignClient as error:
                    # A page that comes from another server may bring what that one has forwarded
                    # and this one has not read yet.
                    found.gap = True
                    found.then.append(partial(item.peer.refuse, error))
            elif isinstance(item, OwnEdit):
                self._intake.follow(item.update)
                found.commits.append(Commit(item.update, self._server_client, None))
            elif isinstance(item, Shown):
                found.then.append(partial(self._show, item))
            elif isinstance(item, Mark):
                found.then.append(item.then)
        return found

    def _examine(self, edit: Edit, found: Judgement) -> None:
        """Add what comes of an edit: itself, its new part, or nothing to commit.

        Raises `UpdateGap` if what it builds on is missing, `ForeignClient` if it has what nobody
        but another may bring, unless it is known.
        """
        peer = edit.peer
        if edit.answer:
            self._audience.owes_nothing(peer)
        try:
            update = self._intake.examine(peer.actor.id, edit.update, edit.head, answer=edit.answer)
        except ForeignClient:
            raise
        except InterviewError as error:
            found.then.append(partial(peer.refuse, error))
            return
        if update == EMPTY_UPDATE:
            found.then.append(partial(self._acknowledgements.tell, edit))
            return
        clients = {span.client for span in edit.head.inserts}
        found.commits.append(Commit(update, clients.pop() if len(clients) == 1 else 0, edit))

    def _missing(self, edit: Edit) -> None:
        if edit.answer:
            log.warning("%s: an answer to sync step 1 has a gap", self._document_id)
        else:
            self._ask(edit.peer)
