"""The table of roles, state by state, and what follows from it for documents."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from interview_ext.errors import BadTransition, Forbidden, NotFound, RoomNotLive
from interview_ext.rooms import roles
from interview_ext.rooms.lifecycle import STEPS, check_step
from interview_ext.rooms.model import Document, Role, Room, RoomState, Section
from interview_ext.rooms.roles import Action

AT = datetime(2026, 1, 1, tzinfo=UTC)


def a_room(state: RoomState) -> Room:
    return Room(
        id="room_a",
        title="T",
        owner="o",
        created_at=AT,
        starts_at=AT,
        duration_s=60,
        state=state,
        sections=(Section(id="s", title="S", duration_s=60),),
    )


def a_document(**changes: object) -> Document:
    document = Document(
        id="doc_a",
        room_id="room_a",
        path="a.ipynb",
        kind="notebook",
        readers=frozenset(Role),
        writers=frozenset({Role.HOST, Role.CANDIDATE}),
    )
    return replace(document, **changes)  # type: ignore[arg-type]


def test_the_table_is_whole() -> None:
    assert set(roles.TABLE) == set(Role)
    for states in roles.TABLE.values():
        assert set(states) == set(RoomState)


@pytest.mark.parametrize("state", RoomState)
def test_a_candidate_works_only_in_a_live_room(state: RoomState) -> None:
    actions = roles.allowed(Role.CANDIDATE, state)
    working = {Action.RUN, Action.DOCUMENT_WRITE, Action.KERNEL_ASK}
    assert working <= actions if state is RoomState.LIVE else not working & actions
    assert Action.ROOM_MANAGE not in actions
    seen = state in (RoomState.LIVE, RoomState.PAUSED)
    assert (Action.DOCUMENT_READ in actions) is seen


@pytest.mark.parametrize("state", RoomState)
def test_an_observer_never_changes_anything(state: RoomState) -> None:
    changing = {Action.RUN, Action.DOCUMENT_WRITE, Action.KERNEL_ASK, Action.ROOM_MANAGE}
    assert not changing & roles.allowed(Role.OBSERVER, state)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", RoomState)
def test_who_waits_sees_nothing_of_the_interview(role: Role, state: RoomState) -> None:
    actions = roles.allowed(role, state, admitted=False)
    assert actions <= {Action.ROOM_READ, Action.EVENTS, Action.CHAT}


def test_a_wrong_moment_and_a_wrong_role_are_told_apart() -> None:
    paused = a_room(RoomState.PAUSED)
    with pytest.raises(RoomNotLive) as caught:
        roles.check(Role.CANDIDATE, paused, Action.RUN)
    assert "paused" in caught.value.message
    assert caught.value.hint
    with pytest.raises(Forbidden) as refused:
        roles.check(Role.OBSERVER, paused, Action.RUN)
    assert not isinstance(refused.value, RoomNotLive)
    with pytest.raises(Forbidden):
        roles.check(Role.CANDIDATE, a_room(RoomState.LIVE), Action.RUN, admitted=False)


def test_interviewers_documents_do_not_exist_for_others() -> None:
    live = a_room(RoomState.LIVE)
    notes = a_document(
        readers=frozenset({Role.HOST, Role.INTERVIEWER}), writers=frozenset({Role.HOST})
    )
    assert roles.may_write(Role.HOST, live, notes)
    assert roles.may_read(Role.INTERVIEWER, live, notes)
    assert not roles.may_write(Role.INTERVIEWER, live, notes)
    for role in (Role.CANDIDATE, Role.OBSERVER):
        with pytest.raises(NotFound):
            roles.check_read(role, live, notes)


def test_an_unrevealed_section_hides_its_documents() -> None:
    live = a_room(RoomState.LIVE)
    document = a_document(section="s")
    assert roles.may_read(Role.HOST, live, document)
    assert not roles.may_read(Role.CANDIDATE, live, document)
    revealed = replace(live, sections=(replace(live.sections[0], revealed_at=AT),))
    assert roles.may_write(Role.CANDIDATE, revealed, document)


@pytest.mark.parametrize("current", RoomState)
@pytest.mark.parametrize("to", RoomState)
def test_only_the_steps_of_the_table_are_taken(current: RoomState, to: RoomState) -> None:
    if to in STEPS[current]:
        check_step(current, to)
    else:
        with pytest.raises(BadTransition, match=current):
            check_step(current, to)
