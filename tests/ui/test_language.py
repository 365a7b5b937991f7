"""An interview in another language than Python, from the form to the candidate's first table."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from .conftest import Demo
from .steps import (
    begin_interview,
    code_cell,
    open_dashboard,
    prompt,
    replace_source,
)


def test_a_language_is_offered_once_its_templates_are_there(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    """Chosen before, it would leave the form with no notebook to begin with."""
    dashboard = open_dashboard(new_page(), demo)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    dashboard.route("**/interview/api/templates*", hold)
    with dashboard.expect_response("**/interview/api/profiles*"):
        dashboard.get_by_role("button", name="New interview…").click()
    language = dashboard.get_by_role("combobox", name="Language")
    create = dashboard.get_by_role("button", name="Create interview")
    expect(create).to_be_visible()
    expect(language).to_have_count(0)
    held[0].continue_()
    language.select_option(label="SQL (interview sandbox)")
    expect(create).to_be_enabled()


def test_an_interview_in_sql(demo: Demo, new_page: Callable[..., Page]) -> None:
    title = "Window functions"
    page, host = begin_interview(demo, new_page, title, language="SQL")
    code_cell(page, 0).click()
    replace_source(page, "SELECT 6 * 7 AS answer, 'x' AS note")
    # Coloured as SQL: the notebook says what it is written in.
    expect(code_cell(page, 0)).to_have_attribute("data-language", "sql")
    page.keyboard.press("Shift+Enter")
    for seen in (page, host):
        expect(prompt(seen, 0)).to_contain_text("[1]")
        table = seen.locator(".jp-CodeCell").first.locator(".jp-OutputArea table")
        expect(table).to_contain_text("answer")
        expect(table).to_contain_text("42")


def test_the_form_offers_what_the_language_can_begin_with(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    dashboard = open_dashboard(new_page(), demo)
    dashboard.get_by_role("button", name="New interview…").click()
    sample = dashboard.get_by_role("radio", name="penguins")
    expect(sample).to_be_checked()
    languages = dashboard.get_by_role("combobox", name="Language")
    expect(languages.locator("option")).to_have_count(4)
    languages.select_option(label="R (interview sandbox)")
    expect(sample).to_have_count(0)
    expect(dashboard.get_by_role("radio", name="Blank")).to_be_checked()
    languages.select_option(label="Python (interview sandbox)")
    expect(sample).to_be_visible()
