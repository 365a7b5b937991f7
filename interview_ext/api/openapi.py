"""The OpenAPI 3.1 document, built from the table of operations and the models.

``python -m interview_ext.api.openapi`` prints it, the same text each time: the
labextension's types are generated from it, and `make lint` compares.
"""

from __future__ import annotations

import json
import re
import sys
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from interview_ext.api import messages, schemas
from interview_ext.api.operations import OPERATIONS, PREFIX, Operation, Where

_REF = "#/components/schemas/{model}"
_UNIONS: dict[str, Any] = {
    "RoomSocketMessage": messages.RoomSocketMessage,
    "HostSocketMessage": messages.HostSocketMessage,
}
_SOCKETS = {"roomEvents": "RoomSocketMessage", "hostEvents": "HostSocketMessage"}
_BESIDE = (schemas.LookRequest, schemas.Look, schemas.JoinRequest, schemas.Joined)
"""Models of the join page's own two requests, which lie outside this API's prefix."""

Json = dict[str, Any]
_PATH = {"type": "string", "minLength": 1, "description": "May contain slashes"}


class _Schema(GenerateJsonSchema):
    """Pydantic's schemas without the titles it makes up from the fields' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's hook)
        return False


def document(*, server_url: str = f"/{PREFIX}", where: Where | None = None) -> Json:
    """Return the document; with `where`, only what that web application offers."""
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        if where is None or where in operation.where:
            paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Interview rooms",
            "version": "1",
            "description": "Live data-science interviews in JupyterLab. "
            "Writes need the `X-XSRFToken` header or the server's token.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": server_url}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "responses": {
                "Error": {
                    "description": "Refused or failed; the body says why",
                    "content": {"application/json": {"schema": _ref(schemas.ErrorBody)}},
                }
            },
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization"}
            },
        },
        "security": [{"token": []}, {}],
    }


def text() -> str:
    """Return the document as it is printed and compared."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _operation(operation: Operation) -> Json:
    described: Json = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [_tag(operation.path)],
        "parameters": _parameters(operation),
        "responses": {
            str(operation.status): _answer(operation),
            "4XX": {"$ref": "#/components/responses/Error"},
            "503": {"$ref": "#/components/responses/Error"},
        },
    }

    if operation.request is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(operation.request)}},
        }
    if operation.socket:
        described["x-websocket"] = {
            "send": {"$ref": _REF.format(model="Ping")},
            "receive": {"$ref": _REF.format(model=_SOCKETS[operation.id])},
        }
    return described


def _tag(path: str) -> str:
    parts = [part for part in path.strip("/").split("/") if not part.startswith("{")]
    return (parts[1] if len(parts) > 1 else parts[0]).removesuffix(".json")


def _parameters(operation: Operation) -> list[Json]:
    found: list[Json] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _PATH
            if name == "path"
            else {"type": "string", "pattern": schemas.ID_PATTERN},
        }
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    found += [
        {
            "name": query.name,
            "in": "query",
            "description": query.description,
            "schema": {
                "type": "integer",
                "default": query.default,
                "minimum": query.minimum,
                "maximum": query.maximum,
            },
        }
        for query in operation.query
    ]
    if operation.idempotency:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Asked again with the same key, the same room is answered",
                "schema": {"type": "string", "pattern": schemas.IDEMPOTENCY_PATTERN},
            }
        )
    return found


def _answer(operation: Operation) -> Json:
    answer: Json = {"description": HTTPStatus(operation.status).phrase}
    if operation.id == "openapi":
        answer["content"] = {"application/json": {"schema": {"type": "object"}}}
    elif operation.response is not None:
        answer["content"] = {operation.media_type: {"schema": _ref(operation.response)}}
    return answer


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas() -> dict[str, Json]:
    models: dict[type[BaseModel], None] = dict.fromkeys(
        (schemas.ErrorBody, messages.Ping, *_BESIDE)
    )
    for operation in OPERATIONS:
        models |= dict.fromkeys(m for m in (operation.request, operation.response) if m is not None)
    _, top = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=_REF,
        schema_generator=_Schema,
    )
    found: dict[str, Json] = dict(top["$defs"])
    for name, union in _UNIONS.items():
        schema = TypeAdapter(union).json_schema(ref_template=_REF, schema_generator=_Schema)
        found |= schema.pop("$defs")
        found[name] = schema
    return dict(sorted(found.items()))


if __name__ == "__main__":
    sys.stdout.write(text())
