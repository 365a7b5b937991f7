"""The WebAssembly engine: what its kernels cannot reach, what they do reach, and how fast."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interview_ext.sandbox import webassembly
from interview_ext.sandbox.frames import Channel
from interview_ext.sandbox.handshake import request
from interview_ext.sandbox.sandboxes import Sandboxes
from interview_ext.sandbox.webassembly import WebAssemblyEngine
from tests.execution.engines import nothing_outlives_a_killed_server, room_on, sandboxes_on
from tests.execution.sockets import open_sockets

PATIENCE_S = 60
MIB = 1024 * 1024

OUTSIDE = """
import js
from pyodide.code import run_js

def attempt(name, text):
    try:
        print(name, 'reached', run_js(text))
    except Exception as error:
        print(name, 'refused', 'NotCapable' in repr(error))

attempt('file', "Deno.readTextFileSync('/etc/hostname')")
attempt('write', "Deno.writeTextFileSync(SCRIPT, 'x')".replace('SCRIPT', repr(SCRIPT)))
attempt('listen', "Deno.listen({port: 0})")
attempt('environment', "Deno.env.get('PATH')")
attempt('program', "new Deno.Command('/bin/sh').outputSync()")
attempt('library', "Deno.dlopen('libc.so.6', {})")
attempt('system', "Deno.hostname()")
attempt('own', "Deno.readTextFileSync(SCRIPT).length > 0".replace('SCRIPT', repr(SCRIPT)))
"""
NETWORK = """
from pyodide.code import run_js
async def attempt():
    try:
        print('reached', await run_js("Deno.connect({port: PORT})".replace('PORT', str(PORT))))
    except Exception as error:
        print('refused', 'NotCapable' in repr(error))
try:
    attempt().send(None)
except StopIteration:
    pass
import urllib.request
try:
    urllib.request.urlopen(f'http://127.0.0.1:{PORT}/', timeout=2)
    print('reached')
except Exception as error:
    print('refused', True)
import socket
try:
    socket.create_connection(('127.0.0.1', PORT), timeout=2).sendall(b'x')
    print('reached')
except Exception as error:
    print('refused', True)
