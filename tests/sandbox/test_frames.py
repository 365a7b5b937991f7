"""The frames on stdio: both ends agree, and nothing malformed gets past the host's end."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interview_ext.errors import SandboxProtocolError
from interview_ext.sandbox import frames
from interview_ext.sandbox.folders import image_folder
from interview_ext.sandbox.frames import (
    HEADER,
    Channel,
    Frame,
    FrameReader,
    Kind,
    ReplayBuffer,
    pack,
    pack_parts,
    unpack_parts,
)
from interview_ext.sandbox.runclock import header

SYNC = bytes(range(200, 216))


@pytest.fixture(scope="module")
def shim() -> types.ModuleType:
    """PID 1's own source, loaded here."""
    path: Path = image_folder("base") / "shim.py"
    spec = importlib.util.spec_from_file_location("shim", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reader(*, max_payload_bytes: int = 1000) -> FrameReader:
    return FrameReader(sync=SYNC, max_payload_bytes=max_payload_bytes)


def test_both_ends_mean_the_same(shim: types.ModuleType) -> None:
    assert shim.HEADER.format == HEADER.format
    assert {kind.name: kind.value for kind in Kind} == {k.name: getattr(shim, k.name) for k in Kind}
    channels = [c for c in Channel if c is not Channel.NONE]
    assert {c.name: c.value for c in channels} == {c.name: getattr(shim, c.name) for c in channels}
    assert (shim.VERSION, shim.SYNC_BYTES) == (frames.VERSION, frames.SYNC_BYTES)
    assert shim.unpack_parts(pack_parts([b"a", b"", b"bc"])) == [b"a", b"", b"bc"]
    assert unpack_parts(shim.pack_parts([b"a", b"", b"bc"])) == [b"a", b"", b"bc"]


@given(
    st.lists(st.tuples(st.sampled_from(Kind), st.sampled_from(Channel), st.binary(max_size=90))),
    st.binary(max_size=60),
    st.integers(1, 40),
)
def test_frames_survive_any_cut_of_the_stream(
    sent: list[tuple[Kind, Channel, bytes]], rest: bytes, step: int
) -> None:
    """Whatever stood on the stream before the marker is of a broken one, and does not count."""
    expected = [Frame(kind, channel, n, p) for n, (kind, channel, p) in enumerate(sent)]
    stream = rest.replace(SYNC, b"") + SYNC
    stream += b"".join(pack(f.kind, f.channel, f.number, f.payload) for f in expected)
    cut = reader()
    got = [f for i in range(0, len(stream), step) for f in cut.feed(stream[i : i + step])]
    assert got == expected


@given(st.binary(max_size=400))
def test_garbage_is_an_offence_or_nothing(garbage: bytes) -> None:
    each = reader(max_payload_bytes=100)
    try:
        for frame in each.feed(SYNC + garbage):
            assert len(frame.payload) <= 100
            unpack_parts(frame.payload)
    except SandboxProtocolError:
        pass


@pytest.mark.parametrize(
    "raw",
    [
        HEADER.pack(1001, Kind.MESSAGE, Channel.SHELL, 0, 1),
        HEADER.pack(2**32 - 1, Kind.MESSAGE, Channel.SHELL, 0, 1),
        HEADER.pack(0, 0, 0, 0, 1),
        HEADER.pack(0, 99, 0, 0, 1),
        HEADER.pack(0, Kind.MESSAGE, 77, 0, 1),
        HEADER.pack(0, Kind.MESSAGE, Channel.SHELL, 1, 1),
    ],
)
def test_bad_headers(raw: bytes) -> None:
    with pytest.raises(SandboxProtocolError):
        list(reader().feed(SYNC + raw))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        struct.pack("!H", 0),
        struct.pack("!H", 5),
        struct.pack("!HI", 1, 10) + b"short",
        struct.pack("!HI", 1, 1) + b"too long",
        struct.pack("!H2001I", 2001, *[0] * 2001),
        struct.pack("!HI", 1, 2**32 - 1),
    ],
)
def test_bad_parts(payload: bytes) -> None:
    with pytest.raises(SandboxProtocolError):
        unpack_parts(payload)


def test_the_replay_buffer_keeps_what_is_not_acknowledged() -> None:
    buffer = ReplayBuffer(max_bytes=60)
    sent = [buffer.add(Kind.MESSAGE, Channel.SHELL, payload) for payload in (b"a", b"b", b"c")]
    fullness = [buffer.full]
    sent.append(buffer.add(Kind.MESSAGE, Channel.SHELL, b"d" * 20))
    fullness.append(buffer.full)
    buffer.acknowledge(2)
    fullness.append(buffer.full)
    assert buffer.rest() == sent[2:]
    assert fullness == [False, True, False]
    with pytest.raises(SandboxProtocolError):
        buffer.acknowledge(5)


def test_the_shim_finds_the_marker_in_the_middle_of_a_cut_frame(shim: types.ModuleType) -> None:
    each = shim.FrameReader(SYNC, 1000)
    whole = shim.HEADER.pack(5, Kind.MESSAGE, Channel.SHELL, 0, 1) + b"12345"
    cut = shim.HEADER.pack(900, Kind.MESSAGE, Channel.SHELL, 0, 1) + b"12"
    stream = cut + SYNC + whole
    got = [f for i in range(0, len(stream), 7) for f in each.feed(stream[i : i + 7])]
    assert got == [(Kind.MESSAGE, Channel.SHELL, 1, b"12345")]


