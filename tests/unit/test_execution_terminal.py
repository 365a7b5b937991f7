"""A stream's text as a terminal shows it."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interview_ext.execution.terminal import KEPT_OF_ROW, LIVE_ROWS, MAX_ROW, StreamText


def played(*chunks: str) -> str:
    stream = StreamText()
    for chunk in chunks:
        stream.feed(chunk)
    return stream.text()


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        (["plain\ntext"], "plain\ntext"),
        (["one\rtwo"], "two"),
        (["longer\rab"], "abnger"),
        (["windows\r\nlines\r\n"], "windows\nlines\n"),
        (["abc\b\bX"], "aXc"),
        (["\b\babc"], "abc"),
        (["█ 1\r█ 2"], "█ 2"),
        (["one\ntwo\x1b[A\rONE"], "ONE\ntwo"),
        (["one\ntwo\x1b[1A\x1b[2K\rx"], "x\ntwo"),
        (["abc\r\x1b[K"], ""),
        (["abcdef\x1b[3D\x1b[K"], "abc"),
        (["ab\x1b[5Cx"], "ab     x"),
        (["abc\x1b[1Gx"], "xbc"),
        (["old\nscreen\x1b[H\x1b[2Jnew"], "new"),
        (["a\nb\nc\x1b[2A\x1b[J"], "a"),
        (["split \x1b", "[31mred\x1b[0", "m end"], "split \x1b[31mred\x1b[0m end"),
        (["\x1b[1;31mbold red\x1b[22m red\x1b[39m plain"], None),
        (["bell\x07 null\x00 title\x1b]0;x\x07 end"], "bell null title end"),
        (["link \x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\"], "link text"),
        (["never ends \x1b["], "never ends "),
        (["tab\there"], "tab\there"),
    ],
)
def test_what_a_terminal_would_show(chunks: list[str], text: str | None) -> None:
    if text is None:
        text = "\x1b[1;31mbold red\x1b[0m\x1b[31m red\x1b[0m plain"
    assert played(*chunks) == text


def test_a_colour_holds_over_lines_and_each_line_closes_its_own() -> None:
    assert played("\x1b[32mone\ntwo\x1b[m three") == "\x1b[32mone\x1b[0m\n\x1b[32mtwo\x1b[0m three"


def test_settled_rows_cannot_be_reached_and_never_change() -> None:
    stream = StreamText()
    stream.feed("top\n" * (LIVE_ROWS + 5))
    settled = list(stream.settled)
    stream.feed("\x1b[999A\rX\x1b[2J")
    assert stream.settled == settled
    assert len(settled) == 6


def test_hostile_numbers_stay_small() -> None:
    assert len(played("\x1b[99999999999999999999Cx\x1b[9999;9999Hy" * 50)) < 2000


def test_styles_do_not_pile_up() -> None:
    assert len(played("\x1b[31m\x1b[1m\x1b[4m" * 10_000 + "x")) < 40


@given(st.text(alphabet="ab\r\n\b\x1b[];0123456789mKJAHC█\x07", max_size=80), st.data())
def test_where_messages_are_cut_does_not_matter_and_no_control_gets_through(
    text: str, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(text)))
    whole, parts = played(text), played(text[:cut], text[cut:])
    assert whole == parts
    assert not set("\r\b\x07") & set(whole)


@given(st.text(alphabet="ab\r\n\b\x1b[];0123456789KJAHC", max_size=200))
def test_the_size_is_that_of_the_text(text: str) -> None:
    stream = StreamText()
    stream.feed("line\n" * LIVE_ROWS + text)
    assert stream.size() == len(stream.text()) + 1


def long_row(columns: int) -> str:
    return "".join(f"{number:09}x" for number in range(columns // 10 + 1))[:columns]


def test_a_row_without_end_costs_little_and_stands_as_it_was_written() -> None:
    piece = "あ" * 16_000
    stream = StreamText()
    tracemalloc.start()
    try:
        for _ in range(500):
            stream.feed(piece)
        held = tracemalloc.get_traced_memory()[0]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < 3 * 500 * len(piece)
    assert peak < 5 * 500 * len(piece)
    assert stream.text() == piece * 500
    assert stream.size() == 500 * len(piece) + 1
    assert len(stream.live()) < MAX_ROW


@pytest.mark.parametrize("size", [1, 7, 999, 4096, 10_000_000])
def test_where_a_long_row_settles_does_not_depend_on_how_it_comes(size: int) -> None:
    whole = "above\n" + long_row(3 * MAX_ROW + 17) + "\n" + "\x1b[32m" + long_row(MAX_ROW)
    stream = StreamText()
    for start in range(0, len(whole), size):
        stream.feed(whole[start : start + size])
    assert stream.text() == whole[: -MAX_ROW - 5] + coloured(long_row(MAX_ROW))
    assert stream.live() == long_row(MAX_ROW)[-KEPT_OF_ROW:]
    assert stream.size() == len(stream.text()) + 1


def coloured(text: str) -> str:
    """Only the first columns of a row keep their colour."""
    return f"\x1b[32m{text[:1000]}\x1b[0m{text[1000:]}"


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ("\b\bXY", lambda rest: rest[:-2] + "XY"),
        ("\rXY", lambda rest: "XY" + rest[2:]),
        ("\r\x1b[K", lambda _: ""),
        ("\x1b[2K", lambda _: ""),
        ("\x1b[1K", lambda _: ""),
        ("\x1b[500D\x1b[K", lambda rest: rest[:-500]),
        ("\x1b[A\x1b[A\rXY", lambda rest: "XY" + rest[2:]),
        ("\x1b[2Jnew", lambda _: "new"),
        ("\nbelow\x1b[A\rXY", lambda rest: "XY" + rest[2:] + "\nbelow"),
        ("\r" + long_row(MAX_ROW), lambda _: long_row(MAX_ROW)),
        ("\x1b[31mred", lambda rest: rest + "red"),
        ("\r\x1b[31mred", lambda rest: "\x1b[31mred\x1b[0m" + rest[3:]),
    ],
)
def test_only_the_last_columns_of_a_long_row_change(
    change: str, kept: Callable[[str], str]
) -> None:
    row = long_row(MAX_ROW + 300)
    stream = StreamText()
    stream.feed("first\nsecond\n" + row)
    before = list(stream.settled)
    assert before == ["first\n", "second\n", row[: MAX_ROW - KEPT_OF_ROW]]
    stream.feed(change)
    assert stream.settled[:3] == before
    assert stream.text() == "".join(before) + kept(row[MAX_ROW - KEPT_OF_ROW :])
    plain = re.sub("\x1b\\[[0-9;]*m", "", stream.live())
    assert stream.size() == sum(map(len, stream.settled)) + len(plain) + 1


def test_rows_below_a_row_that_gets_long_stay_below_it() -> None:
    stream = StreamText()
    stream.feed("one\ntwo\nthree\x1b[A\r" + long_row(MAX_ROW) + "\x1b[B\rTHREE")
    assert stream.text() == "one\n" + long_row(MAX_ROW) + "\nTHREE"
    assert stream.size() == len(stream.text()) + 1


PIECES = st.one_of(
    st.text(alphabet="ab\r\n\b\x1b[;0123456789KJADC█", max_size=20),
    st.integers(1, 12_000).map(long_row),
)


@given(st.lists(PIECES, max_size=8), st.data())
def test_long_rows_are_played_the_same_however_they_are_cut(
    pieces: list[str], data: st.DataObject
) -> None:
    text = "".join(pieces)
    cut = data.draw(st.integers(0, len(text)))
    whole, parts = StreamText(), StreamText()
    whole.feed(text)
    parts.feed(text[:cut])
    settled = list(parts.settled)
    parts.feed(text[cut:])
    assert parts.settled[: len(settled)] == settled
    assert whole.text() == parts.text()
    assert whole.size() == parts.size() == len(whole.text()) + 1
