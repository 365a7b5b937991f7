"""The network between the browsers of tests that are not asynchronous and a server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

from tests.whole.way import Way


class Network:
    """A `Way` for tests that are not asynchronous."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.way = Way(port)

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    @contextmanager
    def during(self, manager: AbstractAsyncContextManager[Any]) -> Iterator[None]:
        self._run(manager.__aenter__())
        try:
            yield
        finally:
            self._run(manager.__aexit__(None, None, None))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
