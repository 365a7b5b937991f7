"""``jupyter interview broker-token``: let one more server use the broker."""

from __future__ import annotations

import sys
from pathlib import Path

from interview_ext.errors import InterviewError
from interview_ext.sandbox.broker_app import CLIENTS, BrokerApp
from interview_ext.sandbox.broker_clients import BrokerUsers


def broker_token(name: str, *, max_sandboxes: int, folder: Path | None) -> int:
    """Print a new token, once; only its digest is kept. Return the exit status."""
    if folder is None:
        app = BrokerApp()
        app.load_config_file()
        folder = Path(app.state_dir)
    try:
        token = BrokerUsers(folder.absolute() / CLIENTS).add(name, max_sandboxes=max_sandboxes)
    except InterviewError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"{token}\n")
    return 0
