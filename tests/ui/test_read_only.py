"""Who may only read sees the notebook as it is: no key and no mouse changes it in their page."""

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
    replace_source,
)

CHANGING = (
    "x",
    "b",
    "a",
    "d",
    "d",
    "v",
    "m",
    "Shift+Enter",
    "Alt+Enter",
    "Control+Shift+ArrowDown",
)


def press_what_changes(page: Page) -> None:
    """The shortcuts that change cells, and the mouse that drags one."""
    code_cell(page, 0).click()
    page.keyboard.press("Escape")
    for keys in CHANGING:
        page.keyboard.press(keys)
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    prompts.nth(1).hover()
    page.mouse.down()
    box = prompts.first.bounding_box()
    assert box is not None
    for y in (box["y"] + 8, box["y"] + 4):
        page.mouse.move(box["x"] + 4, y, steps=4)
    page.mouse.up()


def test_no_shortcut_changes_what_may_only_be_read(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    title = "Read only"
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, title)
    candidate = join(new_page(), invite(dashboard, title, "Candidate"), "Ada")
    observer = join(new_page(), invite(dashboard, title, "Observer"), "Olga")
    host = admit_and_start(dashboard, title, "Ada")
    host.locator(".jp-Interview-Waiting").get_by_role("button", name="Admit Olga").click()
    expect(code_cell(candidate, 0)).to_be_focused()
    replace_source(candidate, "first = 1")
    code_cell(candidate, 1).click()
    replace_source(candidate, "second = 2")
    expect(code_cell(observer, 1)).to_have_text("second = 2")
    count = candidate.locator(".jp-Cell").count()

    press_what_changes(observer)
    code_cell(candidate, 1).click()
    replace_source(candidate, "second = 3")
    expect(code_cell(observer, 1)).to_have_text("second = 3")
    expect(code_cell(observer, 0)).to_have_text("first = 1")
    expect(observer.locator(".jp-Cell")).to_have_count(count)
    expect(observer.get_by_role("button", name="Click to add a cell.")).to_be_disabled()
    expect(observer.get_by_role("combobox", name="Cell type")).to_be_disabled()

    # A candidate's changes in a pause would be everybody's when it is over.
    host.get_by_role("button", name="Pause").click()
    expect(candidate.locator(".jp-Interview-Banner")).to_contain_text("paused")
    press_what_changes(candidate)
    host.get_by_role("button", name="Resume").click()
    expect(candidate.locator(".jp-Interview-Banner")).to_have_count(0)
    for page in (candidate, host):
        expect(code_cell(page, 0)).to_have_text("first = 1")
        expect(code_cell(page, 1)).to_have_text("second = 3")
        expect(page.locator(".jp-Cell")).to_have_count(count)

    # And then they can do it again.
    code_cell(candidate, 1).click()
    candidate.keyboard.press("Escape")
    candidate.keyboard.press("b")
    for page in (candidate, host):
        expect(page.locator(".jp-Cell")).to_have_count(count + 1)
