"""What people see before and after the end of a sandbox that nobody uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from .conftest import Demo, running_demo
from .steps import (
    begin_interview,
    code_cell,
    outputs,
    replace_source,
)

IDLE_S = 14
NOTICE = "Nothing has run for a while"


@pytest.fixture
def hasty_demo(sandbox_image: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    limits = {"python": {"idle_s": IDLE_S}}
    with running_demo(tmp_path_factory.mktemp("hasty"), sandbox_limits=limits) as demo:
        yield demo


def test_notice_is_given_and_it_can_be_kept_or_begun_again(
    hasty_demo: Demo, new_page: Callable[..., Page]
) -> None:
    title = "Rest"
    page, host = begin_interview(hasty_demo, new_page, title)
    panel = page.get_by_role("region", name="Interview")
    told = page.locator(".Toastify").get_by_text(NOTICE)

    expect(code_cell(page, 0)).to_be_focused()
    replace_source(page, "x = 1; print('x is', x)")
    page.keyboard.press("Shift+Enter")
    expect(outputs(page, 0)).to_contain_text("x is 1")
    for person in (page, host):
        expect(person.locator(".Toastify")).to_contain_text("the sandbox ends")
    expect(panel.get_by_text(NOTICE)).to_be_visible()
    page.locator(".Toastify").get_by_role("button", name="Keep it").click()
    for person in (page, host):
        expect(
            person.locator(".Toastify, .jp-Interview-Sandbox").get_by_text(NOTICE)
        ).to_have_count(0)

    expect(told).to_be_visible()
    expect(panel.get_by_text("Ended at")).to_contain_text(f"{IDLE_S} s. All variables are gone")
    expect(told).to_have_count(0)
    code_cell(page, 0).click()
    replace_source(page, "x = 2; print('x is', x)")
    panel.get_by_role("button", name="Run the cells again").click()
    for person in (page, host):
        expect(outputs(person, 0)).to_contain_text("x is 2")
    expect(panel.get_by_role("button", name="Run the cells again")).to_have_count(0)
