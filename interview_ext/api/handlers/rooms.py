"""Rooms: list, make, read, change, lead through their life, enter."""

from __future__ import annotations

import re

from interview_ext.access.login import display_name, owner_name
from interview_ext.api import schemas, views
from interview_ext.api.base import ApiHandler
from interview_ext.api.creation import create_room, packages_of
from interview_ext.api.operations import Where
from interview_ext.errors import BadRequest
from interview_ext.rooms.model import Policy
from interview_ext.rooms.service import RoomChanges


class RoomsHandler(ApiHandler):
    """``/rooms``"""

    async def get(self) -> None:
        if self._where is Where.DOOR:
            self.answer(schemas.RoomList(rooms=(await views.room(self.services, self.door_actor),)))
            return
        rooms, owner = self.services.rooms, owner_name(self)
        actors = [
            await rooms.host_actor(room.id, owner=owner) for room in await rooms.owned_by(owner)
        ]
        shown = [await views.room(self.services, actor) for actor in actors]
        self.answer(schemas.RoomList(rooms=tuple(shown)))

    async def post(self) -> None:
        owner = owner_name(self)
        room = await create_room(
            self.services,
            self.body(schemas.NewRoom),
            owner=owner,
            display_name=display_name(self),
            contents=self.contents_manager,
            idempotency_key=self._idempotency_key(),
        )
        actor = await self.services.rooms.host_actor(room.id, owner=owner)
        self.answer(await views.room(self.services, actor))

    def _idempotency_key(self) -> str | None:
        key = self.request.headers.get("Idempotency-Key")
        if key is not None and not re.fullmatch(schemas.IDEMPOTENCY_PATTERN, key):
            raise BadRequest("`Idempotency-Key` must have 1 to 128 printable ASCII characters.")
        return key


class RoomHandler(ApiHandler):
    """``/rooms/{room}``"""

    async def get(self, room: str) -> None:  # noqa: ARG002
        self.answer(await views.room(self.services, self.actor))

    async def patch(self, room: str) -> None:
        wanted = self.body(schemas.RoomPatch)
        packages = None
        if wanted.packages is not None:
            before = await self.services.rooms.get(room)
            packages = packages_of(self.services, before.profile, wanted.packages)
        changes = RoomChanges(
            version=wanted.version,
            title=wanted.title,
            starts_at=wanted.starts_at,
            duration_s=wanted.duration_s,
            brief=wanted.brief,
            policy=Policy(**wanted.policy.model_dump()) if wanted.policy else None,
            packages=packages,
        )
        changed = await self.services.rooms.change(self.actor, changes)
        if packages is not None:
            self.services.executions.use(changed)
            self.services.packages.begin(changed)
        self.answer(await views.room(self.services, self.actor))

    async def delete(self, room: str) -> None:  # noqa: ARG002
        await self.services.rooms.delete(self.actor)
        self.answer()


class StateHandler(ApiHandler):
    """``/rooms/{room}/state``"""

    async def post(self, room: str) -> None:  # noqa: ARG002
        wanted = self.body(schemas.StateChange)
        await self.services.rooms.set_state(self.actor, wanted.to, in_s=wanted.in_s)
        self.answer(await views.room(self.services, self.actor))


class HoldHandler(ApiHandler):
    """``/rooms/{room}/hold``"""

    async def post(self, room: str) -> None:  # noqa: ARG002
        await self.services.erasure.hold(self.actor, held=self.body(schemas.Hold).held)
        self.answer(await views.room(self.services, self.actor))


class PreparationHandler(ApiHandler):
    """``/rooms/{room}/preparation``"""

    async def post(self, room: str) -> None:
        found = await self.services.rooms.get(room)
        self.services.packages.begin(found, again=True)
        self.answer(await views.room(self.services, self.actor))


class EnterHandler(ApiHandler):
    """``/rooms/{room}/enter``"""

    async def post(self, room: str) -> None:
        ticket = await self.services.admission.ticket(self.actor)
        url = self.services.links.enter(self.request, room, ticket)
        self.answer(schemas.Entrance(url=url))
