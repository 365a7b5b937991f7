"""Outside the rooms a host's JupyterLab is as it would be without this package.

First its answers are held against those of the same JupyterLab without us, then it is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import PATIENCE_MS

from .labs import NOTEBOOK, OUR_LABEXTENSION, Lab, without_config
from .steps import code_cell, outputs

OURS = ("interview-", "interview_ext", f"{OUR_LABEXTENSION}:")
ASKED = (
    "api",
    "api/status",
    "api/me",
    "api/contents",
    "api/contents/own",
    "api/contents/missing.ipynb",
    "api/kernels",
    "api/sessions",
    "api/terminals",
    "api/spec.yaml",
    "lab/api/extensions?query=jupyterlab&refresh=1",
    "lab/api/themes/none",
    "lab/api/translations",
    "lab/api/workspaces",
    "login",
    "tree",
    "files/own/own.ipynb",
    "missing",
)
UNKNOWN = ("lab", "api/contents", "api/kernels", "api/terminals", "lab/api/settings", "metrics")
"""Asked by somebody without a login."""
VARYING = {"content-length", "date", "etag", "last-modified", "set-cookie"}


@dataclass(frozen=True, kw_only=True)
class Labs:
    with_us: Lab
    without_us: Lab

    def each(self, ask: Callable[[Lab], Any]) -> tuple[Any, Any]:
        """Return what is got from the one and from the other."""
        return ask(self.with_us), ask(self.without_us)


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    folder = tmp_path_factory.mktemp("labs")
    both = [Lab(folder=folder / name, ours=name == "ours") for name in ("ours", "stock")]
    try:
        for lab in both:
            lab.start()
        for lab in both:
            lab.wait()
        yield Labs(with_us=both[0], without_us=both[1])
    finally:
        for lab in both:
            lab.stop()


@pytest.mark.parametrize("path", ASKED)
def test_an_answer_is_as_without_us(labs: Labs, path: str) -> None:
    def ask(lab: Lab) -> tuple[int, dict[str, str], Any]:
        answer = lab.get(path)
        headers = {n: lab.told(v) for n, v in answer.headers.items() if n not in VARYING}
        return answer.status_code, headers, lab.told(answer.text)

    with_us, without_us = labs.each(ask)
    assert with_us == without_us


@pytest.mark.parametrize("path", UNKNOWN)
def test_somebody_without_a_login_is_refused_as_without_us(labs: Labs, path: str) -> None:
    def ask(lab: Lab) -> tuple[int, str]:
        answer = lab.get(path, login=False)
        return answer.status_code, answer.headers.get("location", "")

    with_us, without_us = labs.each(ask)
    assert with_us == without_us
    assert with_us[0] in (302, 403)


def test_kernels_are_added_and_none_is_changed(labs: Labs) -> None:
    with_us, without_us = labs.each(lambda lab: lab.get("api/kernelspecs").json())
    added = set(with_us["kernelspecs"]) - set(without_us["kernelspecs"])
    assert all(name.startswith("interview-") for name in added), added
    for name in added:
        del with_us["kernelspecs"][name]
    assert with_us == without_us
    assert with_us["default"] == "python3"


def test_the_extension_manager_lists_ours_besides(labs: Labs) -> None:
    def ask(lab: Lab) -> list[dict[str, Any]]:
        listed = json.loads(lab.told(lab.get("lab/api/extensions").text))
        return sorted(listed, key=lambda extension: str(extension["name"]))

    with_us, without_us = labs.each(ask)
    ours = [it for it in with_us if OUR_LABEXTENSION in it["name"]]
    assert [it["enabled"] for it in ours] == [True]
    assert [it for it in with_us if it not in ours] == without_us


def test_settings_are_as_without_us_but_for_ours(labs: Labs) -> None:
    def ask(lab: Lab) -> dict[str, Any]:
        settings = json.loads(lab.told(lab.get("lab/api/settings").text))["settings"]
        return {plugin["id"]: plugin for plugin in settings}

    with_us, without_us = labs.each(ask)
    theirs = {name: it for name, it in with_us.items() if not name.startswith(OURS)}
    assert theirs == without_us


def test_the_page_is_as_without_us_but_for_our_extension(labs: Labs) -> None:
    def ask(lab: Lab) -> dict[str, Any]:
        return dict(json.loads(lab.told(json.dumps(lab.page_config()))))

    with_us, without_us = labs.each(ask)
    extensions = with_us["federated_extensions"]
    ours = [it for it in extensions if it["name"] == OUR_LABEXTENSION]
    assert len(ours) == 1
    with_us["federated_extensions"] = [it for it in extensions if it not in ours]
    for config in (with_us, without_us):
        del config["labextensionsPath"]  # the other one's is where ours is not
        config["federated_extensions"].sort(key=lambda it: it["name"])
    assert with_us == without_us

    around = labs.each(lambda lab: lab.told(without_config(lab.get("lab").text)))
    assert around[0] == around[1]


def test_policy_and_cookies_of_the_page_are_as_without_us(labs: Labs) -> None:
    def ask(lab: Lab) -> tuple[dict[str, str], list[str]]:
        answer = lab.get(f"lab?token={lab.token}", login=False)
        assert answer.status_code == 200
        headers = {n: lab.told(v) for n, v in answer.headers.items() if n not in VARYING}
        cookies = [
            lab.told(re.sub(r"(?<==)[^;]*", "VALUE", cookie, count=1))
            for cookie in answer.headers.get_list("set-cookie")
        ]
        return headers, sorted(re.sub(r"expires=[^;]*", "expires", it) for it in cookies)

    with_us, without_us = labs.each(ask)
    assert "content-security-policy" in with_us[0]
    assert any("username-" in cookie for cookie in with_us[1])
    assert with_us == without_us


def test_an_own_notebook_is_shared_by_stock_collaboration(
    labs: Labs, new_page: Callable[..., Page]
) -> None:
    lab = labs.with_us
    pages = [first, second] = [new_page(), new_page()]
    for page in pages:  # one after the other: stock pages that open at once start a kernel each
        page.goto(f"{lab.url}lab/tree/{NOTEBOOK}?token={lab.token}")
        expect(page.locator(".jp-CodeCell")).to_have_count(1)
        expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
            "data-status", "idle"
        )
    code_cell(first, 0).click()
    first.keyboard.type("print('product', 6 * 7)")
    expect(code_cell(second, 0)).to_have_text("print('product', 6 * 7)")
    code_cell(second, 0).click()
    second.keyboard.press("Control+End")
    second.keyboard.type("  # seen")
    expect(code_cell(first, 0)).to_have_text("print('product', 6 * 7)  # seen")

    first.keyboard.press("Shift+Enter")
    for page in pages:
        expect(outputs(page, 0)).to_have_text("product 42")
    kernels = lab.get("api/kernels").json()
    assert [kernel["name"] for kernel in kernels] == ["python3"]
    saved = wait_until_saved(first, lab)
    assert saved["source"] == "print('product', 6 * 7)  # seen"
    assert saved["execution_count"] == 1


def wait_until_saved(page: Page, lab: Lab) -> dict[str, Any]:
    """Wait until the file has the output of its first cell; return the cell.

    Jupyter writes the file in place: whoever reads it meanwhile finds it empty or cut short.
    """
    for _ in range(PATIENCE_MS // 100):
        with suppress(json.JSONDecodeError):
            cell = json.loads(lab.notebook.read_text())["cells"][0]
            if cell["outputs"]:
                assert "".join(cell["outputs"][0]["text"]) == "product 42\n"
                return {**cell, "source": "".join(cell["source"])}
        page.wait_for_timeout(100)
    raise AssertionError("the notebook was not saved")


def test_terminals_and_extension_manager_work(labs: Labs, new_page: Callable[..., Page]) -> None:
    lab, page = labs.with_us, new_page()
    page.goto(f"{lab.url}lab/workspaces/tools?token={lab.token}")
    page.locator(".jp-LauncherCard", has_text="Terminal").click()
    terminal = page.locator(".jp-Terminal")
    expect(terminal.locator(".xterm-accessibility-tree")).to_contain_text(re.compile(r"[#$]"))
    terminal.click()
    page.keyboard.type("echo $((6*7))")
    page.keyboard.press("Enter")
    expect(
        terminal.locator(".xterm-accessibility-tree > *", has_text=re.compile(r"^42\s*$"))
    ).to_be_visible()
    assert len(lab.get("api/terminals").json()) == 1

    page.get_by_role("tab", name=re.compile("Extension Manager")).click()
    manager = page.locator("#extensionmanager\\.main-view")
    expect(manager).to_be_visible()
    manager.get_by_role("button", name="Yes").click()
    expect(manager.get_by_text("jupyter-collaboration-extension")).to_be_visible()
