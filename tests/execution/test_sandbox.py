"""A sample of the same, in a real sandbox: every kind of thing that crosses its border."""

from __future__ import annotations

import asyncio
import gc
import secrets
from contextlib import asynccontextmanager
from pathlib import Path

import docker
import pytest
from jupyter_client.kernelspec import KernelSpecManager

from interview_ext.errors import EngineUnavailable, RoomNotLive
from interview_ext.execution.launcher import SandboxLauncher
from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import DataFile, RoomState, Trust
from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.profiles import PYTHON
from interview_ext.sandbox.sandboxes import Sandboxes
from tests.execution.conftest import MakeBench, make_bench
from tests.execution.sandboxes import house, launcher
from tests.execution.sockets import open_sockets

MIB = 1024 * 1024


async def test_a_table_of_the_rooms_data_and_everything_the_first_cells_need(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench()
    content = b"x,y\n1,2\n3,4\n"
    await bench.store.put_data_file(
        DataFile(room_id=bench.room.id, path="t.csv", size=len(content), digest=digest(content)),
        content,
    )
    notebook = bench.notebook(
        a="import pandas as pd; pd.read_csv('data/t.csv').describe()",
        b="name = input('Who? '); print('Hello', name)",
        c="import time; print('on', flush=True); time.sleep(60)",
        d="for i in range(20_000):\n    print('line', i, flush=True)",
    )
    assert (await bench.run("a"))["state"] == "done"
    assert "<table" in bench.outputs("a")[0]["data"]["text/html"]
    asking = await bench.submit("b")
    await bench.message(lambda m: m["type"] == "input_request")
    await bench.executions.answer(bench.host, asking.id, "Ada")
    await bench.ended(asking)
    assert bench.text("b").endswith("Hello Ada\n")
    endless = await bench.submit("c")
    await notebook.becomes("c", lambda cell: "on" in str(cell["outputs"]))
    await bench.executions.interrupt(bench.candidate)
    assert (await bench.ended(endless))["state"] == "interrupted"
    assert (await bench.run("d"))["state"] == "done"
    assert bench.text("d").splitlines() == [f"line {i}" for i in range(20_000)]
    status = (await bench.executions.sandbox(bench.candidate)).as_body()
    assert status["limits"]["memory_bytes"] == PYTHON.limits.memory_bytes
    assert status["usage"]["memory_bytes"] > 10 * MIB


async def test_the_memory_limit_is_named_where_the_candidate_sees_it(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench(memory_bytes=256 * MIB)
    notebook = bench.notebook(a="x = bytearray(4 * 2**30)", b="1", c="print('again')")
    first, second = await bench.submit("a"), await bench.submit("b")
    record = await bench.ended(first)
    assert (record["state"], record["death"]) == ("died", "memory limit")
    assert (await bench.ended(second))["state"] == "cleared"
    assert "memory limit" in bench.outputs("a")[-1]["evalue"]
    assert [notebook.pages[1].cell(c)["execution_state"] for c in "ab"] == ["idle", "idle"]
    assert (await bench.run("c"))["state"] == "done"
    assert bench.text("c") == "again\n"


async def test_a_crash_is_named(make_sandbox_bench: MakeBench) -> None:
    bench = await make_sandbox_bench()
    bench.notebook(a="import os; os.abort()")
    record = await bench.run("a")
    assert (record["state"], record["death"]) == ("died", "crash")


async def test_a_cell_whose_time_is_up_is_interrupted_and_its_variables_stay(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench(run_s=2)
    notebook = bench.notebook(a="import time; x = 41; time.sleep(60)", b="1", c="print(x + 1)")
    first, second = await bench.submit("a"), await bench.submit("b")
    record = await bench.ended(first)
    assert (record["state"], record["death"]) == ("interrupted", "time limit")
    assert (await bench.ended(second))["state"] == "cleared"
    assert "interrupted after 2 s" in bench.text("a", "stderr")
    assert [notebook.pages[1].cell(c)["execution_state"] for c in "ab"] == ["idle", "idle"]
    assert (await bench.run("c"))["state"] == "done"
    assert bench.text("c") == "42\n"


async def test_a_cell_that_ignores_its_end_gets_a_fresh_kernel_under_the_open_socket(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench(run_s=1)
    bench.notebook(
        a="import time\nwhile True:\n    try: time.sleep(60)\n    except KeyboardInterrupt: pass",
        b="print('fresh', 'time' in dir())",
    )
    async with open_sockets(bench) as sockets:
        page = await sockets.connect(bench.candidate)
        record = await bench.run("a")
        assert (record["state"], record["death"]) == ("died", "time limit")
        assert "did not react" in bench.outputs("a")[-1]["evalue"]
        assert (await bench.run("b"))["state"] == "done"
        assert bench.text("b") == "fresh False\n"
        reply = await page.ask("complete_request", {"code": "impor", "cursor_pos": 5})
        assert "import" in reply["matches"]


async def test_a_pause_freezes_the_sandbox_and_its_time(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench(run_s=4)
    notebook = bench.notebook(
        a="import time\nfor i in range(20):\n    print(i, flush=True); time.sleep(0.1)", b="1"
    )
    run = await bench.submit("a")
    await notebook.becomes("a", lambda cell: "'0\\n1" in str(cell["outputs"]))
    await bench.set_state(RoomState.PAUSED)
    await bench.executions.freeze(bench.room.id)
    held = await bench.message(
        lambda m: m["type"] == "run" and m["run"]["time_limit_s"] and not m["run"]["deadline_at"]
    )
    assert held["run"]["state"] == "running"
    container = docker.from_env()
    try:
        (box,) = container.containers.list(filters={"label": f"interview.server={bench.label}"})
        assert box.status == "paused"
    finally:
        container.close()
    before = bench.text("a")
    with pytest.raises(RoomNotLive):
        await bench.submit("b", actor=bench.host)
    await asyncio.sleep(5)  # longer than the cell may run
    assert bench.text("a") == before
    await bench.set_state(RoomState.LIVE)
    await bench.executions.thaw(bench.room.id)
    assert (await bench.ended(run))["state"] == "done"
    assert bench.text("a") == "".join(f"{i}\n" for i in range(20))


async def test_an_end_in_a_pause_leaves_no_container(make_sandbox_bench: MakeBench) -> None:
    bench = await make_sandbox_bench()
    bench.notebook(a="import time; time.sleep(60)")
    run = await bench.submit("a")
    await bench.state(run, "running")
    await bench.executions.freeze(bench.room.id)
    await bench.executions.close_room(bench.room.id)
    assert (await bench.ended(run))["state"] == "died"
    client = docker.from_env()
    try:
        label = f"interview.server={bench.label}"
        assert client.containers.list(all=True, filters={"label": label}) == []
    finally:
        client.close()


async def test_widgets_and_a_restart_under_an_open_socket(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench()
    bench.notebook(
        a="import ipywidgets; out = ipywidgets.Output(); display(out)\nwith out: print('inside')",
        b="'out' in dir()",
    )
    async with open_sockets(bench) as sockets:
        page = await sockets.connect(bench.candidate)
        await bench.run("a")
        opened = await page.hear(
            lambda m: (
                m["header"]["msg_type"] == "comm_open"
                and m["content"]["data"]["state"].get("_model_name") == "OutputModel"
            )
        )
        comm_id = opened["content"]["comm_id"]
        await page.hear(lambda _: "inside" in str(page.comm_state(comm_id).get("outputs")))
        await bench.executions.restart(bench.host)
        await page.hear(
            lambda m: m["header"]["msg_type"] == "comm_close" and m["content"]["comm_id"] == comm_id
        )
        await bench.run("b")
        assert bench.outputs("b")[0]["data"]["text/plain"] == "False"
        reply = await page.ask("complete_request", {"code": "impor", "cursor_pos": 5})
        assert "import" in reply["matches"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_no_engine_no_run(tmp_path: Path) -> None:
    """docker-py leaves the socket of a failed connection to the garbage collector."""
    engine = DockerEngine(base_url=f"unix://{tmp_path}/none.sock")
    async with house(tmp_path, Sandboxes(engine=engine, pool_size=0)) as bench:
        bench.notebook(a="1")
        with pytest.raises(EngineUnavailable) as refused:
            await bench.submit("a")
        assert "make services" in refused.value.hint
        status = (await bench.executions.sandbox(bench.host)).as_body()
        assert status["engine"]["available"] is False
    gc.collect()


async def test_a_kernelspec_of_our_name_without_a_sandbox_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "kernels" / "interview-python").mkdir(parents=True)
    (tmp_path / "kernels" / "interview-python" / "kernel.json").write_text(
        '{"argv": ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"],'
        ' "display_name": "Local", "language": "python"}'
    )
    sandboxes = Sandboxes(pool_size=0)
    local = SandboxLauncher(
        request=lambda _room, _files, _adopt, _on_wait: None,
        sandboxes=sandboxes,
        specs=KernelSpecManager(kernel_dirs=[str(tmp_path / "kernels")]),
    )
    async with asynccontextmanager(make_bench)(tmp_path, local) as bench:
        with pytest.raises(EngineUnavailable):
            await local.launch(
                bench.room,
                kernel_id="k",
                files=dict,  # type: ignore[arg-type]
                on_wait=lambda _: None,
            )
    await sandboxes.stop()


async def test_what_a_cell_tries_to_reach_in_vain_is_told_as_reported_by_the_kernel(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench()
    bench.notebook(
        a="""
import asyncio, socket, threading, urllib.request
def quietly(work):
    try: work()
    except Exception: pass
for _ in range(2):
    quietly(lambda: urllib.request.urlopen("https://data.example.org/x.csv", timeout=1))
quietly(lambda: socket.create_connection(("192.0.2.1", 8080), timeout=1))
thread = threading.Thread(target=quietly, args=[lambda: socket.getaddrinfo("late.example.org", 80)])
thread.start(); thread.join()
quietly(lambda: socket.create_connection(("127.0.0.1", 9), timeout=1))
quietly(lambda: socket.create_connection(("localhost", 9), timeout=1))
print("on")
""",
        b="print('nothing of the kind')",
        c="import urllib.request; urllib.request.urlopen('http://data.example.org', timeout=1)",
    )
    record = await bench.run("a")
    assert record["state"] == "done"
    assert bench.text("a") == "on\n"
    assert record["network_reported"] == [
        "data.example.org:443",
        "192.0.2.1:8080",
        "late.example.org:80",
    ]
    early = await bench.message(lambda m: m["type"] == "run" and m["run"]["network_reported"])
    assert early["run"]["state"] == "running", "it is said while the cell still waits"
    events = await bench.store.list_events(bench.room.id)
    (noted,) = [event for event in events if event.kind == "run.network"]
    assert noted.trust is Trust.REPORTED
    assert noted.payload is not None
    assert noted.payload["targets"].startswith("data.example.org:443, ")
    assert (await bench.run("b"))["network_reported"] == []
    again = await bench.run("c")
    assert (again["state"], again["network_reported"]) == ("error", ["data.example.org:80"])


async def test_what_was_written_is_kept_when_an_unused_sandbox_ends(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench(idle_s=10)
    bench.notebook(a="open('made.txt', 'w').write('kept')")
    assert (await bench.run("a"))["state"] == "done"
    ended = await bench.message(lambda m: m["type"] == "sandbox" and m["state"] == "dead")
    assert ended["death"].pop("at")
    assert ended["death"] == {"reason": "idle", "detail": "Nothing was run for 10 s."}
    (kept,) = await bench.store.list_kept_files(bench.room.id)
    assert kept.path == "made.txt"
    assert await bench.store.read_content(kept.digest) == b"kept"


async def test_a_room_whose_profile_is_no_longer_configured_says_so_and_works_otherwise(
    sandbox_image: None, tmp_path: Path
) -> None:
    sandboxes = Sandboxes(server_id=f"test-{secrets.token_hex(6)}", pool_size=0)
    start = launcher(sandboxes, {"python": PYTHON})
    await sandboxes.start()
    try:
        async with asynccontextmanager(make_bench)(tmp_path, start, "gone") as bench:
            bench.notebook(a="1", b="2")
            record = await bench.run("a")
            assert record["state"] == "error"
            assert "interview-gone is not installed" in bench.outputs("a")[0]["evalue"]
            assert "taken its sandbox profile out" in bench.outputs("a")[0]["traceback"][-1]
            status = await bench.executions.sandbox(bench.host)
            assert (status.state, status.profile) == ("off", "gone")
    finally:
        await sandboxes.stop()
