"""A Jupyter client that reads on, whatever the kernel has sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.sandbox.conftest import Kernel, Run

READ = ("stream", "display_data", "execute_result", "error", "status")


async def run(
    kernel: Kernel,
    code: str,
    *,
    patience_s: float = 20,
    hear: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> Run:
    """Run a cell; returns after its reply and its idle state. `hear` gets each output.

    jupyter_client's own `execute_interactive` ends with the first message that it cannot read.
    """
    client = kernel.client
    request = client.execute(code, allow_stdin=False)
    outputs: list[dict[str, Any]] = []

    def is_idle(message: dict[str, Any]) -> bool:
        data = message["content"].get("data", {})
        if message["msg_type"] in READ and isinstance(data, dict):
            outputs.append(message)
            hear(message)
        return bool(message["content"].get("execution_state") == "idle")

    async with asyncio.timeout(patience_s), asyncio.TaskGroup() as tasks:
        tasks.create_task(_read(client.get_iopub_msg, request, is_idle))
        reply = tasks.create_task(
            _read(client.get_shell_msg, request, lambda m: m["msg_type"] == "execute_reply")
        )
    return Run.of(outputs, reply.result())


async def _read(
    receive: Callable[[], Awaitable[dict[str, Any]]],
    request: str,
    last: Callable[[dict[str, Any]], bool],
) -> dict[str, Any]:
    """Read what belongs to a request, up to the last message of it."""
    while True:
        try:
            message = await receive()
            if message["parent_header"].get("msg_id") == request and last(message):
                return message
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # the work of hostile code
