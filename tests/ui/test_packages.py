"""Packages of an interview, from the form to the candidate's cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.sandbox.packages import fresh, remove

from .conftest import Demo
from .steps import admit_and_start, code_cell, invite, join, open_dashboard, outputs, replace_source

pytestmark = [pytest.mark.usefixtures("package_index"), pytest.mark.timeout(240)]
UNKNOWN = "no-such-package-8d1f"
BUILD_MS = 90_000


@pytest.fixture
def packages() -> Iterator[tuple[str, ...]]:
    found = fresh()
    yield found
    remove(found)


def fill_form(dashboard: Page, title: str, packages: str) -> None:
    dashboard.get_by_role("button", name="New interview…").click()
    dashboard.get_by_label("Title").fill(title)
    field = dashboard.get_by_role("textbox", name="Packages")
    expect(field).to_be_visible()
    field.fill(packages)
    dashboard.get_by_role("radio", name="Blank").check()


def test_a_candidate_imports_what_the_host_named(
    demo: Demo, new_page: Callable[..., Page], packages: tuple[str, ...]
) -> None:
    title = "With a package"
    dashboard = open_dashboard(new_page(), demo)
    fill_form(dashboard, title, f"\n  {packages[0]}  \n")
    dashboard.get_by_role("button", name="Create interview").click()
    card = dashboard.get_by_role("article", name=title).get_by_role("group", name="Packages")
    expect(card).to_contain_text(packages[0])
    expect(card.get_by_role("status")).to_contain_text("Installing packages…")
    expect(card.get_by_role("status")).to_have_text("Packages ready", timeout=BUILD_MS)
    page = join(new_page(), invite(dashboard, title, "Candidate"), "Ada")
    admit_and_start(dashboard, title, "Ada")
    code_cell(page, 0).click()
    replace_source(page, "import humanize; humanize.intcomma(12345)")
    page.keyboard.press("Shift+Enter")
    expect(outputs(page, 0)).to_contain_text("12,345")
    page.get_by_text("Limits", exact=True).click()
    expect(page.locator(".jp-Interview-Limits")).to_contain_text(packages[0])


def test_what_cannot_be_installed_is_said_and_put_right(
    demo: Demo, new_page: Callable[..., Page], packages: tuple[str, ...]
) -> None:
    title = "With a mistake"
    dashboard = open_dashboard(new_page(), demo)
    fill_form(dashboard, title, UNKNOWN)
    dashboard.get_by_role("button", name="Create interview").click()
    article = dashboard.get_by_role("article", name=title)
    card = article.get_by_role("group", name="Packages")
    reason = f"No matching distribution found for {UNKNOWN}"
    expect(card.get_by_role("alert")).to_contain_text(reason, timeout=BUILD_MS)
    card.get_by_role("button", name="Try again").click()
    expect(card.get_by_role("status")).to_contain_text("Installing packages…")
    expect(card.get_by_role("alert")).to_contain_text(reason, timeout=BUILD_MS)
    with dashboard.expect_popup() as popup:
        article.get_by_role("button", name=f"Enter {title}").click()
    room = popup.value
    expect(room.locator(".jp-Interview-Sandbox").get_by_role("alert")).to_contain_text(reason)
    card.get_by_role("button", name="Change packages…").click()
    card.get_by_role("textbox", name="Packages").fill("-r /etc/passwd")
    card.get_by_role("button", name="Install these").click()
    expect(card.get_by_text("'-r /etc/passwd' is no package's name")).to_be_visible()
    card.get_by_role("textbox", name="Packages").fill(packages[0])
    card.get_by_role("button", name="Install these").click()
    # The kernel that had to wait for them starts with the next cell.
    expect(card.get_by_role("status")).to_have_text("Packages ready", timeout=BUILD_MS)
    expect(room.locator(".jp-Interview-Sandbox").get_by_role("alert")).to_have_count(0)


def test_only_a_language_that_takes_packages_asks_for_them(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    dashboard = open_dashboard(new_page(), demo)
    fill_form(dashboard, "Other", "a;b")
    field = dashboard.get_by_role("textbox", name="Packages")
    dashboard.get_by_role("button", name="Create interview").click()
    expect(dashboard.get_by_text("'a;b' is no package's name")).to_be_visible()
    expect(dashboard.get_by_role("article", name="Other")).to_have_count(0)
    languages = dashboard.get_by_role("combobox", name="Language")
    languages.select_option(label="SQL (interview sandbox)")
    expect(field).to_have_count(0)
    languages.select_option(label="Python (interview sandbox)")
    expect(field).to_have_value("a;b")
