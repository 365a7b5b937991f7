"""Data sets in real containers: one copy for all, read by who knows it, never written."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from interview_ext.errors import BadRequest, DatasetMissing
from interview_ext.sandbox.datasets import DatasetFolder, StoredDataset
from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.docker_settings import KERNEL_UID
from interview_ext.sandbox.profiles import GIB, MIB, PROFILES
from interview_ext.sandbox.sandboxes import Sandboxes
from tests.sandbox.data_sets import opened
from tests.sandbox.languages import DATA, LANGUAGES

from .conftest import Kernel, MakeKernel, MakeSandboxes, profile_with

PATH = "data/big.bin"
READ = f"""
import hashlib, os
with open({PATH!r}, 'rb') as file:
    print(hashlib.file_digest(file, 'sha256').hexdigest(), os.path.getsize({PATH!r}))
"""
SPACE = "import os; s = os.statvfs('/work'); print(s.f_bfree * s.f_frsize)"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DatasetFolder]:
    with opened(tmp_path / "datasets", max_bytes=10 * GIB) as folder:
        yield folder


def store(folder: DatasetFolder, file: Path) -> StoredDataset:
    with file.open("rb", buffering=0) as opened:
        incoming = folder.copy(opened, file.stat().st_size, lambda: False)
    stored = incoming.finish()
    incoming.publish(stored)
    return stored


@pytest.fixture
def big(folder: DatasetFolder, tmp_path: Path) -> StoredDataset:
    """A data set of 64 MB."""
    source = tmp_path / "big.bin"
    source.write_bytes(os.urandom(MIB) * 64)
    return store(folder, source)


async def sandboxes_with(
    folder: DatasetFolder, make_sandboxes: MakeSandboxes, **limits: int
) -> Sandboxes:
    engine = DockerEngine(datasets=folder.shared)
    return await make_sandboxes(
        engine=engine, datasets=folder, profile=profile_with(**limits), pool_size=1
    )


async def kernel_with(
    sandboxes: Sandboxes, make_kernel: MakeKernel, dataset: StoredDataset
) -> Kernel:
    async def files() -> dict[str, bytes | StoredDataset]:
        return {PATH: dataset, "data/small.csv": b"a\n1\n"}

    return await make_kernel(sandboxes, files=files)


def used_bytes(folder: Path) -> int:
    """What a folder's files take on the disk, each file once, as `du` counts."""
    every = [path.lstat() for path in folder.rglob("*")]
    return sum({each.st_ino: each.st_blocks * 512 for each in every}.values())


