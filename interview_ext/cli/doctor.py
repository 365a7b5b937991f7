"""``jupyter interview doctor``: is there all that an interview needs, and how to get the rest."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import textwrap
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import docker.errors
from jupyter_server.serverapp import ServerApp
from traitlets import TraitError

from interview_ext.app import InterviewApp
from interview_ext.errors import EngineFull, ImageMissing, InterviewError
from interview_ext.house import broker_of, bus_for
from interview_ext.sandbox.engines import DOCKER, WARNINGS, engine_of
from interview_ext.sandbox.images import connect, reference
from interview_ext.sandbox.profiles import GIB, MIB
from interview_ext.storage.backends import store_of

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", ""})
LOCAL = "http+docker://"
"""What docker-py calls the address of an engine on a Unix socket."""
LEAST_FREE_BYTES = 100 * MIB
"""A container takes less than one MiB of the engine's disk; there are 100 by default."""
EVERYWHERE = frozenset({"0.0.0.0", "::", "*"})  # noqa: S104 - recognised, not bound


class Verdict(StrEnum):
    """How a check came out. Only what is missing keeps an interview from being held."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One row: what was looked at, what was found, and what to do about it."""

    name: str
    verdict: Verdict
    found: str
    fix: str = ""


def doctor(*, as_json: bool) -> int:
    """Print the table; return 1 if an interview could not be held."""
    server = ServerApp()
    server.load_config_file()
    app = InterviewApp(config=server.config)
    app.load_config_file()
    checks = asyncio.run(examine(app, server))
    if as_json:
        print(json.dumps([asdict(check) for check in checks]))
    else:
        print("\n".join(table(checks)))
    return 1 if any(check.verdict is Verdict.MISSING for check in checks) else 0


async def examine(app: InterviewApp, server: ServerApp) -> list[Check]:
    """Look at everything, in the order in which it is needed."""
    return [
        *await _engine(app),
        await _store(app),
        await _bus(app),
        _address(app, server),
        _https(app, server),
        Check(
            name="TURN",
            verdict=Verdict.NOTE,
            found="not used: this version has no calls",
            fix="Meet by phone or by a video tool of yours beside the room.",
        ),
    ]


def table(checks: list[Check]) -> list[str]:
    """Return the lines of the table, fitted to the terminal."""
    width = max(60, min(shutil.get_terminal_size().columns, 110)) - 20
    lines: list[str] = []
    for check in checks:
        found = textwrap.wrap(check.found, width) or [""]
        lines.append(f"{check.name:<10} {check.verdict:<8} {found[0]}")
        lines += [f"{'':<19} {line}" for line in found[1:]]
        for number, line in enumerate(textwrap.wrap(check.fix, width - 2)):
            lines.append(f"{'':<19} {'→' if number == 0 else ' '} {line}")
    return lines


async def _engine(app: InterviewApp) -> list[Check]:
    if app.sandbox_broker:
        return [await _broker(app)]
    engine = engine_of(app.sandbox_engine, runtime=app.sandbox_runtime)
    try:
        status = await engine.status()
    finally:
        await engine.close()
    if not status.available:
        # An engine with a version answers: it is the runtime that it does not know.
        name = "runtime" if status.version else "engine"
        return [Check(name=name, verdict=Verdict.MISSING, found=status.problem, fix=status.hint)]
    if app.sandbox_engine != DOCKER:
        return [
            Check(
                name="engine",
                verdict=Verdict.NOTE,
                found=f"{status.name} ({status.version}): {WARNINGS[status.isolation]}",
                fix="Remove InterviewApp.sandbox_engine where a Docker engine is to be had.",
            )
        ]
    profiles = app.profiles
    vital = {profiles[name].image for name in app.sandbox_warm_profiles}
    images = sorted({profile.image for profile in profiles.values()})
    runtime = app.sandbox_runtime or "the engine's default"
    return [
        Check(name="engine", verdict=Verdict.OK, found=f"{status.name} {status.version}"),
        Check(name="runtime", verdict=Verdict.OK, found=runtime),
        *await asyncio.to_thread(_disk),
        *[await asyncio.to_thread(_image, image, image in vital) for image in images],
    ]


