"""Ids and secrets, from one source of randomness that can be passed in."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present time, aware and in UTC."""

_ID_BYTES = 10
_SECRET_BYTES = 32


def now() -> datetime:
    """Return the present time in UTC: the default `Clock`."""
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """Return a new id such as ``room_k3…``: 80 random bits behind its kind.

    In the letters of base 32, small. Each commit of a document takes one.
    """
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(_ID_BYTES)).decode().lower()}"


def new_secret() -> str:
    """Return 256 random bits for a token, seat or ticket, safe in URLs."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def digest(secret: str | bytes) -> str:
    """Return the SHA-256 of a secret or of content, in hexadecimal.

    A plain hash is enough for secrets of 256 random bits; nothing shorter is ever
    hashed with it.
    """
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).hexdigest()
