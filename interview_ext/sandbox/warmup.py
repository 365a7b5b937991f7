"""What a kernel does while it waits in a pool: imports that nearly every interview needs.

The code runs as a silent request: it counts as no cell, enters no history and, being an
expression, leaves no name behind. A test compares such a kernel with one that was not warmed up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from interview_ext.errors import SandboxError, SandboxGone

from .frames import Channel
from .handshake import request
from .runclock import header
from .sandbox import Sandbox

log = logging.getLogger(__name__)

WARM_UP_S = 60.0


async def warm_up(sandbox: Sandbox) -> None:
    """Return when a kernel has run its profile's `warm_up`; one that fails does no harm.

    Raises
    ------
    SandboxError
        It has not ended within `WARM_UP_S`, or the sandbox has.
    """
    code = sandbox.profile.warm_up
    if not code:
        return
    watcher = _Watcher()
    sandbox.connect(watcher)
    try:
        async with asyncio.timeout(WARM_UP_S):
            await _until_idle(sandbox, watcher, code)
    except TimeoutError:
        raise SandboxError(f"The kernel's imports took more than {WARM_UP_S:.0f} s.") from None
    sandbox.connect(None)
    if watcher.status != "ok":
        log.warning("a %s kernel could not be warmed up", sandbox.profile.name)


async def _until_idle(sandbox: Sandbox, watcher: _Watcher, code: str) -> None:
    content = {
        "code": code,
        "silent": True,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }
    sandbox.send(Channel.SHELL, request("execute_request", content))
    done = asyncio.ensure_future(watcher.done())
    ended = asyncio.ensure_future(sandbox.ended.wait())
    try:
        await asyncio.wait({done, ended}, return_when=asyncio.FIRST_COMPLETED)
        if sandbox.death is not None:
            raise SandboxGone(sandbox.death.detail, reason=sandbox.death.reason)
    finally:
        for each in (done, ended):
            each.cancel()
        await asyncio.gather(done, ended, return_exceptions=True)


class _Watcher:
    """Waits for the reply and for ``idle``: the next listener must hear of neither."""

    def __init__(self) -> None:
        self.status = ""
        self._replied = asyncio.Event()
        self._idle = asyncio.Event()

    async def done(self) -> None:
        """Wait for both."""
        await self._replied.wait()
        await self._idle.wait()

    def message(self, channel: Channel, parts: list[bytes]) -> None:
        """See :class:`~interview_ext.sandbox.sandbox.Listener`."""
        kind = header(parts).get("msg_type")
        if channel is Channel.SHELL and kind == "execute_reply":
            self.status = str(content(parts).get("status"))
            self._replied.set()
        elif (
            channel is Channel.IOPUB
            and kind == "status"
            and header(parts, 1).get("msg_type") == "execute_request"
            and content(parts).get("execution_state") == "idle"
        ):
            self._idle.set()

    def notice(self, channel: Channel, notice: Mapping[str, Any]) -> None:
        """See :class:`~interview_ext.sandbox.sandbox.Listener`."""

    def writable(self) -> None:
        """See :class:`~interview_ext.sandbox.sandbox.Listener`."""


def content(parts: list[bytes]) -> dict[str, Any]:
    """A message's content; empty if it cannot be read."""
    return header(parts, place=3)