async def _broker(app: InterviewApp) -> Check:
    """Whether the broker answers this server, and its engine the broker."""
    broker = broker_of(app)
    try:
        status = await broker.engine_status()
    finally:
        await broker.stop()
    if status.problem or not status.available:
        return Check(name="broker", verdict=Verdict.MISSING, found=status.problem, fix=status.hint)
    found = f"{app.sandbox_broker}: {status.name} {status.version}"
    return Check(name="broker", verdict=Verdict.OK, found=found)


def _disk() -> list[Check]:
    """Whether the engine has room for containers; nothing if it keeps them on another machine."""
    client = connect()
    try:
        folder = str(client.info().get("DockerRootDir", ""))
        free_bytes = shutil.disk_usage(folder).free if client.base_url.startswith(LOCAL) else None
    except OSError:
        return []
    finally:
        client.close()
    if free_bytes is None:
        return []
    found = f"{free_bytes / GIB:.1f} GiB free in {folder}"
    if free_bytes >= LEAST_FREE_BYTES:
        return [Check(name="disk", verdict=Verdict.OK, found=found)]
    return [Check(name="disk", verdict=Verdict.MISSING, found=found, fix=EngineFull.default_hint)]


def _image(image: str, vital: bool) -> Check:  # noqa: FBT001
    """Whether it is built. Without one of a profile that is not kept warm others still work."""
    tag = reference(image)
    client = connect()
    try:
        client.inspect_image(tag)
    except docker.errors.ImageNotFound:
        found, fix = f"{tag} has not been built", ImageMissing.default_hint
        verdict = Verdict.MISSING if vital else Verdict.NOTE
        return Check(name="image", verdict=verdict, found=found, fix=fix)
    finally:
        client.close()
    return Check(name="image", verdict=Verdict.OK, found=tag)


async def _store(app: InterviewApp) -> Check:
    store = store_of(app.store_url, path=Path(app.store_path))
    try:
        await store.start()
    except InterviewError as error:
        in_use = "Another server" in error.message
        return Check(
            name="store",
            verdict=Verdict.NOTE if in_use else Verdict.MISSING,
            found=error.message,
            fix=error.hint,
        )
    await store.stop()
    return Check(name="store", verdict=Verdict.OK, found=store.about)


async def _bus(app: InterviewApp) -> Check:
    try:
        bus = bus_for(app)
        await bus.start()
    except TraitError as error:
        fix = "Correct the settings; a single server needs no bus_url."
        return Check(name="bus", verdict=Verdict.MISSING, found=str(error), fix=fix)
    except InterviewError as error:
        return Check(name="bus", verdict=Verdict.MISSING, found=error.message, fix=error.hint)
    await bus.stop()
    return Check(name="bus", verdict=Verdict.OK, found=bus.about)


def _address(app: InterviewApp, server: ServerApp) -> Check:
    url = app.rooms_url or app.public_url
    if url and urlsplit(url).hostname not in LOOPBACK:
        return Check(name="address", verdict=Verdict.OK, found=f"links lead to {url}")
    if server.ip not in LOOPBACK:
        host = socket.getfqdn() if server.ip in EVERYWHERE else server.ip
        return Check(
            name="address",
            verdict=Verdict.OK,
            found=f"the server listens on {server.ip}; links lead to where you open it, not to "
            f"localhost: for example http://{host}:{server.port}{server.base_url}",
        )
    return Check(
        name="address",
        verdict=Verdict.NOTE,
        found="only this machine reaches the server, so only browsers on it can join",
        fix="Put a proxy with HTTPS before the server and set InterviewApp.public_url to its "
        "address, or start the server with --ServerApp.ip=0.0.0.0 in a network you trust.",
    )


def _https(app: InterviewApp, server: ServerApp) -> Check:
    url = app.rooms_url or app.public_url
    if server.certfile or url.startswith("https://"):
        return Check(name="HTTPS", verdict=Verdict.OK, found=url or "the server's own certificate")
    return Check(
        name="HTTPS",
        verdict=Verdict.NOTE,
        found="not in use: what candidates and you send can be read on the way",
        fix="Put a proxy with HTTPS before the server and set InterviewApp.public_url, or give the "
        "server a certificate with --ServerApp.certfile and --ServerApp.keyfile.",
    )