def uncache(folder: Path) -> None:
    """Let the page cache forget a folder's files, so that who reads them next has them in it."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.mark.parametrize(
    ("size", "rooms"),
    [
        pytest.param(64 * MIB, 3),
        pytest.param(2 * GIB, 20, marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
)
async def test_one_copy_serves_every_room(
    size: int,
    rooms: int,
    folder: DatasetFolder,
    tmp_path: Path,
    make_sandboxes: MakeSandboxes,
    make_kernel: MakeKernel,
) -> None:
    source = tmp_path / "source.bin"
    with source.open("wb") as file:
        file.write(os.urandom(MIB))
        file.truncate(size)
    first = await asyncio.to_thread(store, folder, source)
    assert await asyncio.to_thread(store, folder, source) == first, "equal contents are one"
    with source.open("rb") as file:
        assert first.digest == hashlib.file_digest(file, "sha256").hexdigest()
    assert size <= used_bytes(folder.shared.parent) < size + MIB
    # Half of what is read, for the large one: what the cache of its pages takes is given back.
    # It is the first reader's, and no use of memory either, however often a page is read.
    sandboxes = await sandboxes_with(folder, make_sandboxes, memory_bytes=GIB)
    kernels = [await kernel_with(sandboxes, make_kernel, first) for _ in range(rooms)]
    assert size <= used_bytes(folder.shared.parent) < size + MIB
    await asyncio.to_thread(uncache, folder.shared)
    for kernel in kernels if rooms < 5 else (kernels[0], kernels[-1]):
        before = (await kernel.sandbox.stats()).memory_bytes
        for _ in range(2):
            run = await kernel.run(READ, patience_s=120)
            assert run.text.split() == [first.digest, str(size)], run.text
        await asyncio.sleep(1.1)  # usage is measured once a second
        assert (await kernel.sandbox.stats()).memory_bytes - before < 32 * MIB
    for kernel in kernels:
        run = await kernel.run(f"import os; os.path.getsize({PATH!r})")
        assert run.text == str(size)


async def test_it_takes_nothing_of_the_quotas(
    folder: DatasetFolder,
    big: StoredDataset,
    make_sandboxes: MakeSandboxes,
    make_kernel: MakeKernel,
) -> None:
    limits = {"files_bytes": MIB, "work_bytes": 8 * MIB}
    sandboxes = await sandboxes_with(folder, make_sandboxes, **limits)
    kernel = await kernel_with(sandboxes, make_kernel, big)
    assert int((await kernel.run(SPACE)).text) > 7 * MIB
    await kernel.sandbox.put("more", bytes(MIB - 4))
    assert (await kernel.run(READ)).text.split() == [big.digest, str(64 * MIB)]


async def test_the_files_api_does_not_follow_it(
    folder: DatasetFolder,
    big: StoredDataset,
    make_sandboxes: MakeSandboxes,
    make_kernel: MakeKernel,
) -> None:
    kernel = await kernel_with(await sandboxes_with(folder, make_sandboxes), make_kernel, big)
    assert [file.path for file in await kernel.sandbox.list()] == ["data/small.csv"]
    with pytest.raises(BadRequest):
        await kernel.sandbox.get(PATH)
    await kernel.manager.restart_kernel(now=True)
    await kernel.ready()
    assert (await kernel.run(READ)).text.split()[0] == big.digest, "and after a restart"


REFUSED = [
    "os.listdir('/datasets')",
    "os.listdir(os.path.dirname(os.path.realpath({path!r})))",
    "open({path!r}, 'r+b')",
    "open({path!r}, 'ab')",
    "os.truncate({path!r}, 0)",
    "os.chmod({path!r}, 0o666)",
    "os.chmod('/datasets', 0o777)",
    "os.unlink(os.path.realpath({path!r}))",
    "os.rename(os.path.realpath({path!r}), '/datasets/x')",
    "os.link(os.path.realpath({path!r}), '/work/hard')",
    "open('/datasets/' + 'a' * 64, 'wb')",
    "open('/datasets/' + 'a' * 64, 'rb')",
    "os.mkdir('/datasets/x')",
    "os.utime({path!r})",
    "os.setxattr({path!r}, 'user.x', b'x')",
    "os.execv(os.path.realpath({path!r}), ['x'])",
    "os.listdir('/datasets/..' + '/datasets')",
    "os.open('/datasets', os.O_RDONLY)",
    "os.open('/datasets', os.O_TMPFILE | os.O_RDWR)",
]


@pytest.mark.parametrize("owner", [os.getuid(), KERNEL_UID])
async def test_nothing_in_there_can_be_listed_or_changed(
    owner: int,
    folder: DatasetFolder,
    big: StoredDataset,
    make_sandboxes: MakeSandboxes,
    make_kernel: MakeKernel,
) -> None:
    """Whoever owns the files: a server's uid may be that of the kernels."""
    if owner != os.getuid():
        if os.getuid() != 0:
            pytest.skip("files can be given to another user by root only")
        for path in (folder.shared, folder.path(big.digest)):
            os.chown(path, owner, owner)
    before = folder.path(big.digest).stat()
    kernel = await kernel_with(await sandboxes_with(folder, make_sandboxes), make_kernel, big)
    await kernel.run("import os")
    for attempt in REFUSED:
        code = f"""
try:
    {attempt.format(path=PATH)}
except OSError as error:
    print(type(error).__name__, error.errno)
else:
    print("DONE")
"""
        assert "DONE" not in (said := (await kernel.run(code)).text), f"{attempt}: {said}"
    assert (await kernel.run(READ)).text.split()[0] == big.digest
    after = folder.path(big.digest).stat()
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert stat.S_IMODE(after.st_mode) == 0o444
    assert stat.S_IMODE(folder.shared.stat().st_mode) == 0o311


