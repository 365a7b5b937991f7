"""What people do in the pages, step by step, for the tests to put together."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from .conftest import Demo


def open_dashboard(page: Page, demo: Demo) -> Page:
    """Go to the host's JupyterLab by the printed link, which opens the dashboard."""
    page.goto(demo.host_url)
    expect(page.get_by_role("heading", name="Interviews", level=1)).to_be_visible()
    return page


def create_interview(dashboard: Page, title: str, language: str = "Python") -> None:
    dashboard.get_by_role("button", name="New interview…").click()
    dashboard.get_by_label("Title").fill(title)
    dashboard.get_by_label("Your name").fill("Grace")
    dashboard.get_by_role("combobox", name="Language").select_option(
        label=f"{language} (interview sandbox)"
    )
    dashboard.get_by_role("button", name="Create interview").click()
    expect(dashboard.get_by_role("article", name=title)).to_be_visible()


def invite(dashboard: Page, title: str, role: str) -> str:
    """Copy an invite link by its button, as the host does."""
    card = dashboard.get_by_role("article", name=title)
    card.get_by_label("Role of the person").select_option(label=role)
    card.get_by_role("button", name="Create invite link").click()
    card.get_by_role("button", name="Copy link").click()
    expect(card.get_by_role("button", name="Copied")).to_be_visible()
    return str(dashboard.evaluate("navigator.clipboard.readText()"))


def join(page: Page, link: str, name: str) -> Page:
    """Open an invite link, say one's name, and wait in the lobby."""
    page.goto(link)
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_text("has been told")).to_be_visible()
    return page


def admit_and_start(dashboard: Page, title: str, name: str) -> Page:
    """Let the waiting candidate in, which begins the interview; return the host's own page."""
    card = dashboard.get_by_role("article", name=title)
    with dashboard.expect_popup() as popup:
        card.get_by_role("button", name=f"Admit and start: {name}").click()
    return popup.value


def begin_interview(
    demo: Demo, new_page: Callable[..., Page], title: str, language: str = "Python"
) -> tuple[Page, Page]:
    """Create an interview and let one candidate, Ada, in; return her page and the host's."""
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, title, language)
    candidate = join(new_page(), invite(dashboard, title, "Candidate"), "Ada")
    return candidate, admit_and_start(dashboard, title, "Ada")


def code_cell(page: Page, number: int) -> Locator:
    """Return the editor of the code cell of that number, counted from 0."""
    return page.locator(".jp-CodeCell").nth(number).locator(".cm-content")


def prompt(page: Page, number: int) -> Locator:
    """Return where a code cell shows ``[*]`` or its execution count."""
    return page.locator(".jp-CodeCell").nth(number).locator(".jp-InputPrompt")


def outputs(page: Page, number: int) -> Locator:
    """Return the outputs of a code cell."""
    return page.locator(".jp-CodeCell").nth(number).locator(".jp-OutputArea")


def replace_source(page: Page, source: str) -> None:
    """Type over what stands in the focused cell."""
    page.keyboard.press("Control+a")
    page.keyboard.type(source)
