"""What hosts and interviewers have beside the notebook: who waits, and their notes."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from .conftest import Demo
from .steps import code_cell, create_interview, invite, join, open_dashboard


def enter(dashboard: Page, title: str) -> Page:
    """Go into a room as its host."""
    card = dashboard.get_by_role("article", name=title)
    with dashboard.expect_popup() as popup:
        card.get_by_role("button", name=f"Enter {title}").click()
    expect(code_cell(popup.value, 0)).to_be_visible()
    return popup.value


def messages(page: Page, text: str) -> Locator:
    """Return JupyterLab's messages with this text."""
    return page.locator(".Toastify__toast").filter(has_text=text)


def test_who_waits_elsewhere_is_told_and_forgotten_once_let_in(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, "Room here")
    create_interview(dashboard, "Room elsewhere")
    link = invite(dashboard, "Room elsewhere", "Observer")
    host = enter(dashboard, "Room here")
    panel = host.locator(".jp-Interview-RoomPanel")

    join(new_page(), link, "Olga")
    expect(messages(host, "Olga is waiting")).to_be_visible()
    expect(messages(dashboard, "Olga is waiting")).to_be_visible()
    expect(panel.get_by_role("region", name="Waiting in other interviews")).to_contain_text("Olga")

    card = dashboard.get_by_role("article", name="Room elsewhere")
    card.get_by_role("button", name="Decline Olga").click()
    expect(messages(dashboard, "Olga is waiting")).to_have_count(0)
    expect(messages(host, "Olga is waiting")).to_have_count(0)
    expect(panel.get_by_role("region", name="Waiting in other interviews")).to_have_count(0)


def test_staff_share_notes_and_a_revoked_invite_ends_a_page(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    title = "Notes"
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, title)
    link = invite(dashboard, title, "Interviewer")
    seen = invite(dashboard, title, "Observer")
    host = enter(dashboard, title)
    host.get_by_role("button", name="Open notes").click()
    notes = host.locator(".jp-FileEditor .cm-content")
    expect(notes).to_contain_text("Only interviewers see this")
    # The notebook stays in sight.
    expect(code_cell(host, 0)).to_be_visible()
    notes.click()
    host.keyboard.press("Control+End")
    host.keyboard.type("A good question")

    interviewer = join(new_page(), link, "Ivo")
    observer = join(new_page(), seen, "Olga")
    for name in ("Ivo", "Olga"):
        host.get_by_role("button", name=f"Admit {name}").click()
    interviewer.get_by_role("button", name="Open notes").click()
    expect(interviewer.locator(".jp-FileEditor .cm-content")).to_contain_text("A good question")
    expect(observer.get_by_role("heading", name="People")).to_be_visible()
    expect(observer.get_by_role("button", name="Open notes")).to_have_count(0)

    card = dashboard.get_by_role("article", name=title)
    card.get_by_text("Invites (2)").click()
    card.get_by_role("button", name="Revoke the invite of Olga").click()
    expect(observer.get_by_role("heading", name="Your seat was closed")).to_be_visible()
