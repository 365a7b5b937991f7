"""The room's sandbox: its state, restart, interrupt, keep."""

from __future__ import annotations

from interview_ext.api import views
from interview_ext.api.base import ApiHandler


class SandboxHandler(ApiHandler):
    """``/rooms/{room}/sandbox``"""

    async def get(self, room: str) -> None:  # noqa: ARG002
        self.answer(await views.sandbox(self.services, self.actor))


class RestartHandler(ApiHandler):
    """``/rooms/{room}/sandbox/restart``"""

    async def post(self, room: str) -> None:  # noqa: ARG002
        await self.services.executions.restart(self.actor)
        self.answer(await views.sandbox(self.services, self.actor))


class InterruptHandler(ApiHandler):
    """``/rooms/{room}/sandbox/interrupt``"""

    async def post(self, room: str) -> None:  # noqa: ARG002
        await self.services.executions.interrupt(self.actor)
        self.answer(await views.sandbox(self.services, self.actor))


class KeepHandler(ApiHandler):
    """``/rooms/{room}/sandbox/keep``"""

    async def post(self, room: str) -> None:  # noqa: ARG002
        await self.services.executions.keep(self.actor)
        self.answer(await views.sandbox(self.services, self.actor))
