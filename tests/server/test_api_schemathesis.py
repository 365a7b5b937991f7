"""schemathesis asks every operation of the document what it can think of, right and wrong."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from interview_ext.api.openapi import document
from interview_ext.api.operations import OPERATIONS
from tests.server.api_support import API, LOGIN, server_without_engine
from tests.server.conftest import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
server = server_without_engine

EXAMPLES = 10
"""Of each operation, right ones and wrong ones each."""
CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]


def described(room_id: str, document_id: str) -> dict[str, Any]:
    """The document with ids that exist: requests with invented ones end at the first look-up."""
    known = {"room": room_id, "document": document_id}
    found = copy.deepcopy(document())
    for path in found["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path" and parameter["name"] in known:
                    parameter["schema"] = {"type": "string", "enum": [known[parameter["name"]]]}
    return found


def fuzz(schema: dict[str, Any], path: str, method: str, url: str) -> set[int]:
    """Ask one operation; return the statuses of the answers."""
    operation = schemathesis.openapi.from_dict(schema)[path][method]
    statuses: set[int] = set()

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=EXAMPLES,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            deadline=None,
            database=None,
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Case) -> None:
            answer = case.call(base_url=url, headers=LOGIN)
            statuses.add(answer.status_code)
            if answer.status_code >= 500:
                # The only one that is right here: there is no container engine in this test.
                assert answer.json()["error"]["code"] == "engine_unavailable", answer.text
            case.validate_response(answer, checks=CHECKS)

        try:
            ask()
        except Unsatisfiable:
            # There is nothing wrong to send where nothing is asked for.
            assert mode is GenerationMode.NEGATIVE
    return statuses


@pytest.mark.parametrize("operation_id", [operation.id for operation in OPERATIONS])
async def test_an_operation_keeps_its_promises(server: Server, operation_id: str) -> None:
    operation = next(o for o in OPERATIONS if o.id == operation_id)
    room = await server.room()
    (found, _), *_ = await server.services.rooms.documents(await server.host_actor(room))
    statuses = await asyncio.to_thread(
        fuzz,
        described(room.id, found.id),
        operation.path,
        operation.method.lower(),
        f"{server.url}{API}",
    )
    assert statuses
    assert not any("Uncaught exception" in line for line in server.log)
