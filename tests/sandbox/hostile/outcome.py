"""What may come of a hostile program, declared in its header, and whether that is what came.

    refused EPERM EACCES …   each of its attempts (see `prelude.py`) ended in one of these errors;
                             ``EMPTY``: it got nothing. There was at least one attempt
    held TEXT                it ran to its end and said TEXT
    truncated TEXT           it ran to its end, and TEXT says what of its output is missing
    interrupted TEXT         it said TEXT and went on until an interrupt ended it
    killed REASON            its sandbox was ended, for that reason

In all cases but the last the kernel goes on. What else has to hold whatever came, is for
`site.Site.check`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .program import Program

ATTEMPT = re.compile(r"^ATTEMPT (.*): (\w+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Came:
    """What came of a run.

    Attributes
    ----------
    text:
        All that it printed, showed or raised.
    status, error:
        The reply's, and the name of the error in it.
    death:
        Why the sandbox ended; empty if it lives.
    """

    text: str = ""
    status: str = ""
    error: str = ""
    death: str = ""

    @property
    def attempts(self) -> dict[str, str]:
        """Each attempt, and the error it ended in."""
        return dict(ATTEMPT.findall(self.text))

    def __str__(self) -> str:
        if self.death:
            return f"killed: {self.death}"
        if self.attempts:
            return "refused: " + " ".join(sorted(set(self.attempts.values())))
        if self.error == "KeyboardInterrupt":
            return "interrupted"
        return f"ended: {self.status}"


def judge(program: Program, came: Came) -> str:
    """Say what is wrong; empty if that came which had to come."""
    return JUDGES[program.how](program.what, came)


def _refused(what: str, came: Came) -> str:
    allowed = what.split()
    wrong = {name: error for name, error in came.attempts.items() if error not in allowed}
    if came.death or not came.attempts or wrong:
        return f"not refused: {wrong or came.death or came.text[-2000:]}"
    return ""


def _held(what: str, came: Came) -> str:
    if came.death or came.status not in ("ok", "error") or what not in came.text:
        return f"{what!r} was not said: {came.death} {came.status} {came.text[-2000:]}"
    return ""


def _interrupted(what: str, came: Came) -> str:
    if came.error != "KeyboardInterrupt" or what not in came.text:
        return f"not interrupted: {came.death} {came.status} {came.text[-2000:]}"
    return ""


def _killed(what: str, came: Came) -> str:
    if came.death != what:
        return f"not killed for {what!r}: {came.death} {came.status} {came.text[-2000:]}"
    return ""


JUDGES = {
    "refused": _refused,
    "held": _held,
    "truncated": _held,
    "interrupted": _interrupted,
    "killed": _killed,
}
