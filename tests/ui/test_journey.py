"""One interview, from the host's click to the candidate's result, in two real browsers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import Page, Route, WebSocket, expect

from .conftest import Demo
from .steps import (
    admit_and_start,
    code_cell,
    create_interview,
    invite,
    open_dashboard,
    outputs,
    prompt,
    replace_source,
)

_DYNAMIC = re.compile(r"^(?!.*/r/static/)")
NOTEBOOK_WORDS = ("Palmer", "penguins.csv", '"cell_type"', "interview.ipynb")


class NetworkLog:
    """All that a page has received but static files, as text, from now on until `stop`."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._bodies: list[str] = []
        page.route(_DYNAMIC, self._pass_on)
        page.on("websocket", self._on_socket)

    def _pass_on(self, route: Route) -> None:
        response = route.fetch(max_redirects=0)
        self._bodies.append(response.text())
        route.fulfill(response=response)

    def _on_socket(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda payload: self._bodies.append(_text(payload)))

    def stop(self) -> str:
        """Return it."""
        self._page.unroute(_DYNAMIC)
        return "\n".join(self._bodies)


def _text(payload: str | bytes) -> str:
    return payload if isinstance(payload, str) else payload.decode("utf-8", "replace")


def test_from_the_hosts_click_to_the_candidates_result(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    dashboard = open_dashboard(new_page(), demo)
    title = "Journey"
    create_interview(dashboard, title)
    link = invite(dashboard, title, "Candidate")

    candidate = new_page()
    log = NetworkLog(candidate)
    candidate.goto(link)
    candidate.get_by_label("Your name").fill("Ada")
    candidate.get_by_role("button", name="Enter the lobby").click()
    expect(candidate).to_have_url(re.compile(r"/lobby$"))
    card = dashboard.get_by_role("article", name=title)
    expect(card.get_by_text("Ada is waiting")).to_be_visible()
    candidate.wait_for_load_state("networkidle")
    received = log.stop()
    assert title in received
    for word in NOTEBOOK_WORDS:
        assert word not in received, f"the lobby has received {word}"

    host = admit_and_start(dashboard, title, "Ada")
    expect(candidate).to_have_url(re.compile(r"/doc/tree/interview\.ipynb$"))

    cell = code_cell(candidate, 0)
    cell.click()
    replace_source(candidate, "import pandas as pd; pd.read_csv('data/penguins.csv').describe()")
    expect(code_cell(host, 0)).to_contain_text("describe()")
    candidate.keyboard.press("Shift+Enter")
    for page in (candidate, host):
        expect(page.locator(".jp-OutputArea table").first).to_contain_text("body_mass_g")

    code_cell(candidate, 1).click()
    assert min(seconds_to_show(candidate, host, f"# line {n}") for n in range(5)) < 1

    replace_source(candidate, "import time; time.sleep(3); print('do' + 'ne')")
    candidate.keyboard.press("Control+Enter")
    expect(prompt(host, 1)).to_have_text("[*]:")
    browser_of_candidate = candidate.context
    candidate.close()
    expect(outputs(host, 1)).to_contain_text("done")

    candidate = browser_of_candidate.new_page()
    candidate.goto(link)
    expect(candidate).to_have_url(re.compile(r"/doc/tree/interview\.ipynb$"))
    expect(candidate.locator(".jp-CodeCell").nth(1)).to_contain_text("done")
    host.get_by_role("button", name="End…").click()
    host.get_by_role("button", name="End now").click()
    expect(candidate).to_have_url(re.compile(r"/end$"))
    expect(candidate.get_by_text("Thank you")).to_be_visible()
    with candidate.expect_download() as download:
        candidate.get_by_role("link", name="Download interview.ipynb").click()
    assert "describe()" in download.value.path().read_text()
    assert refusals(candidate, demo) == {"run": 409, "edit": 409}

    for secret in (demo.token, link.partition("#")[2]):
        assert secret not in demo.log


def seconds_to_show(typist: Page, reader: Page, source: str) -> float:
    """Type over the typist's second cell; return how long the reader's page takes to show it."""
    replace_source(typist, source)
    start = time.monotonic()
    expect(code_cell(reader, 1)).to_have_text(source)
    return time.monotonic() - start


def refusals(page: Page, demo: Demo) -> dict[str, int]:
    """What the server answers to a run and to opening the document, asked by hand."""
    door = re.match(r".*/person_[^/]+/", page.url)
    assert door is not None
    return dict(
        page.evaluate(
            """async ([door, room]) => {
                const xsrf = /_xsrf=([^;]+)/.exec(document.cookie)?.[1] ?? '';
                const ask = async (method, path, body) => (await fetch(door + path, {
                    method, body: JSON.stringify(body),
                    headers: {'X-XSRFToken': xsrf, 'Content-Type': 'application/json'}
                })).status;
                return {
                    run: await ask('POST', `interview/api/rooms/${room}/executions`,
                        {document: 'doc_a', cell_id: 'x', source_sha256: '0'.repeat(64)}),
                    edit: await ask('PUT', 'api/collaboration/session/interview.ipynb',
                        {format: 'json', type: 'notebook'}),
                };
            }""",
            [door[0], door[0].split("/")[-3]],
        )
    )
