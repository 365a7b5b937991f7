"""People: list, admit, decline or remove."""

from __future__ import annotations

from interview_ext.api import schemas, views
from interview_ext.api.base import ApiHandler
from interview_ext.errors import NotFound


class ParticipantsHandler(ApiHandler):
    """``/rooms/{room}/participants``"""

    async def get(self, room: str) -> None:  # noqa: ARG002
        found = await views.participants(self.services, self.actor)
        self.answer(schemas.ParticipantList(participants=found))


class ParticipantHandler(ApiHandler):
    """``/rooms/{room}/participants/{participant}``"""

    async def delete(self, room: str, participant: str) -> None:  # noqa: ARG002
        for person in await self.services.admission.people(self.actor):
            if person.participant.id == participant and person.state == "waiting":
                await self.services.admission.decline(self.actor, participant)
                break
        else:
            await self.services.admission.remove(self.actor, participant)
        self.answer()


class ErasureHandler(ApiHandler):
    """``/rooms/{room}/participants/{participant}/erasure``"""

    async def post(self, room: str, participant: str) -> None:  # noqa: ARG002
        await self.services.erasure.erase(self.actor, participant)
        for person in await views.participants(self.services, self.actor):
            if person.id == participant:
                self.answer(person)
                return
        raise NotFound("There is no such participant in this interview.")


class AdmitHandler(ApiHandler):
    """``/rooms/{room}/participants/{participant}/admit``"""

    async def post(self, room: str, participant: str) -> None:  # noqa: ARG002
        await self.services.admission.admit(self.actor, participant)
        for person in await views.participants(self.services, self.actor):
            if person.id == participant:
                self.answer(person)
                return
        raise NotFound("There is no such participant in this interview.")
