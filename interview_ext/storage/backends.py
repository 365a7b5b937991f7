"""Which store and which bus a server uses, by their URLs. Drivers are imported when used."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from interview_ext.rooms.ports import Bus, Leases, Store, Tickets
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.memory_leases import MemoryLeases
from interview_ext.storage.sqlite import SqliteStore


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a URL may name.

    Attributes
    ----------
    schemes:
        How its URLs begin.
    instead:
        What is used where the URL is empty.
    driver:
        The package it needs.
    extra:
        Of this package: what installs the driver.
    form:
        The module whose ``check`` looks at the rest of a URL. It imports the driver.
    """

    name: str
    schemes: tuple[str, ...]
    instead: str
    driver: str
    extra: str
    form: str


MONGODB = Service(
    name="MongoDB",
    schemes=("mongodb://", "mongodb+srv://"),
    instead="the SQLite file of InterviewApp.store_path",
    driver="pymongo",
    extra="mongodb",
    form="interview_ext.storage.mongo_url",
)
REDIS = Service(
    name="Redis",
    schemes=("redis://", "rediss://"),
    instead="a single server",
    driver="redis",
    extra="redis",
    form="interview_ext.storage.redis_url",
)


class PlacedStore(Store, Protocol):
    """A store that can tell people what and where it is."""

    @property
    def about(self) -> str:
        """What is used, of which version and where, without secrets; known after `start`."""


def check_url(url: str, service: Service) -> None:
    """Look at the URL of a service without connecting. Called when a trait is set.

    Raises
    ------
    ValueError
        In words for a person, and without anything of the URL that may be secret.
    """
    if not url:
        return
    if not url.startswith(service.schemes):
        begins = " or ".join(service.schemes)
        raise ValueError(f"has to begin with {begins}, or be empty for {service.instead}")
    if importlib.util.find_spec(service.driver) is None:
        raise ValueError(
            f"names {service.name}, for which the package {service.driver} has to be installed: "
            f"pip install 'jupyter-interview-rooms[{service.extra}]'"
        )
    importlib.import_module(service.form).check(url)


def store_of(url: str, *, path: Path) -> PlacedStore:
    """Return the store of a checked URL, or with none the SQLite file at `path`; not started."""
    if not url:
        return SqliteStore(path)
    from interview_ext.storage.mongo import MongoStore

    return MongoStore(url)


def bus_of(url: str, *, store_url: str) -> Bus:
    """Return the bus of a checked URL, or with none the one inside this process; not started.

    Raises
    ------
    ValueError
        Servers that share a bus have to share a store, which a SQLite file cannot be.
    """
    if not url:
        return MemoryBus()
    if not store_url:
        raise ValueError(
            "is for several servers, which need a store that they share: set "
            "InterviewApp.store_url to a MongoDB database, or leave bus_url empty"
        )
    from interview_ext.storage.redis_bus import RedisBus

    return RedisBus(url)


def leases_of(url: str, *, address: str) -> tuple[Leases, Tickets | None]:
    """Return the leases of a checked bus URL, and tickets if they are not this server's alone.

    Raises
    ------
    ValueError
        The other servers could not reach this one.
    """
    if not url:
        return MemoryLeases(), None
    if not address:
        raise ValueError(
            "is needed beside InterviewApp.bus_url: the address at which the other servers reach "
            "this one, such as http://10.0.0.7:8888"
        )
    from interview_ext.storage.redis_leases import RedisLeases, RedisTickets

    return RedisLeases(url, address=address), RedisTickets(url)
