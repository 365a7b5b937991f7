"""More output than anybody can use, in a real sandbox: cut with a word, and the room goes on."""

from __future__ import annotations

import asyncio
import time

from tests.execution.conftest import PATIENCE_S, Bench, MakeBench
from tests.execution.sockets import open_sockets

COMMS = (
    "from comm import create_comm\n"
    "comm = create_comm(target_name='nobody')\n"
    "for i in range({count}): comm.send({{'i': i}})\n"
    "print('all were sent')"
)


async def goes_on(bench: Bench, cell_id: str) -> bool:
    """Whether the next cell, which prints ``next``, runs on the same kernel."""
    record = await bench.run(cell_id)
    return bool(record["state"] == "done" and bench.text(cell_id) == "next\n")


async def test_output_without_end_is_cut_with_a_word_and_its_run_interrupted(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench()
    bench.notebook(
        a="word = 'next'\nwhile True: print('x' * 10_000, flush=True)", b="1", c="print(word)"
    )
    first, second = await bench.submit("a"), await bench.submit("b")
    assert (await bench.ended(first))["state"] == "interrupted"
    assert (await bench.ended(second))["state"] == "cleared"
    assert 8_000_000 < len(bench.text("a")) < 9_000_000
    said = bench.text("a", "stderr")
    assert "Output stopped here" in said
    assert "The run was interrupted, because of its output." in said
    assert await goes_on(bench, "c")


async def test_a_display_of_150_megabytes_is_refused_with_a_word(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench()
    bench.notebook(
        a="display({'text/plain': 'x' * 150_000_000}, raw=True)\nprint('after')",
        b="print('next')",
    )
    assert (await bench.run("a"))["state"] == "done"
    assert "An output of 150.0 MB was not shown" in bench.text("a", "stderr")
    assert bench.text("a") == "after\n"
    assert await goes_on(bench, "b")


async def test_a_display_of_five_million_values_is_refused_with_a_word(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench()
    bench.notebook(
        a="display({'application/json': [0] * 5_000_000}, raw=True)\nprint('after')",
        b="print('next')",
    )
    assert (await bench.run("a"))["state"] == "done"
    assert "it holds more than 100,000 values" in bench.text("a", "stderr")
    assert bench.text("a") == "after\n"
    assert await goes_on(bench, "b")


async def test_a_flood_of_comms_arrives_whole_at_the_rooms_rate(
    make_sandbox_bench: MakeBench,
) -> None:
    count, burst, per_s = 4000, 100, 1000
    bench = await make_sandbox_bench(output_burst_frames=burst, output_frames_per_s=per_s)
    bench.notebook(warm="1", a=COMMS.format(count=count), b="print('next')")
    await bench.run("warm")
    async with open_sockets(bench) as sockets:
        page = await sockets.connect(bench.candidate)
        begun = time.monotonic()
        assert (await bench.run("a"))["state"] == "done"
        await page.hear(lambda m: m["content"].get("data") == {"i": count - 1})
        heard = [m["content"] for m in page.heard if m["header"]["msg_type"] == "comm_msg"]
        assert [content["data"]["i"] for content in heard] == list(range(count))
        # What the last of the reads brought, which are of 256 kB at most, is not waited for.
        assert time.monotonic() - begun > (count - burst - 800) / per_s
        assert await goes_on(bench, "b")


async def test_one_rooms_flood_does_not_use_up_another_rooms_rate(
    make_sandbox_bench: MakeBench,
) -> None:
    few = {"output_burst_frames": 100}
    noisy, quiet = await make_sandbox_bench(**few), await make_sandbox_bench(**few)
    noisy.notebook(a=COMMS.format(count=1_000_000), b="print('next')")
    quiet.notebook(warm="1", a="print('next')")
    await quiet.run("warm")
    flood = await noisy.submit("a")
    await noisy.state(flood, "running")
    assert await goes_on(quiet, "a")
    await noisy.executions.interrupt(noisy.candidate)
    assert (await noisy.ended(flood))["state"] == "interrupted"
    assert await goes_on(noisy, "b")


async def test_an_interrupt_overtakes_the_lines_before_it(make_sandbox_bench: MakeBench) -> None:
    bench = await make_sandbox_bench(output_burst_frames=100)
    bench.notebook(a="kept = 1\nwhile True: print('a line', flush=True)", b="print('next' * kept)")
    flood = await bench.submit("a")
    for _ in range(int(PATIENCE_S * 20)):
        if len(bench.text("a")) > 10_000:
            break
        await asyncio.sleep(0.05)
    await bench.executions.interrupt(bench.candidate)
    assert (await bench.ended(flood))["state"] == "interrupted"
    assert await goes_on(bench, "b")


async def test_an_update_storm_ends_in_its_last_state(make_sandbox_bench: MakeBench) -> None:
    bench = await make_sandbox_bench(output_burst_frames=100, output_frames_per_s=500)
    bench.notebook(
        a="shown = display('first', display_id=True)\n"
        "for i in range(2000): shown.update(i)\nshown.update('last')",
        b="print('next')",
    )
    assert (await bench.run("a"))["state"] == "done"
    assert [output["data"]["text/plain"] for output in bench.outputs("a")] == ["'last'"]
    assert await goes_on(bench, "b")
