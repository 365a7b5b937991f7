"""Large data files on their way to a broker: streamed, and taken when they are what they are named.

Whether one is there is asked by GET, not by HEAD, so that a refusal has a body that says why. The
content itself is never given out: a sandbox that mounts it is the one way to read it.
"""

from __future__ import annotations

import asyncio

from tornado.httputil import HTTPServerRequest
from tornado.web import stream_request_body

from interview_ext.errors import BadRequest, InterviewError

from .broker_http import longest_s
from .broker_requests import Authenticated
from .datasets import CHUNK_BYTES, Incoming


@stream_request_body
class Dataset(Authenticated):
    """``/v1/datasets/{digest}``"""

    _incoming: Incoming | None = None
    _uploads: asyncio.Semaphore | None = None
    _failure: InterviewError | None = None

    async def prepare(self) -> None:  # type: ignore[override]
        """Make place for what is sent, or refuse it before it comes."""
        super().prepare()
        self._buffer = bytearray()
        if self.request.method != "PUT":
            return
        size = _size(self.request)
        uploads = self.desk.uploads[self.user.name]
        await uploads.acquire()
        self._uploads = uploads
        self._incoming = await asyncio.to_thread(self.desk.datasets.begin, size)
        connection = self.request.connection
        connection.set_max_body_size(size)  # type: ignore[union-attr]
        connection.set_body_timeout(longest_s(size))  # type: ignore[union-attr]

    async def data_received(self, chunk: bytes) -> None:
        """Called by tornado, which reads no further until this returns."""
        if self._incoming is not None:
            self._buffer += chunk
            if len(self._buffer) >= CHUNK_BYTES:
                await self._write(self._incoming)

    async def _write(self, incoming: Incoming) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        if self._failure is None:
            try:
                await asyncio.to_thread(incoming.write, data)
            except InterviewError as error:  # told when all has come: nobody listens before
                self._failure = error

    async def put(self, digest: str) -> None:
        """Everything has come; of what is refused nothing is left when that is answered."""
        incoming = self._incoming
        if incoming is None:
            raise BadRequest("There is no content.")
        try:
            await self._write(incoming)
            if self._failure is not None:
                raise self._failure
            await asyncio.to_thread(self.desk.datasets.keep, self.user.name, digest, incoming)
        finally:
            await asyncio.to_thread(incoming.discard)
        self.set_status(204)

    async def get(self, digest: str) -> None:
        """Whether it is there."""
        size = await asyncio.to_thread(self.desk.datasets.name, self.user.name, digest)
        self.finish({"size": size})

    async def delete(self, digest: str) -> None:
        """The client does not need it any more."""
        await asyncio.to_thread(self.desk.datasets.drop, self.user.name, digest)
        self.set_status(204)

    def on_finish(self) -> None:
        """Called by tornado when the answer has been given."""
        self._end()

    def on_connection_close(self) -> None:
        """Called by tornado when the client goes before that."""
        super().on_connection_close()
        self._end()

    def _end(self) -> None:
        uploads, self._uploads = self._uploads, None
        if uploads is not None:
            uploads.release()
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            asyncio.get_running_loop().run_in_executor(None, incoming.discard)


def _size(request: HTTPServerRequest) -> int:
    told = request.headers.get("Content-Length", "")
    if not told.isdecimal():
        raise BadRequest("A content is sent with its length.")
    return int(told)
