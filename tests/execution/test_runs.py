"""Runs from acceptance to their record."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from interview_ext.errors import (
    Conflict,
    EngineUnavailable,
    Forbidden,
    NotFound,
    RoomNotLive,
    SandboxGone,
    SourceMismatch,
)
from interview_ext.execution.cells import source_digest
from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import DataFile, Role, RoomState, Run, RunState
from tests.execution.conftest import Bench, guest
from tests.execution.kernels import Engine, LocalLauncher


async def test_a_cell_runs_and_both_pages_have_its_output(bench: Bench) -> None:
    bench.notebook(a="print('hello')\n1 + 1")
    record = await bench.run("a")
    assert record["state"] == "done"
    assert record["execution_count"] == 1
    assert [o["output_type"] for o in bench.outputs("a")] == ["stream", "execute_result"]
    assert bench.text("a") == "hello\n"


async def test_the_record_says_what_ran_and_what_came_of_it(bench: Bench) -> None:
    bench.notebook(a="print('█')")
    run = await bench.submit("a")
    record = await bench.ended(run)
    stored = await bench.store.get_run(run.id)
    assert stored is not None
    assert stored.state is RunState.DONE
    assert stored.source_digest == hashlib.sha256("print('█')".encode()).hexdigest()
    outputs = json.dumps(bench.outputs("a"), sort_keys=True, separators=(",", ":"))
    assert stored.output_digest == hashlib.sha256(outputs.encode()).hexdigest()
    assert stored.by == bench.candidate.id
    assert record["document"] == bench.document.id
    assert stored.accepted_at <= stored.started_at <= stored.ended_at  # type: ignore[operator]
    kinds = [kind for kind in await bench.kinds() if kind.startswith("run.")]
    assert kinds == ["run.accepted", "run.started", "run.ended"]
    assert await bench.executions.runs(bench.candidate) == [stored]


@pytest.mark.parametrize("count", ["10**400", "2**63", "2**31", "-1"])
async def test_a_run_whose_kernel_counts_beyond_reason_is_recorded_as_any_other(
    bench: Bench, count: str
) -> None:
    bench.notebook(
        a="kernel = get_ipython().kernel\n"
        "def result(count):\n"
        "    kernel.session.send(kernel.iopub_socket, 'execute_result', {\n"
        "        'data': {'text/plain': 'x'}, 'metadata': {}, 'execution_count': count},\n"
        "        parent=kernel.get_parent(), ident=b'execute_result')",
        b=f"result({count})\nprint('shown')\nget_ipython().execution_count = {count} + 1",
    )
    await bench.run("a")
    record = await bench.run("b")
    assert (record["state"], record["execution_count"]) == ("done", None)
    result, printed = bench.outputs("b")
    assert (result["execution_count"], printed["text"]) == (None, "shown\n")
    stored = await bench.store.get_run(record["id"])
    assert stored is not None
    assert stored.state is RunState.DONE
    outputs = json.dumps(bench.outputs("b"), sort_keys=True, separators=(",", ":"))
    assert stored.output_digest == hashlib.sha256(outputs.encode()).hexdigest()
    assert (await bench.kinds())[-1] == "run.ended"


async def test_everybody_sees_a_star_from_queueing_on_and_the_count_ends_it(bench: Bench) -> None:
    notebook = bench.notebook(a="import time; time.sleep(0.5)", b="2")
    first, second = await bench.submit("a"), await bench.submit("b")
    page = notebook.pages[1]
    assert [page.cell(c)["execution_state"] for c in "ab"] == ["running", "running"]
    changes: list[set[str]] = []
    watched = page.notebook.ycells[1]
    watched.observe(lambda event: changes.append(set(event.keys)))
    await bench.ended(first)
    await bench.ended(second)
    assert [page.cell(c)["execution_state"] for c in "ab"] == ["idle", "idle"]
    assert [page.cell(c)["execution_count"] for c in "ab"] == [1, 2]
    assert {"execution_count", "execution_state"} <= changes[-1]


async def test_a_source_the_server_does_not_have_is_refused(bench: Bench) -> None:
    bench.notebook(a="1")
    started = asyncio.get_running_loop().time()
    with pytest.raises(SourceMismatch):
        await bench.executions.submit(
            bench.candidate,
            document_id=bench.document.id,
            cell_id="a",
            source_sha256=source_digest("2"),
        )
    assert asyncio.get_running_loop().time() - started < 3
    with pytest.raises(NotFound):
        await bench.executions.submit(
            bench.candidate,
            document_id=bench.document.id,
            cell_id="none",
            source_sha256=source_digest("1"),
        )
    assert await bench.executions.runs(bench.candidate) == []


async def test_type_then_run_waits_for_the_keystrokes(bench: Bench) -> None:
    notebook = bench.notebook(a="print('old')")
    notebook.type("a", "print('typed')", delay_s=0.3)
    run = await bench.executions.submit(
        bench.candidate,
        document_id=bench.document.id,
        cell_id="a",
        source_sha256=source_digest("print('typed')"),
    )
    await bench.ended(run)
    assert bench.text("a") == "typed\n"


async def test_what_is_typed_after_the_run_was_asked_for_does_not_run(bench: Bench) -> None:
    notebook = bench.notebook(a="import time; time.sleep(0.3)", b="print('frozen')")
    await bench.submit("a")
    run = await bench.submit("b")
    notebook.type("b", "print('later')")
    await bench.ended(run)
    assert bench.text("b") == "frozen\n"


async def test_a_late_cell_is_not_overtaken_by_the_next_of_the_same_person(bench: Bench) -> None:
    notebook = bench.notebook(a="x = 1", b="print(x)")
    notebook.type("a", "x = 2", delay_s=0.3)

    async def submit(cell: str, source: str) -> Run:
        return await bench.executions.submit(
            bench.candidate,
            document_id=bench.document.id,
            cell_id=cell,
            source_sha256=source_digest(source),
        )

    _, last = await asyncio.gather(submit("a", "x = 2"), submit("b", "print(x)"))
    await bench.ended(last)
    assert bench.text("b") == "2\n"


async def test_an_error_clears_what_waits_behind_it(bench: Bench) -> None:
    notebook = bench.notebook(a="import time; time.sleep(0.3); 1/0", b="print('b')")
    first, second = await bench.submit("a"), await bench.submit("b")
    assert (await bench.ended(first))["state"] == "error"
    assert (await bench.ended(second))["state"] == "cleared"
    cell = notebook.pages[1].cell("b")
    assert (cell["execution_state"], cell["execution_count"]) == ("idle", None)
    assert bench.outputs("b") == []


async def test_an_interrupt_ends_the_cell_and_clears_the_queue(bench: Bench) -> None:
    notebook = bench.notebook(a="import time; print('on', flush=True); time.sleep(60)", b="1")
    first, second = await bench.submit("a"), await bench.submit("b")
    await notebook.becomes("a", lambda c: "on" in str(c["outputs"]))
    await bench.executions.interrupt(bench.candidate)
    assert (await bench.ended(first))["state"] == "interrupted"
    assert (await bench.ended(second))["state"] == "cleared"
    assert bench.outputs("a")[-1]["ename"] == "KeyboardInterrupt"
    assert notebook.pages[1].cell("b")["execution_state"] == "idle"


async def test_an_interrupt_that_a_library_swallows_is_sent_again(bench: Bench) -> None:
    notebook = bench.notebook(
        a="import time\ntry:\n    print('on', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('swallowed', flush=True); time.sleep(60)"
    )
    run = await bench.submit("a")
    await notebook.becomes("a", lambda c: "on" in str(c["outputs"]))
    await bench.executions.interrupt(bench.candidate, run.id)
    assert (await bench.ended(run))["state"] == "interrupted"
    assert "swallowed" in bench.text("a")


async def test_one_waiting_run_can_be_taken_out_alone(bench: Bench) -> None:
    bench.notebook(a="import time; time.sleep(0.5)", b="1", c="2")
    first, second, third = [await bench.submit(c) for c in "abc"]
    await bench.executions.interrupt(bench.candidate, second.id)
    assert (await bench.ended(second))["state"] == "cleared"
    assert (await bench.ended(first))["state"] == "done"
    assert (await bench.ended(third))["state"] == "done"


async def test_a_kernel_that_dies_says_so_in_the_cell_and_the_next_run_starts_afresh(
    bench: Bench,
) -> None:
    notebook = bench.notebook(
        a="import os, time; print('last words', flush=True); time.sleep(0.3); os._exit(3)",
        b="2",
        c="print('again')",
    )
    first, second = await bench.submit("a"), await bench.submit("b")
    record = await bench.ended(first)
    assert (record["state"], record["death"]) == ("died", "crash")
    assert (await bench.ended(second))["state"] == "cleared"
    stream, error = bench.outputs("a")
    assert stream["text"] == "last words\n"
    assert "crash" in error["evalue"]
    assert "Exit status 3" in error["evalue"]
    assert "Run the cells above again" in error["traceback"][-1]
    assert [notebook.pages[1].cell(c)["execution_state"] for c in "ab"] == ["idle", "idle"]
    told = await bench.message(lambda m: m["type"] == "sandbox" and m["state"] == "dead")
    assert told["death"]["reason"] == "crash"
    assert "sandbox.ended" in await bench.kinds()
    kernel = await bench.executions.kernel(bench.candidate)
    before = kernel.id
    assert (await bench.run("c"))["state"] == "done"
    assert (await bench.executions.kernel(bench.candidate)).id == before
    assert bench.text("c") == "again\n"


async def test_a_restart_by_somebody_ends_the_running_cell_with_that_reason(bench: Bench) -> None:
    notebook = bench.notebook(
        a="x = 1; import time; print('on', flush=True); time.sleep(60)", b="1", c="'x' in dir()"
    )
    first, second = await bench.submit("a"), await bench.submit("b")
    await notebook.becomes("a", lambda c: "on" in str(c["outputs"]))
    before = (await bench.executions.kernel(bench.host)).id
    await bench.executions.restart(bench.host)
    record = await bench.ended(first)
    assert (record["state"], record["death"]) == ("died", "restarted")
    assert (await bench.ended(second))["state"] == "cleared"
    assert "restarted" in bench.outputs("a")[-1]["evalue"]
    assert (await bench.run("c"))["state"] == "done"
    assert bench.outputs("c")[0]["data"]["text/plain"] == "False"
    assert (await bench.executions.kernel(bench.host)).id == before


async def test_the_end_of_a_room_ends_its_runs(bench: Bench) -> None:
    notebook = bench.notebook(a="import time; print('on', flush=True); time.sleep(60)", b="1")
    first, second = await bench.submit("a"), await bench.submit("b")
    await notebook.becomes("a", lambda c: "on" in str(c["outputs"]))
    await bench.executions.close_room(bench.room.id)
    stored = {run.id: run for run in await bench.store.list_runs(bench.room.id)}
    assert stored[first.id].state is RunState.DIED
    assert stored[first.id].death == "the interview has ended"
    assert stored[second.id].state is RunState.CLEARED
    assert [notebook.pages[1].cell(c)["execution_state"] for c in "ab"] == ["idle", "idle"]


async def test_a_room_that_is_ended_and_deleted_at_once_keeps_its_lease_until_its_runs_have_ended(
    bench: Bench,
) -> None:
    notebook = bench.notebook(a="import time; print('on', flush=True); time.sleep(60)")
    await bench.submit("a")
    await notebook.becomes("a", lambda c: "on" in str(c["outputs"]))
    async with asyncio.timeout(30):
        await asyncio.gather(*(bench.executions.close_room(bench.room.id) for _ in range(2)))
    assert [r.state for r in await bench.store.list_runs(bench.room.id)] == [RunState.DIED]
    async with asyncio.timeout(10):
        await bench.executions.stop()


async def test_a_kernel_that_starts_while_its_room_ends_is_ended_though_nobody_waits(
    bench: Bench, launcher: LocalLauncher
) -> None:
    room_id = bench.room.id
    warming = asyncio.create_task(bench.executions.warm(bench.room))
    await bench.message(lambda m: m["type"] == "sandbox" and m["state"] == "starting")
    closing = asyncio.create_task(bench.executions.close_room(room_id))
    await asyncio.sleep(0)
    for task in (warming, closing):
        task.cancel()
    await asyncio.gather(warming, closing, return_exceptions=True)
    assert launcher.launched == 1
    await bench.executions.stop()
    assert [await each.manager.is_alive() for each in launcher.kernels] == [False]


async def test_nothing_starts_in_a_room_that_has_been_closed_meanwhile(
    bench: Bench, launcher: LocalLauncher
) -> None:
    kernel = await bench.executions.kernel(bench.candidate)
    await bench.executions.close_room(bench.room.id)
    await bench.executions.warm(bench.room)
    with pytest.raises(SandboxGone):
        await kernel.start()
    with pytest.raises(RoomNotLive):
        await bench.executions.restart(bench.host)
    await bench.executions.stop()
    with pytest.raises(EngineUnavailable):
        await bench.executions.restart(bench.host)
    assert launcher.launched == 0


async def test_runs_that_a_restart_of_the_server_cut_off_are_ended_visibly(bench: Bench) -> None:
    notebook = bench.notebook(a="1", b="2", c="3")
    for cell, state in (("a", RunState.RUNNING), ("b", RunState.QUEUED), ("c", RunState.DONE)):
        await bench.store.save_run(
            Run(
                id=f"run_{cell}",
                room_id=bench.room.id,
                document_id=bench.document.id,
                cell_id=cell,
                source_digest="0" * 64,
                log_seq=1,
                by=bench.candidate.id,
                accepted_at=datetime.now(UTC),
                state=state,
            )
        )
    for index in (0, 1):
        notebook.ydoc.ycells[index]["execution_state"] = "running"
    await bench.executions.start()
    stored = {run.cell_id: run for run in await bench.store.list_runs(bench.room.id)}
    assert [stored[c].state for c in "abc"] == [
        RunState.INTERRUPTED,
        RunState.INTERRUPTED,
        RunState.DONE,
    ]
    assert stored["a"].death == "the server was restarted"
    assert [notebook.pages[1].cell(c)["execution_state"] for c in "ab"] == ["idle", "idle"]
    assert "the server was restarted" in bench.outputs("a")[0]["traceback"][0]
    assert "did not run" in bench.outputs("b")[0]["traceback"][0]
    assert bench.outputs("c") == []


async def test_who_may_run_is_decided_at_each_run(bench: Bench) -> None:
    bench.notebook(a="1")
    observer = await guest(bench.admission, bench.host, Role.OBSERVER)
    with pytest.raises(Forbidden):
        await bench.submit("a", actor=observer)
    assert (await bench.ended(await bench.submit("a", actor=bench.host)))["state"] == "done"
    await bench.set_state(RoomState.PAUSED)
    for actor in (bench.candidate, bench.host):
        with pytest.raises(RoomNotLive):
            await bench.submit("a", actor=actor)
    with pytest.raises(RoomNotLive):
        await bench.executions.restart(bench.candidate)
    with pytest.raises(RoomNotLive):
        await bench.executions.interrupt(bench.candidate)


async def test_a_pause_during_the_wait_for_keystrokes_counts(bench: Bench) -> None:
    notebook = bench.notebook(a="1")
    notebook.type("a", "2", delay_s=0.5)
    asking = asyncio.create_task(
        bench.executions.submit(
            bench.candidate,
            document_id=bench.document.id,
            cell_id="a",
            source_sha256=source_digest("2"),
        )
    )
    await asyncio.sleep(0.1)
    await bench.set_state(RoomState.PAUSED)
    with pytest.raises(RoomNotLive):
        await asking


async def test_runs_of_documents_that_are_not_the_candidates_stay_hidden(bench: Bench) -> None:
    secret = replace(
        bench.document,
        id="doc_secret",
        path="solution.ipynb",
        readers=frozenset({Role.HOST}),
        writers=frozenset({Role.HOST}),
    )
    await bench.store.add_document(secret)
    bench.notebook(a="1")
    bench.notebooks.by_id[secret.id] = bench.notebooks.by_id.pop(bench.document.id)
    bench.notebooks.by_id[secret.id].document = secret
    run = await bench.executions.submit(
        bench.host, document_id=secret.id, cell_id="a", source_sha256=source_digest("1")
    )
    await bench.ended(run)
    assert await bench.executions.runs(bench.candidate) == []
    with pytest.raises(NotFound):
        await bench.executions.run(bench.candidate, run.id)
    events = await bench.rooms.timeline(bench.candidate)
    assert not [event for event in events if event.kind.startswith("run.")]


async def test_without_an_engine_a_run_is_refused_with_the_way_out(bench: Bench) -> None:
    bench.notebook(a="1")
    assert isinstance(bench.launcher, LocalLauncher)
    bench.launcher.state = Engine(
        available=False, problem="No engine answers.", hint="make services"
    )
    with pytest.raises(EngineUnavailable) as refused:
        await bench.submit("a")
    assert refused.value.hint == "make services"
    assert bench.launcher.launched == 0


async def test_data_files_are_there_before_the_first_cell(bench: Bench) -> None:
    content = b"x,y\n1,2\n"
    await bench.store.put_data_file(
        DataFile(room_id=bench.room.id, path="t.csv", size=len(content), digest=digest(content)),
        content,
    )
    bench.notebook(a="print(open('data/t.csv').read())")
    await bench.run("a")
    assert bench.text("a") == "x,y\n1,2\n\n"


async def test_a_question_is_answered_by_somebody_else_after_a_reload(bench: Bench) -> None:
    bench.notebook(a="name = input('Who? '); print('Hello', name)")
    run = await bench.submit("a")
    asked = await bench.message(lambda m: m["type"] == "input_request")
    assert (asked["run_id"], asked["prompt"], asked["password"]) == (run.id, "Who? ", False)
    pending = bench.executions.pending_input(bench.room.id)
    assert pending is not None
    assert pending.as_body() == {"run_id": run.id, "prompt": "Who? ", "password": False}
    await bench.executions.answer(bench.host, run.id, "Ada")
    await bench.ended(run)
    assert bench.text("a") == "Who? Ada\nHello Ada\n"
    assert bench.executions.pending_input(bench.room.id) is None
    await bench.message(lambda m: m["type"] == "input_done")
    with pytest.raises(Conflict):
        await bench.executions.answer(bench.host, run.id, "Bob")


async def test_a_password_is_not_shown(bench: Bench) -> None:
    bench.notebook(a="import getpass; p = getpass.getpass('Key: '); print(len(p))")
    run = await bench.submit("a")
    asked = await bench.message(lambda m: m["type"] == "input_request")
    assert asked["password"] is True
    await bench.executions.answer(bench.candidate, run.id, "s3cret")
    await bench.ended(run)
    assert "s3cret" not in str(bench.outputs("a"))
    assert bench.text("a").endswith("6\n")


async def test_a_question_ends_with_its_run(bench: Bench) -> None:
    bench.notebook(a="input('Who? ')", b="1")
    run = await bench.submit("a")
    await bench.message(lambda m: m["type"] == "input_request")
    observer = await guest(bench.admission, bench.host, Role.OBSERVER)
    with pytest.raises(Forbidden):
        await bench.executions.answer(observer, run.id, "x")
    await bench.executions.interrupt(bench.candidate)
    assert (await bench.ended(run))["state"] == "interrupted"
    await bench.message(lambda m: m["type"] == "input_done")
    assert bench.executions.pending_input(bench.room.id) is None


async def test_the_sandbox_can_be_looked_at(bench: Bench) -> None:
    bench.notebook(a="1")
    status = (await bench.executions.sandbox(bench.candidate)).as_body()
    assert (status["state"], status["isolation"]) == ("off", "container")
    await bench.run("a")
    status = (await bench.executions.sandbox(bench.candidate)).as_body()
    assert status["state"] in ("ready", "busy")
    assert status["engine"] == {"available": True, "message": "", "hint": ""}
    assert status["kernel_id"] == (await bench.executions.kernel(bench.candidate)).id


async def test_whoever_leads_gives_a_cell_more_time(bench: Bench, launcher: LocalLauncher) -> None:
    launcher.run_s = 2
    bench.notebook(a="import time; time.sleep(3); print('done')", b="1")
    run = await bench.submit("a")
    started = await bench.state(run, "running")
    assert started["time_limit_s"] == 2
    left = datetime.fromisoformat(started["deadline_at"]) - datetime.now(UTC)
    assert left < timedelta(seconds=2)
    with pytest.raises(Forbidden):
        await bench.executions.extend(bench.candidate, run.id, 60)
    extended = await bench.executions.extend(bench.host, run.id, 60)
    assert extended.time_limit_s == 62
    assert extended.deadline_at is not None
    assert extended.deadline_at - datetime.now(UTC) > timedelta(seconds=50)
    record = await bench.ended(run)
    assert (record["state"], record["deadline_at"]) == ("done", None)
    assert "run.extended" in await bench.kinds()
    with pytest.raises(Conflict):
        await bench.executions.extend(bench.host, run.id, 60)


async def test_time_does_not_run_while_a_cell_waits_for_a_person(
    bench: Bench, launcher: LocalLauncher
) -> None:
    launcher.run_s = 1
    bench.notebook(a="print('Hello', input('Who? '))")
    run = await bench.submit("a")
    await bench.message(lambda m: m["type"] == "input_request")
    await asyncio.sleep(1.5)
    await bench.executions.answer(bench.candidate, run.id, "Ada")
    assert (await bench.ended(run))["state"] == "done"
