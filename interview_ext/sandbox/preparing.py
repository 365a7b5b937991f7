"""Packages made ready ahead of their rooms: one installation at a time, each once.

Whoever asks for a kind (see `kinds`) that has packages starts its installation, or is told how
far it is. What is ready was tried: a kernel has answered in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Literal, Protocol

from interview_ext.errors import (
    BadRequest,
    ImageMissing,
    PackagesFailed,
    SandboxError,
    TooManyRequests,
)

from .installing import Progress
from .profiles import Profile

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How long an answer waits for the engine to say whether an image is there."""
CHECK_AGAIN_S = 600.0
"""An image that was there is looked for again after so long: it may have been removed by hand."""
RETRY_S = 30.0
"""What failed because of the engine, and not of the packages, is tried again after so long."""
UNUSED_S = 14 * 86400.0
CLEAN_EVERY_S = 86400.0
MAX_UNDER_WAY = 50
MAX_KNOWN = 500
IN_LINE = "Waits for another installation"
NO_KERNEL = "The kernel does not start with these packages."

State = Literal["building", "ready", "failed"]


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How far the packages of a kind are.

    Attributes
    ----------
    line:
        What is being done, while they are being installed.
    problem:
        Why they could not be installed, as a sentence for the host.
    """

    state: State
    line: str = ""
    problem: str = ""


READY = Preparation(state="ready")


class Images(Protocol):
    """Where images with packages come from; `package_images.PackageImages` is it."""

    async def find(self, profile: Profile) -> str | None: ...

    async def make(self, profile: Profile, progress: Progress) -> str: ...

    async def keep(self, profile: Profile, image: str) -> str: ...

    async def drop(self, image: str) -> None: ...

    async def remove_unused(self, unused_s: float, *, but: Collection[str] = ()) -> list[str]: ...

    async def close(self) -> None: ...


@dataclass(eq=False)
class _Work:
    """One kind's installation, under way or over."""

    state: State = "building"
    line: str = ""
    problem: str = ""
    again_at: float = float("inf")
    """Loop time from which on it is looked at anew."""
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def shown(self) -> Preparation:
        return Preparation(state=self.state, line=self.line, problem=self.problem)


class Preparer:
    """All packages of one engine. Made by `Sandboxes`.

    Parameters
    ----------
    attempt:
        Starts a kernel of a profile in an image and ends it. Raises SandboxError if none answers.
    on_ready:
        Called with a profile whose packages are there from now on.
    """

    def __init__(
        self,
        images: Images | None,
        *,
        attempt: Callable[[Profile, str], Awaitable[None]],
        on_ready: Callable[[Profile], None],
    ) -> None:
        self._images = images
        self._attempt = attempt
        self._on_ready = on_ready
        self._works: dict[str, _Work] = {}
        self._one = asyncio.Lock()
        self._cleaning: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to remove what nobody uses any more, once a day."""
        if self._images is not None:
            self._cleaning = asyncio.create_task(self._clean(), name="unused package images")

    async def stop(self) -> None:
        """End what is under way."""
        tasks = [work.task for work in self._works.values() if work.task is not None]
        tasks += [self._cleaning] if self._cleaning is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._images is not None:
            await self._images.close()

    async def look(self, profile: Profile, *, again: bool = False) -> Preparation:
        """How far a profile's packages are; begins with them if nobody has.

        Parameters
        ----------
        again:
            Whether what has failed is tried once more.

        Raises
        ------
        BadRequest
            No packages can be installed here.
        TooManyRequests
            Too many installations are under way.
        """
        work = self._work(profile, again=again)
        try:
            async with asyncio.timeout(LOOK_S):
                await work.looked.wait()
        except TimeoutError:
            pass
        return work.shown

    async def ready(self, profile: Profile) -> None:
        """Return when a profile's packages are there.

        Raises
        ------
        PackagesFailed
            They are not to be had, in words for everybody in the room.
        BadRequest, TooManyRequests
            As `look`.
        """
        work = self._work(profile)
        if work.task is not None:
            await asyncio.wait({work.task})
        if work.state != "ready":
            raise PackagesFailed("The packages of this interview are not installed.")

    async def image(self, profile: Profile) -> str:
        """Where a profile's packages are, for a sandbox that starts now. Raises ImageMissing."""
        found = None if self._images is None else await self._images.find(profile)
        if found is None:
            self._works.pop(profile.name, None)
            raise ImageMissing(
                "The image with the packages of this interview is gone.",
                hint="It is made again by itself; run the cell again in a minute.",
            )
        return found

    # -- inside

    def _work(self, profile: Profile, *, again: bool = False) -> _Work:
        if self._images is None:
            raise BadRequest("No packages can be installed on this server.")
        now = asyncio.get_running_loop().time()
        work = self._works.get(profile.name)
        if work is not None and now < work.again_at and not (again and work.state == "failed"):
            return work
        under_way = [name for name, each in self._works.items() if each.state == "building"]
        if len(under_way) >= MAX_UNDER_WAY:
            raise TooManyRequests("Too many packages are being installed.")
        self._forget(MAX_KNOWN)
        work = self._works[profile.name] = _Work()
        work.task = asyncio.create_task(
            self._bring(self._images, profile, work), name=f"packages: {profile.name}"
        )
        return work

    def _forget(self, most: int) -> None:
        over = [name for name, work in self._works.items() if work.state != "building"]
        for name in over[: max(0, len(self._works) - most)]:
            del self._works[name]

    async def _bring(self, images: Images, profile: Profile, work: _Work) -> None:
        clock = asyncio.get_running_loop().time
        try:
            if await images.find(profile) is None:
                work.line = IN_LINE if self._one.locked() else ""
                work.looked.set()
                async with self._one:
                    work.line = ""
                    if await images.find(profile) is None:  # another server may have made it
                        await self._install(images, profile, work)
            work.state, work.again_at = "ready", clock() + CHECK_AGAIN_S
            self._on_ready(profile)
        except PackagesFailed as error:
            work.state, work.problem = "failed", error.message
        except SandboxError as error:
            work.state, work.problem = "failed", f"{error.message} {error.hint}".strip()
            work.again_at = clock() + RETRY_S
        except Exception:  # nobody awaits this, and rooms would wait for ever
            log.exception("the packages of %s could not be installed", profile.name)
            work.state, work.problem = "failed", "The server failed; its log says more."
        finally:
            work.line = ""
            work.looked.set()
        if work.state == "failed":
            log.warning("no packages for %s: %s", profile.name, work.problem)

    async def _install(self, images: Images, profile: Profile, work: _Work) -> None:
        def hear(line: str) -> None:
            work.line = line

        log.info("installing packages: %s", profile.name)
        image = await images.make(profile, hear)
        try:
            hear("Trying a kernel")
            await self._attempt(profile, image)
        except SandboxError as error:
            await images.drop(image)
            log.warning("no kernel starts with %s: %s", profile.name, error.message)
            raise PackagesFailed(NO_KERNEL) from error
        except BaseException:
            await asyncio.shield(images.drop(image))
            raise
        await images.keep(profile, image)

    async def _clean(self) -> None:
        while self._images is not None:
            try:
                for name in await self._images.remove_unused(UNUSED_S):
                    log.info("removed an image that no room has used for two weeks: %s", name)
            except SandboxError as error:
                log.info("unused package images could not be removed: %s", error.message)
            await asyncio.sleep(CLEAN_EVERY_S)
