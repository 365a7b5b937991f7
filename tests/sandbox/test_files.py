"""Files of the room come in before the first cell, and work comes out, below one folder only."""

from __future__ import annotations

import pytest

from interview_ext.errors import BadRequest, NotFound, TooLarge
from interview_ext.sandbox.profiles import MIB
from interview_ext.sandbox.sandbox import Sandbox

from .conftest import Kernel, MakeKernel


@pytest.fixture
def sandbox(kernel: Kernel) -> Sandbox:
    return kernel.sandbox


async def test_files_of_the_room_are_there_before_the_first_cell(make_kernel: MakeKernel) -> None:
    async def files() -> dict[str, bytes]:
        return {"data/sales.csv": b"a,b\n1,2\n3,4\n"}

    kernel = await make_kernel(files=files)
    code = "import pandas; print(pandas.read_csv('data/sales.csv').b.sum())"
    assert (await kernel.run(code)).text.strip() == "6"
    await kernel.manager.restart_kernel(now=True)
    await kernel.ready()
    assert (await kernel.run(code)).text.strip() == "6", "and so they are after a restart"


async def test_a_file_goes_in_and_out(kernel: Kernel, sandbox: Sandbox) -> None:
    content = bytes(range(256)) * 10_000
    await sandbox.put("data/deep/er/x.bin", content)
    await sandbox.put("empty", b"")
    run = await kernel.run(
        "import hashlib; print(len(open('data/deep/er/x.bin', 'rb').read()))\n"
        "open('data/mine.txt', 'w').write('ok'); open('data/deep/er/x.bin', 'ab').write(b'!')"
    )
    assert run.status == "ok", run.text
    assert await sandbox.get("data/deep/er/x.bin") == content + b"!"
    assert await sandbox.get("empty") == b""
    listed = {file.path: file.size_bytes for file in await sandbox.list()}
    assert listed == {"data/deep/er/x.bin": len(content) + 1, "data/mine.txt": 2, "empty": 0}


async def test_a_file_is_replaced(kernel: Kernel, sandbox: Sandbox) -> None:
    await sandbox.put("x", b"longer than the next")
    await sandbox.put("x", b"short")
    assert await sandbox.get("x") == b"short"


HOSTILE_NAMES = ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", "a\0b", "a\nb",
     "x" * 256, "/".join("x" * 9), "..", "\udcff"]  # fmt: skip


async def test_hostile_names_are_refused(sandbox: Sandbox) -> None:
    for path in HOSTILE_NAMES:
        with pytest.raises(BadRequest):
            await sandbox.put(path, b"x")
        with pytest.raises(BadRequest):
            await sandbox.get(path)
    assert await sandbox.list() == []


async def test_no_link_is_followed(kernel: Kernel, sandbox: Sandbox) -> None:
    run = await kernel.run(
        "import os\n"
        "os.symlink('/etc/passwd', 'file'); os.symlink('/etc', 'folder'); os.symlink('/', 'root')\n"
        "os.symlink('/proc/1/environ', 'secret'); os.symlink('.', 'loop')\n"
        "import socket; special = socket.socket(socket.AF_UNIX); special.bind('special')\n"
    )
    assert run.status == "ok", run.text
    for path in ("file", "folder/passwd", "root/etc/passwd", "secret", "special", "loop/loop/file"):
        with pytest.raises(BadRequest):
            await sandbox.get(path)
    with pytest.raises(BadRequest):
        await sandbox.put("folder/x", b"x")
    await sandbox.put("file", b"replaces the link, not its target")
    assert (await kernel.run("print(os.path.islink('file'))")).text.strip() == "False"
    assert {file.path for file in await sandbox.list()} == {"file"}


async def test_odd_names_are_listed_without_harm(kernel: Kernel, sandbox: Sandbox) -> None:
    await kernel.run("open(b'\\xff\\xfe', 'w').close(); open('a\"\\n', 'w').close()")
    assert len(await sandbox.list()) == 2


async def test_what_is_not_there_is_not_found(sandbox: Sandbox) -> None:
    with pytest.raises(NotFound):
        await sandbox.get("nothing")


async def test_quota(make_kernel: MakeKernel) -> None:
    kernel = await make_kernel(limits={"files_bytes": 1 * MIB})
    sandbox = kernel.provisioner.sandbox
    assert sandbox is not None
    await sandbox.put("a", bytes(MIB // 2))
    with pytest.raises(TooLarge):
        await sandbox.put("b", bytes(MIB))
    await kernel.run("open('big', 'wb').write(bytes(5 << 20))")
    with pytest.raises(TooLarge):
        await sandbox.get("big")


async def test_a_full_work_folder_is_told(make_kernel: MakeKernel) -> None:
    kernel = await make_kernel(limits={"work_bytes": 1 * MIB})
    sandbox = kernel.provisioner.sandbox
    assert sandbox is not None
    with pytest.raises(TooLarge):
        await sandbox.put("a", bytes(2 * MIB))
    assert (await kernel.run("1")).text == "1"
