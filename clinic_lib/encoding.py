"""Encoding: an event becomes what stands in the outbox and then on Kafka."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from clinic_lib.errors import EventTooLargeError
from clinic_lib.messages import Envelope, Event, holds_nul, new_message_id
from clinic_lib.outbox import Outgoing

__all__ = ["Encoder", "head_of", "may_be_sampled"]

SAMPLED = b"13579bdf"
TIME, TRACE, DATA = b'"time":"', b'"traceparent":"', b'"dataversion":'


class _Form(NamedTuple):
    """What all events of one class have in common within a transaction; `head` and `tail` are parts of JSON."""

    type: str
    topic: str
    aggregate: str
    key: str
    head: str
    tail: str


@dataclass(slots=True)
class Encoder:
    """Writes the events of one transaction: `source` is the service, `time` the one they all carry."""

    source: str
    time: datetime
    largest_event_bytes: int = 1_000_000
    new_id: Callable[[], UUID] = new_message_id
    _forms: dict[type[Event], _Form] = field(default_factory=dict, init=False)

    def encode(self, event: Event, cause: Envelope) -> Outgoing:
        """A function's event as it will stand on Kafka.

        Raises `EventTooLargeError`, or `ValueError` for a NUL in a text.
        """
        outgoing = self.write(event, cause)
        if len(outgoing.payload) > self.largest_event_bytes:
            raise EventTooLargeError(
                f"the event {outgoing.type} would have {len(outgoing.payload):,} bytes; "
                f"the broker takes {self.largest_event_bytes:,}"
            )
        if holds_nul(outgoing.payload):
            raise ValueError(f"a text of {outgoing.type} holds a NUL, which no database takes")
        return outgoing

    def envelope(self, outgoing: Outgoing, cause: Envelope) -> Envelope:
        """What is known of an event that was written."""
        return Envelope(
            outgoing.message_id,
            self.time,
            self.source,
            cause.correlation_id,
            cause.message_id,
            cause.traceparent,
        )

    def write(self, event: Event, cause: Envelope) -> Outgoing:
        """An event of the library's own, which is small and has no foreign text."""
        form = self._forms.get(type(event)) or self._form(type(event))
        message_id, subject = self.new_id(), event.subject
        trace = f'"traceparent":"{cause.traceparent}",' if cause.traceparent else ""
        data = event.__pydantic_serializer__.to_json(event)
        head = (
            f'{{"specversion":"1.0","id":"{message_id}",{form.head},"subject":{orjson.dumps(subject).decode()},'
            f'"correlationid":"{cause.correlation_id}","causationid":"{cause.message_id}",{trace}{form.tail}'
        )
        return Outgoing(
            message_id,
            form.topic,
            form.aggregate,
            subject,
            form.type,
            b"".join((head.encode(), data, b"}")),
            f"{form.key}:{subject}",
            data,
        )

    def _form(self, event: type[Event]) -> _Form:
        declaration = event.declaration
        form = self._forms[event] = _Form(
            declaration.type,
            declaration.topic,
            declaration.aggregate,
            declaration.key,
            f'"type":"{declaration.type}","source":"{self.source}","time":"{self.time.isoformat()}"',
            f'"dataversion":{declaration.version},"datacontenttype":"application/json","data":',
        )
        return form


def may_be_sampled(payload: bytes) -> bool:
    """A quick look that spares most events the next one: they have no trace, or their caller did not sample it."""
    flags = payload.find(TRACE) + len(TRACE) + 54
    return flags < len(payload) and payload[flags] in SAMPLED


def head_of(payload: bytes) -> tuple[str | None, str]:
    """The trace context and the time of an event as `Encoder` wrote it; both stand before its data.

    No text within the other attributes can be mistaken for them: its quotes are escaped.
    """
    end = payload.find(DATA)
    at = payload.find(TRACE, 0, end)
    trace = payload[at + len(TRACE) : at + len(TRACE) + 55].decode() if at >= 0 else None
    began = payload.find(TIME, 0, end) + len(TIME)
    return trace, payload[began : payload.index(b'"', began)].decode()
