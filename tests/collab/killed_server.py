"""A server to be killed: one room on a store, told on stdout what is committed.

Usage: ``python -m tests.collab.killed_server STORE``. The first line is what is needed to
connect, each later one a ``durable`` message or the number of an output that is committed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from jupyter_server.auth import Authorizer
from pycrdt import Text
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from interview_ext.collab import snapshots
from interview_ext.collab.documents import Documents
from interview_ext.collab.socket import Desk, handlers
from interview_ext.rooms.actor import Actor
from interview_ext.rooms.ids import now
from interview_ext.rooms.model import RoomState, Seat, SeatState
from interview_ext.rooms.ports import Message, room_topic
from interview_ext.rooms.service import Rooms, RoomSpec
from interview_ext.rooms.timeline import Timeline
from interview_ext.storage.memory_bus import MemoryBus
from interview_ext.storage.sqlite import SqliteStore
from tests.collab.identity import SeatIdentity


def say(line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def serve(path: Path) -> None:
    store, bus = SqliteStore(path), MemoryBus()
    await store.start()
    rooms = Rooms(store=store, bus=bus, timeline=Timeline(store, bus))
    listed = await rooms.owned_by("owner")
    if not listed:
        plan = rooms.plan(RoomSpec(title="T", host_name="Host"), owner="owner")
        listed = [await rooms.create(plan)]
    room = listed[0]
    host = await rooms.host_actor(room.id, owner="owner")
    if room.state is not RoomState.LIVE:
        await rooms.set_state(host, RoomState.LIVE)
    document = next(d for d in await store.list_documents(room.id) if d.kind == "notebook")
    seat = _seat(host)
    if await store.get_seat(seat.id) is None:
        await store.add_seat(seat)
    identity = SeatIdentity()
    identity.actors = {"host": Actor(participant=host.participant, seat=seat)}
    documents = Documents(update_log=store, bus=bus)
    desk = Desk(documents=documents, access=rooms, bus=bus)
    routes = [
        (r"/door/[^/]+/" + route, handler, kwargs) for route, handler, kwargs in handlers(desk)
    ]
    settings: dict[str, Any] = {
        "identity_provider": identity,
        "authorizer": Authorizer(),
        "base_url": "/door/",
        "allow_remote_access": True,
        "headers": {},
        "log": logging.getLogger("killed"),
    }
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(Application(routes, **settings)).add_sockets(sockets)

    def tell(message: Message) -> None:
        if message["type"] == "durable":
            say(message)

    bus.subscribe(room_topic(room.id), tell)
    base = f"ws://127.0.0.1:{sockets[0].getsockname()[1]}/door/host/api/collaboration/room"
    say({"url": f"{base}/json:notebook:{document.id}"})
    shared = await documents.open(document)
    source = shared.ydoc.ydoc.get("source", type=Text)
    number = shared.log_seq
    while True:
        number += 1
        source.insert(0, f"[out {number}]")
        await shared.committed()
        say({"output": number})
        await asyncio.sleep(0.005)


def _seat(host: Actor) -> Seat:
    return Seat(
        id="seat_host",
        room_id=host.room_id,
        participant_id=host.id,
        secret_digest="",
        created_at=now(),
        state=SeatState.ADMITTED,
    )


if __name__ == "__main__":
    snapshots.EVERY = 20  # so that each kill comes soon after one, or in the middle of it
    asyncio.run(serve(Path(sys.argv[1])))
