"""Keystrokes that travel slower than Shift+Enter: what is on screen runs, and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.whole.conftest import MakeServer
from tests.whole.people import Person, Tab
from tests.whole.server import Server

DELAY_S = 0.3
TIMES = 50
QUICK_TIMES = 20


class SlowWay:
    """A TCP proxy in front of a server; every byte takes `DELAY_S` in either direction."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[SlowWay]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self._tasks.add(task)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        under_way: set[asyncio.TimerHandle] = set()
        try:
            while data := await source.read(65536):
                under_way.add(loop.call_later(DELAY_S, sink.write, data))
            await asyncio.sleep(DELAY_S)
        finally:
            for handle in under_way:
                handle.cancel()
            sink.close()


async def room_for_two(server: Server, port: int) -> tuple[Tab, Tab]:
    """A candidate whose document socket takes another way, and an interviewer who watches."""
    room = await server.room({"shown": "print('')"})
    candidate = await Person.join(server, await server.invite(room), "Cora")
    watcher = await Person.join(server, await server.invite(room, "interviewer"), "Ida")
    document = await candidate.document()
    return (
        await Tab(candidate, document, port=port).open(),
        await Tab(watcher, document).open(),
    )


def edit(tab: Tab, number: int) -> str:
    """Type a word, or delete a letter of it: never twice the same text. Return what is shown."""
    source = tab.source("shown")
    start = len("print('")
    if number % 2:
        del source[start]
    else:
        source.insert(start, f"w{number}")
    return str(source).removeprefix("print('").removesuffix("')")


async def test_what_is_on_screen_runs_though_keystrokes_come_late(
    make_server: MakeServer,
) -> None:
    server = make_server()
    await asyncio.to_thread(server.start)
    seen = set()
    async with SlowWay(server.port).standing() as way:
        candidate, watcher = await room_for_two(server, way.port)
        for number in range(TIMES):
            shown = edit(candidate, number)
            assert shown not in seen
            seen.add(shown)
            answer = await candidate.run("shown")
            assert answer.status_code == 202, f"edit {number}: {answer.text}"
            record = await candidate.ended(answer.json()["id"])
            assert record["state"] == "done"
            await watcher.until(
                lambda shown=shown: watcher.printed("shown") == f"{shown}\n",  # type: ignore[misc]
                f"the output {shown}",
            )
        await candidate.close()


async def test_who_types_on_after_each_press_has_every_press_run_in_order(
    make_server: MakeServer,
) -> None:
    """Control+Enter and the next key before the server has seen the first."""
    server = make_server()
    await asyncio.to_thread(server.start)
    async with SlowWay(server.port).standing() as way:
        candidate, watcher = await room_for_two(server, way.port)
        shown, presses = "", []
        for number in range(QUICK_TIMES):
            shown = edit(candidate, number)
            presses.append((source_digest(candidate), asyncio.create_task(candidate.run("shown"))))
            await asyncio.sleep(0)  # the press leaves the page, then comes the next key
        answers = [await press for _, press in presses]
        assert [answer.status_code for answer in answers] == [202] * QUICK_TIMES
        for (digest, _), answer in zip(presses, answers, strict=True):
            record = await candidate.ended(answer.json()["id"])
            assert (record["state"], record["source_digest"]) == ("done", digest)
        await watcher.until(lambda: watcher.printed("shown") == f"{shown}\n", "the last output")
        await candidate.close()


async def test_requests_that_come_later_than_the_keystrokes_after_them_run_what_was_shown(
    make_server: MakeServer,
) -> None:
    """The other way round: what the page sends over HTTP is slow, the document socket is not."""
    server = make_server()
    await asyncio.to_thread(server.start)
    async with SlowWay(server.port).standing() as way:
        room = await server.room({"shown": "print('')"})
        link = (await server.invite(room)).replace(f":{server.port}/", f":{way.port}/")
        candidate = await Person.join(server, link, "Cora")
        tab = await Tab(candidate, await candidate.document(), port=server.port).open()
        presses = []
        for number in range(QUICK_TIMES):
            edit(tab, number)
            presses.append((source_digest(tab), asyncio.create_task(tab.run("shown"))))
            await asyncio.sleep(DELAY_S / 10)
        answers = [await press for _, press in presses]
        assert [answer.status_code for answer in answers] == [202] * QUICK_TIMES
        for (digest, _), answer in zip(presses, answers, strict=True):
            record = await tab.ended(answer.json()["id"])
            assert (record["state"], record["source_digest"]) == ("done", digest)
        await tab.close()


def source_digest(tab: Tab) -> str:
    return hashlib.sha256(str(tab.source("shown")).encode()).hexdigest()
