"""What a kernel says, and what both pages then show. `outputs` compares the copies."""

from __future__ import annotations

import asyncio
import itertools

from tests.execution.conftest import Bench


async def test_twenty_thousand_flushed_lines_arrive_whole_and_in_order(bench: Bench) -> None:
    # The kernel's own limit (1,000 messages) is raised, so that what is lost is lost by us: on
    # a machine under load any reader may pause longer than a kernel prints 1,000 lines.
    notebook = bench.notebook(
        limit="get_ipython().kernel.iopub_thread.socket.sndhwm = 100_000",
        a="for i in range(20_000):\n    print('line', i, flush=True)",
    )
    await bench.run("limit")
    record = await bench.run("a")
    assert record["state"] == "done"
    assert bench.text("a").splitlines() == [f"line {i}" for i in range(20_000)]
    assert len(bench.outputs("a")) == 1
    assert notebook.pages[1].updates < 1000


async def test_a_progress_bar_with_unicode_blocks_in_a_plain_loop(bench: Bench) -> None:
    bench.notebook(
        a="import sys, time\nfrom tqdm import tqdm\n"
        "for i in tqdm(range(40), ncols=60, mininterval=0):\n    time.sleep(0.02)\nprint('ready')"
    )
    record = await bench.run("a")
    assert record["state"] == "done"
    assert bench.text("a") == "ready\n"
    bar = bench.text("a", "stderr")
    assert bar.count("\n") == 1
    assert bar.startswith("100%|██████")
    assert "40/40" in bar
    assert "\r" not in bar


async def test_nested_progress_bars_move_the_cursor_up(bench: Bench) -> None:
    bench.notebook(
        a="from tqdm import tqdm\n"
        "for i in tqdm(range(3), ncols=50, desc='out'):\n"
        "    for j in tqdm(range(3), ncols=50, desc='in', leave=False): pass"
    )
    await bench.run("a")
    text = bench.text("a", "stderr")
    assert "\x1b[A" not in text
    assert "\r" not in text
    assert text.count("out: 100%") == 1
    assert "in:" not in text


async def test_a_page_sees_a_bar_move_while_the_cell_runs(bench: Bench) -> None:
    notebook = bench.notebook(
        a="import time, sys\nfor i in range(100):\n"
        "    sys.stdout.write(f'\\r█ {i}'); sys.stdout.flush(); time.sleep(0.02)"
    )
    run = await bench.submit("a")
    first = await notebook.becomes("a", lambda c: bool(c["outputs"]))
    later = await notebook.becomes("a", lambda c: c["outputs"] != first["outputs"])
    assert later["execution_state"] == "running"
    assert len(later["outputs"]) == 1
    await bench.ended(run)
    assert bench.text("a") == "█ 99"


async def test_streams_alternate_without_two_of_one_name_side_by_side(bench: Bench) -> None:
    bench.notebook(
        a="import sys, time\nfor i in range(3):\n"
        "    print('o', i, flush=True); print('o2', i, flush=True)\n"
        "    print('e', i, file=sys.stderr, flush=True); time.sleep(0.1)"
    )
    await bench.run("a")
    names = [o["name"] for o in bench.outputs("a")]
    assert all(one != other for one, other in itertools.pairwise(names))
    assert bench.text("a") == "o 0\no2 0\no 1\no2 1\no 2\no2 2\n"


async def test_update_display_changes_outputs_in_other_cells_and_in_the_middle(
    bench: Bench,
) -> None:
    notebook = bench.notebook(
        a="from IPython.display import display, update_display\n"
        "display('one', display_id='x'); print('between'); display('two', display_id='x');",
        b="update_display('new', display_id='x')",
    )
    await bench.run("a")
    await bench.run("b")
    await notebook.becomes("a", lambda c: "new" in str(c["outputs"]))
    shown = [o.get("data", {}).get("text/plain", o.get("text")) for o in bench.outputs("a")]
    assert shown == ["'new'", "between\n", "'new'"]
    assert bench.outputs("b") == []
    assert all("transient" not in o for o in bench.outputs("a"))


async def test_clear_output_with_wait_never_shows_an_empty_cell(bench: Bench) -> None:
    notebook = bench.notebook(
        a="from IPython.display import clear_output\nimport time\n"
        "for i in range(30):\n    clear_output(wait=True); print('frame', i); time.sleep(0.02)"
    )
    run = await bench.submit("a")
    await notebook.becomes("a", lambda c: bool(c["outputs"]))
    lengths: set[int] = set()
    notebook.pages[0].notebook.ycells.observe_deep(
        lambda _: lengths.add(len(notebook.pages[0].cell("a")["outputs"]))
    )
    await bench.ended(run)
    assert bench.text("a") == "frame 29\n"
    assert lengths == {1}


async def test_clear_output_at_once_empties_the_cell(bench: Bench) -> None:
    bench.notebook(a="from IPython.display import clear_output\nprint(1)\nclear_output()")
    await bench.run("a")
    assert bench.outputs("a") == []


async def test_an_error_stands_in_the_cell_with_its_traceback(bench: Bench) -> None:
    bench.notebook(a="print('before')\n1/0")
    record = await bench.run("a")
    assert record["state"] == "error"
    assert record["execution_count"] == 1
    last = bench.outputs("a")[-1]
    assert last["output_type"] == "error"
    assert last["ename"] == "ZeroDivisionError"
    assert any("ZeroDivisionError" in line for line in last["traceback"])


