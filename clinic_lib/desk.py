"""The desk: all that one batch is decided on, what came of it, and the journal by which a message is undone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from clinic_lib.compensation import Barrier, Run
from clinic_lib.dead_letter import DeadLetter
from clinic_lib.errors import EventTooLargeError
from clinic_lib.handlers import Load
from clinic_lib.messages import Envelope, Event, holds_nul, new_message_id
from clinic_lib.outbox import Outgoing
from clinic_lib.rows import Image, Rows, RowTable
from clinic_lib.storage import NewIds, Transaction

__all__ = ["Desk", "IdsExhausted", "Journal", "RowMissing", "encode"]


class IdsExhausted(BaseException):
    """A function took more new ids than were drawn: the batch is repeated with more."""


class RowMissing(BaseException):
    """A compensation needs a row that only a step of this same batch names."""

    def __init__(self, load: Load, key: Image) -> None:
        self.load = load
        self.key = key


class _Ids(NewIds[Any]):
    def __next__(self) -> int:
        try:
            return super().__next__()
        except StopIteration:
            raise IdsExhausted from None


@dataclass(slots=True)
class Desk:
    """All that one batch is decided on, and what came of it."""

    source: str
    now_text: str
    rows: Rows
    barrier: Barrier
    parked: set[str]
    guarded: frozenset[str]
    ids: dict[type, NewIds[Any]] = field(default_factory=dict)
    largest_event_bytes: int = 1_000_000
    new_id: Callable[[], UUID] = new_message_id
    transaction: Transaction | None = None
    load: Callable[[Rows, dict[Load, set[Image]]], Awaitable[None]] | None = None
    events: list[Outgoing] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def draw(self, row: type, ids: list[int]) -> None:
        self.ids[row] = _Ids(ids)


@dataclass(slots=True)
class Journal:
    """What one message touched, so that it can be undone."""

    images: list[tuple[RowTable, Any, Image]] = field(default_factory=list)
    added: list[Any] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    compensated: list[Run] = field(default_factory=list)
    events: list[Outgoing] = field(default_factory=list)

    def undo(self, desk: Desk) -> None:
        for instance in reversed(self.added):
            desk.rows.remove(instance)
        for table, instance, image in reversed(self.images):
            table.restore(instance, image)
        desk.barrier.undo(iter(self.runs), iter(self.compensated))


def encode(event: Event, cause: Envelope, desk: Desk) -> Outgoing:
    """An event as it will stand on Kafka. Raises `EventTooLargeError`, or `ValueError` for a NUL in a text."""
    declaration, message_id, subject = event.declaration, desk.new_id(), event.subject
    trace = f'"traceparent":"{cause.traceparent}",' if cause.traceparent else ""
    payload = (
        (
            f'{{"specversion":"1.0","id":"{message_id}","type":"{declaration.type}","source":"{desk.source}",'
            f'"time":"{desk.now_text}","subject":{orjson.dumps(subject).decode()},'
            f'"correlationid":"{cause.correlation_id}","causationid":"{cause.message_id}",{trace}'
            f'"dataversion":{declaration.version},"datacontenttype":"application/json","data":'
        ).encode()
        + event.__pydantic_serializer__.to_json(event)
        + b"}"
    )
    if len(payload) > desk.largest_event_bytes:
        raise EventTooLargeError(
            f"the event {declaration.type} would have {len(payload):,} bytes; "
            f"the broker takes {desk.largest_event_bytes:,}"
        )
    if holds_nul(payload):
        raise ValueError(f"a text of {declaration.type} holds a NUL, which no database takes")
    return Outgoing(message_id, declaration.topic, declaration.aggregate, subject, declaration.type, payload)
