"""Output arrives whole, in order, or with a word about what is missing."""

from __future__ import annotations

import asyncio

from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.profiles import MIB

from .conftest import EngineProxy, Kernel, MakeKernel, MakeSandboxes


async def test_twenty_thousand_lines_and_the_final_idle(kernel: Kernel) -> None:
    run = await kernel.run("for i in range(20000): print(i)")
    assert run.text.split() == [str(i) for i in range(20000)]
    assert run.idle


async def test_five_thousand_messages_one_by_one(kernel: Kernel) -> None:
    run = await kernel.run("for i in range(5000): print(i, flush=True)")
    assert run.text.split() == [str(i) for i in range(5000)]
    assert run.idle


async def test_a_display_of_150_megabytes_is_refused(kernel: Kernel) -> None:
    run = await kernel.run(
        "from IPython.display import display\n"
        "display({'text/plain': 'x' * 150_000_000}, raw=True)\nprint('after')"
    )
    assert run.idle
    assert "150.0 MB was not shown" in run.text
    assert "after" in run.text
    assert (await kernel.run("6 * 7")).text == "42"


async def test_what_is_just_small_enough_arrives(kernel: Kernel) -> None:
    run = await kernel.run(
        "from IPython.display import display\ndisplay({'text/plain': 'x' * 15_000_000}, raw=True)"
    )
    assert len(run.text) == 15_000_000


async def test_a_flood_is_slowed_down_and_cut_with_a_word(make_kernel: MakeKernel) -> None:
    rate, burst = 2 * MIB, 1 * MIB
    kernel = await make_kernel(
        limits={
            "output_bytes_per_s": rate,
            "output_burst_bytes": burst,
            "backlog_bytes": 1 * MIB,
        }
    )
    started = asyncio.get_running_loop().time()
    run = await kernel.run("for i in range(400): print('x' * 50_000, flush=True)")
    took = asyncio.get_running_loop().time() - started
    assert run.idle
    assert "came too fast" in (run.text + (await kernel.run("1")).text)
    assert len(run.text) < burst + rate * took + 100_000  # a message may go beyond the rate
    assert (await kernel.run("6 * 7")).text.endswith("42")


async def test_output_survives_a_lost_attachment(
    proxy: EngineProxy, make_sandboxes: MakeSandboxes, make_kernel: MakeKernel
) -> None:
    """`docker attach` does not replay; frames that were under way are sent again."""
    kernel = await make_kernel(await make_sandboxes(engine=DockerEngine(proxy.url)))
    running = asyncio.create_task(
        kernel.run(
            "import time\n"
            "for i in range(3000):\n    print(i, 'x' * 200, flush=True)\n"
            "    if i % 100 == 0: time.sleep(0.05)"
        )
    )
    for _ in range(3):
        await asyncio.sleep(0.4)
        assert proxy.cut_attachments() == 1
    run = await running
    assert run.text.split()[::2] == [str(i) for i in range(3000)]
    assert run.idle
    assert kernel.deaths.empty()
