"""What a container says of itself, to the host's end of its stdio: no number gets through that
could not be, and none is an exception on the loop.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping
from typing import Any, cast

import pytest

from interview_ext.errors import SandboxError, SandboxGone, SandboxProtocolError
from interview_ext.sandbox.broker import Resumed
from interview_ext.sandbox.engine import Containers, Receiver
from interview_ext.sandbox.frames import SYNC_BYTES, VERSION, Channel, Kind, pack
from interview_ext.sandbox.link import MAX_JSON_BYTES, MAX_NUMBER, Link
from interview_ext.sandbox.profiles import PYTHON
from interview_ext.sandbox.relay import Relay

SYNC = bytes(range(SYNC_BYTES))
GREETING = {"version": VERSION, "received": 0, "next": 1, "run": "", "lost_bytes": 0}
NOTICE = {"what": "refused", "bytes": 20_000_000, "count": 1, "header": {}, "parent_header": {}}
IMPOSSIBLE = [10**400, MAX_NUMBER, -1, True, 1.5, "1", None]


class Shim:
    """A container's end, as far as a link sees it, and whoever the link tells."""

    def __init__(self, *, takes_over: bool = False) -> None:
        self.notices: list[Mapping[str, Any]] = []
        self.failures: list[SandboxError] = []
        self.link = Link(
            containers=cast("Containers", self),
            container="container",
            limits=PYTHON.limits,
            owner=self,
            sync=SYNC if takes_over else None,
        )
        self._number = 0

    async def greeted(self) -> Shim:
        await self.link.attach()
        self.says(Kind.HELLO, GREETING)
        await self.link.greet()
        return self

    def says(self, kind: Kind, value: Mapping[str, Any]) -> None:
        payload = json.dumps(value).encode()
        if kind is Kind.HELLO:
            self.link.data_received(self.link.sync + pack(kind, Channel.NONE, 0, payload))
            return
        if kind is Kind.REPLY:
            payload = struct.pack("!I", len(payload)) + payload
        self.tells(kind, payload)

    def tells(self, kind: Kind, payload: bytes) -> None:
        self._number += 1
        self.link.data_received(pack(kind, Channel.IOPUB, self._number, payload))

    async def attach(self, container: str, receiver: Receiver) -> Shim:
        del container, receiver
        return self

    def write(self, data: bytes) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...
    def writable(self) -> None: ...
    def message(self, channel: Channel, parts: list[bytes]) -> None: ...

    def notice(self, channel: Channel, notice: Mapping[str, Any]) -> None:
        assert channel is Channel.IOPUB
        self.notices.append(notice)

    def failed(self, error: SandboxError) -> None:
        self.failures.append(error)

    @property
    def offended(self) -> bool:
        """Whether it was found out, once."""
        return [type(error) for error in self.failures] == [SandboxProtocolError]


@pytest.mark.parametrize("field", ["bytes", "count"])
@pytest.mark.parametrize("number", IMPOSSIBLE)
async def test_a_notice_of_what_cannot_be_is_an_offence(field: str, number: object) -> None:
    shim = await Shim().greeted()
    shim.says(Kind.NOTICE, NOTICE)
    assert shim.notices == [NOTICE]
    shim.says(Kind.NOTICE, {**NOTICE, field: number})
    assert shim.offended
    assert shim.notices == [NOTICE]


@pytest.mark.parametrize("takes_over", [False, True])
@pytest.mark.parametrize("number", IMPOSSIBLE)
async def test_a_greeting_that_has_received_what_cannot_be(
    number: object, *, takes_over: bool
) -> None:
    shim = Shim(takes_over=takes_over)
    shim.says(Kind.HELLO, {**GREETING, "received": number})
    assert shim.offended


@pytest.mark.parametrize("field", ["next", "lost_bytes"])
@pytest.mark.parametrize("number", IMPOSSIBLE)
async def test_nobody_goes_on_from_where_no_link_has_been(field: str, number: object) -> None:
    honest, shim = Shim(takes_over=True), Shim(takes_over=True)
    honest.says(Kind.HELLO, {**GREETING, "next": 7, "lost_bytes": 9})
    assert honest.link.resumed == Resumed(run="", lost_bytes=9)
    shim.says(Kind.HELLO, {**GREETING, field: number})
    assert shim.offended
    assert shim.link.resumed is None


@pytest.mark.parametrize("number", IMPOSSIBLE)
async def test_a_reply_to_what_nobody_can_have_asked(number: object) -> None:
    shim = await Shim().greeted()
    asked = asyncio.create_task(shim.link.request("list"))
    await asyncio.sleep(0)
    shim.says(Kind.REPLY, {"id": 2})  # as late as one to a request that was given up
    assert shim.failures == []
    shim.says(Kind.REPLY, {"id": number})
    assert shim.offended
    with pytest.raises(SandboxProtocolError):
        await asked
    with pytest.raises(SandboxGone):
        await shim.link.request("list")


async def test_a_notice_nested_as_deep_as_can_be_read_is_told_or_an_offence() -> None:
    """What can just be read could just not be written again, a few calls further down."""
    relay = Relay(key=b"key", server_id="test-link")
    try:
        for depth in [10, *range(900, 1010)]:
            shim = await Shim().greeted()
            shim.notice = relay.notice  # type: ignore[method-assign]
            deep = b"[" * depth + b"]" * depth
            notice = json.dumps({**NOTICE, "parent_header": {"msg_id": "m"}}).encode()
            shim.tells(Kind.NOTICE, notice.replace(b'"m"', b'"m", "deep": ' + deep))
            assert shim.offended or not shim.failures
            assert len(notice) + 2 * depth < MAX_JSON_BYTES
    finally:
        relay.close()
