"""Pages for everybody: no serious fault that axe finds, and a journey by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from .conftest import Demo
from .steps import admit_and_start, code_cell, create_interview, invite, open_dashboard, outputs

SERIOUS = ("serious", "critical")


def faults(page: Page, scope: str | None = None) -> list[str]:
    """Return what axe finds serious on a page, or in the parts that `scope` selects."""
    results = Axe().run(page, context=scope) if scope else Axe().run(page)
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in results.response["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(demo: Demo, new_page: Callable[..., Page], scheme: str) -> None:
    title = f"Axe {scheme}"
    dashboard = open_dashboard(new_page(bypass_csp=True, color_scheme=scheme), demo)
    dashboard.get_by_role("button", name="New interview…").click()
    assert faults(dashboard, ".jp-Interview-Dashboard") == []
    dashboard.get_by_role("button", name="Cancel").click()
    create_interview(dashboard, title)
    link = invite(dashboard, title, "Candidate")

    candidate = new_page(bypass_csp=True, color_scheme=scheme)
    candidate.goto(link)
    candidate.get_by_label("Your name").fill("Ada")
    assert faults(candidate) == []
    candidate.keyboard.press("Enter")
    expect(candidate).to_have_url(re.compile(r"/lobby$"))
    expect(candidate.get_by_text("has been told")).to_be_visible()
    assert faults(candidate) == []

    card = dashboard.get_by_role("article", name=title)
    expect(card.get_by_text("Ada is waiting")).to_be_visible()
    assert faults(dashboard, ".jp-Interview-Dashboard") == []
    host = admit_and_start(dashboard, title, "Ada")
    for page in (host, candidate):
        expect(page.get_by_role("heading", name="People")).to_be_visible()
        assert faults(page, ".jp-Interview-RoomPanel") == []

    host.get_by_role("button", name="End…").click()
    host.get_by_role("button", name="End now").click()
    expect(candidate).to_have_url(re.compile(r"/end$"))
    expect(candidate.get_by_role("link", name="Download interview.ipynb")).to_be_visible()
    assert faults(candidate) == []


def test_the_candidates_journey_by_keyboard_alone(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    title = "Keyboard"
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, title)
    link = invite(dashboard, title, "Candidate")

    page = new_page()
    keys = page.keyboard
    page.goto(link)
    expect(page.get_by_label("Your name")).to_be_focused()
    keys.type("Ada")
    keys.press("Enter")
    expect(page).to_have_url(re.compile(r"/lobby$"))
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    tab_to(page, "Message to your host")
    keys.type("Hello")
    keys.press("Enter")
    expect(page.get_by_text("Hello")).to_be_visible()
    expect(
        dashboard.get_by_role("article", name=title).get_by_text("Ada is waiting")
    ).to_be_visible()
    admit_and_start(dashboard, title, "Ada")

    # The first code cell is ready to type in, without a click.
    expect(code_cell(page, 0)).to_be_focused()
    keys.press("Control+a")
    keys.type("6 * 7")
    keys.press("Shift+Enter")
    expect(outputs(page, 0)).to_contain_text("42")
    # Escape leaves the editor, and Tab goes on from there.
    keys.press("Escape")
    tab_to(page, "Message to everybody")
    # For longer than the three seconds after which JupyterLab goes back to the notebook.
    keys.type("That is 42, done.", delay=300)
    keys.press("Enter")
    expect(page.locator(".jp-Interview-RoomPanel").get_by_text("That is 42, done.")).to_be_visible()


def tab_to(page: Page, name: str, *, most: int = 120) -> None:
    """Press Tab until the control of that name has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => {
                const e = document.activeElement;
                return [e.getAttribute('aria-label'), e.placeholder,
                        ...[...(e.labels ?? [])].map(l => l.textContent)].join(' ');
            }"""
        )
        if name in focused:
            return
    pytest.fail(f"{name!r} cannot be reached by {most} times Tab")
