"""Erasing a person from the dashboard, by keyboard, and a legal hold."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from .conftest import Demo
from .steps import begin_interview

TITLE = "To be erased"


def test_a_host_holds_an_interview_then_erases_a_person(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    begin_interview(demo, new_page, TITLE)
    dashboard = new_page()
    dashboard.goto(demo.host_url)
    card = dashboard.get_by_role("article", name=TITLE)
    card.get_by_role("button", name=f"End {TITLE}").click()
    dashboard.get_by_role("button", name="End now").click()

    card.get_by_role("button", name=f"Put {TITLE} under a legal hold").press("Enter")
    expect(card.get_by_role("status")).to_contain_text("Legal hold")
    expect(card.get_by_role("button", name=f"Delete {TITLE}")).to_be_disabled()
    expect(card.get_by_role("button", name="Erase a person…")).to_have_count(0)
    card.get_by_role("button", name=f"Lift the legal hold on {TITLE}").press("Enter")

    erase = card.get_by_role("button", name="Erase a person…")
    erase.press("Enter")
    expect(erase).to_have_attribute("aria-expanded", "true")
    person = card.get_by_role("listitem").first
    name = person.locator(".jp-Interview-Person-name").inner_text()
    person.get_by_role("button", name=f"Erase {name}").press("Enter")
    dialog = dashboard.get_by_role("dialog")
    expect(dialog).to_contain_text("These go for good")
    expect(dialog).to_contain_text("what others typed")
    dialog.get_by_role("button", name="Keep them").press("Enter")
    expect(dialog).to_have_count(0)
    expect(card).to_contain_text(name)
    again = person.get_by_role("button", name=f"Erase {name}")
    expect(again).to_be_enabled()  # a key that is pressed on a button at rest does nothing
    again.press("Enter")
    dialog.get_by_role("button", name="Erase", exact=True).press("Enter")
    expect(card.get_by_text(name)).to_have_count(0)
