"""The demo, run as a person runs it, with a browser that says what it was given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

BROWSER = """\
import json, sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

file = Path(url2pathname(urlsplit(sys.argv[1]).path))
page = file.read_text() if file.is_file() else ""
mode = file.stat().st_mode & 0o777 if page else 0
print(json.dumps({"argument": sys.argv[1], "page": page, "mode": mode}), flush=True)
"""


def test_the_browser_is_not_given_the_token_as_an_argument(tmp_path: Path) -> None:
    script = tmp_path / "browser.py"
    script.write_text(BROWSER)
    process = subprocess.Popen(
        [sys.executable, "-m", "interview_ext.cli", "demo", "--json", f"--dir={tmp_path / 'demo'}"],
        env=os.environ
        | {
            "BROWSER": f"{sys.executable} {script} %s",
            "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
            "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        given = json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
    assert ready["token"] not in given["argument"]
    parts = urlsplit(given["argument"])
    assert (parts.scheme, given["mode"]) == ("file", 0o600)
    assert ready["host_url"].replace("&", "&amp;") in given["page"]
    assert not Path(url2pathname(parts.path)).exists()
