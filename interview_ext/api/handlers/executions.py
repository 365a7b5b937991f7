"""Runs of cells: ask for one, list, read, interrupt, answer ``input()``."""

from __future__ import annotations

from interview_ext.api import schemas, views
from interview_ext.api.base import ApiHandler


class ExecutionsHandler(ApiHandler):
    """``/rooms/{room}/executions``"""

    async def get(self, room: str) -> None:  # noqa: ARG002
        found = await self.services.executions.runs(self.actor)
        self.answer(schemas.RunList(runs=tuple(views.run(run) for run in found)))

    async def post(self, room: str) -> None:  # noqa: ARG002
        wanted = self.body(schemas.NewRun)
        run = await self.services.executions.submit(
            self.actor,
            document_id=wanted.document,
            cell_id=wanted.cell_id,
            source_sha256=wanted.source_sha256,
        )
        self.answer(views.run(run))


class ExecutionHandler(ApiHandler):
    """``/rooms/{room}/executions/{run}``"""

    async def get(self, room: str, run: str) -> None:  # noqa: ARG002
        self.answer(views.run(await self.services.executions.run(self.actor, run)))

    async def delete(self, room: str, run: str) -> None:  # noqa: ARG002
        await self.services.executions.interrupt(self.actor, run)
        self.answer()


class ExtendHandler(ApiHandler):
    """``/rooms/{room}/executions/{run}/extend``"""

    async def post(self, room: str, run: str) -> None:  # noqa: ARG002
        wanted = self.body(schemas.MoreTime)
        found = await self.services.executions.extend(self.actor, run, wanted.seconds)
        self.answer(views.run(found))


class InputHandler(ApiHandler):
    """``/rooms/{room}/executions/{run}/input``"""

    async def post(self, room: str, run: str) -> None:  # noqa: ARG002
        reply = self.body(schemas.InputReply)
        await self.services.executions.answer(self.actor, run, reply.value)
        self.answer()