async def test_every_container_has_the_one_mount_read_only(
    folder: DatasetFolder, big: StoredDataset, make_sandboxes: MakeSandboxes
) -> None:
    sandboxes = await sandboxes_with(folder, make_sandboxes)
    sandbox = await sandboxes.claim("python", room="r")
    client = docker.from_env()
    try:
        inspected = client.api.inspect_container(sandbox.container)
    finally:
        client.close()
    [mount] = inspected["Mounts"]
    assert (mount["Source"], mount["Destination"]) == (str(folder.shared), "/datasets")
    assert (mount["RW"], mount["Propagation"]) == (False, "rprivate")
    await sandbox.link(PATH, big)  # it was warm before anybody knew of a room


HOSTILE_DIGESTS = ["../etc/passwd", "", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", "a/" * 32]


async def test_the_shim_links_to_nothing_else(
    folder: DatasetFolder, make_sandboxes: MakeSandboxes
) -> None:
    sandboxes = await sandboxes_with(folder, make_sandboxes)
    sandbox = await sandboxes.claim("python", room="r")
    for digest in HOSTILE_DIGESTS:
        with pytest.raises(BadRequest):
            await sandbox.link(PATH, StoredDataset(digest=digest, size=1))
    with pytest.raises(BadRequest):
        await sandbox.link("../x", StoredDataset(digest="a" * 64, size=1))


async def test_a_link_stays_in_the_work_folder(
    folder: DatasetFolder,
    big: StoredDataset,
    make_sandboxes: MakeSandboxes,
    make_kernel: MakeKernel,
) -> None:
    kernel = await kernel_with(await sandboxes_with(folder, make_sandboxes), make_kernel, big)
    await kernel.run("import os; os.symlink('/tmp', 'out'); open('file', 'w').write('x')")
    with pytest.raises(BadRequest):
        await kernel.sandbox.link("out/big.bin", big)
    await kernel.sandbox.link("file", big)
    assert (await kernel.run("os.readlink('file')")).text == f"'/datasets/{big.digest}'"


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_language_reads_it(
    profile: str,
    folder: DatasetFolder,
    tmp_path: Path,
    make_sandboxes: MakeSandboxes,
    make_kernel: MakeKernel,
) -> None:
    [(path, content)] = DATA.items()
    (tmp_path / "source").write_bytes(content)
    dataset = store(folder, tmp_path / "source")

    async def files() -> dict[str, bytes | StoredDataset]:
        return {path: dataset}

    sandboxes = await make_sandboxes(
        engine=DockerEngine(datasets=folder.shared), datasets=folder, profile=PROFILES[profile]
    )
    kernel = await make_kernel(sandboxes, profile=profile, files=files)
    assert "42" in (await kernel.run(LANGUAGES[profile].sum_of_data)).text


async def test_what_is_not_there_any_more_is_named(
    folder: DatasetFolder,
    big: StoredDataset,
    make_sandboxes: MakeSandboxes,
    make_kernel: MakeKernel,
) -> None:
    sandboxes = await sandboxes_with(folder, make_sandboxes)
    folder.remove(big.digest)
    with pytest.raises(DatasetMissing, match=PATH) as caught:
        await kernel_with(sandboxes, make_kernel, big)
    assert "datasets_dir" in caught.value.hint
    assert sandboxes.of_room("room-1") == [], "no sandbox is left for it"


async def test_an_engine_that_does_not_see_the_folder_runs_other_rooms(
    folder: DatasetFolder,
    big: StoredDataset,
    tmp_path: Path,
    make_sandboxes: MakeSandboxes,
    make_kernel: MakeKernel,
) -> None:
    engine = DockerEngine(datasets=tmp_path / "on another machine")
    sandboxes = await make_sandboxes(engine=engine, datasets=folder)
    kernel = await make_kernel(sandboxes)
    assert (await kernel.run("1 + 1")).text == "2"
    with pytest.raises(DatasetMissing, match="does not see"):
        await kernel_with(sandboxes, make_kernel, big)


async def test_engines_without_containers_say_so(
    folder: DatasetFolder, big: StoredDataset, make_sandboxes: MakeSandboxes
) -> None:
    sandboxes = await make_sandboxes()
    with pytest.raises(DatasetMissing, match="container"):
        await sandboxes.provide(PATH, big)
