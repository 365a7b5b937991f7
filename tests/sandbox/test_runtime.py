"""The container runtime that sandboxes are started with."""

from __future__ import annotations

import json
from pathlib import Path

import docker
import pytest

from interview_ext.errors import SandboxError
from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.profiles import PROFILES
from interview_ext.sandbox.sandboxes import Sandboxes
from tests.unit.test_doctor import run_doctor


async def test_the_runtime_is_the_configured_one(nothing_left: str) -> None:
    engine = DockerEngine(runtime="io.containerd.runc.v2")
    sandboxes = Sandboxes(server_id=nothing_left, engine=engine, profiles=PROFILES, pool_size=0)
    await sandboxes.start()
    client = docker.from_env()
    try:
        assert (await sandboxes.engine_status()).available
        sandbox = await sandboxes.claim("sql", room="room-1")
        found = client.api.inspect_container(sandbox.container)
        assert found["HostConfig"]["Runtime"] == "io.containerd.runc.v2"
    finally:
        client.close()
        await sandboxes.stop()


async def test_a_runtime_that_the_engine_does_not_know_is_named(nothing_left: str) -> None:
    engine = DockerEngine(runtime="no-such-runtime")
    sandboxes = Sandboxes(server_id=nothing_left, engine=engine, profiles=PROFILES, pool_size=0)
    await sandboxes.start()
    try:
        status = await sandboxes.engine_status()
        assert not status.available
        assert "no-such-runtime" in status.problem
        assert "runc" in status.problem
        with pytest.raises(SandboxError, match="no-such-runtime"):
            await sandboxes.claim("sql", room="room-1")
    finally:
        await sandboxes.stop()


@pytest.mark.parametrize(
    ("runtime", "verdict", "found"),
    [("no-such-runtime", "missing", "no-such-runtime"), ("runc", "ok", "runc"), ("", "ok", "")],
)
def test_the_doctor_looks_for_the_runtime(
    sandbox_image: None, tmp_path: Path, runtime: str, verdict: str, found: str
) -> None:
    (tmp_path / "config").mkdir()
    settings = {"InterviewApp": {"sandbox_runtime": runtime}}
    (tmp_path / "config" / "jupyter_server_config.json").write_text(json.dumps(settings))
    _, output = run_doctor(tmp_path, "--json")
    checks = {check["name"]: check for check in json.loads(output)}
    assert checks["runtime"]["verdict"] == verdict
    assert found in checks["runtime"]["found"]
