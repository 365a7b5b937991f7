"""A sandbox claimed where none waits: Python in WebAssembly beside a cold container.

Both by the port that rooms use, in this process, until the kernel has answered. The snapshot that
WebAssembly starts from is made before, as it is once for each version of the product.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from time import perf_counter

from interview_ext.sandbox.docker import DockerEngine
from interview_ext.sandbox.engine import Engine
from interview_ext.sandbox.sandboxes import Sandboxes
from interview_ext.sandbox.webassembly import WebAssemblyEngine

from .report import Row

MOST_S = 1.0


async def measure(*, times: int, say: Callable[[str], None]) -> list[Row]:
    """Start `times` of each, alternating."""
    ours, peer = _sandboxes(WebAssemblyEngine()), _sandboxes(DockerEngine())
    took: tuple[list[float], list[float]] = ([], [])
    try:
        await ours.start()
        await peer.start()
        await _start(ours)
        for number in range(times):
            for sandboxes, seconds in zip((ours, peer), took, strict=True):
                seconds.append(await _start(sandboxes))
            say(
                f"WebAssembly {number + 1}/{times}: {took[0][-1] * 1000:.0f} ms, "
                f"container {took[1][-1] * 1000:.0f} ms"
            )
    finally:
        await ours.stop()
        await peer.stop()
    return [
        Row(
            name="sandbox claimed, WebAssembly",
            unit="ms",
            ours=took[0],
            peer=took[1],
            peer_name="cold container",
            most=MOST_S,
        )
    ]


def _sandboxes(engine: Engine) -> Sandboxes:
    return Sandboxes(server_id=f"bench-{secrets.token_hex(6)}", engine=engine, pool_size=0)


async def _start(sandboxes: Sandboxes) -> float:
    began = perf_counter()
    sandbox = await sandboxes.claim("python", room="bench")
    took = perf_counter() - began
    await sandbox.stop()
    return took
