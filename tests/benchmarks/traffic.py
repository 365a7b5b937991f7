"""Bytes over the wire, as Chromium received them: compressed, with headers and redirects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import CDPSession, Page


@dataclass(kw_only=True)
class _Answer:
    url: str
    phase: str
    heads: int = 0
    bodies: int = 0
    total: int | None = None

    @property
    def received(self) -> int:
        return self.heads + self.bodies if self.total is None else self.total


@dataclass(kw_only=True)
class Traffic:
    """What one page has received so far.

    Attributes
    ----------
    phase:
        Set by whoever leads the page on; a request belongs to the phase in which it was sent.
    """

    phase: str
    _answers: dict[str, _Answer] = field(default_factory=dict)
    _redirects: Counter[str] = field(default_factory=Counter)
    _frames: Counter[str] = field(default_factory=Counter)

    @classmethod
    async def watch(cls, page: Page, phase: str) -> Traffic:
        """Count from now on."""
        traffic = cls(phase=phase)
        wire: CDPSession = await page.context.new_cdp_session(page)
        wire.on("Network.requestWillBeSent", traffic._sent)
        wire.on("Network.responseReceived", traffic._head)
        wire.on("Network.dataReceived", traffic._data)
        wire.on("Network.loadingFinished", traffic._finished)
        wire.on("Network.webSocketFrameReceived", traffic._frame)
        await wire.send("Network.enable")
        return traffic

    @property
    def total(self) -> int:
        """All bytes of all phases, WebSocket messages included."""
        answers = sum(answer.received for answer in self._answers.values())
        return answers + self._redirects.total() + self._frames.total()

    def of(self, phase: str, *, without: frozenset[str] = frozenset()) -> int:
        """Bytes of one phase, but for those of the URLs `without`."""
        answers = (a for a in self._answers.values() if a.phase == phase and a.url not in without)
        return sum(a.received for a in answers) + self._redirects[phase] + self._frames[phase]

    def largest(self, count: int) -> list[tuple[str, int]]:
        """The URLs that took most."""
        sizes: Counter[str] = Counter()
        for answer in self._answers.values():
            sizes[answer.url] += answer.received
        return sizes.most_common(count)

    def requests(self) -> int:
        """How many requests brought anything over the wire."""
        return sum(1 for answer in self._answers.values() if answer.received)

    def _sent(self, event: dict[str, Any]) -> None:
        # A redirect's answer comes with the next request, which keeps the id.
        if "redirectResponse" in event:
            self._redirects[self.phase] += int(event["redirectResponse"]["encodedDataLength"])
        self._answers[event["requestId"]] = _Answer(url=event["request"]["url"], phase=self.phase)

    def _head(self, event: dict[str, Any]) -> None:
        if answer := self._answers.get(event["requestId"]):
            answer.heads = int(event["response"]["encodedDataLength"])

    def _data(self, event: dict[str, Any]) -> None:
        if answer := self._answers.get(event["requestId"]):
            answer.bodies += int(event["encodedDataLength"])

    def _finished(self, event: dict[str, Any]) -> None:
        if answer := self._answers.get(event["requestId"]):
            answer.total = int(event["encodedDataLength"])

    def _frame(self, event: dict[str, Any]) -> None:
        frame = event["response"]
        size = len(frame["payloadData"])
        binary = frame["opcode"] == 2  # shown in base64
        self._frames[self.phase] += size * 3 // 4 if binary else size
