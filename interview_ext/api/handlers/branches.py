"""Private branches: begin one, see one's own, merge it, discard it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interview_ext.api import schemas
from interview_ext.api.base import ApiHandler
from interview_ext.api.branch_cookie import clear_branch_cookie, set_branch_cookie

if TYPE_CHECKING:
    from interview_ext.api.services import Changes
    from interview_ext.rooms.model import Branch


class BranchesHandler(ApiHandler):
    """``/rooms/{room}/branches``"""

    async def get(self, room: str) -> None:  # noqa: ARG002
        branch = await self.services.branches.own(self.actor)
        own = () if branch is None else (await self._model(branch),)
        self.answer(schemas.BranchList(branches=own))

    async def post(self, room: str) -> None:  # noqa: ARG002
        wanted = self.body(schemas.NewBranch)
        branch = await self.services.branches.begin(self.actor, wanted.document)
        secret = self.services.branches.secret(branch)
        if secret is not None:
            set_branch_cookie(self, branch.id, secret, door=self.base_url)
        self.answer(await self._model(branch))

    async def _model(self, branch: Branch) -> schemas.Branch:
        changes = await self.services.branches.changes(branch)
        return schemas.Branch(
            id=branch.id,
            document=branch.document_id,
            path=branch.path,
            begun_at=branch.begun_at,
            readable=changes is not None,
            changes=None if changes is None else _shown(changes),
        )


class BranchHandler(ApiHandler):
    """``/rooms/{room}/branches/{branch}``"""

    async def delete(self, room: str, branch: str) -> None:  # noqa: ARG002
        await self.services.branches.discard(self.actor, branch)
        clear_branch_cookie(self, branch, door=self.base_url)
        self.answer()


class MergeHandler(ApiHandler):
    """``/rooms/{room}/branches/{branch}/merge``"""

    async def post(self, room: str, branch: str) -> None:  # noqa: ARG002
        changes = await self.services.branches.merge(self.actor, branch)
        clear_branch_cookie(self, branch, door=self.base_url)
        self.answer(_shown(changes))


def _shown(changes: Changes) -> schemas.BranchChanges:
    return schemas.BranchChanges(
        added=changes.added, removed=changes.removed, changed=changes.changed
    )
