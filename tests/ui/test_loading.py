"""JupyterLab's page on its way: a network that breaks while its scripts come, or is slow."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, Route, StorageState, expect

from tests.whole.way import Failure

from .conftest import Demo
from .network import Network
from .steps import begin_interview

AWAY_MS = 2_000
LOADER_MS = 121_000
"""After which JupyterLab's loader has given up on a script."""
STATIC = re.compile(r"/interview/r/static/")
MAIN = re.compile(r"/static/\w+/lab/main\.\w+\.js")
WIDTH = {"width": 1280, "height": 800}
LOST = "The connection is lost."
REFUSED = "The notebook did not open."


class Seat:
    """A candidate's place in a room that has begun, for browsers that have nothing of it yet."""

    def __init__(self, page: Page) -> None:
        self.url = page.url
        self.cookies: StorageState = page.context.storage_state()


@pytest.fixture(scope="module")
def seat(demo: Demo, browser: Browser) -> Seat:
    opened = []

    def new_page() -> Page:
        opened.append(browser.new_context(viewport=WIDTH))  # type: ignore[arg-type]
        opened[-1].grant_permissions(["clipboard-read", "clipboard-write"])
        return opened[-1].new_page()

    candidate, _ = begin_interview(demo, new_page, "Loading")
    expect(candidate).to_have_url(re.compile("/doc/tree/"))
    seat = Seat(candidate)
    for context in opened:
        context.close()
    return seat


def opening(page: Page) -> Locator:
    """What the page says until JupyterLab is there."""
    return page.get_by_role("status").filter(has_text="notebook")


def expect_lab(page: Page) -> None:
    """JupyterLab with our panel, and nothing left of what stood in its place."""
    expect(page.locator("#opening")).to_have_count(0)
    expect(page.get_by_role("heading", name="People")).to_be_visible()
    expect(page.get_by_text(LOST)).to_have_count(0)


def go_until_it_asks_for(scripts: int, page: Page, url: str) -> None:
    """Go to a page and return when it has asked for so many scripts."""
    asked = itertools.count(1)
    with page.expect_request(lambda r: r.resource_type == "script" and next(asked) >= scripts):
        page.goto(url, wait_until="commit")


class Traffic:
    """What a page asked for.

    Attributes
    ----------
    loads:
        How often it asked for itself.
    lost:
        Addresses of scripts that did not come, at least once.
    """

    def __init__(self, page: Page) -> None:
        self.loads = 0
        self.lost: set[str] = set()
        self._came: set[str] = set()
        page.on("request", self._asked)
        page.on("requestfailed", self._failed)
        page.on("requestfinished", self._finished)

    @property
    def missing(self) -> set[str]:
        return self.lost - self._came

    def _asked(self, request: Request) -> None:
        self.loads += request.is_navigation_request() and request.frame.parent_frame is None

    def _failed(self, request: Request) -> None:
        if request.resource_type == "script":
            self.lost.add(request.url)

    def _finished(self, request: Request) -> None:
        if request.resource_type == "script":
            self._came.add(request.url)


@pytest.mark.parametrize("scripts", [1, 20])
def test_scripts_that_are_lost_with_the_network_are_loaded_when_it_is_back(
    seat: Seat, new_page: Callable[..., Page], network: Network, scripts: int
) -> None:
    page = new_page(storage_state=seat.cookies)
    traffic = Traffic(page)
    go_until_it_asks_for(scripts, page, network.way.of(seat.url))
    with network.during(network.way.failing(Failure.RESET)):
        expect(opening(page)).to_contain_text(LOST)
        page.wait_for_timeout(AWAY_MS)
    expect_lab(page)
    assert traffic.lost
    assert not traffic.missing
    assert traffic.loads == 1


def test_a_page_that_waits_for_the_network_says_so_when_it_has_all_scripts(
    seat: Seat, new_page: Callable[..., Page], network: Network
) -> None:
    page = new_page(storage_state=seat.cookies)
    with page.expect_request(lambda request: "/lab/api/settings" in request.url):
        page.goto(network.way.of(seat.url), wait_until="commit")
    with network.during(network.way.failing(Failure.RESET)):
        expect(opening(page)).to_contain_text(LOST)
    expect_lab(page)


