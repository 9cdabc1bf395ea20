"""The documents of a system's services as one: OpenAPI for who enters by the gateway, AsyncAPI for the whole log."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clinic_lib.version import library_version
from clinic_lib.wiring.systems import Loaded

__all__ = ["asyncapi", "openapi"]

OWN_PATHS = ("/openapi.json", "/asyncapi.json")
SCHEMAS = "#/components/schemas/"


def openapi(system: str, services: Sequence[Loaded], url: str) -> dict[str, Any]:
    """All requests of the system, each tagged with its service; `url` is the gateway's."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for each in services:
        document = _renamed(each.openapi, each.service.name, schemas)
        schemas |= document["components"]["schemas"]
        for path, operations in document["paths"].items():
            if path not in OWN_PATHS:
                paths[path] = {
                    method: _of_service(operation, each.service.name)
                    for method, operation in operations.items()
                }
    return {
        "openapi": "3.1.0",
        "info": {"title": system, "version": library_version()},
        "servers": [{"url": url}],
        "tags": [{"name": each.service.name} for each in services],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def asyncapi(system: str, services: Sequence[Loaded]) -> dict[str, Any]:
    """All messages of the system, and which service sends and receives them."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for each in services:
        document = _renamed(each.asyncapi, each.service.name, schemas)
        schemas |= document["components"]["schemas"]
        messages |= document["components"]["messages"]
        for name, channel in document["channels"].items():
            known = channels.setdefault(name, {"address": channel["address"], "messages": {}})
            known["messages"] |= channel["messages"]
        for name, operation in document["operations"].items():
            tags = [{"name": each.service.name}]
            operations[f"{each.service.name}_{name}"] = operation | {"tags": tags}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": system, "version": library_version()},
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _of_service(operation: Mapping[str, Any], service: str) -> dict[str, Any]:
    return {**operation, "operationId": f"{service}_{operation['operationId']}", "tags": [service]}


def _renamed(document: dict[str, Any], service: str, taken: Mapping[str, Any]) -> dict[str, Any]:
    """The document, with its service's name before schemas that another service has otherwise."""
    own = document["components"]["schemas"]
    other = {name: f"{service}_{name}" for name, schema in own.items() if taken.get(name, schema) != schema}
    if not other:
        return document
    renamed: dict[str, Any] = _walk(document, lambda reference: other.get(reference, reference))
    renamed["components"]["schemas"] = {
        other.get(name, name): schema for name, schema in renamed["components"]["schemas"].items()
    }
    return renamed


def _walk(part: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(part, dict):
        return {
            name: SCHEMAS + rename(value.removeprefix(SCHEMAS))
            if name == "$ref" and isinstance(value, str) and value.startswith(SCHEMAS)
            else _walk(value, rename)
            for name, value in part.items()
        }
    return [_walk(each, rename) for each in part] if isinstance(part, list) else part
