"""Images with a room's packages: found by a digest, made once, removed when nobody uses them.

The digest is of the profile's image, the installer and the packages, so that a profile whose image
changes gets new ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

import docker
import docker.errors

from interview_ext.errors import EngineUnavailable, ImageMissing, SandboxError

from .docker_client import connect
from .images import REPOSITORY, reference
from .installing import LABEL, PIP, SILENT, SLACK_S, BuildLimits, Progress, install
from .profiles import Profile

T = TypeVar("T")
TAG = f"{REPOSITORY}-packages"
CALL_TIMEOUT_S = 60
TOUCH_S = 3600.0
NAMELESS = "1h"


class PackageImages:
    """Makes and finds images on one Docker engine; see `preparing`.

    Parameters
    ----------
    base_url:
        As `DockerEngine` takes it.
    """

    def __init__(self, base_url: str | None = None, *, limits: BuildLimits | None = None) -> None:
        self._base_url = base_url
        self._limits = limits or BuildLimits()
        self._pool = ThreadPoolExecutor(3, thread_name_prefix="packages")
        self._closing = threading.Event()
        self._touched: dict[str, float] = {}

    async def find(self, profile: Profile) -> str | None:
        """The reference of the image with a profile's packages, None if it has not been made.

        Raises
        ------
        EngineUnavailable, ImageMissing, SandboxError
        """

        def look(client: docker.APIClient) -> str | None:
            tag = _tag(client, profile)
            try:
                client.inspect_image(tag)
            except docker.errors.ImageNotFound:
                return None
            if time.monotonic() - self._touched.get(tag, float("-inf")) > TOUCH_S:
                _name(client, tag, tag)  # moves the time that `remove_unused` goes by
                self._touched[tag] = time.monotonic()
            return tag

        return await self._run(look)

    async def make(self, profile: Profile, progress: Progress) -> str:
        """Install a profile's packages; the answer is the id of an image without a name yet.

        Parameters
        ----------
        progress:
            Called on the event loop with what is being done.

        Raises
        ------
        PackagesFailed
            The installer's own sentence, or that they took too long or too much.
        EngineUnavailable, ImageMissing, SandboxError
        """
        loop = asyncio.get_running_loop()

        def tell(line: str) -> None:
            loop.call_soon_threadsafe(progress, line)

        def make(client: docker.APIClient) -> str:
            base = _base(client, profile)
            return install(
                client,
                profile,
                base=base,
                digest=_digest(base["Id"], profile),
                limits=self._limits,
                closing=self._closing,
                tell=tell,
            )

        return await self._run(make, timeout_s=self._limits.time_s + SLACK_S)

    async def keep(self, profile: Profile, image: str) -> str:
        """Give an image its name, by which it is found from now on, unless another was first."""

        def name(client: docker.APIClient) -> str:
            tag = _tag(client, profile)
            try:
                client.inspect_image(tag)
                _remove(client, image)  # another server has made the same meanwhile
            except docker.errors.ImageNotFound:
                _name(client, image, tag)
            return tag

        return await self._run(name)

    async def drop(self, image: str) -> None:
        """Remove an image that cannot be used."""
        await self._run(lambda client: _remove(client, image))

    async def remove_unused(self, unused_s: float, *, but: Collection[str] = ()) -> list[str]:
        """Remove images that were not asked for in so many seconds; return their names."""

        def remove(client: docker.APIClient) -> list[str]:
            before = datetime.now(UTC).timestamp() - unused_s
            old = [
                tag
                for row in client.images(TAG, filters={"label": LABEL})
                for tag in row.get("RepoTags") or []
                if tag not in but and _last_used(client.inspect_image(tag)) < before
            ]
            # Without a name are those whose server was killed before it could give them one.
            nameless = {"dangling": True, "label": LABEL, "until": NAMELESS}
            client.prune_images(filters=nameless)
            return [tag for tag in old if _remove(client, tag)]

        return await self._run(remove)

    async def close(self) -> None:
        """End what is being installed, and give back threads."""
        self._closing.set()
        await asyncio.to_thread(self._pool.shutdown, wait=True)

    # -- on threads -------------------------------------------------------------------------

    async def _run(
        self, work: Callable[[docker.APIClient], T], *, timeout_s: float = CALL_TIMEOUT_S
    ) -> T:
        if self._closing.is_set():
            raise EngineUnavailable("The server is being stopped.")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._call, work, timeout_s)

    def _call(self, work: Callable[[docker.APIClient], T], timeout_s: float) -> T:
        try:
            client = connect(self._base_url, timeout_s)
            try:
                return work(client)
            finally:
                client.close()
        except docker.errors.APIError as error:
            raise SandboxError(f"The container engine refused: {error.explanation}") from error
        except SILENT as error:
            raise EngineUnavailable("No container engine answers.") from error


def _base(client: docker.APIClient, profile: Profile) -> Any:
    try:
        return client.inspect_image(reference(profile.image))
    except docker.errors.ImageNotFound as error:
        raise ImageMissing("The sandbox image has not been built.") from error


def _digest(base: str, profile: Profile) -> str:
    """What the image is known by: all that goes into it."""
    installer = profile.installer.kind if profile.installer is not None else ""
    whole = json.dumps([base, installer, PIP, profile.packages])
    return hashlib.sha256(whole.encode()).hexdigest()


def _tag(client: docker.APIClient, profile: Profile) -> str:
    return f"{TAG}:{_digest(_base(client, profile)['Id'], profile)}"


def _name(client: docker.APIClient, image: str, tag: str) -> None:
    repository, _, name = tag.partition(":")
    client.tag(image, repository, name, force=True)


def _remove(client: docker.APIClient, image: str) -> bool:
    """Remove an image; the answer is whether it is gone. One that is in use stays."""
    try:
        client.remove_image(image)
    except docker.errors.APIError as error:
        return bool(error.status_code == 404)
    return True


def _last_used(image: Any) -> float:
    named = image.get("Metadata", {}).get("LastTagTime") or image["Created"]
    moment = re.sub(r"\.\d+", "", named)  # nanoseconds, which Python does not read
    return datetime.fromisoformat(moment).timestamp()
