"""What a page may say to the kernel: the whole table, and frames of all kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interview_ext.errors import BadRequest
from interview_ext.execution import guard
from interview_ext.execution.guard import Asked, Handling
from tests.execution.sockets import frame

MESSAGE_TYPES = [
    "execute_request",
    "inspect_request",
    "complete_request",
    "history_request",
    "is_complete_request",
    "connect_request",
    "comm_info_request",
    "kernel_info_request",
    "shutdown_request",
    "interrupt_request",
    "debug_request",
    "input_reply",
    "comm_open",
    "comm_msg",
    "comm_close",
    "create_subshell_request",
    "delete_subshell_request",
    "list_subshell_request",
    "usage_request",
    "execute_reply",
    "status",
    "stream",
]
"""Every message type of the Jupyter protocol 5.5 and ipykernel's own."""

ASKED = {
    "complete_request",
    "inspect_request",
    "is_complete_request",
    "history_request",
    "comm_open",
    "comm_msg",
    "comm_close",
}


def asked(msg_type: str, content: dict[str, Any] | None = None, *, channel: str = "shell") -> Asked:
    header = {"msg_type": msg_type, "msg_id": "m"}
    parts = [json.dumps(part).encode() for part in (header, {}, {}, content or {})]
    return guard.read(frame(channel, parts))


@pytest.mark.parametrize("channel", ["shell", "control", "stdin", "iopub", "hb", ""])
@pytest.mark.parametrize("msg_type", MESSAGE_TYPES)
def test_every_message_type_on_every_channel(channel: str, msg_type: str) -> None:
    found = guard.handling(asked(msg_type, channel=channel), own_comms=set())
    if (msg_type == "kernel_info_request" and channel in ("shell", "control")) or (
        channel == "shell" and msg_type == "comm_info_request"
    ):
        assert found is Handling.ANSWER
    elif channel == "shell" and msg_type in ASKED:
        assert found is Handling.ASK
    else:
        assert found is Handling.REFUSE


CONTROL = {"comm_id": "c", "target_name": "jupyter.widget.control", "data": {}}


@pytest.mark.parametrize(
    ("msg_type", "content", "passes"),
    [
        ("comm_open", CONTROL, True),
        ("comm_open", {**CONTROL, "target_name": "jupyter.widget"}, False),
        ("comm_open", {**CONTROL, "data": {"state": {}}}, False),
        ("comm_msg", {"comm_id": "c", "data": {"method": "request_states"}}, True),
        ("comm_msg", {"comm_id": "w", "data": {"method": "request_state"}}, True),
        ("comm_msg", {"comm_id": "w", "data": {"method": "request_state", "x": 1}}, False),
        ("comm_msg", {"comm_id": "w", "data": {"method": "update", "state": {}}}, False),
        ("comm_msg", {"comm_id": "w", "data": {"method": "custom"}}, False),
        ("comm_close", {"comm_id": "own"}, True),
        ("comm_close", {"comm_id": "w"}, False),
    ],
)
def test_who_only_watches_may_ask_for_widgets_state_and_nothing_else(
    msg_type: str, content: dict[str, Any], passes: bool
) -> None:
    found = guard.handling(asked(msg_type, content), own_comms={"own"})
    assert (found is Handling.FORWARD) == passes


def test_what_was_checked_is_what_is_sent_and_names_are_not_the_pages_to_choose() -> None:
    header = b'{"msg_type": "execute_request", "msg_type": "comm_msg", "msg_id": "m",'
    header += b'"username": "host", "subshell_id": "s"}'
    found = guard.read(frame("shell", [header, b'{"msg_id": "run_x"}', b"{}", b"{}", b"buffer"]))
    parts = guard.passed_on(found, "person_a")
    sent = json.loads(parts[0])
    assert sent["msg_type"] == found.msg_type == "comm_msg"
    assert sent["username"] == "person_a"
    assert "subshell_id" not in sent
    assert parts[1:] == [b"{}", b"{}", b"{}", b"buffer"]


@pytest.mark.parametrize(
    "parts",
    [
        [b"{}", b"{}", b"{}"],
        [b"[]", b"{}", b"{}", b"{}"],
        [b"{}", b"{}", b"{}", b"{}"],
        [b'{"msg_type": "x", "msg_id": "run_a"}', b"{}", b"{}", b"{}"],
        [b'{"msg_type": "x", "msg_id": "srv_a"}', b"{}", b"{}", b"{}"],
        [b'{"msg_type": "x", "msg_id": ""}', b"{}", b"{}", b"{}"],
        [b'{"msg_type": 5, "msg_id": "a"}', b"{}", b"{}", b"{}"],
        [b'{"msg_type": "x", "msg_id": "a"}', b"{}", b"{}", b"[" * 100_000],
        [b'{"msg_type": "x", "msg_id": "a"}', b"{}", b"{}", b"{}", *[b""] * 300],
        [b'{"msg_type": "' + b"x" * 20_000 + b'", "msg_id": "a"}', b"{}", b"{}", b"{}"],
    ],
)
def test_what_is_no_message_is_refused(parts: list[bytes]) -> None:
    with pytest.raises(BadRequest):
        guard.read(frame("shell", parts))


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        guard.read(data)


@given(st.integers(0, 150), st.binary(min_size=1, max_size=9))
def test_a_damaged_message_is_refused_or_read(at: int, damage: bytes) -> None:
    header = b'{"msg_type": "comm_msg", "msg_id": "m"}'
    data = bytearray(frame("shell", [header, b"{}", b"{}", b'{"data": {}}', b"buffer"]))
    data[at : at + len(damage)] = damage
    try:
        found = guard.read(bytes(data))
    except BadRequest:
        return
    assert isinstance(found.content, dict)
