"""The process engine: what its kernels get to know, their limits, and when it is not used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from traitlets import TraitError
from traitlets.config import Config

from interview_ext.app import InterviewApp
from interview_ext.house import broker_of
from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.proc import process
from interview_ext.sandbox.process import ProcessEngine
from interview_ext.sandbox.sandboxes import Sandboxes
from tests.execution.engines import nothing_outlives_a_killed_server, room_on

PATIENCE_S = 20
MIB = 1024 * 1024


async def test_nothing_of_the_servers_environment_reaches_a_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "the-servers-own-secret")
    async with room_on(tmp_path, "process") as bench:
        bench.notebook(
            a="import os\nprint(dict(os.environ))\nprint(os.getcwd())\n"
            "print([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') "
            "if os.path.exists(f'/proc/self/fd/{n}')])",
        )
        assert (await bench.run("a"))["state"] == "done"
        said = bench.text("a")
        assert "secret" not in said
        assert str(tmp_path) not in said
        assert "/work" in said.splitlines()[1]


async def test_the_operating_systems_limits_are_set(tmp_path: Path) -> None:
    async with room_on(
        tmp_path, "process", memory_bytes=384 * MIB, file_bytes=1 * MIB, open_files=100
    ) as bench:
        bench.notebook(
            a="import resource as r\n"
            "print([r.getrlimit(x)[1] for x in (r.RLIMIT_AS, r.RLIMIT_FSIZE, r.RLIMIT_CORE, "
            "r.RLIMIT_NOFILE)], r.getrlimit(r.RLIMIT_NPROC)[1] > 0)",
            b="open('big', 'wb').write(bytes(2 << 20))",
            c="x = bytearray(3 << 30)",
        )
        await bench.run("a")
        assert bench.text("a") == f"[{(384 + 1024) * MIB}, {MIB}, 0, 100] True\n"
        assert (await bench.run("b"))["state"] == "error"
        assert "File too large" in bench.outputs("b")[-1]["evalue"]
        assert (await bench.run("c"))["state"] == "error"
        assert bench.outputs("c")[-1]["ename"] == "MemoryError"


async def test_what_a_cell_has_started_ends_with_the_kernel(tmp_path: Path) -> None:
    async with room_on(tmp_path, "process") as bench:
        bench.notebook(
            a="import subprocess, os\n"
            "kids = [subprocess.Popen(['sleep', '1000'], start_new_session=n) for n in (0, 1)]\n"
            "print(*[kid.pid for kid in kids])",
        )
        await bench.run("a")
        kids = [int(pid) for pid in bench.text("a").split()]
        assert all(process(pid) for pid in kids)
    assert not any(process(pid) for pid in kids)


@pytest.mark.parametrize("how", ["running", "frozen"])
def test_nothing_outlives_a_server_that_is_killed(how: str) -> None:
    nothing_outlives_a_killed_server("process", how, processes_each=2)  # the shim and the kernel


async def test_it_is_used_only_when_it_is_named(tmp_path: Path) -> None:
    def configured(**traits: object) -> InterviewApp:
        return InterviewApp(
            config=Config(InterviewApp={"store_path": str(tmp_path / "s"), **traits})
        )

    ours = broker_of(configured())
    assert isinstance(ours, Sandboxes)
    assert isinstance(ours.engine, DockerEngine)
    await ours.stop()
    named = broker_of(configured(sandbox_engine="process"))
    assert isinstance(named, Sandboxes)
    assert isinstance(named.engine, ProcessEngine)
    await named.stop()
    with pytest.raises(TraitError, match="sandbox_engine"):
        configured(sandbox_engine="local")
    with pytest.raises(TraitError, match="beside"):
        broker_of(
            configured(
                sandbox_engine="process",
                sandbox_broker="unix:///run/b.sock",
                sandbox_broker_token_file=str(tmp_path / "token"),
            )
        )


def test_the_doctor_says_that_it_isolates_nothing(tmp_path: Path) -> None:
    (tmp_path / "jupyter_server_config.json").write_text(
        json.dumps({"InterviewApp": {"sandbox_engine": "process"}})
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
    assert "not isolated" in engine["found"]
