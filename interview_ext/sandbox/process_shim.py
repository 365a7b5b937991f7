"""First process of a sandbox of the process engine: the shim, outside a container.

Started as ``python -I -B process_shim.py SHIM FOLDER``. It is the shim of the images, with other
places for the connection file and the work folder. When it ends, be it because the server has
gone, all of its process group ends with it and the folder is removed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any


def load(path: str) -> Any:
    """The shim as a module."""
    spec = importlib.util.spec_from_file_location("shim", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(shim_file: str, folder: Path) -> None:
    """Carry frames until the server closes stdin."""
    shim = load(shim_file)
    shim.CONNECTION_FILE = str(folder / "kernel.json")
    shim.WORK_FOLDER = os.fsencode(folder / "work")
    # A group that stands still while its parent dies is sent this, and there is still work to do.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        shim.Shim().run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]))
