"""A demo server as a newcomer starts it, and a real browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.chromium import BROWSER_ARGUMENTS, PATIENCE_MS

from .network import Network

RESULTS = Path("test-results")
failed = pytest.StashKey[bool]()


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What ``jupyter interview demo --json`` printed, and where it keeps its files."""

    base_url: str
    token: str
    room: str
    host_url: str
    candidate_url: str
    folder: Path

    @property
    def log(self) -> str:
        """All that the server has logged so far."""
        return (self.folder / "server.log").read_text(errors="replace")


@pytest.fixture(scope="session")
def demo(sandbox_image: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture(scope="module")
def network(demo: Demo) -> Iterator[Network]:
    """A way to the demo server on which the network may fail."""
    port = urlsplit(demo.base_url).port
    assert port is not None
    network = Network(port)
    with network.during(network.way.standing()):
        yield network
    network.close()


@contextmanager
def running_demo(folder: Path, **traits: object) -> Iterator[Demo]:
    """A demo server; `traits` of the extension differ from the default."""
    config = folder / "config"
    config.mkdir()
    (config / "jupyter_server_config.json").write_text(json.dumps({"InterviewApp": traits}))
    command = [
        sys.executable,
        "-m",
        "interview_ext.cli",
        "demo",
        "--no-browser",
        "--json",
        f"--dir={folder}",
    ]
    environment = {**os.environ, "JUPYTER_CONFIG_PATH": str(config)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        log = folder / "server.log"
        assert line, log.read_text() if log.exists() else "the demo printed nothing"
        yield Demo(folder=folder, **json.loads(line))
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    # Not for longer than a module: Playwright keeps an event loop running in this thread, beside
    # which no asynchronous test can run.
    # Pages load while other tests' containers end; a person would wait as long.
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if call.when == "call":
        item.stash[failed] = report.failed
    return report


@pytest.fixture
def contexts(request: pytest.FixtureRequest, browser: Browser) -> Iterator[list[BrowserContext]]:
    """Contexts a test has opened, closed at its end; pictures of their pages if it failed."""
    opened: list[BrowserContext] = []
    yield opened
    if request.node.stash.get(failed, False):
        RESULTS.mkdir(exist_ok=True)
        pages = [page for context in opened for page in context.pages]
        for number, page in enumerate(pages):
            page.screenshot(path=RESULTS / f"{request.node.name}-{number}.png")
    for context in opened:
        context.close()


@pytest.fixture
def new_page(browser: Browser, contexts: list[BrowserContext]):
    """Opens a page in a browser context of its own, as another person's browser would be."""

    def open_page(**options: object) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        return context.new_page()

    return open_page
