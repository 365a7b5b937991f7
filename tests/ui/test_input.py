"""A program asks, and is answered in the field under its cell, by the keyboard alone."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from .conftest import Demo
from .steps import begin_interview, code_cell, outputs, replace_source

ASKING = "print('hello', input('Who? '), input('And who? '))"


def test_enter_answers_and_the_next_cell_runs(demo: Demo, new_page: Callable[..., Page]) -> None:
    page, _host = begin_interview(demo, new_page, "Questions")
    keys = page.keyboard
    expect(code_cell(page, 0)).to_be_focused()
    code_cell(page, 1).click()
    replace_source(page, "6 * 7")
    code_cell(page, 0).click()
    replace_source(page, ASKING)
    keys.press("Shift+Enter")

    asking = page.locator(".jp-CodeCell").first
    for question, answer in (("Who?", "Ada"), ("And who?", "Grace")):
        expect(asking.get_by_label(question, exact=True)).to_be_focused()
        keys.type(answer)
        keys.press("Enter")
    expect(outputs(page, 0)).to_contain_text("hello Ada Grace")
    expect(asking.get_by_role("textbox", name="And who?")).to_have_count(0)
    # What comes next is the text of the next task, and then its cell.
    keys.press("Shift+Enter")
    keys.press("Shift+Enter")
    expect(outputs(page, 1)).to_contain_text("42")
