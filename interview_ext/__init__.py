"""Interview rooms for JupyterLab."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0.dev0"


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Called by jupyter_server to find the extension."""
    from interview_ext.app import InterviewApp

    return [{"module": "interview_ext", "app": InterviewApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Called by `jupyter labextension develop` to find the built front end."""
    return [{"src": "labextension", "dest": "jupyter-interview-rooms"}]