def test_a_style_sheet_that_is_lost_is_loaded_again(
    seat: Seat, new_page: Callable[..., Page]
) -> None:
    page = new_page(storage_state=seat.cookies)
    asked: list[str] = []

    def fail_twice(route: Route) -> None:
        if route.request.resource_type == "stylesheet":
            asked.append(route.request.url)
            if len(asked) <= 2:
                route.abort("connectionreset")
                return
        route.continue_()

    page.route(STATIC, fail_twice)
    page.goto(seat.url)
    expect_lab(page)
    assert len(asked) == 3
    assert page.evaluate("getComputedStyle(document.body).getPropertyValue('--jp-ui-font-size1')")


@pytest.mark.parametrize("failure", [Failure.RESET, Failure.SWALLOWED])
def test_a_network_that_is_away_for_longer_than_the_loader_waits_ends_in_a_new_page(
    seat: Seat, new_page: Callable[..., Page], network: Network, failure: Failure
) -> None:
    page = new_page(storage_state=seat.cookies)
    page.clock.install()
    traffic = Traffic(page)
    go_until_it_asks_for(20, page, network.way.of(seat.url))
    with network.during(network.way.failing(failure)):
        page.wait_for_timeout(1_000)
        page.clock.fast_forward(LOADER_MS)
        expect(opening(page)).to_contain_text(LOST)
        page.wait_for_timeout(AWAY_MS)
        assert traffic.loads == 1, "a page that is loaded without network is gone"
    expect_lab(page)
    assert traffic.loads == 2


def test_a_page_of_a_server_that_was_updated_is_loaded_again(
    seat: Seat, new_page: Callable[..., Page]
) -> None:
    page = new_page(storage_state=seat.cookies)
    traffic = Traffic(page)
    page.route(
        MAIN, lambda route: route.fulfill(status=404) if traffic.loads < 2 else route.continue_()
    )
    page.goto(seat.url, wait_until="commit")
    expect_lab(page)
    assert traffic.loads == 2


def test_what_the_server_does_not_have_is_said_and_does_not_go_round_in_circles(
    seat: Seat, new_page: Callable[..., Page]
) -> None:
    page = new_page(storage_state=seat.cookies)
    traffic = Traffic(page)
    page.route(MAIN, lambda route: route.fulfill(status=404))
    page.goto(seat.url, wait_until="commit")
    expect(opening(page)).to_contain_text(REFUSED)
    again = page.get_by_role("button", name="Load the page again")
    expect(again).to_be_visible()
    page.wait_for_timeout(3_000)
    assert traffic.loads == 2
    page.unroute(MAIN)
    again.click()
    expect_lab(page)


def test_a_page_that_is_in_use_asks_again_and_never_goes(
    seat: Seat, new_page: Callable[..., Page]
) -> None:
    page = new_page(storage_state=seat.cookies)
    page.goto(seat.url)
    expect_lab(page)
    base = page.evaluate("document.getElementById('jupyter-config-data').textContent")
    address = re.search(r'"fullStaticUrl": "([^"]+)"', base)
    assert address
    asked: list[int] = []

    def answer(route: Route) -> None:
        if route.request.method != "GET":
            route.fulfill(status=200 if "late" in route.request.url else 404)
            return
        asked.append(1)
        if "late" in route.request.url and len(asked) > 1:
            route.fulfill(body="window.came = 1", content_type="text/javascript")
        else:
            route.abort("connectionreset")

    page.route(re.compile("/lab/(late|gone).js"), answer)
    load = """src => new Promise(done => {
        const script = document.createElement('script');
        script.onload = () => done(window.came);
        script.onerror = event => done(event.target === script && 'refused');
        script.src = src;
        document.head.append(script);
    })"""
    assert page.evaluate(load, f"{address[1]}/late.js") == 1
    assert page.evaluate(load, f"{address[1]}/gone.js") == "refused"
    expect(page.get_by_role("heading", name="People")).to_be_visible()
    assert len(asked) == 3


def test_a_page_that_takes_long_says_so(seat: Seat, new_page: Callable[..., Page]) -> None:
    page = new_page(storage_state=seat.cookies)
    page.clock.install()
    held: list[Route] = []
    page.route(MAIN, lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it
    page.goto(seat.url, wait_until="commit")
    expect(page.get_by_role("status")).to_have_text("Opening the notebook…")
    page.clock.fast_forward(15_000)
    expect(opening(page)).to_contain_text("This takes longer than usual: the connection is slow.")
    held.pop().continue_()
    expect_lab(page)
    assert page.evaluate("document.activeElement.id") != "opening"
