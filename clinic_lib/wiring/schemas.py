"""JSON schemas compared: whether a reader of one can read what was written by another.

Only what pydantic writes for messages is understood; what is not is read when it is equal.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["unreadable"]

LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
EQUAL = ("pattern", "format")


class _Part(NamedTuple):
    """A schema inside a document; references are followed there."""

    node: dict[str, Any]
    document: dict[str, Any]

    def at(self, node: dict[str, Any]) -> "_Part":
        return _Part(node, self.document).resolved()

    def resolved(self) -> "_Part":
        node = self.node
        while "$ref" in node:
            node = self.document["$defs"][node["$ref"].rpartition("/")[2]]
        return _Part(node, self.document)

    def variants(self) -> "list[_Part]":
        """Each alternative of a union, as one type."""
        if alternatives := self.node.get("anyOf", self.node.get("oneOf")):
            return [variant for each in alternatives for variant in self.at(each).variants()]
        if isinstance(self.node.get("type"), list):
            return [_Part(self.node | {"type": each}, self.document) for each in self.node["type"]]
        return [self]

    @property
    def kind(self) -> str | None:
        if "type" in self.node:
            return str(self.node["type"])
        values = self.values
        names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
        return names.get(type(values[0])) if values else None

    @property
    def values(self) -> list[Any] | None:
        return [self.node["const"]] if "const" in self.node else self.node.get("enum")

    def __str__(self) -> str:
        values = self.values
        return "/".join(map(str, values)) if values else (self.kind or "anything")


def unreadable(reader: dict[str, Any], writer: dict[str, Any], *, roughly: bool = False) -> Iterator[str]:
    """What of `writer` a reader could not read, a sentence for each field.

    `roughly`: only what is missing or of another type altogether, not what is wider.
    """
    yield from _unreadable(_Part(reader, reader).resolved(), _Part(writer, writer).resolved(), "", roughly)


def _unreadable(reader: _Part, writer: _Part, name: str, roughly: bool) -> Iterator[str]:
    written, read = writer.variants(), reader.variants()
    fitting = [
        next((each for each in read if not list(_one(each, variant, name, roughly))), None)
        for variant in written
    ]
    if roughly and any(fitting):
        return
    if len(written) == len(read) == 1:
        yield from _one(read[0], written[0], name, roughly)
        return
    for variant, fits in zip(written, fitting, strict=True):
        if fits is None:
            yield f"{name or 'it'} may be {variant}, and is read as {' or '.join(map(str, read))}"


def _one(reader: _Part, writer: _Part, name: str, roughly: bool) -> Iterator[str]:
    if reader.kind is None:
        return
    if reader.kind != writer.kind and (reader.kind, writer.kind) != ("number", "integer"):
        yield f"{name or 'it'} is {writer}, and is read as {reader}"
    elif reader.kind == "object":
        yield from _object(reader, writer, name, roughly)
    elif reader.kind == "array":
        items = (each.node.get("items", {}) for each in (reader, writer))
        of_reader, of_writer = items
        yield from _unreadable(reader.at(of_reader), writer.at(of_writer), f"{name}[]", roughly)
        yield from () if roughly else _narrower(reader.node, writer.node, name)
    elif not roughly:
        yield from _narrower(reader.node, writer.node, name)


def _object(reader: _Part, writer: _Part, name: str, roughly: bool) -> Iterator[str]:
    read, written = reader.node.get("properties", {}), writer.node.get("properties", {})
    for field in reader.node.get("required", ()):
        if field not in written:
            yield f"{_path(name, field)} is not there, and is read"
    for field, schema in written.items():
        if field in read:
            yield from _unreadable(reader.at(read[field]), writer.at(schema), _path(name, field), roughly)
        elif reader.node.get("additionalProperties") is False and not roughly:
            yield f"{_path(name, field)} is refused"


def _narrower(reader: dict[str, Any], writer: dict[str, Any], name: str) -> Iterator[str]:
    """Where the reader takes less than may be written."""
    read, written = ([each["const"]] if "const" in each else each.get("enum") for each in (reader, writer))
    if read is not None:
        more = "any value" if written is None else "/".join(str(e) for e in written if e not in read)
        if more:
            yield f"{name or 'it'} may be {more}, and is read as {'/'.join(map(str, read))}"
        return
    for word in LOWER:
        if word in reader and (word not in writer or writer[word] < reader[word]):
            yield f"{name or 'it'} has {word} {writer.get(word, 'none')}, and is read from {reader[word]} on"
    for word in UPPER:
        if word in reader and (word not in writer or writer[word] > reader[word]):
            yield f"{name or 'it'} has {word} {writer.get(word, 'none')}, and is read up to {reader[word]}"
    for word in EQUAL:
        if word in reader and reader[word] != writer.get(word) and written is None:
            yield f"{name or 'it'} has {word} {writer.get(word, 'none')}, and is read as {reader[word]}"


def _path(name: str, field: str) -> str:
    return f"{name}.{field}" if name else field
