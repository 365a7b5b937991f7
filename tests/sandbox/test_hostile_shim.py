"""A container whose shim has been taken over: it is ended, and the server's loop goes on."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace

import docker
import pytest

from interview_ext.errors import SandboxError, SandboxProtocolError
from interview_ext.sandbox.deaths import Reason
from interview_ext.sandbox.images import reference
from interview_ext.sandbox.profiles import PYTHON

from .conftest import PATIENCE_S, MakeSandboxes

IMAGE = "interview-sandbox-test-hostile:1"

# The real shim, but for what it answers to a request for a file of a certain name.
HOSTILE = """
import json, struct, sys, time
sys.path.insert(0, "/opt/interview")
import shim

SIZES = @SIZES@

class Hostile(shim.Shim):
    def answer_file(self, payload):
        if b'"do": "list"' in payload:
            return self.answer_list(payload)
        offence = payload.split(b'"path": "', 1)[1].split(b'"', 1)[0].decode()
        add = self.outbox.add
        raw = self.outbox.unsent.append
        if offence == "bad-header":
            raw(b"\\xff" * 64)
        elif offence == "huge-frame":
            raw(shim.HEADER.pack(4_000_000_000, shim.MESSAGE, shim.IOPUB, 0, self.outbox.last + 1))
        elif offence == "gap":
            self.outbox.last += 7
            add(shim.MESSAGE, shim.IOPUB, shim.pack_parts([b"x"]))
        elif offence == "bad-parts":
            add(shim.MESSAGE, shim.IOPUB, b"\\xff\\xff\\xff")
        elif offence == "false-ack":
            raw(shim.HEADER.pack(0, shim.ACK, 0, 0, 10**12))
        elif offence == "second-hello":
            raw(shim.HEADER.pack(2, shim.HELLO, 0, 0, 0) + b"{}")
        elif offence == "deep-json":
            add(shim.NOTICE, shim.IOPUB, b"[" * 60_000)
        elif offence == "huge-count":
            add(shim.NOTICE, shim.IOPUB, b'{"bytes": 1' + b"0" * 400 + b', "count": 1}')
        elif offence == "cut-reply":
            add(shim.REPLY, 0, b"\\0\\0\\xff\\xff{}")
        elif offence == "wrong-way":
            add(shim.FILE, 0, b"")
        elif offence == "garbage-after-exit":
            import os
            os.write(1, b"\\0" * 100_000)
            sys.exit(3)

    def answer_list(self, payload):
        (size,) = struct.unpack_from("!I", payload)
        number = json.loads(payload[4 : 4 + size])["id"]
        size = SIZES.pop(0)
        answer = f'{{"id": {number}, "files": [["x", {size}]], "complete": true}}'.encode()
        self.outbox.add(shim.REPLY, 0, struct.pack("!I", len(answer)) + answer)

Hostile().run()
"""

SIZES = ("-1", "true", "1.0", "null", str(2**63), "1" + "0" * 3000, str(2**63 - 1))
"""What a file's size is said to be, one after the other: only the last can be one."""


@pytest.fixture(scope="module")
def hostile_image(sandbox_image: None) -> Iterator[str]:
    archive = io.BytesIO()
    dockerfile = (
        f"FROM {reference('python')}\nCOPY hostile.py /opt/\n"
        'ENTRYPOINT ["/opt/venv/bin/python", "-B", "/opt/hostile.py"]\n'
    )
    shim = HOSTILE.replace("@SIZES@", repr([*SIZES]))
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, text in (("Dockerfile", dockerfile), ("hostile.py", shim)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    archive.seek(0)
    client = docker.from_env()
    try:
        client.images.build(fileobj=archive, custom_context=True, tag=IMAGE, rm=True)
        yield IMAGE
        client.images.remove(IMAGE, force=True)
    finally:
        client.close()


@pytest.mark.parametrize(
    "offence",
    [
        "bad-header",
        "huge-frame",
        "gap",
        "bad-parts",
        "false-ack",
        "second-hello",
        "deep-json",
        "huge-count",
        "cut-reply",
        "wrong-way",
        "garbage-after-exit",
    ],
)
async def test_an_offence_ends_the_container(
    hostile_image: str, make_sandboxes: MakeSandboxes, offence: str
) -> None:
    problems: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: problems.append(context))
    sandboxes = await make_sandboxes(profile=replace(PYTHON, image=hostile_image))
    sandbox = await sandboxes.claim("python", room="room-1")
    with pytest.raises(SandboxError):
        await sandbox.get(offence)
    async with asyncio.timeout(PATIENCE_S):
        await sandbox.ended.wait()
    assert sandbox.death is not None
    assert sandbox.death.reason is Reason.CRASH
    if offence != "garbage-after-exit":
        assert "what no sandbox sends" in sandbox.death.detail
    assert problems == []


async def test_only_what_a_file_can_have_is_taken_for_its_size(
    hostile_image: str, make_sandboxes: MakeSandboxes
) -> None:
    sandboxes = await make_sandboxes(profile=replace(PYTHON, image=hostile_image))
    sandbox = await sandboxes.claim("python", room="room-1")
    for _ in SIZES[:-1]:
        with pytest.raises(SandboxProtocolError):
            await sandbox.listing()
    (file,) = (await sandbox.listing()).files
    assert file.size_bytes == int(SIZES[-1])
