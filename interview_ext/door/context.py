"""What all doors share, and what they need of the other parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from interview_ext.api.services import Services
from interview_ext.door.assets import Assets
from interview_ext.door.first_load import FirstLoad
from interview_ext.door.lab_settings import LabSettings
from interview_ext.door.links import Links
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.limits import RateLimit

Route = tuple[Any, ...]
"""A tornado URL spec whose pattern is relative to the door's base URL."""


ApiRoutes = Callable[[bool], Sequence[Route]]
"""Returns the routes that the other parts have, for those who have been admitted or who wait."""


class KernelLanguage(Protocol):
    """What a kernelspec tells of a kernel, as pages are shown it."""

    @property
    def name(self) -> str: ...
    @property
    def display_name(self) -> str: ...


class Kernel(Protocol):
    """The room's one kernel, running or not; its id stays for the room's life."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def language(self) -> KernelLanguage: ...
    @property
    def connections(self) -> int: ...
    @property
    def last_activity(self) -> datetime: ...
    @property
    def execution_state(self) -> str: ...


class Kernels(Protocol):
    """Where the rooms' kernels are: `execution` has them."""

    async def kernel(self, actor: Actor) -> Kernel:
        """Return the room's kernel without starting it, for whoever may watch it."""


@dataclass(frozen=True, kw_only=True)
class DoorOptions:
    """How the doors are set up; each is a trait of ``app.py``.

    Attributes
    ----------
    extensions:
        Prebuilt JupyterLab extensions that rooms load besides `page.EXTENSIONS`.
    cells_run_in:
        What the lobby tells everybody of where cells run.
    max_body_bytes:
        The largest request body inside a door.
    join_attempts_per_minute:
        How often one address may look at or redeem links.
    idle_s:
        How long a door without requests and sockets is kept.
    """

    extensions: Sequence[str] = ()
    cells_run_in: str = "a container without network"
    max_body_bytes: int = 4 * 1024 * 1024
    join_attempts_per_minute: int = 300
    idle_s: float = 1800.0


@dataclass(frozen=True, kw_only=True)
class DoorContext:
    """What every handler of a door finds under ``settings["interview_door"]``."""

    services: Services
    kernels: Kernels
    options: DoorOptions
    links: Links
    assets: Assets
    first_load: FirstLoad
    lab_settings: LabSettings
    attempts: RateLimit
    """Looking at and redeeming links, for each address."""
    api_routes: ApiRoutes
    """Routes of the other parts (`api`, `collab`, `execution`) in this person's door."""
