"""Runs and sandboxes as pages read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interview_ext.rooms.model import EVERYONE, STAFF, Document, Role, Run, RunState

UNFINISHED = frozenset({RunState.QUEUED, RunState.RUNNING})


@dataclass(frozen=True, kw_only=True)
class InputRequest:
    """A cell asks for a line of text; anybody who may run may answer."""

    run_id: str
    prompt: str
    password: bool

    def as_body(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "prompt": self.prompt, "password": self.password}


@dataclass(frozen=True, kw_only=True)
class SandboxStatus:
    """The sandbox of a room, as its pages show it.

    `notice` says what people should know now; `rests_at` when it ends unless it is used.
    """

    state: str
    notice: str
    rests_at: datetime | None
    profile: str
    isolation: str
    kernel_id: str | None
    limits: Mapping[str, float]
    usage: Mapping[str, float] | None
    death: Mapping[str, Any] | None
    engine: Mapping[str, Any]

    def as_body(self) -> dict[str, Any]:
        return {**vars(self)}


def lasting(state: str) -> str:
    """What holds of a kernel's state until somebody is told of another one.

    Nobody is when it has done with a cell: that is for the cell's run to tell.
    """
    return "ready" if state == "busy" else state


def run_body(run: Run) -> dict[str, Any]:
    """Return a run record as JSON."""
    return {
        "id": run.id,
        "document": run.document_id,
        "cell_id": run.cell_id,
        "source_digest": run.source_digest,
        "log_seq": run.log_seq,
        "by": run.by,
        "accepted_at": _time(run.accepted_at),
        "state": str(run.state),
        "execution_count": run.execution_count,
        "started_at": _time(run.started_at),
        "ended_at": _time(run.ended_at),
        "time_limit_s": run.time_limit_s,
        "deadline_at": _time(run.deadline_at),
        "death": run.death,
        "output_digest": run.output_digest,
        "network_reported": list(run.network_reported),
    }


def audience(document: Document) -> str:
    """Return who may know of runs in a document: those who may read it."""
    return EVERYONE if Role.CANDIDATE in document.readers | document.writers else STAFF


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
