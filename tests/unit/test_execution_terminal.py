"""A stream's text as a terminal shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interview_ext.execution.terminal import LIVE_ROWS, StreamText


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
