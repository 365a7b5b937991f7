"""The contract: table of operations, handlers, OpenAPI document and models agree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError
from tornado.web import RequestHandler

from interview_ext.api import messages, schemas
from interview_ext.api.openapi import document, text
from interview_ext.api.operations import OPERATIONS, Where
from interview_ext.api.routes import HANDLERS, pattern, routes
from interview_ext.rooms.roles import Action

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def test_every_operation_has_a_handler_method_and_every_method_an_operation() -> None:
    for path, handler in HANDLERS.items():
        wanted = {operation.method for operation in OPERATIONS if operation.path == path}
        written = {
            method
            for method in METHODS
            if getattr(handler, method.lower()) is not getattr(RequestHandler, method.lower())
        }
        assert written == wanted, path


def test_operations_are_named_once() -> None:
    assert len({o.id for o in OPERATIONS}) == len(OPERATIONS)
    assert len({(o.method, o.path) for o in OPERATIONS}) == len(OPERATIONS)


def test_an_operation_in_a_room_takes_an_action_and_no_other_does() -> None:
    for operation in OPERATIONS:
        assert (operation.action is not None) == ("{room}" in operation.path), operation.id
        assert operation.action is None or operation.action in Action


def test_a_door_offers_only_what_is_meant_for_it() -> None:
    in_door = {kwargs["resource"] for _, _, kwargs in routes(Where.DOOR)}
    assert not in_door & {"/templates", "/profiles", "/events", "/rooms/{room}/enter"}
    alone = {operation.path for operation in OPERATIONS if operation.where == {Where.DOOR}}
    outside = {kwargs["resource"] for _, _, kwargs in routes("server")}
    assert in_door - alone < outside
    assert alone == {path for path in in_door if "/branches" in path}, "one's own, in one's browser"
    assert not alone & outside


@pytest.mark.parametrize(
    "tail",
    ["", "..", "%2e%2e", "a/b", "a%2Fb", "a b", "x" * 65, "a\n", "ä", "a.b", "{room}", "*"],
)
def test_a_bad_id_is_no_room(tail: str) -> None:
    assert re.fullmatch(pattern("/rooms/{room}"), f"interview/api/rooms/{tail}") is None


def test_the_document_is_printed_the_same_each_time() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "interview_ext.api.openapi"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    ).stdout
    assert printed == text()
    assert json.loads(printed)["openapi"] == "3.1.0"


def test_every_reference_of_the_document_leads_somewhere() -> None:
    described = document()
    for reference in re.findall(r'"#/components/(\w+)/(\w+)"', json.dumps(described)):
        assert reference[1] in described["components"][reference[0]], reference
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_types_of_all_socket_messages_stand_in_the_document() -> None:
    schemas_ = document()["components"]["schemas"]
    kinds = set(schemas_["RoomSocketMessage"]["discriminator"]["mapping"])
    assert kinds == {
        "hello", "event", "room", "participants", "run", "input_request", "input_done",
        "sandbox", "durable", "store", "waiting", "elsewhere", "seat_closed", "pong",
    }  # fmt: skip
    assert set(schemas_["HostSocketMessage"]["discriminator"]["mapping"]) == {
        "hello", "waiting", "rooms", "pong",
    }  # fmt: skip


def test_a_door_document_leaves_out_what_the_door_does_not_have() -> None:
    paths = document(where=Where.DOOR)["paths"]
    assert "post" not in paths["/rooms"]
    assert "/templates" not in paths


def bounded(schema: dict, defs: dict, where: str) -> list[str]:
    """Places in a request's schema where a client could send any amount."""
    if "$ref" in schema:
        return bounded(defs[schema["$ref"].rsplit("/", 1)[1]], defs, where)
    found = [
        problem
        for name, child in schema.get("properties", {}).items()
        for problem in bounded(child, defs, f"{where}.{name}")
    ]
    for child in schema.get("anyOf", []):
        found += bounded(child, defs, where)
    kind = schema.get("type")
    if kind == "object" and schema.get("additionalProperties") is not False:
        found.append(f"{where}: more fields than named")
    if kind == "array":
        found += bounded(schema["items"], defs, f"{where}[]")
        if "maxItems" not in schema:
            found.append(f"{where}: any number of items")
    closed = {"enum", "const", "maxLength", "pattern", "format"}
    if kind == "string" and not closed & schema.keys():
        found.append(f"{where}: any length")
    if kind == "integer" and not {"minimum", "maximum"} <= schema.keys():
        found.append(f"{where}: any number")
    return found


def by_name(models: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
    """Each once, in the same order in every process."""
    return sorted(set(models), key=lambda model: model.__name__)


@pytest.mark.parametrize(
    "model",
    by_name([*(o.request for o in OPERATIONS if o.request), schemas.JoinRequest, messages.Ping]),
)
def test_everything_in_a_request_is_bounded(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    assert bounded(schema, schema.get("$defs", {}), model.__name__) == []


@pytest.mark.parametrize("model", by_name(o.response for o in OPERATIONS if o.response))
def test_an_answer_has_no_fields_that_could_be_forgotten(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
        if name != "SandboxLimits" and "properties" in part and "request" not in name.lower():
            assert sorted(part.get("required", [])) == sorted(part["properties"]), name


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": ""},
        {"title": "   "},
        {"title": "a\nb"},
        {"title": "a", "more": 1},
        {"title": "a" * 201},
        {"title": 5},
        {"title": None},
        {"title": "a", "duration_s": "3600"},
        {"title": "a", "duration_s": 59},
        {"title": "a", "duration_s": 10**30},
        {"title": "a", "duration_s": 90.5},
        {"title": "a", "starts_at": "2026-11-23T10:00:00"},
        {"title": "a", "starts_at": "0001-01-01T00:00:00+14:00"},
        {"title": "a", "starts_at": "9999-12-31T23:59:59-14:00"},
        {"title": "a", "starts_at": 1_700_000_000},
        {"title": "a", "policy": {"recording": True}},
        {"title": "a", "template": "../x"},
        {"title": "a", "template": "sample", "notebook_path": "x.ipynb"},
        {"title": "a", "data_paths": ["a"] * 33},
        {"title": "a", "data_paths": "a"},
        {"title": "a", "profile": "Python; rm"},
    ],
)
def test_a_wrong_room_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        schemas.NewRoom.model_validate_json(json.dumps(body))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b'{"title": NaN}', b"[" * 100_000]
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError):
        schemas.NewRoom.model_validate_json(body)


def test_a_room_has_the_defaults_of_the_contract() -> None:
    room = schemas.NewRoom.model_validate_json(b'{"title": "  Data  "}')
    assert (room.title, room.duration_s, room.profile) == ("Data", 3600, "python")


def test_a_join_takes_exactly_one_secret() -> None:
    for body in (b"{}", b'{"token": "a", "ticket": "b"}'):
        with pytest.raises(ValidationError):
            schemas.JoinRequest.model_validate_json(body)
