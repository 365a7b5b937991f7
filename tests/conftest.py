"""What the tests of all folders share."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.services.mongodb import ReplicaSet
    from tests.services.redis import RedisServer

ROOT = Path(__file__).resolve().parent.parent

# A slow example says something about the machine, not about the code; a failure has to come back
# on the next run without a database of examples.
hypothesis.settings.register_profile(
    "interview", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("interview")

images_built = pytest.StashKey[str | None]()


def _build_images() -> str | None:
    """Build the sandbox images, or wait for who is at it already.

    Returns
    -------
    Why there are none, or None if they are there.
    """
    status = subprocess.run(
        [ROOT / "scripts" / "services.sh", "docker-status"], capture_output=True, check=False
    )
    if status.returncode != 0:
        return "no container engine answers (make services)"
    build = subprocess.run(
        [ROOT / "scripts" / "images.sh"], capture_output=True, text=True, check=False
    )
    if build.returncode != 0:
        return (
            f"the sandbox image could not be built:\n{build.stdout[-2000:]}{build.stderr[-2000:]}"
        )
    return None


def _lack_of_images(config: pytest.Config) -> str | None:
    """`_build_images`, once in a run of the tests."""
    if images_built not in config.stash:
        config.stash[images_built] = _build_images()
    return config.stash[images_built]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for the images before the clock of the first test that needs them starts."""
    if "sandbox_image" in getattr(item, "fixturenames", ()):
        _lack_of_images(item.config)
    return (yield)


@pytest.fixture(scope="session")
def sandbox_image(pytestconfig: pytest.Config) -> None:
    """A container engine answers and holds the sandbox images."""
    lack = _lack_of_images(pytestconfig)
    if lack is None:
        return
    if lack.startswith("no container engine"):
        pytest.skip(lack)
    pytest.fail(lack)


@pytest.fixture(scope="session")
def package_index() -> None:
    """A package index answers pip on this machine, by the machine's own settings."""
    asked = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        answer = subprocess.run(
            [*asked, "--dest", folder, "humanize"], capture_output=True, text=True, check=False
        )
    if answer.returncode != 0:
        pytest.skip(f"no package index answers pip: {answer.stderr.strip()[-300:]}")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the Chromium to test with."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium (make services)")
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the hostile programs tried and what came of it, if any ran."""
    from tests.sandbox.hostile import report

    reports = [
        each
        for outcome in ("passed", "failed")
        for each in terminalreporter.stats.get(outcome, [])
        if isinstance(each, pytest.TestReport)
    ]
    found = report.rows(reports)
    if found:
        report.keep_last(found)
        terminalreporter.section("hostile programs")
        for line in report.printed(found):
            terminalreporter.write_line(line)


@pytest.fixture(scope="module")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """A replica set of one member; every test takes a database of its own in it."""
    from tests.services.mongodb import ReplicaSet

    replica_set = ReplicaSet(tmp_path_factory.mktemp("mongodb"))
    try:
        replica_set.start()
        yield replica_set
    finally:
        replica_set.stop()


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that the tests of a file share."""
    from tests.services.redis import RedisServer

    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.kill()
