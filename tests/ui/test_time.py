"""Time limits, pauses and deaths of the sandbox, as people see them."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from .conftest import Demo
from .steps import (
    begin_interview,
    code_cell,
    outputs,
    prompt,
    replace_source,
)

DIE = "import os; assert x == 1; os.abort()"


def test_a_countdown_a_pause_and_a_death(demo: Demo, new_page: Callable[..., Page]) -> None:
    title = "Time and rest"
    page, host = begin_interview(demo, new_page, title)

    # What there is, and what there is not.
    expect(page.get_by_text("Limits", exact=True)).to_be_visible()
    host.get_by_text("Limits", exact=True).click()
    limits = host.locator(".jp-Interview-Limits")
    expect(limits.get_by_text("none; packages are chosen by the host")).to_be_visible()
    expect(limits.get_by_text("2:00", exact=True)).to_be_visible()

    # A countdown that only the host can extend.
    expect(code_cell(page, 0)).to_be_focused()
    replace_source(page, "import time; x = 1; time.sleep(8); print('slept')")
    page.keyboard.press("Shift+Enter")
    for person in (page, host):
        expect(person.get_by_text("The running cell has")).to_contain_text("1:5")
    expect(page.get_by_role("button", name="2 more minutes")).to_have_count(0)
    host.get_by_role("button", name="2 more minutes").click()
    expect(page.get_by_text("The running cell has")).to_contain_text("3:5")

    # A pause freezes the cell where it is.
    host.get_by_role("button", name="Pause").click()
    for person in (page, host):
        expect(person.locator(".jp-Interview-Sandbox-state")).to_contain_text("Frozen")
        expect(person.get_by_text("The running cell has")).to_have_count(0)
    expect(host.get_by_text("nobody can run cells")).to_be_visible()
    host.get_by_role("button", name="Resume").click()
    expect(outputs(page, 0)).to_contain_text("slept")

    # A death says why, and what stands above is run again at a press.
    code_cell(page, 1).click()
    replace_source(page, DIE)
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".Toastify")).to_contain_text("all variables are gone")
    expect(page.get_by_text("Ended at")).to_contain_text("exit status")
    panel = page.get_by_role("region", name="Interview")
    panel.get_by_role("button", name="Run the cells above again").click()
    expect(prompt(page, 0)).to_contain_text("[1]")
    expect(panel.get_by_role("button", name="Run the cells above again")).to_have_count(0)
    code_cell(page, 1).click()
    replace_source(page, "print('x is', x)")
    page.keyboard.press("Shift+Enter")
    for person in (page, host):
        expect(outputs(person, 1)).to_contain_text("x is 1")


def test_a_cell_that_looks_for_the_network_is_told_that_there_is_none(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    title = "No network"
    page, host = begin_interview(demo, new_page, title)
    expect(code_cell(page, 0)).to_be_focused()
    replace_source(page, "import socket; socket.getaddrinfo('data.example.org', 443)")
    page.keyboard.press("Shift+Enter")
    note = ".jp-CodeCell .jp-Interview-NetworkNote"
    for person in (page, host):
        expect(person.locator(note)).to_have_text(
            "This cell tried to reach data.example.org:443. There is no network in here. "
            "(reported by the kernel)"
        )
    page.reload()
    expect(page.locator(note)).to_be_visible()
    code_cell(page, 0).click()
    replace_source(page, "print('no more')")
    page.keyboard.press("Shift+Enter")
    for person in (page, host):
        expect(outputs(person, 0)).to_contain_text("no more")
        expect(person.locator(note)).to_have_count(0)
    host.get_by_text("What was recorded").click()
    expect(host.get_by_text("A cell tried to reach data.example.org:443")).to_be_visible()
    expect(host.get_by_text("(reported by a browser or a program)")).to_be_visible()
