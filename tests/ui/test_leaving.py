"""The browser asks whoever leaves with edits that are not saved, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Dialog, Page, expect

from .conftest import Demo
from .steps import begin_interview, code_cell, replace_source

SWALLOW = """
const { send } = WebSocket.prototype;
WebSocket.prototype.send = function (data) {
  if (!window.swallowing || !this.url.includes('/collaboration/')) {
    send.call(this, data);
  }
};
"""


def test_only_unsaved_edits_keep_one_on_the_page(demo: Demo, new_page: Callable[..., Page]) -> None:
    page, host = begin_interview(demo, new_page, "Leaving")
    page.add_init_script(SWALLOW)
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    saved = page.locator(".jp-Interview-SavedRow")
    expect(code_cell(page, 0)).to_be_focused()
    replace_source(page, "kept = 1")
    expect(code_cell(host, 0)).to_have_text("kept = 1")
    expect(saved).to_have_text(re.compile("^Saved$"))
    page.reload()
    expect(code_cell(page, 0)).to_have_text("kept = 1")
    assert asked == []

    expect(code_cell(page, 0)).to_be_focused()
    page.evaluate("window.swallowing = true")
    replace_source(page, "lost = 2")
    expect(saved).to_contain_text("Not saved")
    page.reload()
    expect(code_cell(page, 0)).to_have_text("kept = 1")
    assert asked == ["beforeunload"]

    # At the end the page goes on by itself.
    expect(code_cell(page, 0)).to_be_focused()
    replace_source(page, "kept = 3")
    expect(code_cell(host, 0)).to_have_text("kept = 3")
    expect(saved).to_have_text(re.compile("^Saved$"))
    host.get_by_role("button", name="End…").click()
    host.get_by_role("button", name="End now").click()
    expect(page).to_have_url(re.compile(r"/end$"))
    assert asked == ["beforeunload"]
