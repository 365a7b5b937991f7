"""What one person may see of a room, as the models of the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from interview_ext.api import messages, schemas
from interview_ext.api.services import PendingInput, Services
from interview_ext.errors import NotFound
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.admission import Person
from interview_ext.rooms.model import (
    Document,
    Event,
    Invite,
    Participant,
    Role,
    Room,
    RoomState,
    Run,
)
from interview_ext.rooms.roles import Action, allowed, may_read
from interview_ext.rooms.timeline import public
from interview_ext.sandbox.kinds import kind


def actions(actor: Actor, room: Room) -> frozenset[Action]:
    """Return what the actor may do in the room now."""
    return allowed(actor.role, room.state, admitted=actor.admitted)


async def room(services: Services, actor: Actor) -> schemas.Room:
    """Return the room as the actor may see it now; raises as `Rooms.check` does."""
    found = await services.rooms.check(actor, Action.ROOM_READ)
    may = actions(actor, found)
    insider = actor.role.is_staff and actor.admitted
    people = await services.store.list_participants(found.id)
    files = await services.store.list_data_files(found.id) if Action.DOCUMENT_READ in may else []
    return schemas.Room(
        id=found.id,
        title=found.title,
        owner=found.owner,
        host_name=next((p.name for p in people if p.role is Role.HOST), ""),
        state=found.state,
        brief=found.brief if insider else "",
        starts_at=found.starts_at,
        duration_s=found.duration_s,
        created_at=found.created_at,
        live_at=found.live_at,
        ends_at=found.ends_at,
        ended_at=found.ended_at,
        profile=found.profile,
        packages=found.packages,
        preparation=_preparation(services, found, managing=Action.ROOM_MANAGE in may),
        policy=policy(found),
        sections=tuple(
            schemas.Section(**vars(section))
            for section in found.sections
            if insider or section.revealed_at is not None
        ),
        external_ids=found.external_ids if insider else {},
        legal_hold=found.legal_hold and Action.ROOM_MANAGE in may,
        version=found.version,
        documents=await _documents(services, actor, found),
        data_files=tuple(schemas.DataFile(path=f.path, size=f.size) for f in files),
        me=schemas.Me(
            participant_id=actor.id,
            name=actor.participant.name,
            role=actor.role,
            admitted=actor.admitted,
            actions=tuple(sorted(may)),
        ),
    )


def _preparation(services: Services, found: Room, *, managing: bool) -> schemas.Preparation | None:
    state = services.packages.of(found)
    if state is None:
        return None
    return schemas.Preparation.model_validate(
        {
            "state": state.state,
            "line": state.line if managing else "",
            "problem": state.problem if managing else "",
        }
    )


def policy(found: Room) -> schemas.Policy:
    """Return a room's policy."""
    return schemas.Policy(**vars(found.policy))


async def copyable(services: Services, actor: Actor) -> list[Document]:
    """Return the documents that the actor may take along: those they read while it was live.

    Raises as `Rooms.check` does.
    """
    found = await services.rooms.check(actor, Action.KEEP_COPY)
    live = replace(found, state=RoomState.LIVE)
    documents = await services.store.list_documents(found.id)
    return [document for document in documents if may_read(actor.role, live, document)]


async def copied(services: Services, actor: Actor, document_id: str) -> Document:
    """Return one of `copyable`, or raise `NotFound`."""
    for document in await copyable(services, actor):
        if document.id == document_id:
            return document
    raise NotFound("There is no such document in this interview.")


async def own_origins(services: Services, actor: Actor) -> dict[str, int]:
    """Return by kind how many pieces of the actor's own text came about like that.

    Raises as `Rooms.check` does.
    """
    room = await services.rooms.check(actor, Action.TIMELINE_READ)
    pieces: Counter[str] = Counter()
    for document in await services.store.list_documents(room.id):
        own = await services.store.list_origins(document.id, by=actor.id)
        pieces.update(one.origin for one in own if not one.deleted)
    return dict(pieces)


