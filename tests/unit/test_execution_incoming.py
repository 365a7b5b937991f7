"""Messages of a kernel, read within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jupyter_client.session import DELIM, Session

from interview_ext.execution.incoming import (
    MAX_HEAD_BYTES,
    MAX_VALUES,
    Incoming,
    MessageReader,
    has_too_many_values,
)

SESSION = Session(key=b"secret")
RUN = {"msg_id": "run_1", "msg_type": "execute_request"}
MANY = b'{"data": [' + b"0," * MAX_VALUES + b"0]}"


def packed(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def message(
    kind: Any = "display_data",
    content: Any = b"{}",
    *,
    header: Any = None,
    parent: Any = RUN,
    metadata: Any = b"{}",
    key: bytes = b"secret",
) -> list[bytes]:
    """A signed message as a kernel's endpoint sends it."""
    head = {"msg_id": "m", "msg_type": kind} if header is None else header
    parts = [packed(part) for part in (head, parent, metadata, content)]
    return [b"topic", DELIM, Session(key=key).sign(parts), *parts]


def read(parts: list[bytes], *, channel: str = "iopub") -> Incoming:
    found = MessageReader(SESSION).read(channel, parts)
    assert found is not None
    return found


def test_a_message_is_read_and_passed_on_as_it_came() -> None:
    content = {"data": {"text/plain": "[1, 2]"}, "metadata": {}}
    found = read([*message(content=content), b"a buffer"])
    assert (found.msg_type, found.parent_id, found.content) == ("display_data", "run_1", content)
    assert found.frame.endswith(packed(content) + b"a buffer")


@pytest.mark.parametrize(
    "parts",
    [
        [b"no message"],
        message()[:5],
        message(key=b"another"),
        message(content=b"{"),
        message(content=b"[]"),
        message(content=b"[" * 200_000 + b"]" * 200_000),
        message(content=b'{"data": ' + b"9" * 1_000_000 + b"}"),
        message(metadata=b"["),
        message(parent=b"7"),
        message(kind=7),
        message(header={"msg_type": "stream", "x": "x" * MAX_HEAD_BYTES}),
    ],
)
def test_what_is_no_message_is_told_apart(parts: list[bytes]) -> None:
    with pytest.raises((ValueError, TypeError, RecursionError)):
        MessageReader(SESSION).read("iopub", parts)


def test_an_output_of_too_many_values_is_replaced_by_a_word_in_its_cell() -> None:
    found = read(message(content=MANY))
    assert (found.msg_type, found.parent_id) == ("stream", "run_1")
    assert found.content["name"] == "stderr"
    assert "was not shown: it holds more than 100,000 values" in found.content["text"]
    assert len(found.frame) < 2000


def test_a_reply_of_too_many_values_is_replaced_by_an_error() -> None:
    found = read(message("execute_reply", MANY), channel="shell")
    assert (found.msg_type, found.parent_id) == ("execute_reply", "run_1")
    assert found.content["status"] == "error"


def test_a_state_of_too_many_values_is_missed_by_nobody() -> None:
    assert MessageReader(SESSION).read("iopub", message("status", MANY)) is None


def test_it_is_not_parsed_before_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    loads = json.loads

    def watched(text: str) -> Any:
        parsed.append(len(text))
        return loads(text)

    monkeypatch.setattr(json, "loads", watched)
    read(message(content=MANY))
    assert max(parsed) < 1000


@pytest.mark.parametrize(
    "value",
    [
        "1,2,3,4\n" * MAX_VALUES,
        ',"\\' * MAX_VALUES,
        {f"key, {number}": "a, b" for number in range(MAX_VALUES // 2)},
        list(range(MAX_VALUES)),
    ],
)
def test_commas_within_strings_are_no_values(value: Any) -> None:
    assert not has_too_many_values(packed({"data": value}))


@pytest.mark.parametrize(
    "content",
    [
        MANY,
        b'{"data": [' + b'"",' * MAX_VALUES + b'""]}',
        b'{"data": [' + b"{}," * MAX_VALUES + b"{}]}",
        b'{"data": [' + b'",",' * 3 * MAX_VALUES + b'""]}',
        b'{"\\"":"\\\\","data": [' + b"0," * MAX_VALUES + b"0]}",
    ],
)
def test_values_are_counted_whatever_they_are(content: bytes) -> None:
    assert has_too_many_values(content)