"""


async def test_nothing_outside_its_folder_is_reached(tmp_path: Path) -> None:
    arrived: list[bytes] = []
    folder = await webassembly._prepared(webassembly._user_cache())
    script = str(folder / "main.js")
    text = (folder / "main.js").read_text()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(visited, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, room_on(tmp_path, "wasm") as bench:
        bench.notebook(
            b="import sys, os\nprint(os.listdir('/'), dict(os.environ))",
            c=f"SCRIPT = {script!r}\n{OUTSIDE}",
            d=f"PORT = {port}\n{NETWORK}",
            e="import numpy",
            f="import subprocess; subprocess.run(['ls'])",
            g="print(1); import js; js.console.log('not a frame'); print(2)",
        )
        await bench.run("b")
        assert ".cache" not in bench.text("b")
        assert (await bench.run("c"))["state"] == "done", bench.outputs("c")
        said = dict(line.split(" ", 1) for line in bench.text("c").splitlines())
        assert said.pop("own").startswith("reached"), "or the rest shows nothing"
        assert set(said.values()) == {"refused True"}, said
        assert len(said) == 7
        await bench.run("d")
        assert "reached" not in bench.text("d")
        assert arrived == []
        assert (await bench.run("e"))["state"] == "error"
        assert "No module named 'numpy'" in bench.outputs("e")[-1]["evalue"]
        assert (await bench.run("f"))["state"] == "error"
        assert (await bench.run("g"))["state"] == "done"
        assert bench.text("g") == "1\n2\n"
    assert (folder / "main.js").read_text() == text


async def test_files_come_and_go_while_a_cell_runs(tmp_path: Path) -> None:
    sandboxes = sandboxes_on("wasm")
    await sandboxes.start()
    try:
        sandbox = await sandboxes.claim("python", room="r")
        large = os.urandom(3 * MIB)
        await sandbox.put("deep/er/large.bin", large)
        assert await sandbox.get("deep/er/large.bin") == large
        heard: asyncio.Queue[None] = asyncio.Queue()

        class Ear:
            def message(self, channel: object, parts: list[bytes]) -> None:
                if b"on\\n" in parts[-1]:
                    heard.put_nowait(None)

            def notice(self, channel: object, notice: object) -> None: ...
            def writable(self) -> None: ...

        sandbox.connect(Ear())
        code = "print('on')\nwhile True: pass"
        sandbox.send(Channel.SHELL, request("execute_request", {"code": code}))
        async with asyncio.timeout(PATIENCE_S):
            await heard.get()
            await sandbox.put("meanwhile.txt", b"now")
            assert await sandbox.get("meanwhile.txt") == b"now"
        listed = {file.path: file.size_bytes for file in await sandbox.list()}
        assert listed == {"deep/er/large.bin": 3 * MIB, "meanwhile.txt": 3}
    finally:
        await sandboxes.stop()


async def test_a_sleep_an_input_and_a_flood_are_interrupted(tmp_path: Path) -> None:
    async with room_on(tmp_path, "wasm") as bench:
        notebook = bench.notebook(
            a="import time\nprint('on')\ntime.sleep(1000)",
            b="print('on')\ninput('?')",
            c="print('on')\nwhile True: print('x' * 1000)",
            d="1 + 1",
        )
        for cell in "abc":
            run = await bench.submit(cell)
            await notebook.becomes(cell, lambda found: "on" in str(found["outputs"]))
            await bench.executions.interrupt(bench.candidate)
            assert (await bench.ended(run))["state"] == "interrupted", cell
        assert (await bench.run("d"))["state"] == "done"
        assert bench.outputs("d")[0]["data"]["text/plain"] == "2"


async def test_whole_cells_are_told_from_unfinished_ones(tmp_path: Path) -> None:
    async with room_on(tmp_path, "wasm") as bench:
        bench.notebook(a="1")
        await bench.run("a")
        async with open_sockets(bench) as sockets:
            page = await sockets.connect(bench.candidate)
            reply = await page.ask("kernel_info_request", {})
            assert "standard library only" in reply["banner"]
            for code, status in (("1", "complete"), ("if 1:", "incomplete"), ("1 1", "invalid")):
                reply = await page.ask("is_complete_request", {"code": code})
                assert reply["status"] == status


async def test_it_starts_from_a_snapshot_made_once(tmp_path: Path) -> None:
    """Well below what Python in WebAssembly takes to start by itself, on the same machine."""
    engine = WebAssemblyEngine(tmp_path / "cache")
    sandboxes = Sandboxes(server_id="test-start", engine=engine, pool_size=0)
    await sandboxes.start()
    took: list[float] = []
    try:
        for _ in range(4):
            began = time.monotonic()
            sandbox = await sandboxes.claim("python", room="r")
            took.append(time.monotonic() - began)
            await sandbox.stop()
    finally:
        await sandboxes.stop()
    assert statistics.median(took[1:]) < took[0] / 2, took
    (made,) = (tmp_path / "cache").glob("*/snapshot.bin")
    assert made.stat().st_size > 10 * MIB
    assert list((tmp_path / "cache").glob("new-*")) == []


@pytest.mark.parametrize("how", ["running", "frozen"])
def test_nothing_outlives_a_server_that_is_killed(how: str) -> None:
    nothing_outlives_a_killed_server("wasm", how, processes_each=1)


async def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webassembly, "HERE", tmp_path)
    status = await WebAssemblyEngine().status()
    assert not status.available
    assert "Pyodide" in status.problem
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    status = await WebAssemblyEngine().status()
    assert "Deno" in status.problem
    assert "[wasm]" in status.hint


def test_the_doctor_says_what_it_can_run(tmp_path: Path) -> None:
    assert shutil.which("deno", path=str(Path(sys.executable).parent))
    (tmp_path / "jupyter_server_config.json").write_text(
        json.dumps({"InterviewApp": {"sandbox_engine": "wasm"}})
    )
    done = subprocess.run(
        [sys.executable, "-m", "interview_ext.cli", "doctor", "--json"],
        env=os.environ
        | {"JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTER_DATA_DIR": str(tmp_path / "data")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (engine,) = [check for check in json.loads(done.stdout) if check["name"] == "engine"]
    assert engine["verdict"] == "note"
    assert "standard library only" in engine["found"]
