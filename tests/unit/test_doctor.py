"""The doctor, run as a person runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.services.mongodb import ReplicaSet

VITAL = {"engine", "store", "bus", "address", "HTTPS", "TURN"}


def run_doctor(tmp_path: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Return exit status and output, with nothing of this machine's own configuration."""
    done = subprocess.run(
        [sys.executable, "-m", "interview_ext.cli", "doctor", *arguments],
        env=os.environ
        | {"JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "JUPYTER_DATA_DIR": str(tmp_path)}
        | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def test_without_an_engine_it_says_how_to_get_one(tmp_path: Path) -> None:
    status, output = run_doctor(
        tmp_path, "--json", DOCKER_HOST=f"unix://{tmp_path / 'nothing.sock'}"
    )
    checks = {check["name"]: check for check in json.loads(output)}
    assert status == 1
    assert set(checks) >= VITAL
    assert checks["engine"]["verdict"] == "missing"
    assert "make services" in checks["engine"]["fix"]
    assert all(check["fix"] for check in checks.values() if check["verdict"] != "ok")


def test_a_store_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (tmp_path / "file").write_text("")
    settings = {"InterviewApp": {"store_path": str(tmp_path / "file" / "s.sqlite")}}
    (config / "jupyter_server_config.json").write_text(json.dumps(settings))
    status, output = run_doctor(tmp_path)
    assert status == 1
    assert "store      missing" in output
    assert "store_path" in output


def test_addresses_that_others_reach_are_recognised(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    settings = {"InterviewApp": {"public_url": "https://interviews.example.org"}}
    (config / "jupyter_server_config.json").write_text(json.dumps(settings))
    _, output = run_doctor(tmp_path, "--json")
    checks = {check["name"]: check["verdict"] for check in json.loads(output)}
    assert (checks["address"], checks["HTTPS"]) == ("ok", "ok")


def test_the_store_in_mongodb_is_shown_and_said_to_be_missing(
    tmp_path: Path, mongodb: ReplicaSet
) -> None:
    config = tmp_path / "config"
    config.mkdir()

    def check(url: str) -> tuple[int, dict[str, str]]:
        settings = {"InterviewApp": {"store_url": url}}
        (config / "jupyter_server_config.json").write_text(json.dumps(settings))
        status, output = run_doctor(tmp_path, "--json")
        checks = {check["name"]: check for check in json.loads(output)}
        return status, checks["store"]

    _, found = check(mongodb.url("doctor"))
    assert found["verdict"] == "ok"
    assert re.match(r"MongoDB \d+\.\d+\.\d+, replica set of 1, mongodb://", found["found"])
    status, missing = check("mongodb://me:s3cret@127.0.0.1:9/doctor?timeoutMS=300")
    assert status == 1
    assert missing["verdict"] == "missing"
    assert "127.0.0.1:9/doctor does not answer" in missing["found"]
    assert "s3cret" not in missing["found"] + missing["fix"]
