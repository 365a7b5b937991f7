"""What the tests of packages share: names nobody has asked for yet, and images that are counted."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import docker
import docker.errors

from interview_ext.sandbox.broker import Broker
from interview_ext.sandbox.installing import LABEL, Progress
from interview_ext.sandbox.kinds import wanted
from interview_ext.sandbox.package_images import TAG, PackageImages
from interview_ext.sandbox.preparing import Preparation
from interview_ext.sandbox.profiles import Profile

BUILD_S = 90


def fresh(*names: str) -> tuple[str, ...]:
    """Small packages, in versions that no other test has asked for: none of them is there yet."""
    unknown = secrets.randbelow(10**9)
    return wanted(f"{name}>=0.0.{unknown}" for name in names or ("humanize",))


class CountedImages(PackageImages):
    """Images on the real engine; how many were made is counted."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.made = 0

    async def make(self, profile: Profile, progress: Progress) -> str:
        self.made += 1
        return await super().make(profile, progress)


async def prepared(
    broker: Broker, packages: Sequence[str], *, again: bool = False, profile: str = "python"
) -> list[Preparation]:
    """Ask until the packages are there or have failed; all different answers, in order."""
    seen: list[Preparation] = []
    async with asyncio.timeout(BUILD_S):
        while not seen or seen[-1].state == "building":
            found = await broker.prepare(profile, packages, again=again)
            again = False
            if not seen or seen[-1] != found:
                seen.append(found)
            await asyncio.sleep(0.05)
    return seen


def images_with(packages: Sequence[str]) -> list[dict[str, Any]]:
    """The engine's images that were made for these packages, with a name or without."""
    import json

    client = docker.from_env()
    try:
        rows = client.api.images(filters={"label": f"{LABEL}={json.dumps(list(packages))}"})
        return [{**client.api.inspect_image(row["Id"]), "Row": row} for row in rows]
    finally:
        client.close()


def installations() -> list[str]:
    """Containers in which something is being installed, of all servers of this engine."""
    client = docker.from_env()
    try:
        rows = client.api.containers(all=True, filters={"label": LABEL})
        ours = [row for row in rows if "interview.server" not in row["Labels"]]
        return [row["Id"] for row in ours]
    finally:
        client.close()


def remove(packages: Sequence[str]) -> None:
    """Remove the images of a test; one that a sandbox still runs on only loses its name."""
    client = docker.from_env()
    try:
        for image in images_with(packages):
            for name in [*image["RepoTags"], image["Id"]]:
                with suppress(docker.errors.APIError):  # gone, or in use
                    client.api.remove_image(name, force=True)
    finally:
        client.close()


def names() -> set[str]:
    """The names of all images with packages."""
    client = docker.from_env()
    try:
        return {tag for row in client.api.images(TAG) for tag in row.get("RepoTags") or []}
    finally:
        client.close()
