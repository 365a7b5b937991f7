"""URLs of services, as a person may see them."""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"(?<=://)[^/@?]*(?:@[^/@?]*)*@")
_QUERY = re.compile(r"\?.*", re.DOTALL)


def redacted(url: str) -> str:
    """Return the URL without user, password and options: these may hold secrets too."""
    return _QUERY.sub("", _USER_INFO.sub("", url))
