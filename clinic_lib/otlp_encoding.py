"""OTLP's encoding: spans as the protobuf message `ExportTraceServiceRequest`, written field by field.

The SDK's spans and their encoding would take most of what a traced message costs (docs/adr/0063-traces.md).
Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache

__all__ = ["Kind", "Span", "attributes", "encode"]

MOST_LINKS = 128


class Kind(IntEnum):
    """The kinds of spans, as the protocol numbers them."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(slots=True)
class Span:
    """A piece of work that is over: ids in hex, times in nanoseconds since 1970.

    `common` are attributes that many spans share, written by `attributes`; `links` are trace contexts; `error` is the
    class of what went wrong, empty when nothing did.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: Kind
    start: int
    end: int = 0
    attributes: dict[str, str | int] = field(default_factory=dict)
    common: bytes = b""
    links: Sequence[str] = ()
    error: str = ""

    @property
    def traceparent(self) -> str:
        """The context of what it causes."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def attributes(values: Mapping[str, str | int]) -> bytes:
    """Attributes of a span, ready to be sent."""
    parts: list[bytes] = []
    for name, value in values.items():
        content = _key(name) + _value(value)
        parts += (b"\x4a", _length(content), content)
    return b"".join(parts)


def encode(spans: Iterable[Span], resource: Mapping[str, str]) -> bytes:
    """A request's body: `resource` says whose the spans are."""
    named = b"".join(_part(b"\x0a", _key(name) + _value(value)) for name, value in resource.items())
    parts = [_part(b"\x0a", _part(b"\x0a", b"clinic_lib"))]
    for each in spans:
        content = _span(each)
        parts += (b"\x12", _length(content), content)
    return _part(b"\x0a", _part(b"\x0a", named) + _part(b"\x12", b"".join(parts)))


def _span(span: Span) -> bytes:
    name = span.name.encode()
    parts = [
        b"\x0a\x10",
        bytes.fromhex(span.trace_id),
        b"\x12\x08",
        bytes.fromhex(span.span_id),
        b"\x22\x08" + bytes.fromhex(span.parent_id) if span.parent_id else b"",
        b"\x2a",
        _length(name),
        name,
        KINDS[span.kind],
        b"\x39",
        span.start.to_bytes(8, "little"),
        b"\x41",
        span.end.to_bytes(8, "little"),
        span.common,
        attributes(span.attributes) if span.attributes else b"",
    ]
    for link in span.links[:MOST_LINKS]:
        parts += (b"\x6a\x1c\x0a\x10", bytes.fromhex(link[3:35]), b"\x12\x08", bytes.fromhex(link[36:52]))
    if span.error:
        parts += (attributes({"error.type": span.error}), b"\x7a\x02\x18\x02")
    return b"".join(parts)


@lru_cache(maxsize=256)
def _key(name: str) -> bytes:
    return _part(b"\x0a", name.encode())


def _value(value: str | int) -> bytes:
    if type(value) is str:
        text = value.encode("utf-8", "replace")
        content = b"\x0a" + _length(text) + text
    else:
        content = b"\x18" + _varint(int(value))
    return b"\x12" + _length(content) + content


def _part(tag: bytes, content: bytes) -> bytes:
    """A field whose length goes before it."""
    return tag + _length(content) + content


def _varint(number: int) -> bytes:
    """Of a number that is not negative: seven bits a byte, the lowest first."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)


def _length(content: bytes) -> bytes:
    length = len(content)
    return LENGTHS[length] if length < 1024 else _varint(length)


LENGTHS = tuple(_varint(length) for length in range(1024))
KINDS = {kind: bytes((0x30, kind)) for kind in Kind}
