"""OpenAPI 3.1 and AsyncAPI 3.0, written from the wiring: what a service serves is what they say.

Sources: https://spec.openapis.org/oas/v3.1.1 and https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clinic_lib.commands import CommandEndpoint
from clinic_lib.examples import with_message_examples, with_request_examples
from clinic_lib.handlers import Handler
from clinic_lib.ledger import Sagas
from clinic_lib.messages import Event
from clinic_lib.problems import PROBLEM_SCHEMA, title_of
from clinic_lib.queries import DEFAULT_LIMIT, FILTER_TEXT, LARGEST_ID, LARGEST_LIMIT, Query
from clinic_lib.saga import notices_of
from clinic_lib.version import library_version

__all__ = ["asyncapi", "openapi", "route"]

REFERENCE = "#/components/schemas/{model}"
ID_SCHEMA = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
REASONS = {
    400: "The body is not valid JSON",
    404: "There is no such resource",
    409: "A rule of the domain forbids it now",
    413: "The body is larger than 1 MiB",
    415: "The body is not JSON",
    422: "Well-formed, but a field is wrong",
    503: "The database can't be reached, or too much waits; try again after Retry-After seconds",
}


class Described(Protocol):
    """What a document is written of."""

    name: str
    system: str
    handlers: list[Handler]
    queries: list[Query]

    def owned_sagas(self) -> Sagas: ...


def openapi(service: Described, commands: Sequence[CommandEndpoint]) -> dict[str, Any]:
    """The public port's OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    for query in service.queries:
        paths.setdefault(query.path, {})["get"] = _collection(query)
        paths.setdefault(query.path + "/{id}", {})["get"] = _resource(query)
    for command in commands:
        paths.setdefault(command.path, {})["post"] = _command(command)
    for document in ("/openapi.json", "/asyncapi.json"):
        paths[document] = {
            "get": {"operationId": document[1:-5], "responses": {"200": _json({"type": "object"})}}
        }
    models = [query.model for query in service.queries]
    schemas = _schemas(models, "serialization") | _schemas([each.body for each in commands], "validation")
    written: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": service.name, "version": library_version()},
        "paths": paths,
        "components": {"schemas": {"Problem": PROBLEM_SCHEMA} | schemas},
    }
    return with_request_examples(written)


def asyncapi(service: Described) -> dict[str, Any]:
    """What the service receives from and sends to Kafka, as an AsyncAPI 3.0 document."""
    received = {
        event: None for handler in service.handlers for event in handler.messages if issubclass(event, Event)
    }
    sent = {event: None for handler in service.handlers for event in handler.events}
    owned = service.owned_sagas()
    observed = sorted(owned.observed(sent), key=lambda event: event.declaration.type)
    sent |= dict.fromkeys([*(each for event in received for each in notices_of(event)), *owned.decided])
    received |= dict.fromkeys(observed)
    topics: dict[str, list[type[Event]]] = {}
    for event in {**received, **sent}:
        topics.setdefault(event.declaration.topic, []).append(event)
    operations = {}
    for action, events in (("receive", received), ("send", sent)):
        for event in events:
            channel = f"#/channels/{event.declaration.topic}"
            operations[f"{action}{event.declaration.type}"] = {
                "action": action,
                "channel": {"$ref": channel},
                "messages": [{"$ref": f"{channel}/messages/{event.declaration.type}"}],
            }
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": service.name, "version": library_version()},
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            topic: {
                "address": topic,
                "messages": {
                    e.declaration.type: {"$ref": f"#/components/messages/{e.declaration.type}"}
                    for e in events
                },
            }
            for topic, events in topics.items()
        },
        "operations": operations,
        "components": {
            "messages": {event.declaration.type: _message(event) for event in {**received, **sent}},
            "schemas": _schemas([*received, *(each for each in sent if each not in received)], "validation"),
        },
    }
    return with_message_examples(
        document, {e.declaration.type: e.declaration.key for e in {**received, **sent}}
    )


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.declaration.type,
        "summary": _summary(event),
        "headers": {
            "type": "object",
            "required": ["type", "id"],
            "properties": {"type": {"const": event.declaration.type}, "id": {"type": "string"}},
        },
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "type", "source", "time", "subject", "correlationid", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "format": "uuid"},
                "type": {"const": event.declaration.type},
                "source": {"type": "string"},
                "time": {"type": "string", "format": "date-time"},
                "subject": {
                    "type": "string",
                    "description": f"the {event.declaration.key}, the record's key too",
                },
                "correlationid": {"type": "string", "format": "uuid"},
                "causationid": {"type": "string", "format": "uuid"},
                "traceparent": {"type": "string", "examples": [TRACEPARENT]},
                "dataversion": {"const": event.declaration.version},
                "data": {"$ref": REFERENCE.format(model=event.__name__)},
            },
        },
    }


