"""Thinking alone: a branch that only its participant sees, merged, discarded, found again."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Dialog, Locator, Page, expect

from .conftest import Demo
from .steps import (
    admit_and_start,
    code_cell,
    invite,
    join,
    open_dashboard,
    prompt,
    replace_source,
)

SECRET = "half_a_thought = 1"
MERGED = "whole_thought = 2"


def begin_with_branches(demo: Demo, new_page: Callable[..., Page], title: str) -> tuple[Page, Page]:
    """Begin an interview in which people may think alone; return the candidate's and host's."""
    dashboard = open_dashboard(new_page(), demo)
    dashboard.get_by_role("button", name="New interview…").click()
    dashboard.get_by_label("Title").fill(title)
    allowed = dashboard.get_by_role("checkbox", name="Think alone")
    expect(allowed).not_to_be_checked()
    allowed.check()
    dashboard.get_by_role("button", name="Create interview").click()
    expect(dashboard.get_by_role("article", name=title)).to_be_visible()
    link = invite(dashboard, title, "Candidate")
    candidate = new_page()
    candidate.goto(link)
    expect(candidate.get_by_text("You may think in private.")).to_be_visible()
    join(candidate, link, "Ada")
    return candidate, admit_and_start(dashboard, title, "Ada")


def bar(page: Page) -> Locator:
    return page.get_by_role("region", name="Your branch")


def saved(page: Page) -> None:
    expect(page.locator(".jp-Interview-SavedRow")).to_have_text(re.compile("^Saved$"))


def think_alone(page: Page) -> None:
    """By the keyboard, as somebody without a mouse does."""
    expect(code_cell(page, 0)).to_be_focused()  # a page that opens takes the focus there
    page.get_by_role("button", name="Think alone").press("Enter")
    expect(bar(page)).to_contain_text("Only you see this.")
    expect(code_cell(page, 0)).to_be_visible()


def test_a_candidate_thinks_alone_and_merges(demo: Demo, new_page: Callable[..., Page]) -> None:
    candidate, host = begin_with_branches(demo, new_page, "Branches")
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    candidate.on("dialog", answer)
    expect(code_cell(host, 0)).to_be_visible()
    expect(code_cell(candidate, 0)).to_be_visible()
    people = host.get_by_role("region", name="People")
    expect(people.get_by_text("focusing")).to_have_count(0)
    think_alone(candidate)
    expect(people.get_by_text("focusing")).to_be_visible()
    code_cell(candidate, 0).click()
    replace_source(candidate, MERGED)
    saved(candidate)

    # Cells do not run, and the page says so.
    candidate.keyboard.press("Shift+Enter")
    message = candidate.locator(".Toastify__toast").filter(has_text="Cells of a branch do not run")
    expect(message).to_be_visible()
    expect(prompt(candidate, 0)).not_to_contain_text("*")

    # A page that is loaded again comes back to the branch.
    candidate.reload()
    expect(bar(candidate)).to_be_visible()
    expect(code_cell(candidate, 0)).to_contain_text(MERGED)
    expect(code_cell(host, 0)).not_to_contain_text(MERGED)

    bar(candidate).get_by_role("button", name="Merge").click()
    expect(code_cell(host, 0)).to_contain_text(MERGED)
    expect(bar(candidate)).to_have_count(0)
    expect(code_cell(candidate, 0)).to_contain_text(MERGED)
    expect(people.get_by_text("focusing")).to_have_count(0)
    candidate.get_by_text("What was recorded").click()
    record = candidate.locator(".jp-Interview-Record-events")
    expect(record).to_contain_text("Ada began to think alone")
    expect(record).to_contain_text("Ada merged what they wrote alone: 0 cells added, 1 changed")
    # And there the cell runs.
    code_cell(candidate, 0).click()
    candidate.keyboard.press("Shift+Enter")
    expect(prompt(candidate, 0)).to_have_text("[1]:")
    # The page has gone there and back without a question of the browser's.
    assert asked == []


def test_a_discarded_thought_is_named_and_gone(demo: Demo, new_page: Callable[..., Page]) -> None:
    candidate, host = begin_with_branches(demo, new_page, "Discarded")
    expect(code_cell(candidate, 0)).to_be_visible()
    think_alone(candidate)
    code_cell(candidate, 0).click()
    candidate.keyboard.press("Control+End")
    candidate.keyboard.type(SECRET)
    saved(candidate)
    other = candidate.context.new_page()
    other.goto(candidate.url)
    expect(bar(other)).to_be_visible()

    bar(candidate).get_by_role("button", name="Discard").click()
    dialog = candidate.get_by_role("dialog")
    expect(dialog).to_contain_text("This is lost: what you wrote in one cell.")
    dialog.get_by_role("button", name="Keep").click()
    expect(code_cell(candidate, 0)).to_contain_text(SECRET)
    bar(candidate).get_by_role("button", name="Discard").click()
    dialog.get_by_role("button", name="Discard").click()
    expect(bar(candidate)).to_have_count(0)
    expect(code_cell(candidate, 0)).not_to_contain_text(SECRET)
    # The other tab of the same browser follows.
    expect(bar(other)).to_have_count(0)
    expect(code_cell(other, 0)).not_to_contain_text(SECRET)
    expect(code_cell(host, 0)).not_to_contain_text(SECRET)
    names = [cookie["name"] for cookie in candidate.context.cookies()]
    assert not [name for name in names if name.startswith("interview-branch-")]
    stored = b"".join(f.read_bytes() for f in demo.folder.rglob("*") if f.is_file())
    assert SECRET.encode() not in stored
    assert b"Discarded" in stored, "the search finds the interview's title"
