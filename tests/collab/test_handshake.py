"""A page that goes away before it is let in leaves nothing behind."""

from __future__ import annotations

import pytest
from tornado.httpclient import HTTPRequest

from interview_ext.collab.socket import DocumentSocketHandler
from interview_ext.rooms.model import Role
from interview_ext.rooms.ports import room_topic
from interview_ext.storage.memory_bus import MemoryBus
from tests.collab.conftest import House
from tests.handshakes import leave_meanwhile


async def test_a_page_that_goes_away_meanwhile_joins_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(house.bus, MemoryBus)
    listeners = house.bus._listeners[room_topic(house.plan.room.id)]
    before = len(listeners)
    request = HTTPRequest(house.url(await house.person(Role.CANDIDATE)))
    await leave_meanwhile(request, DocumentSocketHandler, house.rooms, "document")
    await leave_meanwhile(request, DocumentSocketHandler, house.documents, "open")
    assert len(listeners) == before
    await house.page(await house.person(Role.CANDIDATE)).connect()
    assert house.documents.peers == 1
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []
