"""Erasing a person from the dashboard, by keyboard, and a legal hold."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from .conftest import Demo
from .steps import begin_interview

TITLE = "To be erased"


def test_a_host_holds_an_interview_then_erases_a_person(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    begin_interview(demo, new_page, TITLE)
    dashboard = new_page()
    dashboard.goto(demo.host_url)
    elsewhere = new_page()
    elsewhere.goto(demo.host_url)
    card = dashboard.get_by_role("article", name=TITLE)
    card.get_by_role("button", name=f"End {TITLE}").click()
    dashboard.get_by_role("button", name="End now").click()

    press(card.get_by_role("button", name=f"Put {TITLE} under a legal hold"))
    expect(card.get_by_role("status")).to_contain_text("Legal hold")
    expect(card.get_by_role("button", name=f"Delete {TITLE}")).to_be_disabled()
    expect(card.get_by_role("button", name="Erase a person…")).to_have_count(0)
    press(card.get_by_role("button", name=f"Lift the legal hold on {TITLE}"))

    erase = card.get_by_role("button", name="Erase a person…")
    press(erase)
    expect(erase).to_have_attribute("aria-expanded", "true")
    person = card.get_by_role("listitem").first
    name = person.locator(".jp-Interview-Person-name").inner_text()
    press(person.get_by_role("button", name=f"Erase {name}"))
    dialog = dashboard.get_by_role("dialog")
    expect(dialog).to_contain_text("These go for good")
    expect(dialog).to_contain_text("what others typed")
    press(dialog.get_by_role("button", name="Keep them"))
    expect(dialog).to_have_count(0)
    expect(card).to_contain_text(name)
    again = person.get_by_role("button", name=f"Erase {name}")
    other = elsewhere.get_by_role("article", name=TITLE)
    expect(other).to_contain_text(name)
    press(again)
    # A dialog takes the focus to its first button only once its text stands there.
    expect(dialog.get_by_role("button", name="Keep them")).to_be_focused()
    press(dialog.get_by_role("button", name="Erase", exact=True))
    expect(card.get_by_text(name)).to_have_count(0)
    expect(other.get_by_text(name)).to_have_count(0)


def press(button: Locator) -> None:
    """Press Enter on it once it takes that: it rests while what was pressed before goes on."""
    expect(button).to_be_enabled()
    button.press("Enter")
