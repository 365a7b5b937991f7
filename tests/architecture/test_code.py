"""Rules of the house that no linter knows."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from traitlets import HasTraits

import interview_ext
from interview_ext.errors import InterviewError
from scripts.reference import modules

ROOT = Path(__file__).resolve().parents[2]

# Close codes on which JupyterLab's document client drops its document with unsent edits.
DROPPING_CLOSE_CODES = {1003, 4400, 4404, 4500}


def test_directions_of_imports_hold() -> None:
    lint_imports = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", modules())
def test_every_trait_says_what_it_is_for(name: str) -> None:
    for value in vars(importlib.import_module(name)).values():
        if not (inspect.isclass(value) and issubclass(value, HasTraits)):
            continue
        if value.__module__ != name:
            continue
        for trait_name, trait in value.class_own_traits(config=True).items():
            assert len(trait.help.strip()) >= 20, f"{name}.{value.__name__}.{trait_name}: no help"


def every_error(base: type[InterviewError] = InterviewError) -> list[type[InterviewError]]:
    """`base` and everything derived from it."""
    return [base, *(found for child in base.__subclasses__() for found in every_error(child))]


def test_no_error_closes_a_socket_so_that_jupyterlab_drops_edits() -> None:
    for error in every_error():
        assert error.close_code not in DROPPING_CLOSE_CODES, error
        assert error.close_code == 1008 or 1000 <= error.close_code <= 4999


def test_error_codes_are_distinct() -> None:
    codes = [error.code for error in every_error()]
    assert len(codes) == len(set(codes))


def test_all_errors_stand_in_one_tree() -> None:
    for name in modules():
        for value in vars(importlib.import_module(name)).values():
            if inspect.isclass(value) and issubclass(value, InterviewError):
                assert value.__module__ == "interview_ext.errors", f"{value} belongs in errors.py"


def test_versions_of_both_packages_agree() -> None:
    node = json.loads((ROOT / "labextension" / "package.json").read_text())["version"]
    # 0.1.0-dev.0 as npm writes it is 0.1.0.dev0 as Python does.
    assert re.sub(r"-([a-z]+)\.", r".\1", node) == interview_ext.__version__


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((ROOT / "labextension" / "package-lock.json").read_text())["packages"]
    assert len(packages) > 100
    assert not [name for name, package in packages.items() if "resolved" in package]
