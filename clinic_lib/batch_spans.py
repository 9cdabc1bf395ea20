"""The spans of a transaction: made of what was noted, once it has committed.

A sampled message gets one, under the span that published it, and one below for each function that was called.
The transaction's own span links to all of them and they to it: it serves many traces, and belongs to none of theirs.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from time import time_ns

from clinic_lib import tracing
from clinic_lib.delivery import Delivery, Work
from clinic_lib.encoding import head_of, may_be_sampled
from clinic_lib.keys import saga_of
from clinic_lib.notes import Notes
from clinic_lib.otlp_encoding import Kind, Span, attributes
from clinic_lib.outbox import OutboxRow

__all__ = ["begin", "end", "sent"]


def begin(work: Work) -> None:
    """Begin to note what becomes of sampled messages."""
    if tracing.tracer is None:
        return
    for each in work.deliveries:
        if each.notes is not None:
            each.notes.again()
        elif tracing.is_sampled(each.envelope.traceparent):
            span = tracing.child(
                each.envelope.traceparent, "", Kind.CONSUMER if each.record else Kind.INTERNAL
            )
            each.notes = Notes(span)
            each.envelope = each.envelope._replace(traceparent=span.traceparent)


def end(service: str, work: Work, start: int) -> str | None:
    """Export the spans of a transaction that has committed; return the context of one of its messages."""
    if tracing.tracer is None:
        return None
    handled = [(each, each.notes) for each in work.deliveries if each.notes and each.notes.decided]
    if not handled:
        return None
    batch = tracing.root(f"{work.source} transaction")
    batch.start, batch.end = start, time_ns()
    batch.attributes = {"messaging.batch.message_count": len(work.deliveries), "clinic.service": service}
    batch.links = [notes.span.traceparent for _, notes in handled]
    spans = [batch]
    for delivery, notes in handled:
        notes.span.end = batch.end
        notes.span.links = (batch.traceparent,)
        _describe(notes, delivery, service)
        spans.append(notes.span)
        if delivery.record is not None:
            spans += _calls(notes)
    tracing.export(spans)
    return batch.links[0]


def _describe(notes: Notes, delivery: Delivery, service: str) -> None:
    span, envelope, key = notes.span, delivery.envelope, delivery.key or notes.key
    span.error = notes.error
    span.attributes = {
        "messaging.message.id": str(envelope.message_id),
        "messaging.message.conversation_id": str(envelope.correlation_id),
    }
    if key is not None:
        span.attributes |= {"clinic.saga": saga_of(key), "clinic.saga.key": key}
    span.attributes["clinic.outcome"] = notes.outcome
    if notes.attempts > 1:
        span.attributes["clinic.attempts"] = notes.attempts
    record = delivery.record
    if record is None:
        span.name = f"command {delivery.handlers[0].name}"
        return
    name = delivery.message.declaration.type if delivery.message is not None else "malformed"
    span.name = f"process {name}"
    span.common = _messaging("process", record.topic, name, str(record.partition), service)
    span.attributes["messaging.kafka.offset"] = record.offset
    if delivery.letter is not None:
        span.attributes["clinic.redrive"] = delivery.letter.attempts


@lru_cache(maxsize=4096)
def _messaging(
    operation: str, topic: str, message: str, partition: str | None = None, group: str | None = None
) -> bytes:
    """As the semantic conventions name it; the last is ours.

    Source: https://opentelemetry.io/docs/specs/semconv/messaging/kafka/
    """
    place = {"messaging.destination.partition.id": partition, "messaging.consumer.group.name": group}
    return attributes(
        {
            "messaging.system": "kafka",
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": topic,
            **{name: value for name, value in place.items() if value is not None},
            "clinic.message.type": message,
        }
    )


def _calls(notes: Notes) -> Iterator[Span]:
    """A function that did not return has raised what is known of its message."""
    for each in notes.calls:
        span = tracing.child(notes.span.traceparent, f"{each.kind} {each.handler}")
        span.start, span.end = each.start, each.end or notes.span.end
        span.error = "" if each.end else notes.error
        yield span


def sent(rows: Sequence[OutboxRow]) -> None:
    """Events that the broker has acknowledged: from the transaction that published them, whoever it was, to now."""
    if tracing.tracer is None:
        return
    spans, now, by_flag = [], time_ns(), tracing.tracer.sampler.by_parent
    for row in rows:
        if by_flag and not may_be_sampled(row.payload):
            continue
        traceparent, time = head_of(row.payload)
        if traceparent is None or not tracing.is_sampled(traceparent):
            continue
        span = tracing.child(traceparent, f"send {row.type}", Kind.PRODUCER)
        span.start, span.end = min(now, int(datetime.fromisoformat(time).timestamp() * 1e6) * 1000), now
        span.common = _messaging("send", row.topic, row.type)
        span.attributes = {"messaging.message.id": str(row.message_id)}
        spans.append(span)
    if spans:
        tracing.export(spans)
