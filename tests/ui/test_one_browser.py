"""One browser holds several places: two rooms, two people of one room, one person twice."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from .conftest import Demo
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


def test_host_and_candidate_and_a_second_room_in_one_browser(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    dashboard = open_dashboard(new_page(), demo)
    browser = dashboard.context
    create_interview(dashboard, "First room")
    create_interview(dashboard, "Second room")
    candidate = join(browser.new_page(), invite(dashboard, "First room", "Candidate"), "Ada")
    host = admit_and_start(dashboard, "First room", "Ada")
    other = join(browser.new_page(), invite(dashboard, "Second room", "Candidate"), "Ben")
    elsewhere = admit_and_start(dashboard, "Second room", "Ben")
    for page in (candidate, host, other, elsewhere):
        expect(code_cell(page, 0)).to_be_visible()

    # Each in its own tab: what one runs is told as theirs, in their room only.
    code_cell(candidate, 0).click()
    replace_source(candidate, "'by ' + 'Ada'")
    candidate.keyboard.press("Shift+Enter")
    for page in (candidate, host):
        expect(outputs(page, 0)).to_contain_text("'by Ada'")
    code_cell(elsewhere, 0).click()
    replace_source(elsewhere, "'by ' + 'Grace'")
    elsewhere.keyboard.press("Shift+Enter")
    for page in (elsewhere, other):
        expect(outputs(page, 0)).to_contain_text("'by Grace'")
    expect(code_cell(host, 0)).to_have_text("'by ' + 'Ada'")

    for page, end in ((host, True), (candidate, False), (elsewhere, True), (other, False)):
        page.reload()
        expect(code_cell(page, 0)).to_be_visible()
        expect(page.get_by_role("button", name="End…")).to_have_count(int(end))


def test_one_person_in_two_tabs_is_one_participant(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, "Twice")
    candidate = join(new_page(), invite(dashboard, "Twice", "Candidate"), "Ada")
    host = admit_and_start(dashboard, "Twice", "Ada")
    expect(code_cell(candidate, 0)).to_be_visible()
    again = candidate.context.new_page()
    again.goto(candidate.url)
    code_cell(again, 0).click()
    replace_source(again, "# typed in the second tab")
    for page in (candidate, host):
        expect(code_cell(page, 0)).to_have_text("# typed in the second tab")
    people = host.locator(".jp-Interview-RoomPanel").get_by_role("region", name="People")
    expect(people.get_by_role("listitem").filter(has_text="Ada")).to_have_count(1)
    again.close()
    code_cell(candidate, 0).click()
    replace_source(candidate, "# and in the first again")
    expect(code_cell(host, 0)).to_have_text("# and in the first again")
