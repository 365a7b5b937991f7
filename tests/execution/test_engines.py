"""Engines without containers, through the same rooms: what each can do, and where it ends."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import DataFile, RoomState
from interview_ext.sandbox.proc import process
from tests.execution.engines import children, room_on
from tests.execution.sockets import open_sockets

MIB = 1024 * 1024
ENGINES = ("process", "wasm")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
ISOLATION = {"process": "none", "wasm": "webassembly"}
pytestmark = pytest.mark.parametrize("engine", ENGINES)


async def test_results_errors_output_input_and_files(tmp_path: Path, engine: str) -> None:
    async with room_on(tmp_path, engine) as bench:
        content = b"x,y\n1,2\n"
        await bench.store.put_data_file(
            DataFile(room_id=bench.room.id, path="t.csv", size=8, digest=digest(content)), content
        )
        bench.notebook(
            a="import csv; [*csv.reader(open('data/t.csv'))]",
            b="import sys; print('out'); print('err', file=sys.stderr)",
            c="def f():\n    return 1/0\nf()",
            d="name = input('Who? '); print('Hello', name)",
            e="import os; os.makedirs('made'); open('made/x', 'w').write('ok')",
            f="for i in range(20_000):\n    print('line', i, flush=True)",
        )
        assert (await bench.run("a"))["state"] == "done"
        assert bench.outputs("a")[0]["data"]["text/plain"] == "[['x', 'y'], ['1', '2']]"
        await bench.run("b")
        assert (bench.text("b"), bench.text("b", "stderr")) == ("out\n", "err\n")
        assert (await bench.run("c"))["state"] == "error"
        error = bench.outputs("c")[-1]
        assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
        assert "ZeroDivisionError" in "\n".join(error["traceback"])
        asking = await bench.submit("d")
        await bench.message(lambda m: m["type"] == "input_request")
        await bench.executions.answer(bench.host, asking.id, "Ada")
        await bench.ended(asking)
        assert bench.text("d").endswith("Hello Ada\n")
        await bench.run("e")
        assert await bench.executions.file(bench.host, "made/x") == b"ok"
        found = {file.path for file in (await bench.executions.files(bench.host)).files}
        assert found >= {"made/x"}
        assert (await bench.run("f"))["state"] == "done"
        assert bench.text("f").splitlines() == [f"line {i}" for i in range(20_000)]
        status = (await bench.executions.sandbox(bench.candidate)).as_body()
        assert status["isolation"] == ISOLATION[engine]
        assert status["usage"]["memory_bytes"] > 10 * MIB


async def test_the_page_completes_and_inspects(tmp_path: Path, engine: str) -> None:
    async with room_on(tmp_path, engine) as bench:
        bench.notebook(a="value = {'k': 1}\ndef f(x):\n    'Says so.'")
        await bench.run("a")
        async with open_sockets(bench) as sockets:
            page = await sockets.connect(bench.candidate)
            reply = await page.ask("complete_request", {"code": "value.upd", "cursor_pos": 9})
            assert any(match.endswith("update") for match in [*reply["matches"], *_bare(reply)])
            reply = await page.ask(
                "inspect_request", {"code": "f", "cursor_pos": 1, "detail_level": 0}
            )
            assert "Says so." in reply["data"]["text/plain"]


def _bare(reply: dict[str, list[str]]) -> list[str]:
    return [match.strip("(") for match in reply["matches"]]


async def test_an_endless_loop_is_interrupted_and_the_variables_stay(
    tmp_path: Path, engine: str
) -> None:
    async with room_on(tmp_path, engine) as bench:
        notebook = bench.notebook(
            a="x = 41", b="print('on', flush=True)\nwhile True: pass", c="x + 1"
        )
        await bench.run("a")
        endless = await bench.submit("b")
        await notebook.becomes("b", lambda cell: "on" in str(cell["outputs"]))
        await bench.executions.interrupt(bench.candidate)
        assert (await bench.ended(endless))["state"] == "interrupted"
        await bench.run("c")
        assert bench.outputs("c")[0]["data"]["text/plain"] == "42"


async def test_the_memory_limit_is_named_and_the_next_cell_gets_a_fresh_kernel(
    tmp_path: Path, engine: str
) -> None:
    async with room_on(tmp_path, engine, memory_bytes=384 * MIB) as bench:
        bench.notebook(a="x = [bytearray(1 << 20) for _ in range(4000)]", b="print('again')")
        record = await bench.run("a")
        assert (record["state"], record["death"]) == ("died", "memory limit")
        assert (await bench.run("b"))["state"] == "done"
        assert bench.text("b") == "again\n"


async def test_a_run_beyond_its_time_is_ended(tmp_path: Path, engine: str) -> None:
    """The variant that hears no interrupt."""
    async with room_on(tmp_path, engine, run_s=3) as bench:
        bench.notebook(
            a="while True:\n    try:\n        while True: pass\n    except BaseException: pass",
            b="1",
        )
        assert (await bench.run("a"))["death"] == "time limit"
        assert (await bench.run("b"))["state"] == "done"


async def test_a_pause_freezes_it(tmp_path: Path, engine: str) -> None:
    async with room_on(tmp_path, engine) as bench:
        notebook = bench.notebook(
            a="import time\nprint('on', flush=True)\nfor i in range(10**9):\n    time.sleep(0.01)",
            b="'thawed'",
        )
        run = await bench.submit("a")
        await notebook.becomes("a", lambda cell: "on" in str(cell["outputs"]))
        await bench.set_state(RoomState.PAUSED)
        await bench.executions.freeze(bench.room.id)
        used = _processor_time()
        await asyncio.sleep(1)
        assert _processor_time() == used
        await bench.set_state(RoomState.LIVE)
        await bench.executions.thaw(bench.room.id)
        await bench.executions.interrupt(bench.candidate)
        assert (await bench.ended(run))["state"] == "interrupted"
        assert (await bench.run("b"))["state"] == "done"


def _processor_time() -> float:
    """Of the kernels below this process, in seconds; the shim's own work is not looked at."""
    found = (process(pid) for pid in children())
    return max((each.cpu_s for each in found if each is not None), default=0.0)
