"""Output widgets, as two pages on the kernel see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.execution.conftest import PATIENCE_S, Bench
from tests.execution.sockets import KernelPage, Sockets, open_sockets


@pytest.fixture
async def sockets(bench: Bench) -> AsyncIterator[Sockets]:
    async with open_sockets(bench) as opened:
        yield opened


async def output_widget(page: KernelPage) -> str:
    """The comm id of the first Output widget that the page hears of."""
    opened = await page.hear(
        lambda m: (
            m["header"]["msg_type"] == "comm_open"
            and m["content"]["data"]["state"].get("_model_name") == "OutputModel"
        )
    )
    return str(opened["content"]["comm_id"])


def text(page: KernelPage, comm_id: str) -> str:
    outputs: list[dict[str, Any]] = page.comm_state(comm_id).get("outputs", [])
    return "".join(o.get("text", "") for o in outputs)


async def shows(page: KernelPage, comm_id: str, wanted: str) -> None:
    await page.hear(lambda _: text(page, comm_id) == wanted)


async def test_what_is_printed_in_an_output_widget_stands_in_it_for_everybody(
    bench: Bench, sockets: Sockets
) -> None:
    bench.notebook(
        a="import ipywidgets, time; out = ipywidgets.Output(); display(out)\n"
        "with out:\n    print('inside', flush=True); time.sleep(0.5); print('more')\n"
        "print('below')",
        b="print(out.outputs)",
    )
    pages = [await sockets.connect(bench.candidate), await sockets.connect(bench.host)]
    run = await bench.submit("a")
    comm_id = await output_widget(pages[1])
    await shows(pages[1], comm_id, "inside\n")  # while the cell runs: the kernel takes no comms
    assert (await bench.ended(run))["state"] == "done"
    for page in pages:
        await shows(page, comm_id, "inside\nmore\n")
    assert bench.text("a") == "below\n"
    await bench.run("b")
    assert "inside" in bench.text("b")


async def test_the_state_survives_a_reload(bench: Bench, sockets: Sockets) -> None:
    bench.notebook(a="import ipywidgets; out = ipywidgets.Output()\nwith out: print('kept')\nout")
    await bench.run("a")
    page = await sockets.connect(bench.candidate)
    comms = (await page.ask("comm_info_request", {"target_name": "jupyter.widget"}))["comms"]
    for comm_id in comms:
        await page.say("comm_msg", {"comm_id": comm_id, "data": {"method": "request_state"}})
    await page.hear(lambda _: any(text(page, comm_id) == "kept\n" for comm_id in comms))


async def test_interact_prints_into_its_widget(bench: Bench, sockets: Sockets) -> None:
    bench.notebook(
        a="from ipywidgets import interact\n@interact(x=5)\ndef show(x): print('x is', x)",
    )
    page = await sockets.connect(bench.candidate)
    await bench.run("a")
    comm_id = await output_widget(page)
    await shows(page, comm_id, "x is 5\n")
    assert bench.text("a") == ""


async def test_what_a_pages_own_message_prints_reaches_that_page(
    bench: Bench, sockets: Sockets
) -> None:
    """JupyterLab's Output model catches it there: it has the future of its own message."""
    bench.notebook(
        a="from ipywidgets import interact\n@interact(x=5)\ndef show(x): print('x is', x)",
    )
    page = await sockets.connect(bench.candidate)
    await bench.run("a")
    comm_id = await output_widget(page)
    slider = await page.hear(
        lambda m: (
            m["header"]["msg_type"] == "comm_open"
            and m["content"]["data"]["state"].get("_model_name") == "IntSliderModel"
        )
    )
    change = {"method": "update", "state": {"value": 9}, "buffer_paths": []}
    msg_id = await page.say("comm_msg", {"comm_id": slider["content"]["comm_id"], "data": change})
    await page.hear(
        lambda _: page.comm_state(comm_id).get("msg_id") == msg_id or _caught(page, msg_id)
    )
    printed = await page.hear(
        lambda m: m["header"]["msg_type"] == "stream" and m["parent_header"].get("msg_id") == msg_id
    )
    assert printed["content"]["text"] == "x is 9\n"
    assert bench.text("a") == ""


def _caught(page: KernelPage, msg_id: str) -> bool:
    return any(
        m["content"].get("data", {}).get("state", {}).get("msg_id") == msg_id for m in page.heard
    )


async def test_a_comms_id_and_target_are_kept_as_far_as_honest_ones_go(
    bench: Bench, sockets: Sockets
) -> None:
    bench.notebook(
        a="from comm import create_comm\n"
        "for size in 128, 129:\n"
        "    create_comm(target_name='t' * 500, comm_id='c' * size)",
    )
    await bench.run("a")
    page = await sockets.connect(bench.candidate)
    comms = (await page.ask("comm_info_request", {}))["comms"]
    assert comms == {"c" * 128: {"target_name": "t" * 128}}


async def test_clear_output_and_update_display_work_inside_a_widget(
    bench: Bench, sockets: Sockets
) -> None:
    bench.notebook(
        a="import ipywidgets\nfrom IPython.display import clear_output, display, update_display\n"
        "out = ipywidgets.Output()\nwith out:\n    print('gone'); clear_output(wait=True)\n"
        "    display('one', display_id='d')\nout",
        b="update_display('two', display_id='d')",
    )
    page = await sockets.connect(bench.candidate)
    await bench.run("a")
    comm_id = await output_widget(page)

    def shown() -> list[Any]:
        outputs = page.comm_state(comm_id).get("outputs", [])
        return [o.get("data", {}).get("text/plain") for o in outputs]

    await page.hear(lambda _: shown() == ["'one'"])
    await bench.run("b")
    await page.hear(lambda _: shown() == ["'two'"])
    assert bench.outputs("b") == []


async def test_the_notebook_progress_bar_counts_for_everybody(
    bench: Bench, sockets: Sockets
) -> None:
    bench.notebook(
        a="from tqdm.notebook import tqdm\nimport time\nfor i in tqdm(range(20)): time.sleep(0.01)"
    )
    page = await sockets.connect(bench.host)
    assert (await bench.run("a"))["state"] == "done"
    opened = await page.hear(
        lambda m: (
            m["header"]["msg_type"] == "comm_open"
            and m["content"]["data"]["state"].get("_model_name") == "FloatProgressModel"
        )
    )
    comm_id = opened["content"]["comm_id"]
    async with asyncio.timeout(PATIENCE_S):
        await page.hear(lambda _: page.comm_state(comm_id).get("value") == 20)
    kinds = [list(o.get("data", {})) for o in bench.outputs("a")]
    assert any("application/vnd.jupyter.widget-view+json" in kind for kind in kinds)
