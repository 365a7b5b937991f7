"""What Prometheus is told, and who may ask."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from .conftest import TOKEN, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
AUTHORIZED = {"Authorization": f"token {TOKEN}"}


async def test_figures_for_those_who_may_see_the_servers_own(server: Server) -> None:
    room = await server.room(title="A secret title")
    candidate = await server.candidate(room)
    path = f"{server.base_url}interview/metrics"
    client = server.client()
    assert (await client.get(path)).status_code == 403
    assert (await candidate.client.get(path)).status_code == 403
    assert (await candidate.get("interview/metrics")).status_code == 404
    answer = await client.get(path, headers=AUTHORIZED)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    states = {
        sample.labels["state"]: sample.value for sample in families["interview_rooms"].samples
    }
    assert states["live"] >= 1
    assert "interview_sandbox_pool_target" in families
    assert families["interview_update_log_commit_seconds"].type == "histogram"
    assert "secret" not in answer.text
    assert room.id not in answer.text


async def test_those_who_lead_see_the_pool_and_candidates_do_not(server: Server) -> None:
    room = await server.room()
    candidate = await server.candidate(room)
    host = await server.host(room)
    seen = [
        (await who.get(f"interview/api/rooms/{room.id}/sandbox")).json()
        for who in (host, candidate)
    ]
    assert seen[0]["pool"]["waiting"] == 0
    assert seen[1]["pool"] is None
    assert [each["notice"] for each in seen] == ["", ""]
