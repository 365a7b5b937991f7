"""The bus inside one server process."""

from __future__ import annotations

import logging
from collections.abc import Callable

from interview_ext.rooms.ports import Listener, Message

log = logging.getLogger(__name__)


class MemoryBus:
    """Calls each listener in turn, at once. Made by ``house.py`` when no other bus is named.

    A message is handed on as it is: listeners do not change it. A listener that
    raises is logged and keeps nothing from the others.
    """

    shared = False
    from_elsewhere = False
    about = "inside the server process"

    def __init__(self) -> None:
        self._listeners: dict[str, dict[object, Listener]] = {}

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Forget all listeners."""
        self._listeners.clear()

    def publish(self, topic: str, message: Message) -> None:
        """See `interview_ext.rooms.ports.Bus.publish`."""
        for listener in list(self._listeners.get(topic, {}).values()):
            try:
                listener(message)
            except Exception:
                log.exception("A listener of %s failed on a %s message", topic, message.get("type"))

    def heard_elsewhere(self, topic: str) -> bool:
        """See `interview_ext.rooms.ports.Bus.heard_elsewhere`."""
        del topic
        return False

    def subscribe(self, topic: str, listener: Listener) -> Callable[[], None]:
        """See `interview_ext.rooms.ports.Bus.subscribe`."""
        key = object()
        self._listeners.setdefault(topic, {})[key] = listener

        def unsubscribe() -> None:
            listeners = self._listeners.get(topic, {})
            listeners.pop(key, None)
            if not listeners:
                self._listeners.pop(topic, None)

        return unsubscribe
