"""A candidate on another machine, behind a reverse proxy that talks TLS."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from playwright.async_api import async_playwright, expect

from tests.chromium import BROWSER_ARGUMENTS
from tests.services.certificates import make_certificate
from tests.whole.conftest import MakeServer
from tests.whole.namespaces import another_machine, tls_proxy

NAME = "interviews.test"
LOAD_MS = 30_000


async def test_a_candidate_elsewhere_joins_over_tls_and_runs_a_cell(
    make_server: MakeServer, chromium: str, tmp_path: Path
) -> None:
    key_pin = make_certificate(tmp_path, NAME).pin
    server = make_server(
        {
            "InterviewApp.public_url": f"https://{NAME}",
            "InterviewApp.trusted_proxies": "127.0.0.1",
        }
    )
    await asyncio.to_thread(server.start)
    with (
        another_machine() as elsewhere,
        tls_proxy(tmp_path, name=NAME, address=elsewhere.gateway, port=server.port),
    ):
        room = await server.room({"cell": ""})
        link = await server.invite(room)
        assert link.startswith(f"https://{NAME}/")
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=elsewhere.wrap(chromium, tmp_path),
                args=[
                    *BROWSER_ARGUMENTS,
                    f"--host-resolver-rules=MAP {NAME} {elsewhere.gateway}",
                    f"--ignore-certificate-errors-spki-list={key_pin}",
                ],
            )
            context = await browser.new_context()
            context.set_default_timeout(LOAD_MS)
            page = await context.new_page()
            await page.goto(link)
            await page.get_by_label("Your name").fill("Ada")
            await page.get_by_role("button", name="Enter the lobby").click()
            await expect(page).to_have_url(re.compile(rf"^https://{NAME}/.*/lobby$"))

            cookies = {cookie["name"]: cookie for cookie in await context.cookies()}
            seat = next(c for name, c in cookies.items() if name.startswith("interview-seat-"))
            server.secrets["Ada's seat"] = seat["value"]
            assert seat["secure"]
            assert seat["httpOnly"]
            assert all(cookie["secure"] for cookie in cookies.values()), cookies
            found = await server.ask("GET", f"/rooms/{room}/participants")
            ada = next(p for p in found["participants"] if p["name"] == "Ada")
            await server.ask("POST", f"/rooms/{room}/participants/{ada['id']}/admit")

            await expect(page).to_have_url(re.compile(r"/doc/tree/.*\.ipynb$"), timeout=LOAD_MS)
            cell = page.locator(".jp-CodeCell").first
            await cell.locator(".cm-content").click()
            await page.keyboard.type("print(6 * 7)")
            await page.keyboard.press("Shift+Enter")
            await expect(cell.locator(".jp-OutputArea")).to_contain_text("42", timeout=LOAD_MS)
            await browser.close()
    runs = (await server.ask("GET", f"/rooms/{room}/executions"))["runs"]
    assert [(run["by"], run["state"]) for run in runs] == [(ada["id"], "done")]
