"""The browser's half of a branch's key: a cookie named after the branch.

No script reads it, it is sent to the participant's own door only, and it goes with the branch.
"""

from __future__ import annotations

from tornado.web import RequestHandler

PREFIX = "interview-branch-"
_LIFE_DAYS = 90
"""As long as a seat's. The branch itself ends with the interview."""


def set_branch_cookie(handler: RequestHandler, branch_id: str, secret: str, *, door: str) -> None:
    """Give the browser its half; `door` is the path of the participant's door."""
    handler.set_cookie(
        PREFIX + branch_id,
        secret,
        path=door,
        expires_days=_LIFE_DAYS,
        httponly=True,
        samesite="Lax",
        secure=handler.request.protocol == "https",
    )


def clear_branch_cookie(handler: RequestHandler, branch_id: str, *, door: str) -> None:
    """Take it away again."""
    handler.clear_cookie(PREFIX + branch_id, path=door)
