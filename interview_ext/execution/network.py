"""What a cell tried to reach, as its kernel reports it: help for its author, never evidence.

A sandbox has no network, so the attempt failed. A hook in the kernel tells of it by an iopub
message of a type of our own. Whoever runs cells can forge that message, and can avoid it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from interview_ext.execution.clean import clean_text
from interview_ext.rooms.model import Run

MESSAGE = "interview_network"
"""The message's type. Its content: ``target``, a host's name or address, with a port if it has."""
MAX_TARGETS = 8
"""Of a run; what it tries after them is not said."""
MAX_TARGET = 100
"""Characters; a host's name has at most 253, and hardly ever so many."""


def reported(run: Run, content: dict[str, Any]) -> Run | None:
    """Return `run` with what the message adds; None if that is nothing."""
    target = content.get("target")
    if not isinstance(target, str) or len(run.network_reported) >= MAX_TARGETS:
        return None
    text = clean_text(target[:MAX_TARGET]).strip()
    if not text or not text.isprintable() or text in run.network_reported:
        return None
    return replace(run, network_reported=(*run.network_reported, text))
