"""Examples in documents, made of the schemas: the same each time, and valid by them.

A field's own `examples` come first (`Field(examples=["chest X-ray"])`), then its default, then what its type
says. Where a pattern lets none of a few texts pass there is no example.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["example", "with_message_examples", "with_request_examples"]

BY_FORMAT = {
    "date": "1985-12-10",
    "date-time": "2025-01-31T09:30:00Z",
    "time": "09:30:00",
    "uuid": "0198c0de-0000-7000-8000-000000000001",
    "uri-reference": "about:blank",
    "email": "ada@example.org",
}
MESSAGE_ID = BY_FORMAT["uuid"]


class _NoExampleError(Exception):
    """There is none for this schema."""


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "text") -> Any:
    """A value for a schema whose references lead into `schemas`; `name` is what a text says.

    None where there is none.
    """
    try:
        return _example(schema, schemas, name, ())
    except _NoExampleError:
        return None


def with_request_examples(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document in which each body has one; those that have one keep it."""
    schemas = document["components"]["schemas"]
    for media in _media_types(document["paths"]):
        made = media.get("example", example(media["schema"], schemas))
        if made is not None:
            media["example"] = made
    return document


def with_message_examples(document: dict[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    """An AsyncAPI document in which each message has one; `keys` names the field that is a message's key."""
    components = document["components"]
    for name, message in components["messages"].items():
        payload = example(message["payload"], components["schemas"])
        if payload is not None:
            payload["subject"] = str(payload["data"][keys[name]])
            headers = {"type": name, "id": MESSAGE_ID}
            message["examples"] = [{"name": name, "headers": headers, "payload": payload}]
    return document


def _media_types(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "content":
                yield from (each for each in value.values() if "schema" in each)
            else:
                yield from _media_types(value)


def _example(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str, within: tuple[str, ...]
) -> Any:
    if "$ref" in schema:
        model = schema["$ref"].rpartition("/")[2]
        if model in within:
            raise _NoExampleError
        return _example(schemas[model], schemas, name, (*within, model))
    if schema.get("examples"):
        return schema["examples"][0]
    for word in ("const", "default"):
        if schema.get(word) is not None:
            return schema[word]
    if "enum" in schema:
        return schema["enum"][0]
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return _example(alternatives[0], schemas, name, within)
    return _of_type(schema, schemas, name, within)


def _of_type(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str, within: tuple[str, ...]
) -> Any:
    kind = schema.get("type", "null")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            fields = schema.get("properties", {}).items()
            return {field: _example(each, schemas, field, within) for field, each in fields}
        case "array":
            return [_example(schema["items"], schemas, name, within)] if schema.get("items") else []
        case "integer" | "number":
            return _number(schema)
        case "string":
            return _text(schema, name)
        case "boolean":
            return True
        case _:
            return None


def _number(schema: Mapping[str, Any]) -> int | float:
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    return int(min(lowest, schema.get("maximum", lowest)))


def _text(schema: Mapping[str, Any], name: str) -> str:
    if schema.get("format") in BY_FORMAT:
        return BY_FORMAT[schema["format"]]
    longest = schema.get("maxLength", 200)
    said = name.replace("_", " ").ljust(schema.get("minLength", 0), ".")[:longest]
    for text in (said, said.replace(" ", "-"), "a", "A", "1"):
        if re.search(schema.get("pattern", ""), text):
            return text
    raise _NoExampleError
