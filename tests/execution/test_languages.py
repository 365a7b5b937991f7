"""Rooms in each language, and in one that only a folder and an entry of the configuration bring."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from traitlets import TraitError
from traitlets.config import Config

from interview_ext.app import InterviewApp
from interview_ext.house import broker_of
from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import DataFile
from interview_ext.sandbox.images import build, connect, reference
from interview_ext.sandbox.profiles import MIB, PROFILES, PYTHON, Profile
from interview_ext.sandbox.sandboxes import SERVER_LABEL, Sandboxes
from tests.execution.conftest import Bench
from tests.execution.sandboxes import house
from tests.sandbox.broker_process import BrokerProcess
from tests.sandbox.languages import DATA, LANGUAGES


def alone(profile: Profile) -> Sandboxes:
    """A server's sandboxes with that profile only."""
    server_id = f"test-{secrets.token_hex(6)}"
    return Sandboxes(server_id=server_id, pool_size=0, profiles={profile.name: profile})


@pytest.fixture(params=PROFILES)
async def room(
    request: pytest.FixtureRequest, sandbox_image: None, tmp_path: Path
) -> AsyncIterator[Bench]:
    """A room of each profile in turn."""
    profile = PROFILES[request.param]
    async with house(tmp_path / "room", alone(profile), profile) as bench:
        yield bench


def shown(outputs: list[dict[str, Any]]) -> str:
    return json.dumps(outputs)


async def test_a_room_in_each_language(room: Bench) -> None:
    language = LANGUAGES[room.room.profile]
    profile = PROFILES[room.room.profile]
    for path, content in DATA.items():
        name = path.removeprefix("data/")
        file = DataFile(room_id=room.room.id, path=name, size=len(content), digest=digest(content))
        await room.store.put_data_file(file, content)
    notebook = room.notebook(
        plot=language.plot,
        error=language.error,
        behind="1",
        endless=language.endless,
        asks=language.asks or "%input name?",
        here=language.still_here,
    )
    kernel = await room.executions.kernel(room.candidate)
    assert kernel.name == f"interview-{profile.name}"
    assert kernel.info["language_info"] == dict(profile.language_info)  # before it has started

    # Both wait for the kernel's start: the second is there before the first has failed.
    wrong, behind = await room.submit("error"), await room.submit("behind")
    assert (await room.ended(wrong))["state"] == "error"
    [error] = [o for o in room.outputs("error") if o["output_type"] == "error"]
    assert language.error_says in shown([error])
    assert error["traceback"]
    assert (await room.ended(behind))["state"] == "cleared"
    assert kernel.info["language_info"]["name"] == profile.language_info["name"]  # its own word

    assert (await room.run("plot"))["state"] == "done", room.outputs("plot")
    assert language.plot_kind in {k for o in room.outputs("plot") for k in o.get("data", ())}

    endless = await room.submit("endless")
    await notebook.becomes("endless", lambda cell: "begun" in str(cell["outputs"]))
    await room.executions.interrupt(room.candidate)
    assert (await room.ended(endless))["state"] == "interrupted"

    asking = await room.submit("asks")
    if language.asks is None:
        assert (await room.ended(asking))["state"] == "error"
        assert "cannot ask for input" in shown(room.outputs("asks"))
    else:
        await room.message(lambda m: m["type"] == "input_request")
        await room.executions.answer(room.host, asking.id, "Ada")
        assert (await room.ended(asking))["state"] == "done"
        assert "got Ada" in room.text("asks")

    assert (await room.run("here"))["state"] == "done"
    assert "42" in shown(room.outputs("here"))


@pytest.mark.parametrize("name", [name for name in PROFILES if name != PYTHON.name])
async def test_a_room_in_another_language_through_the_broker(
    sandbox_image: None, name: str
) -> None:
    """A result, an error, an interrupt; the kernel is the same after all of them."""
    language = LANGUAGES[name]
    with tempfile.TemporaryDirectory(prefix="languages-") as folder:
        broker = BrokerProcess(Path(folder) / "broker")
        await broker.start()
        try:
            async with house(Path(folder) / "room", broker.client("one"), PROFILES[name]) as room:
                notebook = room.notebook(
                    here=language.still_here,
                    error=language.error,
                    endless=language.endless,
                )
                assert (await room.run("here"))["state"] == "done"
                assert "42" in shown(room.outputs("here"))

                assert (await room.run("error"))["state"] == "error"
                assert language.error_says in shown(room.outputs("error"))

                endless = await room.submit("endless")
                await notebook.becomes("endless", lambda cell: "begun" in str(cell["outputs"]))
                await room.executions.interrupt(room.candidate)
                assert (await room.ended(endless))["state"] == "interrupted"

                assert (await room.run("here"))["execution_count"] == 4
                assert "42" in shown(room.outputs("here"))
        finally:
            await broker.stop()
        log = (Path(folder) / "broker" / "broker.log").read_text()
        assert "Traceback" not in log, log[-4000:]


@pytest.mark.parametrize(
    ("name", "code", "state"),
    [
        ("r", "repeat tryCatch(repeat {}, interrupt = function(e) NULL)", "died"),
        ("javascript", "for (;;) { try { for (;;) {} } catch {} }", "interrupted"),
    ],
)
async def test_a_loop_that_catches_interrupts_ends_with_its_time(
    sandbox_image: None, tmp_path: Path, name: str, code: str, state: str
) -> None:
    """By an interrupt where no code can catch it, else by a fresh container."""
    profile = PROFILES[name]
    profile = replace(profile, limits=replace(profile.limits, run_s=1))
    async with house(tmp_path / "room", alone(profile), profile) as room:
        room.notebook(a=code, b=LANGUAGES[name].still_here)
        ended = await room.run("a")
        assert (ended["state"], ended["death"]) == (state, "time limit")
        says = "did not react" if state == "died" else "interrupted after 1 s"
        assert says in shown(room.outputs("a"))
        assert (await room.run("b"))["state"] == "done"
        assert "42" in shown(room.outputs("b"))


