"""How people come into a room: invites, seats, the lobby, and the host's ticket."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from interview_ext.errors import (
    BadRequest,
    Conflict,
    InviteInvalid,
    NotFound,
    SeatRequired,
    TooManyRequests,
)
from interview_ext.rooms.actor import Actor, check_open
from interview_ext.rooms.ids import Clock, digest, new_id, new_secret, now
from interview_ext.rooms.model import (
    EVERYONE,
    Invite,
    Participant,
    Role,
    Room,
    RoomState,
    Seat,
    SeatClosing,
    SeatState,
)
from interview_ext.rooms.palette import colour
from interview_ext.rooms.ports import Bus, Store, Tickets, host_topic, room_topic, tell_people
from interview_ext.rooms.presence import Presence
from interview_ext.rooms.roles import Action
from interview_ext.rooms.service import Rooms
from interview_ext.rooms.timeline import Timeline

MAX_NAME_CHARACTERS = 80
MAX_PARTICIPANTS = 100
MAX_WAITING_SEATS = 10
"""Browsers that may wait for one participant's place at once. A leaked link fills this
with strangers at worst; it never closes a seat that was admitted."""
MIN_EXPIRY_S = 60
MAX_EXPIRY_S = 90 * 24 * 3600
TICKET_LIFE_S = 30
_CACHED_SEATS = 10_000
_NOT_BEGUN = frozenset({RoomState.SCHEDULED, RoomState.LOBBY})


@dataclass(frozen=True, kw_only=True)
class Look:
    """What an invite says before anybody joins by it."""

    room: Room
    participant: Participant
    hosts: tuple[str, ...]
    seated: bool
    """This browser already holds the participant's seat."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A participant as the room sees them now.

    `state` is ``invited``, ``waiting``, ``admitted`` or ``removed``; a person who is in
    and waits with a second device is ``admitted`` with `waiting_since` set.
    """

    participant: Participant
    state: str
    present: bool
    waiting_since: datetime | None


class Admission:
    """Invites, seats and the lobby of all rooms. Made once by ``house.py``."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        store: Store,
        bus: Bus,
        timeline: Timeline,
        presence: Presence,
        clock: Clock = now,
        tickets: Tickets | None = None,
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._bus = bus
        self._timeline = timeline
        self._presence = presence
        self._clock = clock
        self._seated: OrderedDict[str, Actor] = OrderedDict()
        self._changes = 0
        self._tickets = tickets or _OwnTickets(clock)

    # -- invites

    async def invite(
        self, actor: Actor, *, role: Role, name: str, expires_in_s: int
    ) -> tuple[Invite, Participant, str]:
        """Make a participant and a link's token, which is returned here and never again."""
        room = await self._rooms.check(actor, Action.ROOM_MANAGE)
        if role is Role.HOST:
            raise BadRequest("A room has one host; invite an interviewer instead.")
        if room.state.is_over:
            raise Conflict(f"This interview is {room.state}; nobody can be invited any more.")
        if not MIN_EXPIRY_S <= expires_in_s <= MAX_EXPIRY_S:
            raise BadRequest(f"`expires_in` must be {MIN_EXPIRY_S} to {MAX_EXPIRY_S} seconds.")
        people = await self._store.list_participants(room.id)
        if len(people) >= MAX_PARTICIPANTS:
            raise Conflict(f"An interview has at most {MAX_PARTICIPANTS} participants.")
        at = self._clock()
        person = Participant(
            id=new_id("person"),
            room_id=room.id,
            role=role,
            name=clean_name(name) if name else "",
            colour=colour(len(people)),
            created_at=at,
        )
        token = new_secret()
        invite = Invite(
            id=new_id("invite"),
            room_id=room.id,
            participant_id=person.id,
            token_digest=digest(token),
            created_at=at,
            expires_at=at + timedelta(seconds=expires_in_s),
        )
        await self._store.add_participant(person)
        await self._store.add_invite(invite)
        await self._timeline.record(
            room.id,
            "invite.created",
            actor=actor.id,
            audience=person.id,
            payload={"invite": invite.id, "role": role, "name": person.name},
        )
        self._tell_people(room.id)
        return invite, person, token

    async def invites(self, actor: Actor) -> list[tuple[Invite, Participant]]:
        """Return the room's invites with whom they are for, oldest first."""
        room = await self._rooms.check(actor, Action.ROOM_MANAGE)
        people = {p.id: p for p in await self._store.list_participants(room.id)}
        invites = await self._store.list_invites(room.id)
        return [(invite, people[invite.participant_id]) for invite in invites]

    async def revoke(self, actor: Actor, invite_id: str) -> None:
        """Make a link worthless and close every seat that came by it."""
        room = await self._rooms.check(actor, Action.ROOM_MANAGE)
        invite = await self._store.get_invite(invite_id)
        if invite is None or invite.room_id != room.id:
            raise NotFound("There is no such invite in this interview.")
        revoked_before = invite.revoked_at is not None
        if not revoked_before:
            await self._store.revoke_invite(invite.id, self._clock())
        seats = [s for s in await self._store.list_seats(room.id) if s.invite_id == invite.id]
        await self._close(seats, SeatClosing.REVOKED)
        if revoked_before:
            return
        await self._timeline.record(
            room.id,
            "invite.revoked",
            actor=actor.id,
            audience=invite.participant_id,
            payload={"invite": invite.id},
        )
        self._tell_people(room.id)

    # -- the way in

    async def look(self, room_id: str, token: str, *, secrets: Sequence[str]) -> Look:
        """Return what the landing page shows; changes nothing."""
        room, person, _ = await self._valid(room_id, token)
        people = await self._store.list_participants(room_id)
        held = await self._held_seat(person, secrets)
        return Look(
            room=room,
            participant=person,
            hosts=tuple(p.name for p in people if p.role is Role.HOST),
            seated=held is not None,
        )

    async def join(
        self, room_id: str, *, token: str, name: str | None, secrets: Sequence[str]
    ) -> tuple[Actor, str]:
        """Redeem a link: the seat this browser holds already, or a new one that waits.

        Parameters
        ----------
        name:
            What the person wants to be called; None keeps the name they have.
        secrets:
            The seat cookies this browser sent.

        Returns
        -------
        The actor and the seat's secret, for the cookie.
        """
        room, person, invite = await self._valid(room_id, token)
        held = await self._held_seat(person, secrets)
        if held is not None:
            return held
        seats = [s for s in await self._store.list_seats(room.id) if s.participant_id == person.id]
        if not any(s.state is SeatState.ADMITTED for s in seats):
            person = await self._named(person, name)
        await self._make_place(person, [s for s in seats if s.state is SeatState.WAITING])
        secret = new_secret()
        seat = Seat(
            id=new_id("seat"),
            room_id=room.id,
            participant_id=person.id,
            secret_digest=digest(secret),
            created_at=self._clock(),
            invite_id=invite.id,
        )
        await self._store.add_seat(seat)
        try:  # a link that was withdrawn meanwhile has closed the seats that were there
            await self._valid(room_id, token)
        except InviteInvalid:
            await self._close([seat], SeatClosing.REVOKED)
            raise
        again = any(s.admitted_at is not None for s in seats)
        await self._timeline.record(
            room.id,
            "participant.waiting",
            actor=person.id,
            audience=person.id,
            payload={"name": person.name, "another_device": again},
        )
        self._tell_people(room.id)
        self._bus.publish(
            host_topic(room.owner),
            {
                "type": "waiting",
                "room_id": room.id,
                "title": room.title,
                "participant_id": person.id,
                "name": person.name,
                "since": seat.created_at.isoformat(),
            },
        )
        return Actor(participant=person, seat=seat), secret

    async def ticket(self, actor: Actor) -> str:
        """Return the secret with which the host's browser gets a seat, once, within 30 s."""
        await self._rooms.check(actor, Action.ROOM_MANAGE)
        secret = new_secret()
        worth = f"{actor.room_id} {actor.id}"
        await self._tickets.put(digest(secret), worth, life_s=TICKET_LIFE_S)
        return secret

    async def redeem_ticket(self, room_id: str, ticket: str) -> tuple[Actor, str]:
        """Seat the host; their other seats stay, for a host may use two screens."""
        worth = await self._tickets.take(digest(ticket))
        for_room, _, person_id = (worth or " ").partition(" ")
        if for_room != room_id:
            raise InviteInvalid(
                "This way in has been used or is too old.",
                hint="Press Enter room in the dashboard again.",
            )
        person = await self._store.get_participant(person_id)
        if person is None:
            raise InviteInvalid("There is no such interview any more.")
        room = await self._rooms.get(room_id)
        actor, secret = await self._seat_now(person)
        if room.state is RoomState.SCHEDULED:
            await self._rooms.set_state(actor, RoomState.LOBBY)
        return actor, secret

    async def seat_for(self, actor: Actor) -> str:
        """Seat a host who has shown a server their login, for that server to ask another one in
        their place; return the seat's secret.
        """
        await self._rooms.check(actor, Action.ROOM_MANAGE)
        return (await self._seat_now(actor.participant))[1]

    async def _seat_now(self, person: Participant) -> tuple[Actor, str]:
        secret = new_secret()
        at = self._clock()
        seat = Seat(
            id=new_id("seat"),
            room_id=person.room_id,
            participant_id=person.id,
            secret_digest=digest(secret),
            created_at=at,
            state=SeatState.ADMITTED,
            admitted_at=at,
        )
        await self._store.add_seat(seat)
        return Actor(participant=person, seat=seat), secret

    async def seated(self, room_id: str, participant_id: str, secret: str | None) -> Actor:
        """Return who holds a seat. Asked for every request and socket of a door.

        Raises
        ------
        SeatRequired
            There is none, or it is another participant's or another room's.
        SeatClosed
            There was; the message says why it was closed.
        """
        if not secret:
            raise SeatRequired("You have no seat in this interview in this browser.")
        key = digest(secret)
        actor = self._seated.get(key)
        if actor is None:
            actor = await self._load_seat(key)
        else:
            self._seated.move_to_end(key)
        if actor is None or actor.room_id != room_id or actor.id != participant_id:
            raise SeatRequired("You have no seat in this interview in this browser.")
        check_open(actor.seat)
        return actor

    def forget(self, seat_id: str) -> None:
        """A seat was closed or admitted, maybe by another server: ask the store for it again."""
        self._changes += 1
        for key in [k for k, a in self._seated.items() if a.seat and a.seat.id == seat_id]:
            del self._seated[key]

    # -- the lobby

    async def people(self, actor: Actor) -> list[Person]:
        """Return who is, or is to be, in the room.

        Staff see everybody; others see themselves and who is or will be there with them.
        """
        room = await self._rooms.check(actor, Action.ROOM_READ)
        seats = await self._store.list_seats(room.id)
        people = [
            self._person(participant, [s for s in seats if s.participant_id == participant.id])
            for participant in await self._store.list_participants(room.id)
        ]
        if actor.role.is_staff and actor.admitted:
            return people
        return [
            person if person.participant.id == actor.id else replace(person, waiting_since=None)
            for person in people
            if person.participant.id == actor.id
            or (person.participant.role.is_staff and person.state != "removed")
            or (person.state == "admitted" and actor.admitted)
        ]

    async def admit(self, actor: Actor, participant_id: str) -> Participant:
        """Let in the browser that waits; an older seat of the same person is closed now.

        Admitting a candidate before the interview has begun begins it.
        """
        room = await self._rooms.check(actor, Action.ROOM_MANAGE)
        person = await self._member(room, participant_id)
        if room.state.is_over:
            raise Conflict(f"This interview is {room.state}; nobody can be let in any more.")
        seats = await self._open_seats(person)
        waiting = [s for s in seats if s.state is SeatState.WAITING]
        if not waiting:
            raise Conflict(f"{person.name or 'This person'} is not waiting.")
        here = [s for s in waiting if self._presence.seat_is_here(person.id, s.id)]
        chosen = max(here or waiting, key=lambda s: s.created_at)
        at = self._clock()
        admitted = replace(chosen, state=SeatState.ADMITTED, admitted_at=at)
        others = [
            replace(s, state=SeatState.CLOSED, closed_at=at, closing=SeatClosing.MOVED)
            for s in seats
            if s.id != chosen.id
        ]
        await self._store.update_seats([admitted, *others])
        self._forget([admitted, *others])
        await self._timeline.record(
            room.id,
            "participant.admitted",
            actor=actor.id,
            audience=EVERYONE,
            payload={"participant": person.id, "name": person.name, "moved": bool(others)},
        )
        try:
            if person.role is Role.CANDIDATE and room.state in _NOT_BEGUN:
                await self._begin(actor)
        finally:
            self.tell_closed(others)
            self._bus.publish(
                room_topic(room.id),
                {"type": "admitted", "seat_id": chosen.id, "participant_id": person.id},
            )
            self._tell_people(room.id)
        return person

    async def _begin(self, actor: Actor) -> None:
        """Let the interview begin, unless somebody else's admission has begun it meanwhile."""
        try:
            await self._rooms.set_state(actor, RoomState.LIVE)
        except Conflict:
            if (await self._rooms.get(actor.room_id)).state in _NOT_BEGUN:
                raise

    async def decline(self, actor: Actor, participant_id: str) -> None:
        """Send away who waits; somebody of that name who is already in stays."""
        room = await self._rooms.check(actor, Action.ROOM_MANAGE)
        person = await self._member(room, participant_id)
        seats = await self._open_seats(person)
        await self._close([s for s in seats if s.state is SeatState.WAITING], SeatClosing.DECLINED)
        await self._timeline.record(
            room.id,
            "participant.declined",
            actor=actor.id,
            audience=person.id,
            payload={"participant": person.id, "name": person.name},
        )
        self._tell_people(room.id)

    async def remove(self, actor: Actor, participant_id: str) -> None:
        """Take somebody out for good: their seats close and their links stop working."""
        room = await self._rooms.check(actor, Action.ROOM_MANAGE)
        person = await self._member(room, participant_id)
        if person.role is Role.HOST:
            raise Conflict("The host cannot be removed.")
        at = self._clock()
        await self._store.update_participant(replace(person, removed_at=at))
        for invite in await self._store.list_invites(room.id):
            if invite.participant_id == person.id and invite.revoked_at is None:
                await self._store.revoke_invite(invite.id, at)
        await self._close(await self._open_seats(person), SeatClosing.REMOVED)
        await self._timeline.record(
            room.id,
            "participant.removed",
            actor=actor.id,
            audience=person.id,
            payload={"participant": person.id, "name": person.name},
        )
        self._tell_people(room.id)

    async def shut_out(self, person: Participant) -> None:
        """Close all that leads a person in. Called by `erasure`; may be repeated."""
        at = self._clock()
        if person.removed_at is None:
            await self._store.update_participant(replace(person, removed_at=at))
        for invite in await self._store.list_invites(person.room_id):
            if invite.participant_id == person.id and invite.revoked_at is None:
                await self._store.revoke_invite(invite.id, at)
        await self._close(await self._open_seats(person), SeatClosing.REMOVED)

    def forget_person(self, person_id: str) -> None:
        """Forget what is remembered of somebody: they are another now."""
        self._changes += 1
        for key in [k for k, actor in self._seated.items() if actor.id == person_id]:
            del self._seated[key]

    # -- inside

    async def _valid(self, room_id: str, token: str) -> tuple[Room, Participant, Invite]:
        invite = await self._store.find_invite(digest(token))
        if invite is None or invite.room_id != room_id:
            raise InviteInvalid("This link is not valid.")
        if invite.revoked_at is not None:
            raise InviteInvalid("This link has been withdrawn.")
        if invite.expires_at <= self._clock():
            raise InviteInvalid("This link has expired.")
        person = await self._store.get_participant(invite.participant_id)
        if person is None or person.removed_at is not None:
            raise InviteInvalid("This link has been withdrawn.")
        return await self._rooms.get(room_id), person, invite

    async def _held_seat(
        self, person: Participant, secrets: Sequence[str]
    ) -> tuple[Actor, str] | None:
        for secret in secrets:
            seat = await self._store.find_seat(digest(secret))
            if seat is None or seat.participant_id != person.id:
                continue
            if seat.state is not SeatState.CLOSED:
                return Actor(participant=person, seat=seat), secret
        return None

    async def _named(self, person: Participant, name: str | None) -> Participant:
        if name is None and not person.name:
            raise BadRequest("Please say your name.", hint="Type the name the others will see.")
        if name is None or name == person.name:
            return person
        person = replace(person, name=clean_name(name))
        await self._store.update_participant(person)
        return person

    async def _make_place(self, person: Participant, waiting: Sequence[Seat]) -> None:
        if len(waiting) < MAX_WAITING_SEATS:
            return
        away = [s for s in waiting if not self._presence.seat_is_here(person.id, s.id)]
        if not away:
            raise TooManyRequests("Too many browsers wait with this link already.")
        await self._close([min(away, key=lambda s: s.created_at)], SeatClosing.LEFT)

    async def _member(self, room: Room, participant_id: str) -> Participant:
        person = await self._store.get_participant(participant_id)
        if person is None or person.room_id != room.id or person.removed_at is not None:
            raise NotFound("There is no such participant in this interview.")
        return person

    async def _open_seats(self, person: Participant) -> list[Seat]:
        return [
            seat
            for seat in await self._store.list_seats(person.room_id)
            if seat.participant_id == person.id and seat.state is not SeatState.CLOSED
        ]

    async def _close(self, seats: Sequence[Seat], closing: SeatClosing) -> None:
        at = self._clock()
        closed = [
            replace(seat, state=SeatState.CLOSED, closed_at=at, closing=closing)
            for seat in seats
            if seat.state is not SeatState.CLOSED
        ]
        if closed:
            await self._store.update_seats(closed)
            self._forget(closed)
            self.tell_closed(closed)

    async def _load_seat(self, key: str) -> Actor | None:
        changes = self._changes
        seat = await self._store.find_seat(key)
        person = await self._store.get_participant(seat.participant_id) if seat else None
        if seat is None or person is None:
            return None
        actor = Actor(participant=person, seat=seat)
        if changes == self._changes:  # else a seat was closed or admitted while this one was read
            self._seated[key] = actor
        if len(self._seated) > _CACHED_SEATS:
            self._seated.popitem(last=False)
        return actor

    def _forget(self, seats: Sequence[Seat]) -> None:
        self._changes += 1
        for seat in seats:
            self._seated.pop(seat.secret_digest, None)

    def _person(self, participant: Participant, seats: Sequence[Seat]) -> Person:
        waiting = [s.created_at for s in seats if s.state is SeatState.WAITING]
        inside = participant.role is Role.HOST or any(s.state is SeatState.ADMITTED for s in seats)
        if participant.removed_at is not None:
            state = "removed"
        elif inside:
            state = "admitted"
        else:
            state = "waiting" if waiting else "invited"
        return Person(
            participant=participant,
            state=state,
            present=self._presence.is_here(participant.id),
            waiting_since=min(waiting, default=None),
        )

    def _tell_people(self, room_id: str) -> None:
        tell_people(self._bus, room_id)

    def tell_closed(self, seats: Sequence[Seat]) -> None:
        """Tell everybody of closed seats; also called by the doors, of what they have not heard."""
        for seat in seats:
            self._bus.publish(
                room_topic(seat.room_id),
                {
                    "type": "seat_closed",
                    "seat_id": seat.id,
                    "participant_id": seat.participant_id,
                    "reason": str(seat.closing),
                },
            )


class _OwnTickets:
    """Tickets of a server that is alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[str, datetime]] = {}

    async def put(self, digest: str, value: str, *, life_s: float) -> None:
        at = self._clock()
        self._kept = {k: v for k, v in self._kept.items() if v[1] > at}
        self._kept[digest] = (value, at + timedelta(seconds=life_s))

    async def take(self, digest: str) -> str | None:
        value, until = self._kept.pop(digest, ("", self._clock()))
        return value if until > self._clock() else None

    async def stop(self) -> None:
        self._kept.clear()


def clean_name(name: str) -> str:
    """Return a name fit to be shown: printable, one line, 1 to 80 characters.

    Raises
    ------
    BadRequest
    """
    shown = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if not 1 <= len(shown) <= MAX_NAME_CHARACTERS:
        raise BadRequest(f"A name has 1 to {MAX_NAME_CHARACTERS} characters.")
    return shown
