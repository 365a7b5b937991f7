"""Limits of profiles as they are set in configuration."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from traitlets import TraitError

from interview_ext.errors import BadRequest

from .profiles import PROFILES, Limits, Profile


def profiles_with(limits: dict[str, Any], *, trait: str) -> dict[str, Profile]:
    """Return the built-in profiles with some of their limits changed.

    Raises
    ------
    TraitError
        Naming what is wrong, and what is allowed.
    """
    profiles = dict(PROFILES)
    known = [field.name for field in fields(Limits)]
    for name, changes in limits.items():
        where = f"{trait}[{name!r}]"
        if name not in profiles:
            raise TraitError(f"{where}: there is no such profile; there are {sorted(profiles)}")
        if not isinstance(changes, dict) or not set(changes) <= set(known):
            raise TraitError(f"{where}: must name limits of {known}")
        try:
            changed = replace(profiles[name].limits, **changes)
        except (BadRequest, TypeError) as error:
            raise TraitError(f"{where}: {error}") from error
        profiles[name] = replace(profiles[name], limits=changed)
    return profiles
