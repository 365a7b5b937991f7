"""Help of the kernel in a candidate's page: completion and tooltips."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from .conftest import Demo
from .steps import (
    begin_interview,
    code_cell,
    prompt,
    replace_source,
)


def test_a_candidate_gets_completions_and_tooltips(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    title = "Kernel help"
    page, host = begin_interview(demo, new_page, title)

    # The very first completion of a fresh kernel, which is slow.
    expect(code_cell(page, 0)).to_be_focused()
    replace_source(page, "import math")
    page.keyboard.press("Shift+Enter")
    expect(prompt(page, 0)).to_contain_text("[1]")
    expect(prompt(host, 0)).to_contain_text("[1]")
    code_cell(page, 1).click()
    replace_source(page, "math.s")
    page.keyboard.press("Tab")
    completer = page.locator(".jp-Completer")
    expect(completer).to_be_visible()
    expect(completer).to_contain_text("sqrt")
    page.keyboard.type("qr")
    page.keyboard.press("Enter")
    expect(completer).not_to_be_visible()
    expect(code_cell(page, 1)).to_have_text("math.sqrt")

    page.keyboard.type("(")
    page.keyboard.press("Shift+Tab")
    expect(page.locator(".jp-Tooltip")).to_contain_text("square root")
