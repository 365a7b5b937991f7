"""A shared document, as the rest of the server sees it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from jupyter_ydoc import YFile, YNotebook
from jupyter_ydoc.ybasedoc import YBaseDoc
from pycrdt import Doc

from interview_ext.collab.content import file_text, read_notebook
from interview_ext.collab.history import History
from interview_ext.collab.relay import Relay
from interview_ext.collab.snapshots import Keeper
from interview_ext.errors import StoreUnavailable
from interview_ext.rooms.model import Document

log = logging.getLogger(__name__)

NOTEBOOK = "notebook"


def typed(document: Document, doc: Doc[Any]) -> YBaseDoc:
    """Return the view of jupyter_ydoc on a document, without a memory for undo.

    Undo is the pages' own. The view's undo manager would keep every edit, of everybody, with
    the contents it deleted; it follows transactions without origin only as long as it has been
    given no origin to follow.
    """
    view: YBaseDoc = YNotebook(doc) if document.kind == NOTEBOOK else YFile(doc)
    view.undo_manager.include_origin("nobody")
    return view


class SharedDocument:
    """One open document. Made by `documents.Documents.open` only.

    Attributes
    ----------
    ydoc:
        The document itself, a ``YNotebook`` or a ``YFile``. Edits are transactions on
        ``ydoc.ydoc``, begun and ended without waiting in between; they are committed, then
        forwarded, by themselves.
    history:
        What it has been.
    relay:
        Where sockets join.
    keeper:
        Has its snapshots made; None for a branch, which has none.
    """

    def __init__(
        self,
        *,
        document: Document,
        doc: Doc[Any],
        history: History,
        relay: Callable[..., Relay],
    ) -> None:
        self.document = document
        self.history = history
        self.ydoc: Any = typed(document, doc)
        self.relay = relay(applied=self._on_applied)
        self.keeper: Keeper | None = None
        self._waiters: dict[asyncio.Future[bool], Callable[[], bool]] = {}
        self._commits: set[asyncio.Future[None]] = set()
        self._observers: list[Callable[[], None]] = []
        self._given_up = False

    @property
    def log_seq(self) -> int:
        """Position in the log of the last committed update."""
        return self.relay.log_seq

    async def committed(self) -> None:
        """Return once everything applied so far, the server's edits included, is in the log.

        Raises
        ------
        StoreUnavailable
            The document was closed before the store could be written again.
        """
        if self._given_up:
            raise _closed()
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._commits.add(reached)
        try:
            self.relay.after_commit(partial(_reach, reached))
            await reached
        finally:
            self._commits.discard(reached)

    async def snapshot(self) -> bytes:
        """Return the document as one update, with committed content only.

        Raises
        ------
        StoreUnavailable
            As `committed` does.
        """
        while True:
            await self.committed()
            update = self.relay.committed_update()
            if update is not None:
                return update

    async def wait_for(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `predicate` holds, checking it after each update; False if it does not.

        Called by execution before it takes a cell's source.
        """
        if predicate():
            return True
        reached: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters[reached] = predicate
        try:
            async with asyncio.timeout(timeout_s):
                return await reached
        except TimeoutError:
            return False
        finally:
            del self._waiters[reached]

    def content(self) -> dict[str, Any] | str:
        """Return the notebook as JSON, or the file's text, as of now."""
        return self.read()()

    def read(self) -> Callable[[], dict[str, Any] | str]:
        """Take the content as of now; what is returned makes it up, in any thread."""
        if self.document.kind == NOTEBOOK:
            return read_notebook(self.ydoc.ydoc)
        text = file_text(self.ydoc.ydoc)
        return lambda: text

    def observe(self, observer: Callable[[], None]) -> None:
        """Call `observer` after each update, whoever made them."""
        self._observers.append(observer)

    async def settle(self, *, wait_s: float) -> bool:
        """Commit what can be committed within `wait_s`; return whether that was all.

        Called by `Documents`.
        """
        try:
            async with asyncio.timeout(wait_s):
                await self.committed()
        except (TimeoutError, StoreUnavailable):
            return False
        return True

    async def close(self, *, wait_s: float) -> None:
        """Commit as `settle` does, close the sockets, stop.

        Called by `Documents`.
        """
        if not await self.settle(wait_s=wait_s):
            log.warning("%s is closed while the store cannot be written", self.document.id)
        await self.drop()

    async def drop(self) -> None:
        """Close the sockets and stop; what is not committed is not going to be.

        Called by `Documents`.
        """
        await self.relay.stop()
        self.give_up()

    def give_up(self) -> None:
        """Tell those who wait that nothing comes any more."""
        self._given_up = True
        for commit in self._commits:
            if not commit.done():
                commit.set_exception(_closed())
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(False)

    def _on_applied(self) -> None:
        for observer in self._observers:
            observer()
        for reached, predicate in list(self._waiters.items()):
            if reached.done():
                continue
            try:
                if predicate():
                    reached.set_result(True)
            except Exception as error:  # noqa: BLE001 - handed to who waits
                reached.set_exception(error)


def _closed() -> StoreUnavailable:
    return StoreUnavailable("The document was closed.")


def _reach(reached: asyncio.Future[None]) -> None:
    if not reached.done():
        reached.set_result(None)
