"""An interview's worth of keystrokes as JupyterLab makes them, and pages that come back then."""

from __future__ import annotations

import time
from functools import partial

from interview_ext.collab.deletions import deleted, with_deletes, without
from interview_ext.collab.wire.sets import Span, write_deletes
from interview_ext.collab.wire.update import read_update
from interview_ext.rooms.model import Role

from .conftest import House
from .pages import Page
from .updates import letters

KEYSTROKES = 20_000
"""An hour and a half of one person, at four a second."""
MOST_S = 5.0
"""A page gives its connection up after eight seconds; a quadratic search took 30."""


def typed(page: Page, letters: int) -> bool:
    return len(page.text) == letters


async def test_a_page_comes_back_to_a_long_document_as_to_a_short_one(house: House) -> None:
    actor = await house.person(Role.CANDIDATE)
    ada = await house.page(actor).connect()
    bob = await house.page(await house.person(Role.INTERVIEWER)).connect()
    for done in range(0, KEYSTROKES, 5000):
        await ada.leave()  # one answer has at most 50,000 structs
        for _ in range(5000):
            ada.press("a")
        await ada.connect()
        await bob.until(partial(typed, bob, done + 5000), wait_s=60)
    shared = await house.shared()
    ranges = deleted(shared.ydoc.ydoc)
    assert len(ranges) >= KEYSTROKES - 4
    await ada.leave()
    for letter in "later":
        ada.press(letter)
    house.heard.clear()
    began = time.monotonic()
    await ada.connect()
    await bob.until(lambda: bob.text.endswith("later"), wait_s=60)
    await bob.round_trip()
    took_s = time.monotonic() - began
    assert took_s < MOST_S
    assert bob.doc.get_update() == ada.doc.get_update()
    last = (await house.store.read(house.notebook.id))[-1]
    assert len(last.update) < 500, "what was deleted long ago is not committed again"
    told = [m for m in house.heard if m["type"] == "durable" and m["participant_id"] == actor.id]
    assert {tuple(span) for m in told for span in m["deletes"]} >= set(ranges)
    assert max(len(m["deletes"]) for m in told) <= 1000


def test_what_is_deleted_already_is_told_from_what_is_not() -> None:
    known = (Span(1, 10, 5), Span(1, 15, 5), Span(1, 30, 1), Span(2, 0, 3), Span(1, 12, 2))
    news = (Span(1, 20, 1), Span(1, 18, 3), Span(2, 2, 2), Span(3, 0, 1), Span(1, 9, 1))
    old = (Span(1, 10, 10), Span(1, 14, 2), Span(1, 30, 1), Span(2, 0, 1), Span(2, 2, 1))
    assert without(news + old, known) == news
    assert without(old, ()) == old


def test_an_update_keeps_its_letters_with_other_deletions() -> None:
    update = letters("abc", client=7)
    assert with_deletes(update, ()) == update
    changed = with_deletes(update, (Span(7, 0, 1),))
    assert read_update(changed).deletes == (Span(7, 0, 1),)
    assert read_update(changed).inserts == read_update(update).inserts
    assert with_deletes(write_deletes((Span(1, 0, 1),)), ()) == b"\x00\x00"
