"""The first words to a kernel that has just been started."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from interview_ext.errors import SandboxError

from .frames import Channel
from .link import Link
from .runclock import DELIMITER, header

READY_S = 60
ASK_AGAIN_S = 0.1


def request(kind: str, content: Mapping[str, Any] | None = None) -> list[bytes]:
    """An unsigned kernel message of our own, as parts."""
    head = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": kind,
        "session": "interview-sandbox",
        "username": "",
        "date": datetime.now(UTC).isoformat(),
        "version": "5.3",
    }
    rest = [json.dumps(each).encode() for each in (head, {}, {}, content or {})]
    return [DELIMITER, b"", *rest]


class Handshake:
    """Asks a new kernel for its info until it answers and its output is heard too."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._replied = asyncio.Event()
        self._heard = asyncio.Event()

    async def done(self) -> None:
        """Wait for both. Raises SandboxError after `READY_S`."""
        try:
            async with asyncio.timeout(READY_S):
                self._link.send(Channel.SHELL, request("kernel_info_request"))
                await self._replied.wait()
                while not self._heard.is_set():
                    # The reply has come before our subscription was in place: ask again.
                    self._link.send(Channel.SHELL, request("kernel_info_request"))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(ASK_AGAIN_S):
                            await self._heard.wait()
        except TimeoutError:
            raise SandboxError(f"The kernel did not start within {READY_S} s.") from None

    def message(self, channel: Channel, parts: list[bytes]) -> None:
        """See :class:`Listener`."""
        if channel is Channel.SHELL and header(parts).get("msg_type") == "kernel_info_reply":
            self._replied.set()
        elif channel is Channel.IOPUB:
            self._heard.set()

    def notice(self, channel: Channel, notice: Mapping[str, Any]) -> None:
        """See :class:`Listener`."""

    def writable(self) -> None:
        """See :class:`Listener`."""
