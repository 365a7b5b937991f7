"""An interview that ends while the candidate has no network."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.whole.way import Failure

from .conftest import Demo
from .network import Network
from .steps import admit_and_start, code_cell, create_interview, invite, join, open_dashboard

LEAVE_S = 10
"""After which a page about an interview that is over goes to the page about the end."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("failure", [Failure.RESET, Failure.SWALLOWED])
def test_what_did_not_reach_the_server_is_named_and_can_be_taken_along(
    failure: Failure, demo: Demo, new_page: Callable[..., Page], network: Network
) -> None:
    title = f"Cut off, {failure.value}"
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, title)
    page = new_page()
    join(page, network.way.of(invite(dashboard, title, "Candidate")), "Ada")
    host = admit_and_start(dashboard, title, "Ada")
    expect(code_cell(page, 0)).to_be_focused()
    page.keyboard.type("kept = 1\n")
    saved = page.locator(".jp-Interview-Saved")
    expect(saved).to_have_text("Saved")
    page.wait_for_load_state("networkidle")
    banner = page.locator(".jp-Interview-Banner")

    with network.during(network.way.failing(failure)):
        page.keyboard.type("lost = 2")
        expect(saved).to_contain_text("not saved since")
        host.get_by_role("button", name="End…").click()
        host.get_by_role("button", name="End now").click()
        hosts = host.locator(".jp-Interview-Banner")
        expect(hosts).to_contain_text("The interview is over")

    expect(banner).to_contain_text("did not reach the server")
    expect(banner).not_to_contain_text("Everything you wrote")
    page.wait_for_timeout((LEAVE_S + 5) * 1000)
    expect(page).to_have_url(re.compile(r"/doc/tree/"))
    expect(hosts).not_to_contain_text("did not reach the server")  # who wrote nothing
    with page.expect_download() as download:
        banner.get_by_role("button", name="Download the notebook").click()
    cells = json.loads(download.value.path().read_text())["cells"]
    assert any("lost = 2" in "".join(cell["source"]) for cell in cells)

    banner.get_by_role("link", name="Your notebook").click()
    expect(page).to_have_url(re.compile(r"/end$"))
    expect(page.get_by_text("Everything that was saved has been kept")).to_be_visible()
