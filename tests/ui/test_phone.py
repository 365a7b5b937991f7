"""The room on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from .conftest import Demo
from .steps import admit_and_start, code_cell, create_interview, invite, join, open_dashboard

PHONE = {"width": 390, "height": 844}
MIN_EDITOR_PX = 250


def test_a_phone_has_room_to_write_and_tells_of_the_chat(
    demo: Demo, new_page: Callable[..., Page]
) -> None:
    title = "On the phone"
    dashboard = open_dashboard(new_page(), demo)
    create_interview(dashboard, title)
    phone = new_page()
    phone.set_viewport_size(PHONE)  # type: ignore[arg-type]
    join(phone, invite(dashboard, title, "Candidate"), "Ada")
    host = admit_and_start(dashboard, title, "Ada")

    expect(code_cell(phone, 0)).to_be_visible()
    tab = phone.locator(".lm-TabBar-tab[data-id='jp-Interview-room-panel']")
    expect(tab).to_be_visible()
    panel = phone.locator("#jp-Interview-room-panel")
    expect(panel).to_be_hidden()
    box = code_cell(phone, 0).bounding_box()
    assert box is not None
    assert box["width"] > MIN_EDITOR_PX

    host.get_by_label("Message to everybody").fill("Can you hear me?")
    host.keyboard.press("Enter")
    announced = phone.locator(".jp-Interview-announcer[aria-live='polite']")
    expect(announced).to_contain_text("Can you hear me?")
    expect(phone.locator(".Toastify")).to_contain_text("Can you hear me?")
    expect(tab).to_have_class(re.compile("mod-unseen"))

    tab.click()
    expect(panel.get_by_text("Can you hear me?")).to_be_visible()
    expect(tab).not_to_have_class(re.compile("mod-unseen"))
    host.get_by_label("Message to everybody").fill("שלום!")
    host.keyboard.press("Enter")
    expect(panel.get_by_text("שלום!")).to_have_css("direction", "rtl")