async def participants(services: Services, actor: Actor) -> tuple[schemas.Participant, ...]:
    """Return the people whom the actor may see."""
    focusing = await services.branches.focusing(actor.room_id)
    people = await services.admission.people(actor)
    return tuple(participant(p, actor, focusing=p.participant.id in focusing) for p in people)


def participant(person: Person, actor: Actor, *, focusing: bool) -> schemas.Participant:
    """Return one person as the actor sees them."""
    who = person.participant
    return schemas.Participant.model_validate(
        {
            "id": who.id,
            "role": who.role,
            "name": who.name,
            "colour": who.colour,
            "state": person.state,
            "present": person.present,
            "waiting_since": person.waiting_since,
            "focusing": focusing,
            "erased": who.erased_at is not None,
            "you": who.id == actor.id,
        }
    )


def invite(found: Invite, person: Participant) -> schemas.Invite:
    """Return an invite without its link."""
    return schemas.Invite(
        id=found.id,
        participant_id=person.id,
        role=person.role,
        name=person.name,
        created_at=found.created_at,
        expires_at=found.expires_at,
        revoked_at=found.revoked_at,
    )


def run(found: Run) -> schemas.Run:
    """Return a run record."""
    return schemas.Run(
        id=found.id,
        document=found.document_id,
        cell_id=found.cell_id,
        source_digest=found.source_digest,
        log_seq=found.log_seq,
        by=found.by,
        accepted_at=found.accepted_at,
        state=found.state,
        execution_count=found.execution_count,
        started_at=found.started_at,
        ended_at=found.ended_at,
        time_limit_s=found.time_limit_s,
        deadline_at=found.deadline_at,
        death=found.death,
        output_digest=found.output_digest,
        network_reported=found.network_reported,
    )


def last_runs(runs: Iterable[Run]) -> tuple[schemas.Run, ...]:
    """Return the last run of each cell, in the order of acceptance."""
    last = {(found.document_id, found.cell_id): found for found in runs}
    return tuple(run(found) for found in sorted(last.values(), key=lambda r: r.accepted_at))


def event(found: Event) -> schemas.Event:
    """Return an event without its salt."""
    return schemas.Event.model_validate(public(found), strict=False)


async def sandbox(services: Services, actor: Actor) -> schemas.Sandbox:
    """Return the sandbox's state; raises as `Executions.sandbox` does."""
    status = await services.executions.sandbox(actor)
    room = await services.rooms.get(actor.room_id)
    manages = Action.ROOM_MANAGE in actions(actor, room)
    pool = services.pool(kind(room.profile, room.packages)) if manages else None
    shown = None if pool is None else vars(pool)
    return schemas.Sandbox.model_validate({**status.as_body(), "pool": shown})


def pending(found: PendingInput | None) -> messages.InputRequest | None:
    """Return the input that a cell waits for."""
    if found is None:
        return None
    return messages.InputRequest(run_id=found.run_id, prompt=found.prompt, password=found.password)


async def _documents(services: Services, actor: Actor, found: Room) -> tuple[schemas.Document, ...]:
    """Return what is readable now, or after the end what may be taken along."""
    may = actions(actor, found)
    if Action.KEEP_COPY in may and Action.DOCUMENT_READ not in may:
        readable = [(document, False) for document in await copyable(services, actor)]
    else:
        readable = await services.rooms.documents(actor)
        branch = await own_branch(services, actor) if Action.DOCUMENT_READ in may else None
        readable += [] if branch is None else [branch]
    return tuple(
        schemas.Document.model_validate(
            {
                "id": d.id,
                "path": d.path,
                "kind": d.kind,
                "writable": writable,
                "branch_of": d.branch_of,
            }
        )
        for d, writable in readable
    )


async def own_branch(services: Services, actor: Actor) -> tuple[Document, bool] | None:
    """Return the actor's branch and whether it is writable, if this browser can open it."""
    branch = await services.branches.own(actor)
    if branch is None or services.branches.secret(branch) is None:
        return None
    try:
        _, document, writable = await services.rooms.document(actor, branch.id)
    except NotFound:  # merged or discarded meanwhile
        return None
    return document, writable
