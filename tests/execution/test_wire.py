"""The sockets to one kernel."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from interview_ext.execution.incoming import Incoming
from interview_ext.execution.wire import KernelWire
from tests.execution.conftest import PATIENCE_S, Bench
from tests.execution.kernels import LocalLauncher


async def no_files() -> dict[str, bytes]:
    return {}


async def test_no_answer_is_missed_when_it_comes_while_a_question_is_sent(
    bench: Bench, tmp_path: Path
) -> None:
    handle = await LocalLauncher(tmp_path).launch(
        bench.room, kernel_id="k", files=no_files, on_wait=lambda _: None
    )
    answered: set[str] = set()
    news = asyncio.Event()

    def hear(message: Incoming) -> None:
        if message.channel == "shell":
            answered.add(message.parent_id)
            news.set()

    wire = KernelWire(handle.connection, hear)
    await wire.open(PATIENCE_S)
    for number in range(400):
        # The first reply comes at about the time of the second question, and nothing after it
        # would wake a reader that has missed it.
        asked = {f"srv_{number}_one", f"srv_{number}_two"}
        for msg_id in sorted(asked):
            wire.send("shell", "kernel_info_request", {}, msg_id=msg_id)
            time.sleep(number % 20 / 4000)  # noqa: ASYNC251  (the loop is busy meanwhile)
        async with asyncio.timeout(PATIENCE_S):
            while not asked <= answered:
                news.clear()
                await news.wait()
    await wire.close()
    await handle.stop()
