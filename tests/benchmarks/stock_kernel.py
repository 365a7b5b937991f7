"""An ipykernel of stock JupyterLab, used over its WebSocket as JupyterLab's page does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from .servers import Server

PROTOCOL = "v1.kernel.websocket.jupyter.org"
KERNEL = "python3"


class StockKernel:
    """One local kernel and a page's connection to it."""

    def __init__(
        self, http: httpx.AsyncClient, id_: str, socket: WebSocketClientConnection
    ) -> None:
        self._http = http
        self._id = id_
        self._socket = socket
        self._session = uuid4().hex

    @classmethod
    async def start(cls, server: Server) -> StockKernel:
        """Return once it has answered, which is when JupyterLab calls a kernel ready."""
        http = httpx.AsyncClient(base_url=server.base_url, headers=server.headers, timeout=60)
        answer = await http.post("api/kernels", json={"name": KERNEL})
        answer.raise_for_status()
        id_ = answer.json()["id"]
        request = HTTPRequest(
            f"{server.socket_url}api/kernels/{id_}/channels", headers=server.headers
        )
        kernel = cls(http, id_, await websocket_connect(request, subprotocols=[PROTOCOL]))
        asked = await kernel.send("kernel_info_request", {})
        await kernel.hear("kernel_info_reply", asked)
        return kernel

    async def stop(self) -> None:
        """End it."""
        self._socket.close()
        (await self._http.delete(f"api/kernels/{self._id}")).raise_for_status()
        await self._http.aclose()

    async def execute(self, source: str) -> str:
        """Send a cell; return the request's id."""
        content = {
            "code": source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": True,
        }
        return await self.send("execute_request", content)

    async def send(self, msg_type: str, content: dict[str, Any]) -> str:
        """Send a message on the shell channel; return its id."""
        msg_id = uuid4().hex
        header = {
            "msg_id": msg_id,
            "msg_type": msg_type,
            "session": self._session,
            "username": "benchmark",
            "date": datetime.now(UTC).isoformat(),
            "version": "5.3",
        }
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        await self._socket.write_message(serialize_msg_to_ws_v1(parts, "shell"), binary=True)
        return msg_id

    async def hear(self, msg_type: str, parent: str) -> dict[str, Any]:
        """Return the content of the next message of a type that answers `parent`."""
        while (data := await self._socket.read_message()) is not None:
            _, parts = deserialize_msg_from_ws_v1(data)
            header, parent_header, _, content, *_ = map(json.loads, parts[:4])
            if header["msg_type"] == msg_type and parent_header.get("msg_id") == parent:
                return dict(content)
        raise ConnectionError("the kernel's socket was closed")

    async def idle(self, parent: str) -> None:
        """Return when the kernel has finished with a request."""
        while (await self.hear("status", parent))["execution_state"] != "idle":
            pass
