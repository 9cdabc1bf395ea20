"""JSON schemas compared: whether a reader of one can read what was written by another.

Only what pydantic writes for messages is understood; what is not is read when it is equal.
"""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["unreadable"]

LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
EQUAL = ("pattern", "format", "multipleOf", "uniqueItems", "propertyNames")
ANYTHING: dict[str, Any] = {}


class _Part(NamedTuple):
    """A schema inside a document; references are followed there."""

    node: dict[str, Any]
    document: dict[str, Any]

    def at(self, node: dict[str, Any] | bool) -> "_Part":
        return _Part(ANYTHING if isinstance(node, bool) else node, self.document).resolved()

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

    @property
    def others(self) -> dict[str, Any] | bool | None:
        """Of an object: what its fields hold that are not named, such as all of a `dict`."""
        patterns = iter(self.node.get("patternProperties", ANYTHING).values())
        found: dict[str, Any] | bool | None = self.node.get("additionalProperties", next(patterns, None))
        return found

    def item(self, nth: int) -> "_Part":
        """Of an array: its nth item; a tuple names the first ones one by one."""
        firsts = self.node.get("prefixItems", ())
        return self.at(firsts[nth] if nth < len(firsts) else self.node.get("items", ANYTHING))

    def __str__(self) -> str:
        values = self.values
        return "/".join(map(str, values)) if values else (self.kind or "anything")


class _How(NamedTuple):
    """`in_hand` are the pairs that are being compared: one that comes again inside itself is as good as it is."""

    roughly: bool
    in_hand: frozenset[tuple[int, int]] = frozenset()


def unreadable(reader: dict[str, Any], writer: dict[str, Any], *, roughly: bool = False) -> Iterator[str]:
    """What of `writer` a reader could not read, a sentence for each field.

    `roughly`: only what is missing or of another type altogether, not what is wider.
    """
    yield from _unreadable(
        _Part(reader, reader).resolved(), _Part(writer, writer).resolved(), "", _How(roughly)
    )


def _unreadable(reader: _Part, writer: _Part, name: str, how: _How) -> Iterator[str]:
    pair = (id(reader.node), id(writer.node))
    if pair in how.in_hand:
        return
    inside = how._replace(in_hand=how.in_hand | {pair})
    written, read = writer.variants(), reader.variants()
    problems = [[list(_one(each, variant, name, inside)) for each in read] for variant in written]
    fitting = [not all(found) for found in problems]
    if how.roughly and any(fitting):
        return
    if len(written) == len(read) == 1:
        yield from problems[0][0]
        return
    for variant, fits in zip(written, fitting, strict=True):
        if not fits:
            yield f"{name or 'it'} may be {variant}, and is read as {' or '.join(map(str, read))}"


def _one(reader: _Part, writer: _Part, name: str, how: _How) -> Iterator[str]:
    if reader.kind is None:
        return
    if reader.kind != writer.kind and (reader.kind, writer.kind) != ("number", "integer"):
        yield f"{name or 'it'} is {writer}, and is read as {reader}"
        return
    if reader.kind == "object":
        yield from _object(reader, writer, name, how)
    elif reader.kind == "array":
        yield from _array(reader, writer, name, how)
    if not how.roughly:
        yield from _narrower(reader.node, writer.node, name)


def _object(reader: _Part, writer: _Part, name: str, how: _How) -> Iterator[str]:
    read, written = reader.node.get("properties", {}), writer.node.get("properties", {})
    others = reader.others
    for field in reader.node.get("required", ()):
        if field not in written:
            yield f"{_path(name, field)} is not there, and is read"
    for field, schema in written.items():
        taken = read.get(field, others)
        if taken:
            yield from _unreadable(reader.at(taken), writer.at(schema), _path(name, field), how)
        elif taken is False and not how.roughly:
            yield f"{_path(name, field)} is refused"
    if more := writer.others:
        if others:
            yield from _unreadable(reader.at(others), writer.at(more), f"{name}{{}}", how)
        elif others is False and not how.roughly:
            yield f"each field of {name or 'it'} that is not named is refused"


def _array(reader: _Part, writer: _Part, name: str, how: _How) -> Iterator[str]:
    firsts = max(len(each.node.get("prefixItems", ())) for each in (reader, writer))
    most = min(each.node.get("maxItems", sys.maxsize) for each in (reader, writer))
    for nth in range(min(firsts, most)):
        yield from _unreadable(reader.item(nth), writer.item(nth), f"{name}[{nth}]", how)
    if most > firsts:
        yield from _unreadable(reader.item(firsts), writer.item(firsts), f"{name}[]", how)
    if how.roughly and max(each.node.get("minItems", 0) for each in (reader, writer)) > most:
        yield f"{name or 'it'} never has as many items as are read"


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