@pytest.mark.parametrize(
    ("name", "code"),
    [("r", "tools::pskill(Sys.getpid(), 9)"), ("javascript", "Deno.exit(3)")],
)
async def test_a_kernel_that_ends_itself_is_named(
    sandbox_image: None, tmp_path: Path, name: str, code: str
) -> None:
    async with house(tmp_path / "room", alone(PROFILES[name]), PROFILES[name]) as room:
        room.notebook(a=code, b=LANGUAGES[name].still_here)
        ended = await room.run("a")
        assert (ended["state"], ended["death"]) == ("died", "crash")
        assert (await room.run("b"))["state"] == "done"


SHOUT = {
    "display_name": "Shouting",
    "language": "shout",
    "kernel_argv": ["/usr/bin/python3", "/opt/shout_kernel.py", "/opt/interview/kernel.json"],
    "limits": {"memory_bytes": 128 * MIB},
    "size_budget_mb": 300,
}


@pytest.fixture
def shout(tmp_path: Path) -> Path:
    """A folder of a profile, as docs/how-to/profiles.md says."""
    folder = tmp_path / "shout"
    folder.mkdir()
    (folder / "profile.json").write_text(json.dumps(SHOUT))
    dockerfile = "ARG BASE\nFROM ${BASE}\nCOPY shout_kernel.py /opt/\n"
    (folder / "Dockerfile").write_text(dockerfile)
    shutil.copy(Path(__file__).with_name("shout_kernel.py"), folder)
    return folder


def app_with(folder: Path, **settings: Any) -> InterviewApp:
    entry = {"sandbox_profiles": {"shout": str(folder)}, **settings}
    return InterviewApp(config=Config({"InterviewApp": entry}))


@pytest.fixture
def shouting(shout: Path, sandbox_image: None) -> Iterator[Profile]:
    """That profile with its image built."""
    profile = app_with(shout, sandbox_limits={"shout": {"pids": 33}}).profiles["shout"]
    client = connect()
    try:
        build(profile.image, client=client, progress=lambda _: None)
        yield profile
        client.remove_image(reference(profile.image), force=True)
    finally:
        client.close()


async def test_a_profile_is_a_folder_and_an_entry(shouting: Profile, tmp_path: Path) -> None:
    assert (shouting.limits.pids, shouting.limits.memory_bytes) == (33, 128 * MIB)
    async with house(tmp_path / "room", alone(shouting), shouting) as room:
        room.notebook(a="hello")
        assert (await room.run("a"))["state"] == "done"
        assert room.text("a") == "HELLO"
        status = (await room.executions.sandbox(room.candidate)).as_body()
        assert status["limits"]["pids"] == 33


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ("{", "profile.json"),
        (json.dumps({**SHOUT, "image": 1}), "'image'] is unknown"),
        (json.dumps({**SHOUT, "kernel_argv": "R"}), "kernel_argv is a list"),
        (json.dumps({**SHOUT, "limits": {"pids": 1}}), "between 32 and 8192"),
    ],
)
def test_a_bad_profile_is_named_at_the_start(shout: Path, about: str, says: str) -> None:
    (shout / "profile.json").write_text(about)
    with pytest.raises(TraitError, match=r"InterviewApp.sandbox_profiles\['shout'\]") as caught:
        app_with(shout)
    assert says in str(caught.value)


@pytest.mark.parametrize("file", ["profile.json", "Dockerfile"])
def test_what_a_profiles_folder_lacks_is_named_at_the_start(shout: Path, file: str) -> None:
    (shout / file).unlink()
    with pytest.raises(TraitError, match=file):
        app_with(shout)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sandbox_profiles": {"python": "/x"}}, "none of"),
        ({"sandbox_profiles": {"Up": "/x"}}, "a-z, 0-9"),
        ({"sandbox_warm_profiles": ["julia"]}, "sandbox_warm_profiles: there is no profile"),
        ({"sandbox_runtime": "--privileged"}, "sandbox_runtime"),
        ({"sandbox_limits": {"julia": {}}}, "there is no such profile"),
    ],
)
def test_what_names_no_profile_is_refused_at_the_start(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(TraitError, match="InterviewApp") as caught:
        InterviewApp(config=Config({"InterviewApp": settings}))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "warm"),
    [({}, "python"), ({"sandbox_warm_profiles": ["sql"]}, "sql")],
)
async def test_only_warm_profiles_are_kept_started(
    sandbox_image: None, tmp_path: Path, settings: dict[str, Any], warm: str
) -> None:
    entry = {"store_path": str(tmp_path / "s.sqlite"), **settings}
    app = InterviewApp(config=Config({"InterviewApp": entry}))
    sandboxes = broker_of(app)
    assert isinstance(sandboxes, Sandboxes)
    await sandboxes.start()
    try:
        await sandboxes.pool(warm).filled()
        ready = {name: sandboxes.pool(name).ready for name in app.profiles}
        started = await sandboxes.engine.list({SERVER_LABEL: sandboxes.server_id})
    finally:
        await sandboxes.stop()
    assert {name for name, count in ready.items() if count} == {warm}
    assert len(started) == 1
