"""The timeline: what happened, who may see it, how it is known, and that it is complete.

Each event's digest covers the digest before it and a salted digest of its
payload. So the chain proves that nothing was left out or changed, and it still does
after a payload has been erased: its digest stays, and the salt's going keeps anybody
from guessing what was there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from interview_ext.rooms.ids import Clock, digest, new_secret, now
from interview_ext.rooms.model import EVERYONE, STAFF, Event, Participant, Trust
from interview_ext.rooms.ports import Bus, TimelineStore, room_topic

GENESIS = "0" * 64
"""`previous` of the first event of a room."""
_SHOWN = tuple(field.name for field in fields(Event) if field.name != "salt")


class Timeline:
    """Records events and tells those who listen. Made once by ``house.py``."""

    def __init__(self, store: TimelineStore, bus: Bus, *, clock: Clock = now) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock

    async def record(
        self,
        room_id: str,
        kind: str,
        *,
        actor: str,
        audience: str = EVERYONE,
        payload: Mapping[str, Any] | None = None,
        trust: Trust = Trust.OBSERVED,
    ) -> Event:
        """Append an event and publish it on the room's topic.

        Parameters
        ----------
        kind:
            What happened, such as ``room.state`` or ``run.ended``.
        actor:
            Id of the participant, or ``server``.
        audience:
            ``everyone``, ``staff``, or the id of the one participant who may also see it.
        payload:
            JSON-able particulars; never secrets.
        """
        at = self._clock()
        salt = new_secret()
        content = dict(payload or {})

        def seal(seq: int, previous: str) -> Event:
            event = Event(
                room_id=room_id,
                seq=seq,
                at=at,
                actor=actor,
                kind=kind,
                audience=audience,
                trust=trust,
                payload=content,
                salt=salt,
                payload_digest=digest(salt + _canonical(content)),
                previous=previous,
                digest="",
            )
            return replace(event, digest=_link(event, previous))

        event = await self._store.append_event(room_id, seal)
        self._bus.publish(room_topic(room_id), {"type": "event", "event": public(event)})
        return event

    async def read(self, viewer: Participant, *, after: int = 0, limit: int = 500) -> list[Event]:
        """Return up to `limit` events after `after` that `viewer` may see, oldest first."""
        events = await self._store.list_events(viewer.room_id, after=after)
        return [event for event in events if visible(event.audience, viewer)][:limit]


def visible(audience: str, viewer: Participant) -> bool:
    """Whether an event of that audience may be shown to `viewer`."""
    if audience == EVERYONE:
        return True
    if viewer.role.is_staff:
        return True
    return audience not in (EVERYONE, STAFF) and audience == viewer.id


def public(event: Event) -> dict[str, Any]:
    """Return the event as JSON for those who may see it: without the salt."""
    return {
        **{name: getattr(event, name) for name in _SHOWN},
        "at": event.at.isoformat(),
        "trust": str(event.trust),
    }


def verify(events: Iterable[Event]) -> None:
    """Check a whole timeline.

    Raises
    ------
    ValueError
        Naming the first event that does not follow from the ones before it.
    """
    previous = GENESIS
    for expected, event in enumerate(events, start=1):
        if event.payload is not None and event.payload_digest != digest(
            (event.salt or "") + _canonical(event.payload)
        ):
            raise ValueError(f"event {event.seq}: the payload was changed")
        follows = (event.seq, event.previous) == (expected, previous)
        if not follows or event.digest != _link(event, previous):
            raise ValueError(f"event {event.seq}: the chain is broken")
        previous = event.digest


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _link(event: Event, previous: str) -> str:
    parts = (
        event.room_id,
        event.seq,
        event.at.isoformat(),
        event.actor,
        event.kind,
        event.audience,
        event.trust,
        event.payload_digest,
        previous,
    )
    return digest(_canonical([str(part) for part in parts]))
