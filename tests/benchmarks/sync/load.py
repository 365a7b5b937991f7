"""``python -m tests.benchmarks.sync.load``: pages that type, in a process of their own.

Reads a specification, a line of JSON, from stdin; says ``ready`` once all pages have the document;
begins to type at the line ``go``; then prints what it saw. Times are this process's own: a
keystroke is sent and its arrivals are seen by one clock.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any

from interview_ext.collab.wire.framing import write_step_1, write_step_2, write_update
from interview_ext.collab.wire.update import EMPTY_UPDATE, read_update
from interview_ext.collab.wire.varint import read_bytes, write_text
from interview_ext.errors import WireError

from .typists import CLOCKS, Typist, first_update, notebook, somebody
from .wire import Wire, client_frame

_SYNC = 0
_STEP_1, _STEP_2, _UPDATE = 0, 1, 2
SYNC_TIMEOUT_S = 60.0
LAST_S = 5.0
"""How long the last letters may take to arrive."""
CONNECTING = 32
"""Pages that connect at the same time."""
HOCUSPOCUS_AUTH = b"\x02\x00\x00"
"""A message of kind 2, a token, which is empty: Hocuspocus waits for one also without a hook."""


@dataclass(kw_only=True)
class Room:
    """Who types in one document, and which update is whose."""

    pages: list[Page] = field(default_factory=list)
    letters: dict[bytes, tuple[Page, int]] = field(default_factory=dict)
    typists: dict[int, Page] = field(default_factory=dict)


class Page:
    """One person's page: its document socket and, here, its event socket."""

    def __init__(self, spec: dict[str, Any], room: Room, place: int) -> None:
        self.spec = spec
        self.room = room
        self.place = place
        self.prefix = write_text(spec["name"]) if spec.get("name") else b""
        self.state: bytes | None = None
        self.synced = asyncio.Event()
        self.whole = asyncio.Event()
        self.bytes = 0
        self.greeted = asyncio.Event()
        self.typist: Typist | None = None
        self.frames: list[bytes] = []
        self.sent: list[float] = []
        self.seen: dict[Page, list[float]] = {}
        self.durable: list[float] = []
        self.doubled = 0
        self.wire: Wire | None = None
        self.events: Wire | None = None

    async def connect(self, *, seed: bytes | None = None) -> None:
        """Open the sockets, as JupyterLab's client does; return once the document is here."""
        headers = self.spec.get("headers", {})
        if self.spec.get("events") and not self.spec.get("quiet"):
            self.events = Wire(self._on_event)
            await self.events.open(self.spec["events"], headers)
            async with asyncio.timeout(SYNC_TIMEOUT_S):
                await self.greeted.wait()
        self.wire = Wire(self._on_message)
        await self.wire.open(self.spec["url"], headers)
        if self.prefix:
            self.send(HOCUSPOCUS_AUTH)
        self.send(write_step_1(b"\x00"))
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            await self.synced.wait()
            if seed is None:
                await self.whole.wait()
        if seed is not None:
            self.state = seed
            self.send(write_update(seed))

    def send(self, message: bytes) -> None:
        assert self.wire is not None
        self.wire.send(client_frame(self.prefix + message))

    def close(self) -> None:
        for wire in (self.wire, self.events):
            if wire is not None:
                wire.close()

    def prepare(self, letters: int) -> None:
        """Make all that is going to be typed."""
        assert self.state is not None
        user = self.spec.get("user") or somebody(self.place)
        self.typist = Typist(self.state, place=self.place, letters=letters, user=user)
        self.room.typists[self.typist.client] = self
        self.frames = [
            b"".join(client_frame(self.prefix + m) for m in self.typist.keystroke(number))
            for number in range(letters)
        ]
        for number, update in enumerate(self.typist.updates):
            self.room.letters[update] = self, number
        self.sent = [0.0] * letters
        self.durable = [0.0] * letters
        for other in self.room.pages:
            if other is not self:
                other.seen[self] = [0.0] * letters

    def type(self, number: int) -> None:
        """Press a key."""
        assert self.wire is not None
        self.sent[number] = perf_counter()
        self.wire.send(self.frames[number])

    def _on_message(self, message: bytes, now: float) -> None:
        at = len(self.prefix)
        if message[at] != _SYNC:
            return
        step = message[at + 1]
        if step in (_STEP_2, _UPDATE):
            # Some servers answer with an empty document while they still read it.
            self.bytes += len(message)
            if self.bytes >= self.spec.get("least_bytes", 0):
                self.whole.set()
        if step == _UPDATE:
            self._on_update(read_bytes(message, at + 2)[0], now)
        elif step == _STEP_1:
            self.send(write_step_2(EMPTY_UPDATE))
        elif step == _STEP_2:
            self.state = read_bytes(message, at + 2)[0]
            self.synced.set()

    def _on_update(self, update: bytes, now: float) -> None:
        found = self.room.letters.get(update)
        if found is not None:
            self._arrived(*found, now)
            return
        try:  # a server may have put several into one
            spans = read_update(update).inserts
        except WireError:
            return
        for span in spans:
            page = self.room.typists.get(span.client)
            if page is not None:
                for number in range(span.clock // CLOCKS, span.end // CLOCKS):
                    self._arrived(page, number, now)

    def _arrived(self, page: Page, number: int, now: float) -> None:
        if page is self:
            return
        seen = self.seen[page]
        if seen[number]:
            self.doubled += 1
        else:
            seen[number] = now

    def _on_event(self, message: bytes, now: float) -> None:
        if b'"durable"' not in message[:40]:
            self.greeted.set()
            return
        clocks = json.loads(message)["clients"]
        if self.typist is None:
            return
        last = min(clocks.get(str(self.typist.client), 0) // CLOCKS, len(self.durable))
        while last and not self.durable[last - 1]:
            last -= 1
            self.durable[last] = now


async def run(spec: dict[str, Any], go: Callable[[], Any]) -> dict[str, Any]:
    """Do what the specification says; `go` returns when typing may begin."""
    rooms = [Room() for _ in spec["rooms"]]
    for room, people in zip(rooms, spec["rooms"], strict=True):
        room.pages = [Page(person, room, place) for place, person in enumerate(people)]
    gate = asyncio.Semaphore(CONNECTING)
    seed = first_update(notebook()) if spec.get("seed") else None
    await asyncio.gather(*(_open(room, gate, seed) for room in rooms))
    pages = [page for room in rooms for page in room.pages]
    letters = int(spec["per_s"] * spec["seconds"])
    for page in pages:
        page.prepare(letters)
    for page in pages:
        assert page.typist is not None
        page.send(page.typist.presence(1))
    await asyncio.sleep(1)
    gc.collect()
    gc.disable()
    say({"ready": len(pages)})
    await go()
    cpu, began = process_time(), perf_counter()
    late = await _type(pages, letters, every_s=1 / spec["per_s"], seed=spec.get("random", 1))
    typed_s = perf_counter() - began
    for _ in range(int(LAST_S / 0.02)):
        if all(_complete(page) for page in pages):
            break
        await asyncio.sleep(0.02)
    share = (process_time() - cpu) / (perf_counter() - began)
    return _result(pages, letters) | {
        "typed_s": typed_s,
        "own_cpu_share": share,
        "late": late,
        "lost": sum(p.wire.lost for p in pages if p.wire is not None),
    }


async def join(spec: dict[str, Any]) -> dict[str, Any]:
    """Open each room once, then let everybody else join at once; return seconds and bytes.

    Where the server knows no notebook, somebody brings it and leaves first.
    """
    opened, joined, sizes = [], [], []
    for people in spec["rooms"]:
        room = Room()
        if spec.get("seed"):
            author = Page(people[0], room, 0)
            await author.connect(seed=first_update(notebook(more_bytes=spec["more_bytes"])))
            await asyncio.sleep(2)
            author.close()
            await asyncio.sleep(1)
        first, *others = [Page(person, room, place) for place, person in enumerate(people)]
        began = perf_counter()
        await first.connect()
        opened.append(perf_counter() - began)
        sizes.append(first.bytes)
        began = perf_counter()
        await asyncio.gather(*(page.connect() for page in others))
        joined.append(perf_counter() - began)
        for page in (first, *others):
            page.close()
    return {"opened": opened, "joined": joined, "bytes": sizes}


async def _open(room: Room, gate: asyncio.Semaphore, seed: bytes | None) -> None:
    async with gate:
        first, *others = room.pages
        await first.connect(seed=seed)
        if seed is not None:
            await asyncio.sleep(0.2)
        for page in others:
            await page.connect()


async def _type(pages: list[Page], letters: int, *, every_s: float, seed: int) -> list[float]:
    """Type until the end; return by how much each keystroke was late, in seconds."""
    chance = random.Random(seed)
    plan = sorted(
        (offset + number * every_s, index, number)
        for index, offset in enumerate(chance.random() * every_s for _ in pages)
        for number in range(letters)
    )
    began = perf_counter()
    late = []
    for due, index, number in plan:
        wait_s = began + due - perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        pages[index].type(number)
        late.append(pages[index].sent[number] - began - due)
    return late


def _complete(page: Page) -> bool:
    durable = page.events is None or all(page.durable)
    return durable and all(all(seen) for seen in page.seen.values())


def _result(pages: list[Page], letters: int) -> dict[str, Any]:
    latencies = [
        at - sent
        for page in pages
        for source, seen in page.seen.items()
        for at, sent in zip(seen, source.sent, strict=True)
        if at
    ]
    durable = [
        at - sent
        for page in pages
        if page.events is not None
        for at, sent in zip(page.durable, page.sent, strict=True)
        if at
    ]
    return {
        "expected": sum(len(page.seen) for page in pages) * letters,
        "latencies": latencies,
        "durable": durable,
        "keystrokes": len(pages) * letters,
        "doubled": sum(page.doubled for page in pages),
    }


def say(line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    spec = json.loads(sys.stdin.readline())

    async def go() -> None:
        await asyncio.to_thread(sys.stdin.readline)

    say(asyncio.run(join(spec) if spec.get("join") else run(spec, go)))


if __name__ == "__main__":
    main()
