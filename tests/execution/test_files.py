"""Files that cells wrote, from a real sandbox: listed, downloaded, kept, or said to be lost."""

from __future__ import annotations

import pytest

from interview_ext.errors import BadRequest, Conflict, Forbidden, NotFound, SandboxGone, TooLarge
from interview_ext.execution import keeping
from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import DataFile, Role, RoomState
from tests.execution.conftest import MakeBench, guest

MIB = 1024 * 1024

HOSTILE = r"""
import os, socket
open('mine.csv', 'w').write('a,b')
os.makedirs('deep/er'); open('deep/er/x.bin', 'wb').write(bytes(range(256)))
os.symlink('/etc/passwd', 'link'); os.symlink('/proc/1/environ', 'environ')
os.symlink('/etc', 'folder'); os.symlink('.', 'loop')
os.link('mine.csv', 'hard')
socket.socket(socket.AF_UNIX).bind('socket')
for make in (lambda: os.mkfifo('fifo'), lambda: os.mknod('device', 0o20666, os.makedev(1, 5))):
    try: make()
    except OSError: pass  # the sandbox forbids it as well; if it did not, neither may be read
for name in ('gpj.\u202eexe', 'a\nb', 'a\x1b[31m', 'zero\u200bwidth', 'c\x00'[:1] + '\r'):
    open(name, 'w').close()
open(b'\xff\xfe', 'w').close()
open('x' * 255, 'w').close()
"""


async def test_files_are_listed_and_read_and_nothing_else_is(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench()
    bench.notebook(a=HOSTILE)
    assert (await bench.executions.files(bench.host)).files == ()
    assert (await bench.run("a"))["state"] == "done", bench.outputs("a")
    for actor in (bench.host, bench.candidate):
        found = await bench.executions.files(actor)
        sizes = {file.path: file.size for file in found.files}
        expected = {"mine.csv": 3, "hard": 3, "deep/er/x.bin": 256, "x" * 255: 0}
        # The name that is no UTF-8 is listed with marks in place of its bytes; it is not there.
        assert {k: v for k, v in sizes.items() if "\ufffd" not in k and "?" not in k} == expected
        assert found.left_out == 5
        assert found.complete
        assert await bench.executions.file(actor, "deep/er/x.bin") == bytes(range(256))
    for path in ("link", "environ", "folder/passwd", "loop/mine.csv", "socket",
                 "../etc/passwd", "/etc/passwd", "a\nb", "gpj.\u202eexe"):  # fmt: skip
        with pytest.raises(BadRequest):
            await bench.executions.file(bench.host, path)
    for path in ("nothing", "device", "fifo"):
        with pytest.raises(NotFound):
            await bench.executions.file(bench.host, path)
    observer = await guest(bench.admission, bench.host, Role.OBSERVER)
    with pytest.raises(Forbidden):
        await bench.executions.files(observer)


async def test_a_file_that_becomes_a_link_after_it_was_listed(
    make_sandbox_bench: MakeBench,
) -> None:
    bench = await make_sandbox_bench()
    bench.notebook(
        a="open('x', 'w').write('mine')",
        b="import os; os.remove('x'); os.symlink('/etc/passwd', 'x')",
    )
    await bench.run("a")
    (listed,) = (await bench.executions.files(bench.host)).files
    await bench.run("b")
    with pytest.raises(BadRequest):
        await bench.executions.file(bench.host, listed.path)


async def test_a_sparse_file_is_too_large(make_sandbox_bench: MakeBench) -> None:
    bench = await make_sandbox_bench(files_bytes=1 * MIB)
    bench.notebook(a="open('sparse', 'wb').truncate(40 << 20)")
    assert (await bench.run("a"))["state"] == "done"
    with pytest.raises(TooLarge):
        await bench.executions.file(bench.host, "sparse")


async def test_frozen_and_dead_sandboxes_say_so(make_sandbox_bench: MakeBench) -> None:
    bench = await make_sandbox_bench()
    bench.notebook(a="open('x', 'w').write('mine')", b="import os; os.abort()")
    await bench.run("a")
    await bench.set_state(RoomState.PAUSED)
    await bench.executions.freeze(bench.room.id)
    with pytest.raises(Conflict, match="frozen"):
        await bench.executions.files(bench.host)
    with pytest.raises(Conflict, match="frozen"):
        await bench.executions.file(bench.host, "x")
    await bench.set_state(RoomState.LIVE)
    await bench.executions.thaw(bench.room.id)
    assert await bench.executions.file(bench.host, "x") == b"mine"
    assert (await bench.run("b"))["state"] == "died"
    await bench.message(lambda m: m["type"] == "sandbox" and m["state"] == "dead")
    with pytest.raises(SandboxGone, match="files are gone"):
        await bench.executions.files(bench.host)


@pytest.mark.parametrize("paused", [False, True])
async def test_files_are_kept_at_the_end(
    make_sandbox_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, paused: bool
) -> None:
    monkeypatch.setattr(keeping, "MAX_KEPT_BYTES", 2 * MIB)
    bench = await make_sandbox_bench()
    given = DataFile(room_id=bench.room.id, path="given.csv", size=2, digest=digest(b"ok"))
    await bench.store.put_data_file(given, b"ok")
    bench.notebook(a=HOSTILE + "open('big', 'wb').write(bytes(3 << 20))")
    await bench.run("a")
    if paused:
        await bench.set_state(RoomState.PAUSED)
        await bench.executions.freeze(bench.room.id)
    await bench.set_state(RoomState.ENDED)
    await bench.executions.keep_files(bench.room.id)
    await bench.executions.close_room(bench.room.id)
    kept = await bench.executions.files(bench.candidate)
    assert {f.path for f in kept.files} == {"mine.csv", "hard", "deep/er/x.bin", "x" * 255}
    assert await bench.executions.file(bench.host, "deep/er/x.bin") == bytes(range(256))
    with pytest.raises(NotFound):
        await bench.executions.file(bench.host, "big")
    (event,) = [e for e in await bench.store.list_events(bench.room.id) if e.kind == "files.kept"]
    assert event.payload is not None
    assert event.payload["left_out"] == 5 + 1 + 1, "odd names, the one with lost bytes, the big one"
    assert len(event.payload["files"]) == 4
