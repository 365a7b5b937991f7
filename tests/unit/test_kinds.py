"""What a host may name as a package, and what is refused before anything is started."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from interview_ext.errors import BadRequest, NotFound
from interview_ext.sandbox.kinds import (
    MAX_PACKAGES,
    kind,
    parts,
    profile_of,
    wanted,
    without_installers,
)
from interview_ext.sandbox.profiles import PROFILES

REFUSED = [
    "",
    " ",
    "-r /etc/passwd",
    "-e .",
    "--index-url=http://127.0.0.1/",
    "--index-url http://127.0.0.1/",
    "humanize --index-url x",
    "humanize --pre",
    "humanize -e .",
    "humanize tabulate",
    "humanize @ file:///etc/passwd",
    "humanize@https://example.org/x.whl",
    "https://example.org/x.whl",
    "git+https://example.org/x",
    "./humanize",
    "/work/humanize",
    "../humanize",
    "humanize.whl/",
    "a;rm -rf",
    "humanize; python_version > '3'",
    "humanize && true",
    "humanize|sh",
    "$(id)",
    "`id`",
    "humanize\n",
    "humanize\ntabulate",
    "humanize\n-r /etc/passwd",
    "humanize\r",
    "humanize\x00",
    "humanize\\",
    "humanize \\",
    "'humanize'",
    '"humanize"',
    "#humanize",
    "humanize # comment",
    "humanize==",
    "humanize[",
    "humanize===1.0",
    "humanize (>=1)",
    "húmanize",
    "humanize\u2028tabulate",
    "x" * 101,
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        wanted([text])
    assert refused.value.hint


@pytest.mark.parametrize(
    ("asked", "compared"),
    [
        (["tabulate", "Humanize"], ("humanize", "tabulate")),
        (["ruamel_yaml", "a.b"], ("a-b", "ruamel-yaml")),
        (["Pandas[Excel, aws] >= 2.0, < 3"], ("pandas[aws,excel]<3,>=2.0",)),
        (["torch==2.1.0+cpu"], ("torch==2.1.0+cpu",)),
        (["x==1.*", "y!=2,~=1.4", "z==1!2.0"], ("x==1.*", "y!=2,~=1.4", "z==1!2.0")),
        ([], ()),
    ],
)
def test_what_is_the_same_is_spelled_the_same(asked: list[str], compared: tuple[str, ...]) -> None:
    assert wanted(asked) == compared
    assert wanted(compared) == compared
    assert parts(kind("python", compared)) == ("python", compared)


@given(st.lists(st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=30), max_size=3))
def test_what_is_let_through_is_lines_of_names(asked: list[str]) -> None:
    try:
        found = wanted(asked)
    except BadRequest:
        return
    for line in "".join(f"{each}\n" for each in found).splitlines():
        requirement = Requirement(line)
        assert requirement.url is None
        assert requirement.marker is None
        assert not line.startswith("-")
        assert not set(line) & set(" @;/\\'\"$`#")


def test_no_more_and_none_twice() -> None:
    with pytest.raises(BadRequest, match="at most"):
        wanted([f"p{i}" for i in range(MAX_PACKAGES + 1)])
    with pytest.raises(BadRequest, match="twice"):
        wanted(["Humanize", "humanize>=4"])


def test_a_kind_is_a_profile_with_its_packages() -> None:
    found = profile_of("python humanize tabulate>=0.9", PROFILES)
    assert found == replace(
        PROFILES["python"],
        name="python humanize tabulate>=0.9",
        packages=("humanize", "tabulate>=0.9"),
    )
    assert profile_of("python", PROFILES) is PROFILES["python"]
    with pytest.raises(NotFound):
        profile_of("julia humanize", PROFILES)
    for wrong in ("python tabulate humanize", "python -r", "python ", "r humanize", "sql x"):
        with pytest.raises(BadRequest):
            profile_of(wrong, PROFILES)
    with pytest.raises(BadRequest, match="cannot be added"):
        profile_of("python humanize", without_installers(PROFILES))
