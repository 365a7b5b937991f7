"""How edits came about, who types, and two tabs of one person, in real browsers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from .conftest import Demo
from .steps import begin_interview, code_cell

_USERS = """() => {
    for (const content of document.querySelectorAll('.jp-Notebook .cm-content')) {
        const view = content.cmTile?.root?.view ?? content.cmTile?.view ?? content.cmView?.view;
        for (const plugin of view?.plugins ?? []) {
            for (const part of Object.values(plugin.value ?? {})) {
                const awareness = part?.awareness ?? part;
                if (typeof awareness?.getStates === 'function') {
                    return [...awareness.getStates()].map(([client, state]) =>
                        [client, state.user?.username, state.user?.color]);
                }
            }
        }
    }
    return null;
}"""
PATIENCE_S = 30.0


def changes(demo: Demo, page: Page) -> list[dict[str, Any]]:
    """All changes of the room's notebook that insert or delete text, as the host may see them."""
    room = re.findall(r"/r/(room_[^/]+)/", page.url)[0]
    api = f"{demo.base_url.rstrip('/')}/interview/api/rooms/{room}"
    headers = {"Authorization": f"token {demo.token}"}
    with httpx.Client(headers=headers, timeout=30) as client:
        documents = client.get(api).json()["documents"]
        document = next(d["id"] for d in documents if d["kind"] == "notebook")
        found = client.get(f"{api}/documents/{document}/changes").json()["changes"]
    return [c for c in found if c["by"] and any(s["kind"] == "source" for s in c["steps"])]


def wait_for(find: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := find()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


@pytest.mark.timeout(240)
def test_the_record_says_how_edits_came_about_and_who_types_is_shown(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    candidate, host = begin_interview(demo, new_page, "Presence")
    expect(host.locator(".jp-Interview-Saved").first).to_have_text("Saved")
    cell = code_cell(candidate, 0)
    cell.click()
    candidate.keyboard.press("Control+a")
    candidate.keyboard.press("Delete")
    candidate.keyboard.type("typed_here = 1\n")

    ada = host.locator(".jp-Interview-Person", has_text="Ada")
    expect(ada).to_contain_text("typing…")
    expect(ada).not_to_contain_text("typing…")

    candidate.evaluate("navigator.clipboard.writeText('pasted_here = 2')")
    candidate.keyboard.press("Control+v")
    expect(cell).to_contain_text("pasted_here")
    candidate.keyboard.press("Enter")
    candidate.keyboard.type("isinst")
    complete(candidate)
    expect(cell).to_contain_text("isinstance")
    candidate.keyboard.type("  # gone")
    time.sleep(0.6)  # by then what is typed is a step of undoing of its own
    candidate.keyboard.press("Control+z")
    expect(cell).not_to_contain_text("# gone")

    def origin_of(text: str, side: str) -> set[str | None]:
        return {
            change["origin"]
            for change in changes(demo, host)
            for step in change["steps"]
            if step["kind"] == "source" and text in step[side]
        }

    wait_for(lambda: origin_of("pasted_here = 2", "inserted") == {"paste"}, "the paste")
    wait_for(lambda: "completion" in origin_of("ance", "inserted"), "the completion")
    wait_for(lambda: origin_of("gone", "deleted") == {"undo"}, "the undoing")
    assert origin_of("p", "inserted") >= {"typed"}

    # -- two tabs of one person are one participant
    host.get_by_text("What was recorded").click()
    record = host.locator(".jp-Interview-Record-events li")
    expect(record.filter(has_text="Ada came").first).to_be_attached()
    left = record.filter(has_text="Ada left")
    before = left.count()
    second = candidate.context.new_page()
    second.goto(candidate.url)
    expect(second.locator(".jp-Interview-Saved").first).to_have_text("Saved")
    me = re.findall(r"/(person_[^/]+)/", candidate.url)[0]

    def cursors() -> list[Any]:
        return [user for user in host.evaluate(_USERS) or [] if user[1] == me]

    wait_for(lambda: len(cursors()) == 2, "both tabs' cursors")
    assert len({colour for _, _, colour in cursors()}) == 1
    expect(host.locator(".jp-Interview-Person", has_text="Ada")).to_have_count(1)
    second.close()
    expect(ada).not_to_contain_text("away")
    time.sleep(6)  # longer than a reload may take: she has not left
    expect(ada).not_to_contain_text("away")
    assert left.count() == before

    # -- coming and going stand in the record
    candidate.goto("about:blank")
    expect(ada).to_contain_text("away")
    expect(left).to_have_count(before + 1)


def complete(page: Page) -> None:
    """Ask the kernel how the word goes on, until it has an answer, and choose that."""
    item = page.locator(".jp-Completer-item").first
    expect(page.locator(".jp-Interview-RoomPanel")).to_contain_text("Ready")
    for _ in range(6):
        page.keyboard.press("Tab")
        try:
            item.wait_for(timeout=10_000)
        except PlaywrightTimeout:
            continue
        page.keyboard.press("Enter")
        return
    raise AssertionError("the kernel completes nothing")
