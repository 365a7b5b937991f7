"""The sandbox profiles of a server or broker, as they are set in configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from traitlets import TraitError

from interview_ext.errors import BadRequest

from .profiles import PROFILES, Limits, Profile, load_profile

NAME = re.compile(r"[a-z0-9-]{1,40}")
RUNTIME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}|")


def profiles_of(folders: Mapping[str, Any], *, trait: str) -> dict[str, Profile]:
    """Return the built-in profiles and those of these folders, by name.

    Raises
    ------
    TraitError
        Naming what is wrong, and what is allowed.
    """
    profiles = dict(PROFILES)
    for name, folder in folders.items():
        where = f"{trait}[{name!r}]"
        if not NAME.fullmatch(name) or name in PROFILES:
            raise TraitError(
                f"{where}: a profile's name has 1 to 40 of a-z, 0-9 and -, and is none of "
                f"{sorted(PROFILES)}"
            )
        try:
            path = Path(folder).expanduser().absolute()
            profiles[name] = load_profile(name, path)
        except (BadRequest, TypeError) as error:
            raise TraitError(f"{where}: {error}") from error
        if not (path / "Dockerfile").is_file():
            raise TraitError(f"{where}: {path} has no Dockerfile")
    return profiles


def profiles_with(
    limits: Mapping[str, Any],
    *,
    trait: str,
    profiles: Mapping[str, Profile] = PROFILES,
) -> dict[str, Profile]:
    """Return the profiles with some of their limits changed.

    Raises
    ------
    TraitError
        Naming what is wrong, and what is allowed.
    """
    changed = dict(profiles)
    known = [field.name for field in fields(Limits)]
    for name, changes in limits.items():
        where = f"{trait}[{name!r}]"
        if name not in profiles:
            raise TraitError(f"{where}: there is no such profile; there are {sorted(profiles)}")
        if not isinstance(changes, dict) or not set(changes) <= set(known):
            raise TraitError(f"{where}: must name limits of {known}")
        try:
            limits_of_it = replace(profiles[name].limits, **changes)
        except (BadRequest, TypeError) as error:
            raise TraitError(f"{where}: {error}") from error
        changed[name] = replace(profiles[name], limits=limits_of_it)
    return changed


def check_names(names: Iterable[str], profiles: Mapping[str, Profile], *, trait: str) -> None:
    """Raise TraitError if one of the names is no profile's."""
    for name in names:
        if name not in profiles:
            raise TraitError(f"{trait}: there is no profile {name!r}; there are {sorted(profiles)}")


def check_runtime(name: str, *, trait: str) -> None:
    """Raise TraitError if no engine can have a runtime of that name."""
    if not RUNTIME.fullmatch(name):
        raise TraitError(f"{trait}: {name!r} is no runtime's name, such as 'runsc' or 'kata'")
