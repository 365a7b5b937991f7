"""A server with a wrong setting does not start, and says which one and what is allowed."""

from __future__ import annotations

import asyncio

import pytest

from tests.whole.conftest import MakeServer


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"InterviewApp.sandbox_pool_size": "-5"},
            "InterviewApp.sandbox_pool_size is -5: it may be a whole number from 0 to 50.",
        ),
        (
            {"InterviewApp.max_sandboxes": "many"},
            "InterviewApp.max_sandboxes is 'many': it may be a whole number from 1 to 10000.",
        ),
        (
            {"InterviewApp.sandbox_limits": "{'python': {'pids': 1}}"},
            "InterviewApp.sandbox_limits['python']: pids is 1; it must lie between 32 and 8192",
        ),
        (
            {"InterviewApp.sandbox_engine": "none"},
            "The 'sandbox_engine' trait of an InterviewApp instance expected any of",
        ),
        (
            {"InterviewApp.sandbox_engine": "process", "InterviewApp.sandbox_broker": "unix:///x"},
            "InterviewApp.sandbox_broker",
        ),
    ],
)
async def test_a_wrong_setting_ends_the_server_with_its_name_and_range(
    make_server: MakeServer, settings: dict[str, str], says: str
) -> None:
    server = make_server(settings)
    assert await asyncio.to_thread(server.fail_to_start) == 1
    line = next(line for line in server.log.splitlines() if "a setting is wrong" in line)
    assert says in line
    assert "Traceback" not in server.log
