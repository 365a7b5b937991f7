"""The guarded kernel socket: what each person's page may say to the kernel, and hears."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest

from interview_ext.execution.kernel_socket import PROTOCOL, KernelSocketHandler
from interview_ext.rooms.model import Role, RoomState
from interview_ext.rooms.ports import room_topic
from tests.execution.conftest import Bench, guest
from tests.execution.sockets import Sockets, open_sockets
from tests.handshakes import leave_meanwhile


@pytest.fixture
async def sockets(bench: Bench) -> AsyncIterator[Sockets]:
    async with open_sockets(bench) as opened:
        yield opened


COMPLETE = {"code": "import o", "cursor_pos": 8}


async def test_a_candidate_completes_and_inspects_in_a_live_room(
    bench: Bench, sockets: Sockets
) -> None:
    bench.notebook(a="value = 1")
    page = await sockets.connect(bench.candidate)
    await bench.run("a")
    reply = await page.ask("complete_request", {"code": "valu", "cursor_pos": 4})
    assert "value" in reply["matches"]
    reply = await page.ask("inspect_request", {"code": "value", "cursor_pos": 3, "detail_level": 0})
    assert reply["found"] is True


async def test_when_paused_everybody_gets_a_no_and_does_not_hang(
    bench: Bench, sockets: Sockets
) -> None:
    bench.notebook(a="1")
    await bench.run("a")
    page, host = await sockets.connect(bench.candidate), await sockets.connect(bench.host)
    await bench.set_state(RoomState.PAUSED)
    for person in (page, host):
        for kind in ("complete_request", "inspect_request", "history_request"):
            reply = await person.ask(kind, COMPLETE)
            assert (reply["status"], reply["ename"]) == ("error", "room_not_live")
            assert "paused" in reply["evalue"]
    await bench.set_state(RoomState.LIVE)
    for person in (page, host):
        assert (await person.ask("complete_request", COMPLETE))["status"] == "ok"


async def test_cells_run_by_way_of_executions_only(bench: Bench, sockets: Sockets) -> None:
    bench.notebook(a="'x' in dir()")
    page = await sockets.connect(bench.candidate)
    await bench.run("a")
    reply = await page.ask("execute_request", {"code": "x = 1", "silent": False})
    assert (reply["status"], reply["ename"]) == ("error", "forbidden")
    for kind in ("shutdown_request", "interrupt_request", "debug_request"):
        reply = await page.ask(kind, {"restart": False}, channel="control")
        assert reply["status"] == "error"
    await page.say("execute_request", {"code": "x = 1"}, channel="control")
    await page.say("execute_request", {"code": "x = 1"}, channel="stdin")
    await page.say("input_reply", {"value": "x"}, channel="stdin")
    await bench.run("a")
    assert bench.outputs("a")[0]["data"]["text/plain"] == "False"
    refused = [
        e for e in await bench.store.list_events(bench.room.id) if e.kind == "access.refused"
    ]
    assert refused
    assert refused[0].payload == {"what": "kernel.execute_request"}


async def test_an_observer_watches_and_asks_for_the_state_only(
    bench: Bench, sockets: Sockets
) -> None:
    observer = await guest(bench.admission, bench.host, Role.OBSERVER)
    bench.notebook(a="import ipywidgets; w = ipywidgets.IntSlider(7); w")
    page = await sockets.connect(observer)
    await bench.run("a")
    assert (await page.ask("kernel_info_request", {}))["status"] == "ok"
    comms = (await page.ask("comm_info_request", {"target_name": "jupyter.widget"}))["comms"]
    assert comms
    reply = await page.ask("complete_request", COMPLETE)
    assert (reply["status"], reply["ename"]) == ("error", "forbidden")
    slider = next(i for i in comms if page.comm_state(i).get("_model_name") == "IntSliderModel")
    change = {"method": "update", "state": {"value": 50}, "buffer_paths": []}
    await page.say("comm_msg", {"comm_id": slider, "data": change})
    await page.say("comm_msg", {"comm_id": slider, "data": {"method": "request_state"}})
    told = await page.hear(
        lambda m: (
            m["header"]["msg_type"] == "comm_msg"
            and m["content"]["comm_id"] == slider
            and m["content"]["data"]["method"] == "update"
            and m["parent_header"].get("session") == "page"
        )
    )
    assert told["content"]["data"]["state"]["value"] == 7


async def test_a_page_that_loads_later_gets_all_widgets_state(
    bench: Bench, sockets: Sockets
) -> None:
    bench.notebook(a="import ipywidgets; ipywidgets.IntSlider(value=3)")
    await bench.run("a")
    page = await sockets.connect(bench.candidate)
    await page.say(
        "comm_open",
        {"comm_id": "control", "target_name": "jupyter.widget.control", "data": {}},
        metadata={"version": "1.0.0"},
    )
    await page.say("comm_msg", {"comm_id": "control", "data": {"method": "request_states"}})
    answer = await page.hear(
        lambda m: (
            m["content"].get("comm_id") == "control"
            and m["content"]["data"].get("method") == "update_states"
        )
    )
    states = answer["content"]["data"]["states"].values()
    assert any(s["state"].get("value") == 3 for s in states)


async def test_a_slider_moves_for_everybody_and_its_drag_is_one_entry(
    bench: Bench, sockets: Sockets
) -> None:
    bench.notebook(
        a="import ipywidgets; w = ipywidgets.IntSlider(); seen = []\n"
        "w.observe(lambda change: seen.append(change.new), 'value'); w",
        b="print(seen)",
    )
    one, other = await sockets.connect(bench.candidate), await sockets.connect(bench.host)
    await bench.run("a")
    opened = await other.hear(
        lambda m: (
            m["header"]["msg_type"] == "comm_open"
            and m["content"]["data"]["state"].get("_model_name") == "IntSliderModel"
        )
    )
    comm_id = opened["content"]["comm_id"]
    for value in range(1, 61):
        change = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        await one.say("comm_msg", {"comm_id": comm_id, "data": change})
    await other.hear(lambda m: other.comm_state(comm_id).get("value") == 60)
    await bench.run("b")
    assert bench.text("b") == f"{list(range(1, 61))}\n"
    event = (await bench.message(
        lambda m: m["type"] == "event" and m["event"]["kind"] == "kernel.messages"
    ))["event"]  # fmt: skip
    assert event["actor"] == bench.candidate.id
    drag = event["payload"]["messages"]["comm_msg"]
    assert drag["count"] == 60
    assert drag["bytes"] > 60 * 50
    assert len(drag["digest"]) == 64


async def test_only_the_rooms_kernel_from_the_rooms_page(bench: Bench, sockets: Sockets) -> None:
    for wrong in (
        {"kernel_id": "another"},
        {"origin": "http://evil.example"},
        {"protocol": "v0"},
    ):
        with pytest.raises(HTTPClientError) as refused:
            await sockets.connect(bench.candidate, **wrong)
        assert refused.value.code in (400, 403, 404)


async def test_a_page_is_cut_off_when_it_may_not_watch_any_more(
    bench: Bench, sockets: Sockets
) -> None:
    page = await sockets.connect(bench.candidate)
    assert (await page.ask("kernel_info_request", {}))["language_info"]["name"] == "python"
    await bench.set_state(RoomState.ENDED)
    assert await page.ended() == 1008


async def test_somebody_who_is_removed_is_cut_off(bench: Bench, sockets: Sockets) -> None:
    page = await sockets.connect(bench.candidate)
    await bench.admission.remove(bench.host, bench.candidate.id)
    assert await page.ended() == 1008


async def test_a_restart_and_a_death_leave_the_socket_alive(bench: Bench, sockets: Sockets) -> None:
    bench.notebook(a="1", b="import os, time; time.sleep(0.2); os._exit(1)", c="after = 1")
    page = await sockets.connect(bench.candidate)
    await bench.run("a")
    await bench.executions.restart(bench.host)
    assert (await page.ask("complete_request", COMPLETE))["status"] == "ok"
    assert (await bench.run("b"))["state"] == "died"
    await bench.message(lambda m: m["type"] == "sandbox" and m["state"] == "dead")
    reply = await page.ask("complete_request", COMPLETE)
    assert (reply["status"], reply["ename"]) == ("error", "sandbox_gone")
    await bench.run("c")
    reply = await page.ask("complete_request", {"code": "afte", "cursor_pos": 4})
    assert "after" in reply["matches"]


async def test_a_question_that_waits_is_answered_when_the_kernel_dies(
    bench: Bench, sockets: Sockets
) -> None:
    notebook = bench.notebook(
        a="import os, time; print('on', flush=True); time.sleep(1); os._exit(1)"
    )
    page = await sockets.connect(bench.candidate)
    await bench.submit("a")
    await notebook.becomes("a", lambda c: "on" in str(c["outputs"]))
    reply = await page.ask("complete_request", COMPLETE)
    assert reply["ename"] == "sandbox_gone"


async def test_outputs_of_cells_do_not_flood_the_pages(bench: Bench, sockets: Sockets) -> None:
    bench.notebook(a="for i in range(300): print(i, flush=True)")
    page = await sockets.connect(bench.candidate)
    run = await bench.submit("a")
    await bench.ended(run)
    await page.hear(
        lambda m: (
            m["parent_header"].get("msg_id") == run.id
            and m["content"].get("execution_state") == "idle"
        )
    )
    of_run = [m for m in page.heard if m["parent_header"].get("msg_id") == run.id]
    assert {m["header"]["msg_type"] for m in of_run} == {"status"}


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\xff" * 40,
        (2**62).to_bytes(8, "little"),
        (6).to_bytes(8, "little") + (2**60).to_bytes(8, "little") * 6,
        "text",
    ],
)
async def test_what_is_no_message_ends_the_socket_only(
    bench: Bench, sockets: Sockets, junk: bytes | str
) -> None:
    page, other = await sockets.connect(bench.candidate), await sockets.connect(bench.host)
    await page.socket.write_message(junk, binary=isinstance(junk, bytes))
    assert await page.ended() == 1008
    assert (await other.ask("kernel_info_request", {}))["status"] == "ok"


async def test_a_message_that_takes_a_runs_id_is_refused(bench: Bench, sockets: Sockets) -> None:
    bench.notebook(a="1")
    run = await bench.submit("a")
    page = await sockets.connect(bench.candidate)
    await page.say("complete_request", COMPLETE, msg_id=run.id)
    assert await page.ended() == 1008
    await bench.ended(run)


@pytest.mark.parametrize("welcome", [True, False])
async def test_a_page_that_goes_away_before_it_is_let_in_leaves_nothing(
    bench: Bench, sockets: Sockets, caplog: pytest.LogCaptureFixture, *, welcome: bool
) -> None:
    kernel = await bench.executions.kernel(bench.host)
    listeners = bench.bus._listeners[room_topic(bench.room.id)]
    before = len(listeners)
    port = sockets._serve(bench.candidate)
    request = HTTPRequest(
        f"http://localhost:{port}/api/kernels/{kernel.id if welcome else 'another'}/channels",
        headers={"Sec-WebSocket-Protocol": PROTOCOL},
    )
    await leave_meanwhile(request, KernelSocketHandler, bench.executions, "kernel")
    assert (kernel._listeners, len(listeners)) == ([], before)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []
