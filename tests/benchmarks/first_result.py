"""First result: from the claim of a kernel until ``1+1`` is there, by jupyter_client's own API.

Ours: a kernel manager starts the kernel by the sandbox's provisioner; a sandbox waits in the pool.
Peer: ``docker run`` of the same image for each session, with nothing of ours in it: no limits, the
kernel's sockets in a folder that host and container share.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from interview_ext.sandbox.images import reference
from interview_ext.sandbox.provisioner import SandboxRequest
from interview_ext.sandbox.sandboxes import Sandboxes
from interview_ext.sandbox.specs import ProfileSpecs

from .patience import patience
from .report import Row

MOST_P95_S = 0.1
MOST_RATIO = 1 / 8
UNCOUNTED = 1
ASK_AGAIN_S = 0.1
REST_S = 1.0
"""Between two turns, so that a container that is being removed or started counts in none."""


@dataclass(frozen=True, kw_only=True)
class FirstResults:
    """Seconds from the claim to the result."""

    ours: list[float] = field(default_factory=list)
    docker_run: list[float] = field(default_factory=list)

    def rows(self) -> list[Row]:
        return [
            Row(
                name="claim to first result, warm",
                unit="ms",
                ours=self.ours,
                peer=self.docker_run,
                peer_name="docker run per session",
                most_ratio=MOST_RATIO,
                most_p95=MOST_P95_S,
            )
        ]


async def measure(*, times: int, until: float, say: Callable[[str], None]) -> FirstResults:
    """Alternate between the two, `times` each, or fewer: none begins after `until`.

    Parameters
    ----------
    until:
        On the clock of `time.monotonic`.
    """
    result = FirstResults()
    image = await asyncio.to_thread(reference, "python")
    with TemporaryDirectory(prefix="bench-", dir="/tmp") as name:
        folder = Path(name)
        async with _sandboxes() as sandboxes:
            specs = ProfileSpecs(sandboxes.profiles)
            for number in range(UNCOUNTED + times):
                async with patience("a sandbox in the pool"):
                    await sandboxes.pool("python").filled()
                await asyncio.sleep(REST_S)
                ours = await _warm(sandboxes, specs)
                await asyncio.sleep(REST_S)
                peer = await _docker_run(folder / str(number), image)
                if number >= UNCOUNTED:
                    result.ours.append(ours)
                    result.docker_run.append(peer)
                if monotonic() > until:
                    break
    say(f"claim to first result: {len(result.ours)} turns each")
    return result


@asynccontextmanager
async def _sandboxes() -> AsyncIterator[Sandboxes]:
    sandboxes = Sandboxes(server_id=f"bench-{secrets.token_hex(6)}", pool_size=1)
    await sandboxes.start()
    try:
        yield sandboxes
    finally:
        await sandboxes.stop()


async def _warm(sandboxes: Sandboxes, specs: ProfileSpecs) -> float:
    manager = AsyncKernelManager(kernel_name="interview-python", kernel_spec_manager=specs)
    began = perf_counter()
    await manager.start_kernel(interview=SandboxRequest(sandboxes=sandboxes, room="bench"))
    client = manager.client()
    client.start_channels()
    try:
        await _two(client)
        return perf_counter() - began
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)
        await manager.shutdown_kernel(now=True)
        manager.context.destroy(linger=0)


async def _docker_run(folder: Path, image: str) -> float:
    connection: Any = {
        "transport": "ipc",
        "ip": "/shared/kernel",
        "key": secrets.token_hex(16),
        "signature_scheme": "hmac-sha256",
        **{
            f"{name}_port": n
            for n, name in enumerate(("shell", "iopub", "stdin", "control", "hb"), 1)
        },
    }
    await asyncio.to_thread(_write, folder, connection)
    python = ("/opt/venv/bin/python", "-m", "ipykernel_launcher", "-f", "/shared/kernel.json")
    name = f"bench-{secrets.token_hex(6)}"
    began = perf_counter()
    docker = await asyncio.create_subprocess_exec(
        *("docker", "run", "--rm", "--name", name, "--user", "0", "--network", "none"),
        *("--volume", f"{folder}:/shared", "--entrypoint", python[0], image, *python[1:]),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    client = AsyncKernelClient()
    client.load_connection_info(connection | {"ip": f"{folder}/kernel"})
    client.start_channels()
    try:
        await _two(client)
        return perf_counter() - began
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)
        stop = await asyncio.create_subprocess_exec(
            "docker",
            "kill",
            name,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await stop.wait()
        await docker.wait()


def _write(folder: Path, connection: Any) -> None:
    folder.mkdir()
    (folder / "kernel.json").write_text(json.dumps(connection))


async def _two(client: AsyncKernelClient) -> None:
    """Return when the kernel has said what 1+1 is."""
    async with patience("the first result"):
        heard = False
        while not heard:  # what is said before the client listens is lost
            client.kernel_info()
            with suppress(Empty):
                heard = bool(await client.get_iopub_msg(timeout=ASK_AGAIN_S))
        request = client.execute("1+1")
        while True:
            message = await client.get_iopub_msg()
            if (
                message["msg_type"] == "execute_result"
                and message["parent_header"].get("msg_id") == request
            ):
                return
