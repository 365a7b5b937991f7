"""What a room asks for, as one name: its profile, and behind it the packages it wants on top.

``python`` is a profile as it is; ``python humanize pandas[excel]<3`` the same with two packages.
Such a name stands wherever a profile's does: in claims, plans, pools and at a broker. Two rooms
that ask for the same have the same name, and so one image and one pool.

Packages are names with versions and nothing else. What an installer would also take, such as
addresses, paths, options and markers, is refused here, whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from interview_ext.errors import BadRequest, NotFound

from .profiles import Profile

MAX_PACKAGES = 20
MAX_PACKAGE_CHARS = 100
PACKAGE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._,<>=!~+*\[\] -]{0,99}$"
"""All signs that a name with extras and versions has: no ``@``, ``;``, ``/``, quote or line end."""
_SIGNS = re.compile(PACKAGE_PATTERN.strip("^$"))
_HINT = "Name packages as in a requirements file, such as humanize, polars>=1.0 or pandas[excel]."


def wanted(packages: Iterable[str]) -> tuple[str, ...]:
    """Return the packages as they are compared: each spelled one way, in order.

    Raises
    ------
    BadRequest
        One is no name with versions, one is named twice, or they are too many.
    """
    asked = list(packages)
    if len(asked) > MAX_PACKAGES:
        raise BadRequest(f"A room takes at most {MAX_PACKAGES} packages.")
    found: dict[str, str] = {}
    for text in asked:
        name, spelled = _spelled(text)
        if name in found:
            raise BadRequest(f"The package {name} is named twice.", hint=_HINT)
        found[name] = spelled
    return tuple(found[name] for name in sorted(found))


def _spelled(text: str) -> tuple[str, str]:
    """Return the package's name, and the whole in one spelling. Raises BadRequest."""
    refused = BadRequest(f"{text[:MAX_PACKAGE_CHARS]!r} is no package's name.", hint=_HINT)
    if not _SIGNS.fullmatch(text):
        raise refused
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise refused from None
    if requirement.url or requirement.marker or "===" in text:
        raise refused
    name = canonicalize_name(requirement.name)
    extras = ",".join(sorted(canonicalize_name(extra) for extra in requirement.extras))
    versions = ",".join(sorted(str(each) for each in requirement.specifier))
    return name, f"{name}[{extras}]{versions}" if extras else f"{name}{versions}"


def kind(profile: str, packages: Iterable[str]) -> str:
    """Return the name for a profile with these packages, which are as `wanted` returns them."""
    return " ".join([profile, *packages])


def parts(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the profile and the packages of such a name."""
    profile, *packages = name.split(" ")
    return profile, tuple(packages)


def profile_of(name: str, profiles: Mapping[str, Profile]) -> Profile:
    """Return what such a name stands for, among these profiles.

    Raises
    ------
    NotFound
        There is no such profile.
    BadRequest
        It takes no packages, or these are none.
    """
    base, packages = parts(name)
    if base not in profiles:
        raise NotFound(f"There is no sandbox profile named {base!r}.")
    if not packages:
        return profiles[base]
    check(profiles[base], packages)
    return replace(profiles[base], name=name, packages=packages)


def check(profile: Profile, packages: tuple[str, ...]) -> None:
    """Raise BadRequest if the profile takes no packages, or these are not as `wanted` has them."""
    if packages and profile.installer is None:
        raise BadRequest(
            f"Packages cannot be added to the profile {profile.name!r} on this server.",
            hint="Leave the packages out, or choose another language.",
        )
    if wanted(packages) != packages:
        raise BadRequest("The packages are not spelled as they are compared.")


def without_installers(profiles: Mapping[str, Profile]) -> dict[str, Profile]:
    """Return profiles that take no packages."""
    return {name: replace(profile, installer=None) for name, profile in profiles.items()}
