"""What the candidate is told of the record: before, in the room, and at the end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from .conftest import Demo
from .steps import admit_and_start, code_cell, create_interview, invite, join, open_dashboard


def test_how_edits_came_about_is_kept_in_the_candidates_sight(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    title = "In sight"
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, title)
    link = invite(dashboard, title, "Candidate")
    page = new_page()

    page.goto(link)
    terms = page.locator("#terms")
    expect(terms).to_contain_text("How edits came about is kept")
    expect(terms).to_contain_text("typed, pasted, completed, dropped or undone")
    expect(terms).to_contain_text("No other signals are recorded, such as leaving the page.")
    join(page, link, "Ada")
    expect(terms).to_contain_text("How edits came about is kept")

    host = admit_and_start(dashboard, title, "Ada")
    expect(code_cell(page, 0)).to_be_focused()
    page.keyboard.type("typed = 1\n")
    expect(page.locator(".jp-Interview-Saved")).to_have_text("Saved")
    page.evaluate("navigator.clipboard.writeText('pasted')")
    with page.expect_response(lambda answer: '"paste"' in (answer.request.post_data or "")):
        page.keyboard.press("Control+v")
        expect(code_cell(page, 0)).to_contain_text("pasted")
    page.get_by_text("What was recorded").click()
    record = page.locator(".jp-Interview-Record")
    expect(record).to_contain_text("Every edit is kept with how it came about")
    expect(record).to_contain_text("No other signals, such as leaving the page, are recorded.")

    host.get_by_role("button", name="End…").click()
    host.get_by_role("button", name="End now").click()
    expect(page).to_have_url(re.compile(r"/end$"))
    expect(page.locator("#origins")).to_contain_text("1 pasted")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download this list").click()
    saved = json.loads(download.value.path().read_text())
    assert saved["pieces_by_origin"]["paste"] == 1
    with page.expect_download() as download:
        page.get_by_role("link", name="Download every edit").click()
    edits = map(json.loads, download.value.path().read_text().splitlines())
    assert "paste" in {edit.get("origin") for edit in edits}
