"""The documentation says what the code does, where the code can tell."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import reference

ROOT = Path(__file__).resolve().parents[2]


def test_generated_tables_are_up_to_date() -> None:
    for page in reference.pages():
        text = page.read_text()
        assert reference.updated(text) == text, f"{page.relative_to(ROOT)} is stale: make docs"


def test_every_generated_table_stands_on_a_page() -> None:
    text = "".join(page.read_text() for page in reference.pages())
    shown = set(re.findall(r"<!-- generated: ([a-z-]+) -->", text))
    assert shown == set(reference.TABLES)


def test_every_setting_is_in_the_reference() -> None:
    table = reference.settings()
    owners = reference.configurable_classes()
    assert "InterviewApp" in [owner.__name__ for owner in owners]
    for owner in owners:
        for name in owner.class_own_traits(config=True):
            assert f"`{owner.__name__}.{name}`" in table


def test_every_target_that_the_documentation_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [*reference.pages(), ROOT / "CONTRIBUTING.md"]:
        for name in re.findall(r"`make ([a-z-]+)`", page.read_text()):
            known = name in targets or (ROOT / "tests" / name.removeprefix("test-")).is_dir()
            assert known, f"{page.name}: make {name}"


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="Sphinx is not installed (pip install '.[docs]')")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"),
            *("-d", tmp_path / "doctrees", ROOT / "docs", tmp_path / "html"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
