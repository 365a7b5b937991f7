"""Why a sandbox ended, in words a candidate can read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Reason(StrEnum):
    """What ended a sandbox; the value is what the candidate reads."""

    MEMORY_LIMIT = "memory limit"
    TIME_LIMIT = "time limit"
    CRASH = "crash"
    STOPPED = "stopped"
    ENGINE_LOST = "engine lost"


@dataclass(frozen=True, kw_only=True)
class Death:
    """The end of one sandbox.

    Parameters
    ----------
    reason:
        The kind of end.
    detail:
        One sentence: which limit with its figure, which exit status.
    at:
        When it was noticed, aware UTC.
    """

    reason: Reason
    detail: str
    at: datetime