LATE_THREAD = (
    "import threading, time, contextvars, os\n"
    "def late():\n    while not os.path.exists('go'): time.sleep(0.02)\n"
    "    print('late', flush=True)\n"
    "context = contextvars.copy_context()\n"
    "threading.Thread(target=context.run, args=(late,)).start(); print('first')"
)
"""The thread keeps the context of its cell, so what it prints has that cell's parent."""


async def test_a_thread_that_outlives_its_cell_writes_into_that_cell(bench: Bench) -> None:
    notebook = bench.notebook(
        a=LATE_THREAD, b="open('go', 'w').close(); time.sleep(0.3); print('second')"
    )
    await bench.run("a")
    await bench.run("b")
    await notebook.becomes("a", lambda c: "late" in str(c["outputs"]))
    assert bench.text("a") == "first\nlate\n"
    assert bench.text("b") == "second\n"
    assert notebook.pages[0].cell("a")["execution_state"] == "idle"


async def test_a_cell_that_runs_again_is_not_mixed_with_its_older_run(bench: Bench) -> None:
    notebook = bench.notebook(a=LATE_THREAD)
    await bench.run("a")
    notebook.type("a", "open('go', 'w').close(); time.sleep(0.3); print('new')")
    await notebook.becomes("a", lambda c: "new" in c["source"])
    await bench.run("a")
    assert bench.text("a") == "new\n"


async def test_values_that_no_document_can_hold_are_made_fit(bench: Bench) -> None:
    bench.notebook(
        a="import json\nk = get_ipython().kernel\n"
        "k.session.pack = lambda o: json.dumps(o, default=str).encode()\n"
        "def send(kind, content):\n"
        "    k.session.send(k.iopub_socket, kind, content, parent=k.get_parent())\n"
        "send('display_data', {'data': {'application/json': {'big': 2**70, 'nan': float('inf')},"
        " 'text/plain': 'lone \\ud800 surrogate'}, 'metadata': {'trusted': True, 'width': 3}})\n"
        "send('stream', {'name': 'stdout', 'text': '█ \\ud800'})\n"
    )
    record = await bench.run("a")
    assert record["state"] == "done", bench.outputs("a")
    shown, stream = bench.outputs("a")
    assert shown["data"]["application/json"] == {"big": float(2**70), "nan": None}
    assert shown["data"]["text/plain"] == "lone \ufffd surrogate"
    assert shown["metadata"] == {"width": 3}
    assert stream["text"] == "█ \ufffd"


async def test_output_without_end_stops_at_the_bound_and_says_so(bench: Bench) -> None:
    bench.notebook(a="while True: print('x' * 500_000, flush=True)")
    record = await bench.run("a")
    assert record["state"] == "interrupted"
    assert "Output stopped here" in bench.text("a", "stderr")
    assert 8_000_000 < len(bench.text("a")) < 9_000_000


async def test_a_thousand_displays_and_no_more(bench: Bench) -> None:
    bench.notebook(a="for i in range(1200): display(i)")
    await bench.run("a")
    outputs = bench.outputs("a")
    assert len(outputs) == 1001
    assert "Output stopped here" in outputs[-1]["text"]


async def test_outputs_that_somebody_clears_in_mid_run_stay_cleared(bench: Bench) -> None:
    notebook = bench.notebook(
        a="print('before', flush=True)\nimport os, time\n"
        "while not os.path.exists('go'): time.sleep(0.02)\nprint('after')"
    )
    run = await bench.submit("a")
    await notebook.becomes("a", lambda c: "before" in str(c["outputs"]))
    notebook.ydoc.ycells[0]["outputs"].clear()
    (bench.launcher.folder / "go").touch()  # type: ignore[attr-defined]
    await bench.ended(run)
    assert bench.text("a") == "after\n"


async def test_a_cell_that_is_deleted_in_mid_run_harms_nothing(bench: Bench) -> None:
    notebook = bench.notebook(
        a="import time\nfor i in range(20):\n    print(i, flush=True); time.sleep(0.02)",
        b="print(2)",
    )
    run = await bench.submit("a")
    await notebook.becomes("a", lambda c: bool(c["outputs"]))
    del notebook.ydoc.ycells[0]
    assert (await bench.ended(run))["state"] == "done"
    assert (await bench.run("b"))["state"] == "done"
    assert bench.text("b") == "2\n"


async def test_forged_messages_of_the_kernel_end_nothing(bench: Bench) -> None:
    bench.notebook(
        a="k = get_ipython().kernel\n"
        "for kind, content in [('stream', {'name': ['x'], 'text': {'a': 1}}), ('error', {}),"
        " ('display_data', {'data': 5}), ('status', {}), ('comm_open', {'comm_id': {}}),"
        " ('comm_msg', {'comm_id': 'x', 'data': 7}), ('clear_output', {}),"
        " ('update_display_data', {'transient': 9})]:\n"
        "    k.session.send(k.iopub_socket, kind, content, parent=k.get_parent())\n"
        "k.iopub_socket.send_multipart([b'junk', b'<IDS|MSG>', b'x'])\nprint('alive')"
    )
    record = await asyncio.wait_for(bench.run("a"), 20)
    assert record["state"] == "done"
    assert "alive" in bench.text("a")
