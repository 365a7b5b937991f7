"""Finding out what routes a running tornado application has, and addresses that they match."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as codes
from re import _parser as parser
from typing import Any

from tornado.routing import PathMatches, Router, Rule, RuleRouter

from interview_ext.door.routes import any_door
from interview_ext.rooms.model import Room
from tests.server.conftest import Person, Server


def rules(router: RuleRouter) -> Iterator[Rule]:
    """Every rule of a router that leads to a handler, however deep it lies."""
    for rule in router.rules:
        if isinstance(rule.target, RuleRouter):
            yield from rules(rule.target)
        elif not isinstance(rule.target, Router):
            yield rule


def server_paths(server: Server) -> list[str]:
    """An address for every route of the server outside the doors."""
    found = []
    for rule in rules(server.app.web_app.default_router):
        assert isinstance(rule.matcher, PathMatches), rule.matcher
        found.append(sample(rule.matcher.regex))
    return list(dict.fromkeys(found))


async def door_patterns(server: Server, person: Person) -> list[str]:
    """The pattern of every route in somebody's door, relative to its base URL."""
    await person.get("api/me")
    seats = await server.services.store.list_seats(person.room_id)
    seat = next(s for s in seats if s.participant_id == person.participant_id)
    application = next(reversed(server.doors._entries[seat.id].applications.values()))
    door = any_door(server.doors.context.links.rooms_path)
    return [
        rule.matcher.regex.pattern.removeprefix(door).removesuffix("$")
        for rule in rules(application.default_router)
        if isinstance(rule.matcher, PathMatches)
    ]


def sample(regex: re.Pattern[str]) -> str:
    """The shortest text that a pattern matches."""
    text = _shortest(parser.parse(regex.pattern))
    assert regex.match(text), f"{regex.pattern} does not match {text!r}"
    return text


def _shortest(parts: Any) -> str:
    return "".join(_part(kind, value) for kind, value in parts)


def _part(kind: Any, value: Any) -> str:
    text = "a"
    if kind is codes.LITERAL:
        text = chr(value)
    elif kind is codes.AT:
        text = ""
    elif kind in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        text = _shortest(value[2]) * int(value[0])
    elif kind is codes.SUBPATTERN:
        text = _shortest(value[3])
    elif kind is codes.BRANCH:
        text = _shortest(value[1][0])
    elif kind is codes.IN and value[0][0] is codes.RANGE:
        text = chr(value[0][1][0])
    elif kind is codes.IN and value[0][0] is codes.LITERAL:
        text = chr(value[0][1])
    return text


async def seat_of(server: Server, person: Person) -> str:
    """The state of somebody's seat, as it is stored."""
    seats = await server.services.store.list_seats(person.room_id)
    return str(
        max(
            (s for s in seats if s.participant_id == person.participant_id),
            key=lambda s: s.created_at,
        ).state
    )


async def refusals(server: Server, room: Room, person: Person) -> list[str]:
    """What somebody was refused, as the timeline has it."""
    events = await server.services.store.list_events(room.id)
    return [
        str((event.payload or {}).get("what"))
        for event in events
        if event.kind == "access.refused" and event.actor == person.participant_id
    ]
