"""What every bus keeps to."""

from __future__ import annotations

from interview_ext.rooms.ports import Bus, Message


async def test_messages_come_in_order_and_only_of_the_topic(bus: Bus) -> None:
    got: list[Message] = []
    stop = bus.subscribe("a", got.append)
    bus.publish("a", {"type": "1"})
    bus.publish("b", {"type": "2"})
    bus.publish("a", {"type": "3"})
    stop()
    bus.publish("a", {"type": "4"})
    stop()
    assert [m["type"] for m in got] == ["1", "3"]


async def test_a_listener_that_fails_harms_no_other(bus: Bus) -> None:
    got: list[Message] = []

    def broken(message: Message) -> None:
        raise ValueError(message["type"])

    bus.subscribe("a", broken)
    bus.subscribe("a", got.append)
    bus.publish("a", {"type": "1"})
    assert got == [{"type": "1"}]


async def test_a_listener_may_stop_itself(bus: Bus) -> None:
    got: list[str] = []

    def once(message: Message) -> None:
        got.append(message["type"])
        stop()

    stop = bus.subscribe("a", once)
    bus.subscribe("a", lambda message: got.append("second"))
    bus.publish("a", {"type": "first"})
    bus.publish("a", {"type": "again"})
    assert got == ["first", "second", "second"]
