"""What a URL of MongoDB has to have, looked at without a connection."""

from __future__ import annotations

import re
import warnings
from urllib.parse import urlsplit

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


def check(url: str) -> None:
    """Raise `ValueError` for a URL that cannot work, without repeating any of it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_FORM) from None
    if not _NAME.fullmatch(parts.path[1:]):
        raise ValueError(
            "has to name a database of letters, digits, - and _, as in "
            "mongodb://host1,host2/interviews?replicaSet=rs"
        )
    # The names behind +srv are looked up at the start only; the rest has the same form.
    plain = url.replace("mongodb+srv://", "mongodb://", 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # options that the driver would ignore
            parse_uri(plain, validate=True, warn=False)
    except (PyMongoError, OSError, ValueError, TypeError, Warning) as error:
        raise ValueError(_without_secrets(str(error), url)) from None


_FORM = (
    "is not a URL of MongoDB; user and password have to be percent-encoded "
    "(urllib.parse.quote_plus)"
)


def _without_secrets(reason: str, url: str) -> str:
    """Return the driver's reason, or a general one where it repeats something of the URL."""
    head = url.partition("://")[2].partition("?")[0].rpartition("@")[0]
    secrets = {piece for piece in re.split(r"[:@/,]", head) if piece}
    secrets |= set(re.findall(r"[=:,]([^&=:,]{4,})", url.partition("?")[2]))
    return _FORM if any(secret in reason for secret in secrets) else f"is refused: {reason}"
