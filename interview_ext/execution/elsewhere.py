"""What a server shows of a room's sandbox that another server has: what that one has said last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interview_ext.execution.records import InputRequest
from interview_ext.rooms.ports import Bus, Message, room_topic

ASK: Message = {"type": "asked"}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """See `records.SandboxStatus`."""

    state: str
    waiting: bool = False
    rests_at: datetime | None = None
    death: Mapping[str, Any] | None = None


def cells_topic(room_id: str) -> str:
    """Topic on which a server asks whoever runs a room's cells for a ``sandbox`` message."""
    return f"cells:{room_id}"


class Elsewhere:
    """Made by `service`. Does nothing while no other server hears this one."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._shown: dict[str, Shown] = {}
        self._inputs: dict[str, InputRequest] = {}
        self._followed: dict[str, Callable[[], None]] = {}

    def of(self, room_id: str) -> Shown | None:
        """Return what is known; what is not is asked for, and comes as a ``sandbox`` message."""
        self._follow(room_id)
        return self._shown.get(room_id)

    def input(self, room_id: str) -> InputRequest | None:
        """Return what a cell there asks for."""
        self._follow(room_id)
        return self._inputs.get(room_id)

    def forget(self, room_id: str) -> None:
        """The room's cells are run here, or no more."""
        self._shown.pop(room_id, None)
        self._inputs.pop(room_id, None)
        unsubscribe = self._followed.pop(room_id, None)
        if unsubscribe is not None:
            unsubscribe()

    def stop(self) -> None:
        for room_id in list(self._followed):
            self.forget(room_id)

    def _follow(self, room_id: str) -> None:
        if room_id in self._followed or not self._bus.shared:
            return
        self._followed[room_id] = self._bus.subscribe(
            room_topic(room_id), lambda message: self._hear(room_id, message)
        )
        self._bus.publish(cells_topic(room_id), ASK)

    def _hear(self, room_id: str, message: Message) -> None:
        kind = message["type"]
        if kind == "gap":
            self._bus.publish(cells_topic(room_id), ASK)
        elif not self._bus.from_elsewhere:
            return
        elif kind == "sandbox" and "waiting" in message:
            rests_at = message["rests_at"]
            self._shown[room_id] = Shown(
                state=message["state"],
                waiting=message["waiting"],
                rests_at=datetime.fromisoformat(rests_at) if rests_at else None,
                death=message["death"],
            )
            self._take_input(room_id, message["input"])
        elif kind == "input_request":
            self._take_input(room_id, message)
        elif kind == "input_done":
            self._inputs.pop(room_id, None)

    def _take_input(self, room_id: str, asked: Mapping[str, Any] | None) -> None:
        if asked is None:
            self._inputs.pop(room_id, None)
        else:
            self._inputs[room_id] = InputRequest(
                run_id=asked["run_id"], prompt=asked["prompt"], password=asked["password"]
            )
