"""Invitation and lobby in a real browser: dead connections, wrong clocks, other scripts."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, async_playwright, expect

from interview_ext.rooms.ids import now
from tests.chromium import BROWSER_ARGUMENTS, PATIENCE_MS
from tests.server.conftest import Server
from tests.whole.way import Failure, Way

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

ROOM_MS = 60_000
"""In which somebody who was let in over a dead connection is in the room."""


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=PATIENCE_MS)


async def wait_in_lobby(page: Page, link: str) -> str:
    """Come in as the candidate; return the participant's id."""
    await page.goto(link)
    await page.get_by_label("Your name").fill("Ada")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/lobby")
    await expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    await expect(page.get_by_text("The notebook is ready to open.")).to_be_visible()
    return page.url.split("/")[-2]


async def test_who_was_let_in_over_a_dead_connection_comes_into_the_room(
    server: Server, chromium: str
) -> None:
    room = await server.room()
    token = await server.invite(room, name="")
    port = urlsplit(server.origin).port
    assert port is not None
    async with Way(port).standing() as way, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        page = await browser.new_page()
        link = f"{server.origin}{server.room_path(room)}join#{token}"
        me = await wait_in_lobby(page, way.of(link))
        async with way.failing(Failure.SWALLOWED):
            await server.services.admission.admit(await server.host_actor(room), me)
            # What is no connection is not called one.
            await expect(page.get_by_text("Reconnecting")).to_be_visible()
        await page.locator(".jp-LabShell").wait_for(timeout=ROOM_MS)
        await browser.close()


async def test_a_line_stands_in_the_direction_of_its_letters(server: Server, chromium: str) -> None:
    room = await server.room()
    token = await server.invite(room, name="")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        page = await browser.new_page()
        await wait_in_lobby(page, f"{server.origin}{server.room_path(room)}join#{token}")
        for line, direction in (("שלום!", "rtl"), ("Hello!", "ltr")):
            await page.get_by_label("Message to your host").fill(line)
            await page.get_by_role("button", name="Send").click()
            shown = page.get_by_role("log").get_by_text(line, exact=True)
            await expect(shown).to_have_css("direction", direction)
        await browser.close()


async def test_the_invitation_counts_by_the_servers_clock(server: Server, chromium: str) -> None:
    room = await server.room()
    assert timedelta(minutes=9) < room.starts_at - now() < timedelta(minutes=11)
    token = await server.invite(room, name="")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        page = await browser.new_page()
        await page.clock.install(time=now() - timedelta(hours=3))
        await page.goto(f"{server.origin}{server.room_path(room)}join#{token}")
        await expect(page.locator("#countdown")).to_have_text(re.compile(r"^in (9|10):\d\d min$"))
        await browser.close()
