"""A kernel in a sandbox is a kernel like any other."""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

from interview_ext.sandbox.deaths import Reason

from .conftest import PATIENCE_S, Kernel, MakeKernel


async def test_runs_a_cell(kernel: Kernel) -> None:
    run = await kernel.run("1 + 1")
    assert (run.status, run.text, run.idle) == ("ok", "2", True)


async def test_reports_errors(kernel: Kernel) -> None:
    run = await kernel.run("1 / 0")
    assert (run.status, run.text) == ("error", "division by zero")


async def test_imports_what_the_image_promises(kernel: Kernel) -> None:
    run = await kernel.run(
        "import numpy, pandas, matplotlib, sklearn.linear_model, pyarrow, duckdb, ipywidgets\n"
        "import threading, subprocess\n"
        "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
        "print(subprocess.run(['echo', 'process'], capture_output=True, text=True).stdout)\n"
        "print(duckdb.sql('select 42').fetchall()[0][0], pandas.Series([1, 2]).sum())\n"
        "m = sklearn.linear_model.LinearRegression().fit([[0], [1]], [0, 1])\n"
        "print(round(float(m.predict([[2]])[0])))"
    )
    assert run.status == "ok", run.text
    assert run.text.split() == ["thread", "process", "42", "3", "2"]


async def test_figures_are_data_not_pages(kernel: Kernel) -> None:
    plot = await kernel.run("import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")
    chart = await kernel.run(
        "import altair, pandas\n"
        "altair.Chart(pandas.DataFrame({'a': [1]})).mark_bar().encode(x='a:Q')"
    )
    kinds = [
        set(m["content"]["data"]) for m in plot.outputs + chart.outputs if "data" in m["content"]
    ]
    assert "image/png" in kinds[0]
    assert any("vega" in kind for kind in kinds[-1])
    assert "text/html" not in kinds[-1]


async def test_asks_for_input(kernel: Kernel) -> None:
    client = kernel.client
    client.execute("print('got', input('name? '))", allow_stdin=True)
    asked = await client.get_stdin_msg(timeout=PATIENCE_S)
    assert asked["content"]["prompt"] == "name? "
    client.input("Ada")
    texts: list[str] = []
    while "got Ada" not in "".join(texts):
        message = await client.get_iopub_msg(timeout=PATIENCE_S)
        if message["msg_type"] == "stream":
            texts.append(message["content"]["text"])


async def test_completes_and_inspects(kernel: Kernel) -> None:
    completed = await kernel.client.complete("impor", reply=True, timeout=PATIENCE_S)
    assert "import" in completed["content"]["matches"]


async def test_answers_the_heartbeat(kernel: Kernel) -> None:
    kernel.client.hb_channel.unpause()
    await asyncio.sleep(kernel.client.hb_channel.time_to_dead * 1.5)
    assert kernel.client.hb_channel.is_beating()


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(60)"])
async def test_interrupts(kernel: Kernel, code: str) -> None:
    running = asyncio.create_task(kernel.run(f"print('on', flush=True)\n{code}"))
    await asyncio.sleep(0.5)
    await kernel.manager.interrupt_kernel()
    run = await running
    assert run.status == "error"
    assert run.reply["content"]["ename"] == "KeyboardInterrupt"
    assert (await kernel.run("'still here'")).text == "'still here'"


async def test_a_cell_that_ignores_interrupts_is_ended_by_a_restart(kernel: Kernel) -> None:
    """The endpoints stay: the same client, never reconnected, talks to the new container."""
    await kernel.run("x = 1")
    first = kernel.provisioner.sandbox
    kernel.client.execute(
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    )
    await asyncio.sleep(0.5)
    info = kernel.manager.get_connection_info()
    await kernel.manager.interrupt_kernel()
    await kernel.manager.restart_kernel(now=True)
    await kernel.ready()
    assert kernel.manager.get_connection_info() == info
    assert kernel.provisioner.sandbox is not first
    assert (await kernel.run("'x' in globals()")).text == "False"
    assert (await kernel.death()).reason is Reason.STOPPED


async def test_a_client_that_comes_after_a_restart_connects(kernel: Kernel) -> None:
    await kernel.manager.restart_kernel()
    late = kernel.manager.client()
    late.start_channels()
    try:
        await late.wait_for_ready(timeout=PATIENCE_S)
    finally:
        late.stop_channels()


async def test_what_is_sent_during_a_restart_is_run_by_the_new_kernel(kernel: Kernel) -> None:
    restart = asyncio.ensure_future(kernel.manager.restart_kernel(now=True))
    await kernel.death()
    run = await kernel.run("6 * 7")
    await restart
    assert run.text == "42"


async def test_nothing_of_the_servers_environment_goes_in(
    make_kernel: MakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_TEST_SECRET", "s3cret")
    kernel = await make_kernel()
    run = await kernel.run("import os; print(sorted(os.environ))")
    assert "HOME" in run.text
    assert "INTERVIEW_TEST_SECRET" not in run.text


async def test_an_unsigned_message_does_not_reach_the_kernel(kernel: Kernel) -> None:
    stranger = kernel.manager.client()
    stranger.session.session = "stranger"
    stranger.session.key = b"not the key"
    stranger.start_channels()
    try:
        stranger.execute("x = 'stranger'")
        assert (await kernel.run("'x' in globals()")).text == "False"
        with pytest.raises(queue.Empty):
            await stranger.get_shell_msg(timeout=0.2)
    finally:
        stranger.stop_channels()


@pytest.fixture
def installed(specs: KernelSpecManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernelspec stands where every Jupyter application looks."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))


async def test_nbclient_runs_a_notebook(nothing_left: str, installed: None) -> None:
    """It knows nothing of rooms: the provisioner makes a sandbox of its own, and ends it."""
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("import os; x = 20"),
            nbformat.v4.new_code_cell("print(x + 1, os.getuid())"),
        ]
    )
    client = NotebookClient(notebook, kernel_name="interview-python", timeout=PATIENCE_S)
    await client.async_execute()
    assert notebook.cells[1].outputs[0].text == "21 1000\n"


SYNCHRONOUS = """
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="interview-python", startup_timeout=20)
client.execute_interactive("print(6 * 7)", timeout=20)
manager.interrupt_kernel()
manager.restart_kernel(now=True)
client.wait_for_ready(timeout=20)
client.execute_interactive("print(6 * 8)", timeout=20)
client.stop_channels()
manager.shutdown_kernel()
"""


def test_a_synchronous_manager_works_too(installed: None, sandbox_image: None) -> None:
    """Between its calls no event loop runs; and in the end the process ends."""
    done = subprocess.run(
        [sys.executable, "-c", SYNCHRONOUS], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "42\n48\n"), done.stderr