def _collection(query: Query) -> dict[str, Any]:
    parameters = [
        _query("limit", ID_SCHEMA | {"maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT}),
        _query("before", ID_SCHEMA, "only resources with a smaller id: the next page's cursor"),
    ]
    for name in query.filters:
        is_number = query.table.types[name] == "BIGINT"
        schema = ID_SCHEMA if is_number else {"type": "string", "pattern": FILTER_TEXT}
        parameters.append(_query(name, schema))
    page = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": _reference(query.model)},
            "next": {"type": ["string", "null"]},
        },
    }
    return {
        "operationId": f"list_{_words(query.path)}",
        "parameters": parameters,
        "responses": {"200": _json(page)} | _problems(422, 503),
    }


def _resource(query: Query) -> dict[str, Any]:
    return {
        "operationId": f"get_{_words(query.path)}",
        "parameters": [_path("id")],
        "responses": {"200": _json(_reference(query.model))} | _problems(404, 503),
    }


def _command(command: CommandEndpoint) -> dict[str, Any]:
    query = command.query
    done: dict[str, Any] = {"204": {"description": "Done"}}
    if query is not None and command.creates:
        created = _json(_reference(query.model))
        created["headers"] = {"Location": {"schema": {"type": "string"}, "required": True}}
        done = {"201": created}
    elif query is not None:
        done = {"200": _json(_reference(query.model))}
    key = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"}
    operation: dict[str, Any] = {
        "operationId": command.handler.name,
        "summary": _summary(command.handler.function),
        "parameters": [
            *(_path(name) for name in command.path_fields),
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": key},
        ],
        "responses": done | _problems(400, 404, 409, 413, 415, 422, 503),
    }
    if command.body.model_fields:
        content = {"application/json": {"schema": _reference(command.body)}}
        operation["requestBody"] = {"required": command.body_required, "content": content}
    return operation


def _schemas(models: Sequence[type[BaseModel]], mode: Any) -> dict[str, Any]:
    _, schema = models_json_schema(
        [(model, mode) for model in models], ref_template=REFERENCE, schema_generator=GenerateJsonSchema
    )
    definitions: dict[str, Any] = schema.get("$defs", {})
    return definitions


def _problems(*statuses: int) -> dict[str, Any]:
    answers: dict[str, Any] = {str(each): _problem(each) for each in statuses}
    if "503" in answers:
        retry = {"Retry-After": {"schema": {"type": "string"}}}
        answers["503"] = answers["503"] | {"headers": retry}
    return answers


def _problem(status: int) -> dict[str, Any]:
    said = {"type": "about:blank", "title": title_of(status), "status": status, "detail": REASONS[status]}
    media = {"schema": {"$ref": REFERENCE.format(model="Problem")}, "example": said}
    return {"description": REASONS[status], "content": {"application/problem+json": media}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "OK", "content": {"application/json": {"schema": schema}}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _query(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": ID_SCHEMA}


def _words(path: str) -> str:
    return "_".join(re.findall(r"\w+", path))


def _summary(documented: object) -> str:
    return (documented.__doc__ or "").strip().split("\n")[0]


def route(path: str, document: dict[str, Any]) -> Route:
    """Where a document is served."""

    async def serve(request: Request) -> Response:
        return JSONResponse(document)

    return Route(path, serve)
