"""The last step of a WebSocket's handshake: a page that has gone away meanwhile is not let in."""

from __future__ import annotations

from typing import Any

from tornado.websocket import WebSocketHandler


class AttendedSocketHandler(WebSocketHandler):
    """Base of the sockets of which a page's rights are looked up in the store first.

    If the connection ends while `prepare` or `get` waits for that, tornado calls `on_close` at
    once and never again, and goes on with the handshake: what `open` takes would be kept for ever.
    """

    _gone = False

    def on_connection_close(self) -> None:
        """Called by tornado when the connection has ended, before it is a WebSocket or after."""
        self._gone = True
        super().on_connection_close()

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Accept, if somebody is there. Subclasses that check more call this at their end."""
        if not self._gone:
            await super().get(*args, **kwargs)