@pytest.mark.parametrize("raw", [b"[", b"[]", b"1", b"\xff", b"[" * 10_000, b"x" * 100_000])
def test_headers_that_cannot_be_read_are_empty(raw: bytes) -> None:
    assert header([b"<IDS|MSG>", b"", raw]) == {}
    assert header([b"no delimiter"]) == {}
    assert header([b"<IDS|MSG>", b"", json.dumps({"msg_type": "x"}).encode()]) == {"msg_type": "x"}


def written(outbox: Any) -> list[tuple[int, bytes]]:
    """The numbers and payloads of all that an outbox has to write."""
    source, sink = os.pipe()
    try:
        os.set_blocking(sink, False)
        outbox.write(sink)
        assert not outbox.pending
        data = SYNC + os.read(source, 65536)
    finally:
        os.close(source)
        os.close(sink)
    return [(frame.number, frame.payload) for frame in reader().feed(data)]


def test_the_shim_keeps_the_present_run_for_whoever_takes_over(shim: types.ModuleType) -> None:
    outbox = shim.Outbox()
    outbox.keep = 4 * (HEADER.size + 1)
    for text in (b"a", b"b", b"c"):
        outbox.add(shim.MESSAGE, shim.IOPUB, text)
    written(outbox)
    outbox.acknowledge(2)

    def again(number: int) -> list[tuple[int, bytes]]:
        outbox.resend_after(number)
        frames = [(HEADER.unpack_from(f)[-1], f[HEADER.size :]) for f in outbox.unsent]
        outbox.unsent.clear()
        assert outbox.next_after(number) == (frames[0][0] if frames else outbox.last + 1)
        return frames

    assert again(2) == [(3, b"c")]
    assert again(1) == [(2, b"b"), (3, b"c")]
    assert again(0) == [(1, b"a"), (2, b"b"), (3, b"c")]
    for text in (b"d", b"e", b"f"):
        outbox.add(shim.MESSAGE, shim.IOPUB, text)
    written(outbox)
    outbox.acknowledge(6)
    assert again(0) == [(3, b"c"), (4, b"d"), (5, b"e"), (6, b"f")]
    assert outbox.lost == 2 * (HEADER.size + 1)
    outbox.begin_run()
    assert (again(0), outbox.lost) == ([], 0)


def test_the_shim_keeps_no_file_that_was_taken_out(shim: types.ModuleType) -> None:
    """Only the frame's number is needed again, or one file would push out the run's output."""
    outbox = shim.Outbox()
    outbox.keep = 100
    outbox.add(shim.REPLY, 0, b"x" * 900)
    written(outbox)
    outbox.acknowledge(1)
    assert outbox.lost == 0
    assert HEADER.unpack_from(outbox.kept[0][1])[1::3] == (Kind.REPLY, 1)


def test_answers_go_ahead_of_output_that_waits(shim: types.ModuleType) -> None:
    outbox = shim.Outbox()
    for payload in (b"one", b"two"):
        outbox.add(shim.MESSAGE, shim.IOPUB, payload)
    outbox.add(shim.MESSAGE, shim.SHELL, b"a reply")
    outbox.add(shim.REPLY, 0, b"a file")
    assert written(outbox) == [(1, b"a reply"), (2, b"a file"), (3, b"one"), (4, b"two")]


def test_what_was_not_acknowledged_is_sent_again_before_what_waits(shim: types.ModuleType) -> None:
    outbox = shim.Outbox()
    for payload in (b"one", b"two"):
        outbox.add(shim.MESSAGE, shim.IOPUB, payload)
    assert [number for number, _ in written(outbox)] == [1, 2]
    outbox.add(shim.MESSAGE, shim.SHELL, b"a reply")
    outbox.restart(b"")
    outbox.resend_after(1)
    assert written(outbox) == [(2, b"two"), (3, b"a reply")]
    outbox.acknowledge(3)
    assert outbox.size == 0


def test_a_flood_leaves_the_few_answers_somebody_waits_for(shim: types.ModuleType) -> None:
    box = shim.Shim()
    box.settings = {"max_message_bytes": 1000, "backlog_bytes": 2000}

    def message(kind: str, asked: str) -> list[bytes]:
        heads = [json.dumps({name: value}).encode() for name, value in
                 (("msg_type", kind), ("msg_id", asked))]  # fmt: skip
        return [b"<IDS|MSG>", b"", *heads, b"{}", b"{}"]

    box.note_request([b"<IDS|MSG>", b"", b'{"msg_id": "run"}', b"{}", b"{}", b"{}"])
    for _ in range(1000):
        box.pass_on(shim.IOPUB, message("stream", "run"))
        box.pass_on(shim.SHELL, message("x_reply", "nobody"))
    flooded = box.outbox.size
    assert flooded < 2 * 2000 + 200
    for _ in range(1000):
        box.pass_on(shim.SHELL, message("execute_reply", "run"))
    assert box.outbox.size == flooded + shim.ANSWERS_KEPT * (
        len(shim.pack_parts(message("execute_reply", "run"))) + HEADER.size
    )
    box.context.term()


def test_time_in_which_the_shim_was_frozen_is_no_silence_of_the_hosts(
    shim: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(shim, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    box = shim.Shim()
    clock[0] += 600
    box.count_silence()
    assert box.silent_s == 2.0
    for _ in range(90):
        clock[0] += 1
        box.count_silence()
    assert box.silent_s == 92.0
    box.context.term()
