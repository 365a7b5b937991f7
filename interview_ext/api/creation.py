"""Making a room with all it holds: it exists whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import TypeVar

from jupyter_server.services.contents.manager import ContentsManager

from interview_ext.api import schemas
from interview_ext.api.content import fresh_notebook, own_data, own_notebook
from interview_ext.api.datasets import Add
from interview_ext.api.services import Services
from interview_ext.api.templates import BLANK, RoomContent
from interview_ext.errors import BadRequest
from interview_ext.rooms.ids import digest
from interview_ext.rooms.model import DataFile, Policy, Room
from interview_ext.rooms.service import RoomPlan, RoomSpec
from interview_ext.sandbox import kinds
from interview_ext.sandbox.datasets import StoredDataset
from interview_ext.sandbox.profiles import Profile

T = TypeVar("T")

_NOTES = "# Notes\n\nOnly interviewers see this.\n"


async def create_room(
    services: Services,
    wanted: schemas.NewRoom,
    *,
    owner: str,
    display_name: str | None,
    contents: ContentsManager,
    idempotency_key: str | None,
) -> Room:
    """Make the room, or return the one that this owner made with the same key before.

    Raises
    ------
    BadRequest, TooLarge, Conflict, StoreUnavailable
        A template, notebook, data file or package cannot be had, or not be stored.
    """
    if idempotency_key is not None:
        before = await services.rooms.find_created(owner, idempotency_key)
        if before is not None:
            return before
    if wanted.profile not in services.profiles:
        known = ", ".join(sorted(services.profiles))
        raise BadRequest(
            f"There is no sandbox profile {wanted.profile!r}.", hint=f"Known: {known}."
        )
    packages = packages_of(services, wanted.profile, wanted.packages)
    async with _adding(services) as add:
        content = await _content(services, wanted, contents, services.profiles[wanted.profile], add)
        spec = RoomSpec(
            title=wanted.title,
            host_name=wanted.host_name or display_name or services.host_name,
            starts_at=wanted.starts_at,
            duration_s=wanted.duration_s,
            brief=content.brief if wanted.brief is None else wanted.brief,
            profile=wanted.profile,
            packages=packages,
            policy=Policy(**wanted.policy.model_dump()) if wanted.policy else Policy(),
        )
        plan = services.rooms.plan(spec, owner=owner)
        room = await make_room(services, plan, content, idempotency_key=idempotency_key)
    services.packages.begin(room)
    return room


def _adding(services: Services) -> AbstractAsyncContextManager[Add | None]:
    return nullcontext() if services.datasets is None else services.datasets.adding()


def packages_of(services: Services, profile: str, named: Iterable[str]) -> tuple[str, ...]:
    """Return packages as they are compared. Raises BadRequest if the profile cannot have them."""
    packages = kinds.wanted(named)
    if packages and profile not in services.profiles:
        raise BadRequest(f"There is no sandbox profile {profile!r} any more.")
    if packages:
        kinds.check(services.profiles[profile], packages)
    return packages


async def make_room(
    services: Services, plan: RoomPlan, content: RoomContent, *, idempotency_key: str | None = None
) -> Room:
    """Store the contents, then the room; on any failure nothing of either stays."""
    room: Room | None = None
    try:
        await services.documents.seed(plan.notebook, content.notebook)
        await services.documents.seed(plan.notes, _NOTES)
        await _store_data(services, plan.room.id, content.data)
        room = await services.rooms.create(plan, idempotency_key=idempotency_key)
    finally:
        if room is None or room.id != plan.room.id:
            await asyncio.shield(services.rooms.discard(plan))
    return room


async def _store_data(
    services: Services, room_id: str, data: Mapping[str, bytes | StoredDataset]
) -> None:
    for name, content in data.items():
        if isinstance(content, StoredDataset):
            file = DataFile(
                room_id=room_id,
                path=name,
                size=content.size,
                digest=content.digest,
                dataset=True,
            )
            await services.store.put_dataset(file)
            continue
        file = DataFile(
            room_id=room_id,
            path=name,
            size=len(content),
            digest=await asyncio.to_thread(digest, content),
        )
        await services.store.put_data_file(file, content)


async def _content(
    services: Services,
    wanted: schemas.NewRoom,
    contents: ContentsManager,
    profile: Profile,
    add: Add | None,
) -> RoomContent:
    if wanted.notebook_path is not None:
        notebook = await own_notebook(contents, wanted.notebook_path, profile)
        content = RoomContent(notebook=notebook)
    else:
        template = wanted.template or BLANK
        loaded = await asyncio.to_thread(services.templates.load, template)
        _check_language(loaded, template, profile)
        content = replace(loaded, notebook=fresh_notebook(loaded.notebook, template, profile))
    own = await own_data(contents, wanted.data_paths, add)
    return replace(content, data=_joined(content.data, own))


def _check_language(content: RoomContent, template: str, profile: Profile) -> None:
    """Raise BadRequest if the profile's kernel does not speak what the template is written in."""
    if content.language not in (None, profile.language):
        raise BadRequest(
            f"The template {template!r} is written in {content.language}, which a sandbox for "
            f"{profile.language} does not run.",
            hint=f"Take the template {BLANK!r}, a notebook of your own, or another profile.",
        )


def _joined(first: Mapping[str, T], second: Mapping[str, T]) -> dict[str, T]:
    twice = sorted(first.keys() & second.keys())
    if twice:
        raise BadRequest(f"The template has a data file named {twice[0]!r} already.")
    return {**first, **second}
