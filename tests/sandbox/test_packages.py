"""Packages of a room: installed ahead, once, tried, found again; and what is said if that fails."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from interview_ext.errors import BadRequest, ImageMissing, NotFound, PackagesFailed
from interview_ext.sandbox.broker_client import BrokerClient
from interview_ext.sandbox.images import host_files, reference
from interview_ext.sandbox.installing import BuildLimits
from interview_ext.sandbox.kinds import kind
from interview_ext.sandbox.metrics import SandboxMetrics
from interview_ext.sandbox.package_images import PackageImages
from interview_ext.sandbox.profiles import MIB, PROFILES, PYTHON
from interview_ext.sandbox.sandboxes import Sandboxes

from .broker_process import BrokerProcess
from .conftest import PATIENCE_S, MakeKernel, MakeSandboxes
from .packages import (
    CountedImages,
    fresh,
    images_with,
    installations,
    names,
    prepared,
    remove,
)

pytestmark = [pytest.mark.usefixtures("package_index"), pytest.mark.timeout(240)]
NO_NETWORK = """
import socket
try:
    socket.create_connection(("1.1.1.1", 80), 2)
    print("connected")
except OSError as error:
    print("refused")
"""


@pytest.fixture(autouse=True)  # so that its images go after all sandboxes
def packages() -> Iterator[tuple[str, ...]]:
    found = fresh()
    yield found
    remove(found)


@pytest.fixture
async def images() -> CountedImages:
    return CountedImages()


@pytest.fixture
async def sandboxes(make_sandboxes: MakeSandboxes, images: CountedImages) -> Sandboxes:
    return await make_sandboxes(packages=images)


async def test_installed_ahead_and_imported_without_network(
    sandboxes: Sandboxes, make_kernel: MakeKernel, packages: tuple[str, ...]
) -> None:
    seen = await prepared(sandboxes, packages)
    assert seen[-1].state == "ready"
    assert {each.state for each in seen[:-1]} == {"building"}
    assert any("humanize" in each.line for each in seen), seen
    assert not any("://" in each.line for each in seen)
    kernel = await make_kernel(sandboxes, profile=kind("python", packages))
    run = await kernel.run("import humanize\nprint(humanize.naturalsize(10**6))\n" + NO_NETWORK)
    assert run.text.split("\n")[:2] == ["1.0 MB", "refused"], run.text
    assert installations() == []


async def test_the_image_is_one_layer_and_tells_nothing_of_this_machine(
    sandboxes: Sandboxes, make_kernel: MakeKernel, packages: tuple[str, ...]
) -> None:
    assert (await prepared(sandboxes, packages))[-1].state == "ready"
    client = docker.from_env()
    try:
        base = client.api.inspect_image(reference("python"))
        (image,) = images_with(packages)
        history = client.api.history(image["Id"])
    finally:
        client.close()
    assert image["RootFS"]["Layers"][:-1] == base["RootFS"]["Layers"]
    assert image["Size"] - base["Size"] < 5 * MIB
    for name in ("User", "Env", "Entrypoint", "WorkingDir"):
        assert image["Config"][name] == base["Config"][name], name
    assert not image["Config"]["Cmd"]
    told = json.dumps([image["Config"], history[0]])
    settings = host_files()["host/pip.conf"].decode()
    for line in [*settings.splitlines(), os.environ.get("https_proxy", "")]:
        value = line.partition("=")[2].strip()
        assert not value or value not in told
    kernel = await make_kernel(sandboxes, profile=kind("python", packages))
    run = await kernel.run(
        "import os, pathlib\n"
        "print(os.path.exists('/build'), os.path.exists('/root/.cache'))\n"
        "print(os.access('/opt/installer/pip', os.R_OK))\n"
    )
    assert run.text == "False False\nFalse\n"
    brought = await asyncio.to_thread(_brought, base["Id"], image["Id"])
    assert any(path.endswith("/humanize/__init__.py") for path in brought)
    search = ["grep", "-l", "BEGIN CERTIFICATE", *brought]
    assert await asyncio.to_thread(_in_a_container, image["Id"], search) == []


def _brought(base: str, image: str) -> list[str]:
    """The files that an image has and its base has not, or not so, whoever may read them."""
    look = ["find", "/", "-xdev", "-type", "f", "-printf", r"%p\t%s\t%T@\n"]
    before = set(_in_a_container(base, look))
    return sorted(
        line.split("\t")[0] for line in _in_a_container(image, look) if line not in before
    )


def _in_a_container(image: str, command: list[str]) -> list[str]:
    """The lines that a program prints that only looks, as root."""
    client = docker.from_env()
    try:
        container = client.containers.create(
            image, command[1:], entrypoint=command[0], user="root", network_disabled=True
        )
        try:
            container.start()
            assert container.wait()["StatusCode"] < 2, container.logs()[-2000:]
            printed: bytes = container.logs(stderr=False)
            return printed.decode().splitlines()
        finally:
            container.remove(force=True)
    finally:
        client.close()


async def test_the_same_packages_are_installed_once(
    make_sandboxes: MakeSandboxes, sandboxes: Sandboxes, images: CountedImages
) -> None:
    packages = fresh()
    try:
        both = await asyncio.gather(prepared(sandboxes, packages), prepared(sandboxes, packages))
        assert [each[-1].state for each in both] == ["ready", "ready"]
        assert images.made == 1
        (before,) = images_with(packages)
        # A server that is started later finds what an earlier one has made.
        later = CountedImages()
        other = await make_sandboxes(packages=later)
        assert (await other.prepare("python", packages)).state == "ready"
        assert later.made == 0
        assert [each["Id"] for each in images_with(packages)] == [before["Id"]]
    finally:
        remove(packages)


async def test_one_installation_at_a_time(sandboxes: Sandboxes, images: CountedImages) -> None:
    first, second = fresh("humanize"), fresh("tabulate")
    most = 0
    try:
        waiting = asyncio.gather(prepared(sandboxes, first), prepared(sandboxes, second))
        while not waiting.done():
            most = max(most, len(await asyncio.to_thread(installations)))
            await asyncio.sleep(0.05)
        seen = await waiting
        assert [each[-1].state for each in seen] == ["ready", "ready"]
        assert any("another installation" in step.line for each in seen for step in each)
        assert images.made == 2
        assert most == 1
    finally:
        remove(first)
        remove(second)


async def test_the_installers_own_sentence_is_told(sandboxes: Sandboxes) -> None:
    unknown = ("no-such-package-8d1f",)
    seen = await prepared(sandboxes, unknown)
    assert seen[-1].state == "failed"
    assert seen[-1].problem == "No matching distribution found for no-such-package-8d1f"
    heard: list[bool] = []
    with pytest.raises(PackagesFailed) as failed:
        await sandboxes.claim(kind("python", unknown), room="r", on_wait=heard.append)
    # Everybody in the room reads this one.
    assert "no-such" not in f"{failed.value.message} {failed.value.hint}"
    assert heard == []
    assert images_with(unknown) == []
    assert installations() == []


async def test_code_of_a_package_is_not_run_to_install_it(sandboxes: Sandboxes) -> None:
    source_only = ("docopt==0.6.2",)  # its one file is an archive with a setup.py
    seen = await prepared(sandboxes, source_only)
    assert seen[-1].problem == "No matching distribution found for docopt==0.6.2"


async def test_what_failed_is_tried_again_only_when_asked(
    sandboxes: Sandboxes, images: CountedImages
) -> None:
    unknown = ("no-such-package-8d1f",)
    await prepared(sandboxes, unknown)
    assert (await sandboxes.prepare("python", unknown)).state == "failed"
    assert images.made == 1
    assert (await prepared(sandboxes, unknown, again=True))[-1].state == "failed"
    assert images.made == 2


async def test_packages_with_which_no_kernel_starts(sandboxes: Sandboxes) -> None:
    old = ("ipykernel==5.0.0",)
    seen = await prepared(sandboxes, old)
    assert seen[-1].problem == "The kernel does not start with these packages."
    assert images_with(old) == []


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (BuildLimits(growth_bytes=MIB), "They take more than 1 MB."),
        (BuildLimits(time_s=1), "They were not installed within 1 s."),
    ],
)
async def test_time_and_size_are_bounded(
    make_sandboxes: MakeSandboxes, limits: BuildLimits, said: str
) -> None:
    large = fresh("polars")
    sandboxes = await make_sandboxes(packages=PackageImages(limits=limits))
    seen = await prepared(sandboxes, large)
    assert (seen[-1].state, seen[-1].problem) == ("failed", said)
    assert images_with(large) == []
    assert installations() == []


async def test_a_claim_waits_for_its_packages(
    sandboxes: Sandboxes, packages: tuple[str, ...]
) -> None:
    heard: list[bool] = []
    sandbox = await sandboxes.claim(kind("python", packages), room="r", on_wait=heard.append)
    assert heard == [True, False]
    assert sandbox.profile.packages == packages
    assert sandbox.death is None
    # Somebody who gives up while it waits leaves nothing.
    other = fresh("tabulate")
    waits = asyncio.Event()
    claiming = asyncio.create_task(
        sandboxes.claim(kind("python", other), room="s", on_wait=lambda _: waits.set())
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            await waits.wait()
        claiming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await claiming
        assert sandboxes.of_room("s") == []
        await prepared(sandboxes, other)
    finally:
        remove(other)


async def test_a_stop_ends_an_installation(images: CountedImages, nothing_left: str) -> None:
    packages = fresh("polars")
    sandboxes = Sandboxes(server_id=nothing_left, pool_size=0, packages=images)
    await sandboxes.start()
    await sandboxes.prepare("python", packages)
    while not (seen := await sandboxes.prepare("python", packages)).line:
        assert seen.state == "building", seen
        await asyncio.sleep(0.05)
    assert len(installations()) == 1
    await sandboxes.stop()
    assert installations() == []
    assert images_with(packages) == []


async def test_kept_warm_for_a_room_that_is_planned(
    make_sandboxes: MakeSandboxes, packages: tuple[str, ...]
) -> None:
    registry = CollectorRegistry()
    sandboxes = await make_sandboxes(
        packages=PackageImages(), pool_size=1, metrics=SandboxMetrics(registry)
    )
    name = kind("python", packages)
    await sandboxes.plan({name: {"room-1": datetime.now(UTC) + timedelta(minutes=1)}})
    assert sandboxes.pool_state(name).target == 0  # nothing can be started yet
    assert (await prepared(sandboxes, packages))[-1].state == "ready"
    async with asyncio.timeout(PATIENCE_S):
        await sandboxes.pool(name).filled()
        await sandboxes.pool("python").filled()
    warm = sandboxes.pool_state(name).warm
    assert warm > 0
    shown = generate_latest(registry).decode()
    assert f'interview_sandbox_pool_warm{{profile="python"}} {warm + 1}.0' in shown
    assert "humanize" not in shown
    sandbox = await sandboxes.claim(name, room="room-1")
    assert sandboxes.pool_state(name).cold_starts == 0
    assert sandbox.profile.packages == packages
    assert 'claims_total{kind="warm",profile="python"} 1.0' in generate_latest(registry).decode()


async def test_a_pool_goes_with_the_last_plan(
    make_sandboxes: MakeSandboxes, packages: tuple[str, ...]
) -> None:
    sandboxes = await make_sandboxes(packages=PackageImages(), pool_size=1)
    name = kind("python", packages)
    soon = datetime.now(UTC) + timedelta(minutes=1)
    await sandboxes.plan({name: {"room-1": soon}})
    await prepared(sandboxes, packages)
    async with asyncio.timeout(PATIENCE_S):
        await sandboxes.pool(name).filled()
    assert sandboxes.pool_state(name).warm > 0
    await sandboxes.plan({})
    await sandboxes.plan({})  # the first has ended its sandbox
    assert name not in sandboxes._pools._pools
    assert "python" in sandboxes._pools._pools


async def test_an_image_that_was_removed_is_made_again(
    sandboxes: Sandboxes, images: CountedImages, packages: tuple[str, ...]
) -> None:
    await prepared(sandboxes, packages)
    remove(packages)
    with pytest.raises(ImageMissing):
        await sandboxes.claim(kind("python", packages), room="r")
    assert (await prepared(sandboxes, packages))[-1].state == "ready"
    assert images.made == 2
    await sandboxes.claim(kind("python", packages), room="r")


async def test_what_nobody_uses_is_removed(
    sandboxes: Sandboxes, images: CountedImages, packages: tuple[str, ...]
) -> None:
    others = names()
    await prepared(sandboxes, packages)
    (mine,) = names() - others
    assert mine not in await images.remove_unused(3600, but=others)
    sandbox = await sandboxes.claim(kind("python", packages), room="r")
    assert await images.remove_unused(-1, but=others) == []  # a sandbox is of it
    await sandbox.stop()
    assert await images.remove_unused(-1, but=others) == [mine]
    assert images_with(packages) == []


async def test_what_cannot_be_had_is_refused(make_sandboxes: MakeSandboxes) -> None:
    sandboxes = await make_sandboxes(packages=PackageImages())
    for wrong in (["-r /etc/passwd"], ["b", "a"], ["Humanize"], ["a;b"], ["a\nb"]):
        with pytest.raises(BadRequest):
            await sandboxes.prepare("python", wrong)
    with pytest.raises(NotFound):
        await sandboxes.prepare("cobol", ["humanize"])
    other = await make_sandboxes(packages=PackageImages(), profile=PROFILES["r"])
    with pytest.raises(BadRequest, match="cannot be added to the profile 'r'"):
        await other.prepare("r", ["humanize"])
    none = await make_sandboxes()
    with pytest.raises(BadRequest, match="on this server"):
        await none.prepare("python", ["humanize"])


async def test_a_profile_without_an_image_says_so(make_sandboxes: MakeSandboxes) -> None:
    sandboxes = await make_sandboxes(
        packages=PackageImages(), profile=replace(PYTHON, image="interview-no-such-image:1")
    )
    seen = await prepared(sandboxes, ("humanize",))
    assert "The sandbox image has not been built." in seen[-1].problem


# -- through a broker


@pytest.fixture
async def broker(nothing_left: str, tmp_path: Path) -> AsyncIterator[BrokerProcess]:
    broker = BrokerProcess(tmp_path / "broker")
    await broker.start()
    yield broker
    await broker.stop()


async def test_through_a_broker(
    broker: BrokerProcess, make_kernel: MakeKernel, packages: tuple[str, ...]
) -> None:
    client: BrokerClient = broker.client("one")
    await client.start()
    try:
        seen = await prepared(client, packages)
        assert seen[-1].state == "ready", seen
        assert any("humanize" in each.line for each in seen), seen
        kernel = await make_kernel(client, profile=kind("python", packages))
        assert (await kernel.run("import humanize; print(humanize.intcomma(1000))")).text == (
            "1,000\n"
        )
        assert client.limits(kind("python", packages)) == client.limits("python")
        failed = await prepared(client, ("no-such-package-8d1f",))
        assert "No matching distribution" in failed[-1].problem
        with pytest.raises(PackagesFailed):
            await client.claim("python no-such-package-8d1f", room="r")
        for wrong in (["-r /etc/passwd"], ["a @ file:///x"], ["a;b"], ["a\nb"], ["--index-url"]):
            with pytest.raises(BadRequest):
                await client.prepare("python", wrong)
        with pytest.raises(BadRequest):
            await client.claim("python --index-url=x", room="r")
        with pytest.raises(BadRequest):
            await client.prepare("sql", ["humanize"])
        soon = datetime.now(UTC) + timedelta(minutes=1)
        await client.plan({kind("python", packages): {"room-9": soon}})
        # A broker that is killed knows of the image, and of the sandbox.
        await broker.kill()
        await broker.start()
        assert (await kernel.run("humanize.intcomma(2000)")).text == "'2,000'"
        assert (await client.prepare("python", packages)).state == "ready"
    finally:
        await client.stop()


async def test_a_broker_may_allow_none(nothing_left: str, tmp_path: Path) -> None:
    broker = BrokerProcess(tmp_path / "broker", room_packages=False)
    await broker.start()
    client = broker.client("one")
    try:
        with pytest.raises(BadRequest, match="cannot be added"):
            await client.prepare("python", ["humanize"])
    finally:
        await client.stop()
        await broker.stop()
