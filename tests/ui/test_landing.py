"""The pages before the room, over a network that loses a part of them."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from .conftest import Demo
from .steps import admit_and_start, code_cell, create_interview, invite, join, open_dashboard

LOST = "The connection is lost."


class Losses:
    """Loses what a page asks for at an address, so many times."""

    def __init__(self, page: Page, address: str, times: int, method: str = "GET") -> None:
        self.left = times
        self._method = method
        self.loads = 0
        page.on("request", self._count)
        page.route(re.compile(address), self._answer)

    def _count(self, request: object) -> None:
        self.loads += request.is_navigation_request()  # type: ignore[attr-defined]

    def _answer(self, route: Route) -> None:
        if route.request.method == self._method and self.left:
            self.left -= 1
            route.abort("connectionreset")
        else:
            route.continue_()


def test_an_invitation_whose_parts_are_lost_comes_all_the_same(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, "Lost parts")
    link = invite(dashboard, "Lost parts", "Candidate")
    for part, loads in (("/join\\.js", 3), ("/common\\.js", 3), ("/room\\.css", 1)):
        page = new_page()
        losses = Losses(page, part, 2)
        page.goto(link, wait_until="commit")
        expect(page.get_by_role("alert").first, part).to_contain_text(LOST)
        expect(page.get_by_role("heading", name="Lost parts"), part).to_be_visible()
        expect(page.get_by_text(LOST), part).to_have_count(0)
        expect(page.locator("main"), part).to_have_css("max-width", re.compile(r"\d+px"))
        assert (losses.left, losses.loads) == (0, loads), part

    page = new_page()
    losses = Losses(page, "/api/look$", 2, "POST")
    page.goto(link)
    expect(page.get_by_role("alert").first).to_contain_text("This page goes on by itself")
    expect(page.get_by_role("heading", name="Lost parts")).to_be_visible()
    expect(page.get_by_text("goes on by itself")).to_be_hidden()
    assert losses.left == 0


def test_an_invitation_waits_until_the_server_itself_answers(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, "Gateway")
    page = new_page()
    losses = Losses(page, "/join\\.js", 1)
    away = [True]
    page.route(
        re.compile("/icon\\.svg"),
        lambda route: (
            route.fulfill(status=502)
            if away[0] and route.request.method == "HEAD"
            else route.continue_()
        ),
    )
    page.goto(invite(dashboard, "Gateway", "Candidate"), wait_until="commit")
    expect(page.get_by_role("alert").first).to_contain_text(LOST)
    page.wait_for_timeout(5_000)
    assert losses.loads == 1, "a page that is loaded from a gateway alone is gone"
    away.clear()
    away.append(False)
    expect(page.get_by_role("heading", name="Gateway")).to_be_visible()


def test_an_invitation_whose_script_never_comes_is_not_loaded_for_ever(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, "Blocked")
    page = new_page()
    losses = Losses(page, "/common\\.js", 1000)
    page.goto(invite(dashboard, "Blocked", "Candidate"), wait_until="commit")
    expect(page.get_by_role("alert").first).to_contain_text(LOST)
    page.evaluate("sessionStorage.setItem('interview-page-reloads', 6)")
    again = page.get_by_role("button", name="Load the page again")
    expect(again).to_be_visible()
    loads = losses.loads
    page.wait_for_timeout(3_000)
    assert losses.loads == loads
    losses.left = 0
    again.click()
    expect(page.get_by_role("heading", name="Blocked")).to_be_visible()


def test_what_is_wrong_with_a_link_stays_on_the_page(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, "Cut link")
    page = new_page()
    page.goto(invite(dashboard, "Cut link", "Candidate").partition("#")[0])
    page.wait_for_timeout(500)
    expect(page.get_by_role("alert").first).to_contain_text("This link is not complete")


def test_a_lobby_whose_script_is_lost_leads_into_the_room(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    title = "Lost lobby"
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, title)
    page = new_page()
    losses = Losses(page, "/stream\\.js", 1)
    join(page, invite(dashboard, title, "Candidate"), "Ada")
    assert losses.left == 0
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    away = Losses(page, "/icon\\.svg", 1000, "HEAD")
    admit_and_start(dashboard, title, "Ada")
    expect(page.get_by_text("You have been let in")).to_be_visible()
    page.wait_for_timeout(3_000)
    expect(page).to_have_url(re.compile("/lobby$"))
    away.left = 0
    expect(code_cell(page, 0)).to_be_visible()
