"""Who asks: what a door's identity provider does, for all doors of a test at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from jupyter_server.auth import IdentityProvider, User
from tornado.web import RequestHandler

from interview_ext.rooms.actor import Actor


@dataclass
class SeatUser(User):
    actor: Actor = field(kw_only=True)


class SeatIdentity(IdentityProvider):
    """Takes the person from the door's address, ``/door/{seat}/…``, as a real door would."""

    actors: dict[str, Actor]

    def get_user(self, handler: RequestHandler) -> SeatUser | None:
        actor = self.actors.get(handler.request.path.split("/")[2])
        return SeatUser(username=actor.id, actor=actor) if actor else None
