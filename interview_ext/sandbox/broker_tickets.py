"""Claims under way at a broker: each is asked for until its client has it.

A claim may wait in the line for minutes, and an answer may be lost with its connection. So a client
names each claim by a ticket of its own making and asks again until it is told of a sandbox: the
same ticket is the same claim.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress

from interview_ext.errors import EngineUnavailable, SandboxError, TooManyRequests

from .broker import OnWait
from .sandbox import Sandbox

MAX_TICKETS = 200
"""Claims of one client that may be under way."""
POLL_S = 10.0
"""How late a question is answered if nothing changes."""
TICKET_S = 30.0
"""A ticket that nobody has asked for so long is given up, with what was got for it."""

Obtain = Callable[[OnWait], Coroutine[object, object, Sandbox]]
GiveUp = Callable[[Sandbox], Awaitable[None]]


class _Ticket:
    def __init__(self, obtain: Obtain) -> None:
        self.waiting = False
        self.changed = asyncio.Event()
        self.asking = 0
        self.expiry: asyncio.TimerHandle | None = None
        self.task = asyncio.create_task(obtain(self._on_wait), name="claim at the broker")
        self.task.add_done_callback(self._done)

    def _on_wait(self, waiting: bool) -> None:  # noqa: FBT001  (see `OnWait`)
        self.waiting = waiting
        self.changed.set()

    def _done(self, task: asyncio.Task[Sandbox]) -> None:
        self.changed.set()
        if not task.cancelled():
            task.exception()  # whoever asks is told; it may be nobody

    @property
    def got(self) -> Sandbox | None:
        """What was claimed, if it was."""
        done = self.task.done() and not self.task.cancelled() and self.task.exception() is None
        return self.task.result() if done else None


class Tickets:
    """All claims under way.

    Parameters
    ----------
    give_up:
        Called with what was got for a ticket that nobody asks for any more. It may be in use.
    """

    def __init__(self, give_up: GiveUp) -> None:
        self._give_up = give_up
        self._tickets: dict[tuple[str, str], _Ticket] = {}
        self._giving_up: set[asyncio.Future[None]] = set()

    async def ask(self, owner: str, name: str, obtain: Obtain, *, waits: bool) -> Sandbox | bool:
        """The sandbox, or whether the claim waits in the line.

        Parameters
        ----------
        waits:
            What is known of a wait; the answer comes as soon as it is otherwise.

        Raises
        ------
        TooManyRequests
            Too many of this owner's claims are under way.
        SandboxError
            What `obtain` raises; the next question with this ticket is a new claim.
        """
        key = (owner, name)
        ticket = self._tickets.get(key) or self._open(key, obtain)
        if ticket.expiry is not None:
            ticket.expiry.cancel()
        ticket.asking += 1
        try:
            await self._until_news(ticket, waits=waits)
            if ticket.task.cancelled():
                raise EngineUnavailable("The broker is being stopped.")
            return ticket.task.result() if ticket.task.done() else ticket.waiting
        except SandboxError:
            self._tickets.pop(key, None)
            raise
        finally:
            ticket.asking -= 1
            if not ticket.asking and self._tickets.get(key) is ticket:
                loop = asyncio.get_running_loop()
                ticket.expiry = loop.call_later(TICKET_S, self._expire, key)

    async def stop(self) -> None:
        """Give up what is under way."""
        tickets, self._tickets = [*self._tickets.values()], {}
        for ticket in tickets:
            if ticket.expiry is not None:
                ticket.expiry.cancel()
            ticket.task.cancel()
        tasks = [ticket.task for ticket in tickets]
        await asyncio.gather(*tasks, *self._giving_up, return_exceptions=True)

    def _open(self, key: tuple[str, str], obtain: Obtain) -> _Ticket:
        owner = key[0]
        under_way = sum(1 for k, each in self._tickets.items() if k[0] == owner and not each.got)
        if under_way >= MAX_TICKETS:
            raise TooManyRequests("Too many claims of this server are under way.")
        ticket = self._tickets[key] = _Ticket(obtain)
        return ticket

    @staticmethod
    async def _until_news(ticket: _Ticket, *, waits: bool) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                while not ticket.task.done() and ticket.waiting == waits:
                    ticket.changed.clear()
                    await ticket.changed.wait()

    def _expire(self, key: tuple[str, str]) -> None:
        """Nobody has asked for long: the client has what it wanted, or is gone."""
        ticket = self._tickets.pop(key)
        ticket.task.cancel()
        if ticket.got is not None:
            giving_up = asyncio.ensure_future(self._give_up(ticket.got))
            self._giving_up.add(giving_up)
            giving_up.add_done_callback(self._giving_up.discard)
