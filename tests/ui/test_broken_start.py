"""A page of a room whose network breaks while JupyterLab starts in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.whole.way import Failure

from .conftest import Demo
from .network import Network
from .steps import (
    admit_and_start,
    code_cell,
    create_interview,
    invite,
    join,
    open_dashboard,
    outputs,
    replace_source,
)

ASKED = {
    "services": "/api/kernelspecs",
    "document": "/api/contents/interview.ipynb",
}
"""What JupyterLab asks for at some moments of its start."""
LASTS_S = {Failure.RESET: 2, Failure.SWALLOWED: 8}
"""How long the network is away: too long for one more attempt, at which it would be back."""


def go_until_it_asks_for(path: str, page: Page, address: str) -> None:
    with page.expect_request(lambda request: path in request.url):
        page.goto(address, wait_until="commit")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("failure", LASTS_S)
def test_a_page_that_starts_without_network_goes_on_when_it_is_back(
    failure: Failure,
    demo: Demo,
    new_page: Callable[..., Page],
    network: Network,
) -> None:
    title = f"Broken start {failure.value}"
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, title)
    page = new_page()
    join(page, network.way.of(invite(dashboard, title, "Candidate")), "Ada")
    admit_and_start(dashboard, title, "Ada")
    expect(code_cell(page, 0)).to_be_focused()
    address = page.url

    for number, (moment, path) in enumerate(ASKED.items()):
        go_until_it_asks_for(path, page, address)
        with network.during(network.way.failing(failure)):
            page.wait_for_timeout(LASTS_S[failure] * 1000)
        expect(code_cell(page, 0), moment).to_be_visible()
        expect(page.get_by_role("dialog"), moment).to_have_count(0)
        expect(code_cell(page, 0), moment).to_be_focused()
        replace_source(page, f"print('after', {number})")
        page.keyboard.press("Control+Enter")
        expect(outputs(page, 0), moment).to_contain_text(f"after {number}")
        expect(page.locator(".jp-Interview-Saved"), moment).to_have_text("Saved")
        expect(page.get_by_role("dialog"), moment).to_have_count(0)
