"""Decide: the pure core of the executor. Messages, rows and barrier in; changed rows, events and letters out.

Messages are handled one after another in the order of the log, in memory. A function that raises is undone by
setting the rows it was handed back to what they were; the other messages of the batch don't notice. Nothing
here reads a clock or does I/O, except a handler that asks for the transaction.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from clinic_lib.compensation import Barrier, Run
from clinic_lib.dead_letter import DeadLetter, Record
from clinic_lib.errors import CommandError, EventTooLarge, NotFound
from clinic_lib.handlers import Handler, Load, Parameter
from clinic_lib.messages import Envelope, Event, new_message_id
from clinic_lib.outbox import Outgoing
from clinic_lib.rows import Image, Rows, RowTable, row_table
from clinic_lib.storage import NewIds, Transaction, is_transient

__all__ = ["Answer", "Delivery", "Desk", "IdsExhausted", "decide", "done_events", "lock_key", "values_of"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP command is answered: a status, a JSON body and the new resource's address."""

    status: int
    body: bytes
    location: str | None = None


@dataclass(slots=True, eq=False)
class Delivery:
    """A message to be handled. `key` is what is locked and parked: `reception_id:17`; a command that makes a
    new saga has none yet. Exactly one of `record` (from Kafka) and `respond` (of a command) is set.
    """

    message: Any
    envelope: Envelope
    handlers: tuple[Handler, ...]
    key: str | None
    record: Record | None = None
    respond: Callable[[tuple[Any, ...], Rows], Answer] | None = None
    answer: Answer | CommandError | Exception | None = None
    failure: Exception | None = None

    @property
    def uses_transaction(self) -> bool:
        return any(handler.uses_transaction for handler in self.handlers)


class IdsExhausted(BaseException):
    """A function took more new ids than were drawn: the batch is repeated with more."""


class _RowMissing(BaseException):
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
    now: datetime
    rows: Rows
    barrier: Barrier
    parked: set[str]
    guarded: frozenset[str]
    ids: dict[type, NewIds[Any]] = field(default_factory=dict)
    largest_event_bytes: int = 1_000_000
    new_id: Callable[[], UUID] = new_message_id
    transaction: Transaction | None = None
    load: Callable[[Rows, Load, Image], Awaitable[None]] | None = None
    events: list[Outgoing] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def draw(self, row: type, ids: list[int]) -> None:
        self.ids[row] = _Ids(ids)


@dataclass(slots=True)
class _Journal:
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


def lock_key(event: Event) -> str:
    """The saga's name among all keys of a service: `reception_id:17`."""
    return f"{event.declaration.key}:{event.subject}"


async def decide(deliveries: Sequence[Delivery], desk: Desk) -> None:
    """Handle `deliveries` in order. A record that fails becomes a dead letter and parks its key."""
    for delivery in deliveries:
        if delivery.record is not None and delivery.key in desk.parked:
            desk.letters.append(_letter(delivery, "waiting"))
            continue
        while missing := await _decide(delivery, desk):
            assert desk.load is not None
            await desk.load(desk.rows, missing.load, missing.key)


async def _decide(delivery: Delivery, desk: Desk) -> "_RowMissing | None":
    """Handle one message, whole or not at all; what it returns must be loaded first."""
    journal = _Journal()
    try:
        if delivery.failure is not None:
            raise delivery.failure
        results: list[Any] = []
        for handler in delivery.handlers:
            results += await _handle(handler, delivery, desk, journal)
        if delivery.respond is not None:
            delivery.answer = delivery.respond(tuple(results), desk.rows)
    except _RowMissing as missing:
        journal.undo(desk)
        return missing
    except Exception as exc:
        if is_transient(exc):
            raise
        journal.undo(desk)
        _fail(delivery, desk, exc)
    else:
        desk.events += journal.events
    return None


def _fail(delivery: Delivery, desk: Desk, error: Exception) -> None:
    if delivery.record is None:
        delivery.answer = error
        if not isinstance(error, CommandError):
            log.error("executor.command failed", exc_info=error)
        return
    name = delivery.message.declaration.type if isinstance(delivery.message, Event) else None
    log.error("executor.%s failed, its key %s is parked", name or "record", delivery.key, exc_info=error)
    if delivery.key is None:
        desk.letters.append(DeadLetter("malformed", delivery.record, error=error))
    else:
        desk.letters.append(_letter(delivery, "failed", error))
        desk.parked.add(delivery.key)


def _letter(delivery: Delivery, state: Any, error: Exception | None = None) -> DeadLetter:
    assert delivery.record is not None
    return DeadLetter(
        state,
        delivery.record,
        key=delivery.key,
        message_id=delivery.envelope.message_id,
        type=delivery.message.declaration.type,
        handler=", ".join(handler.name for handler in delivery.handlers),
        error=error,
    )


async def _handle(handler: Handler, delivery: Delivery, desk: Desk, journal: _Journal) -> list[Any]:
    if handler.compensates is not None:
        return [each async for each in _compensate(handler, delivery, desk, journal)]
    guarded = handler.name in desk.guarded
    if guarded and delivery.key and desk.barrier.is_closed(delivery.key, handler.name):
        return []
    results = await _call(handler, delivery, None, desk, journal)
    if guarded:
        _note_run(handler, delivery, results, desk, journal)
    return results


def _note_run(
    handler: Handler, delivery: Delivery, results: list[Any], desk: Desk, journal: _Journal
) -> None:
    """A step that answered with nothing but failures has done nothing to undo."""
    events = [each for each in results if isinstance(each, Event)]
    done = next((each for each in events if not each.declaration.failure), None)
    if done is None and events:
        return
    saga = delivery.key or (lock_key(done) if done else None)
    if saga is None:
        return
    run = Run(saga, handler.name, delivery.envelope.message_id, "done")
    if done is not None:
        run.done_type, run.done = done.declaration.type, done.__pydantic_serializer__.to_json(done)
    journal.runs.append(run)
    desk.barrier.add(run)


async def _compensate(handler: Handler, delivery: Delivery, desk: Desk, journal: _Journal) -> Any:
    step, saga = handler.compensates, delivery.key
    assert step is not None and saga is not None
    was_closed = desk.barrier.is_closed(saga, step.name)
    found = False
    for run in desk.barrier.to_undo(saga, step.name):
        done = _done(step, run)
        if handler.done and not isinstance(done, handler.done):
            continue
        found = True
        desk.barrier.compensate(run)
        journal.compensated.append(run)
        for result in await _call(handler, delivery, done, desk, journal):
            yield result
    if not found and not was_closed:
        closed = Run(saga, step.name, delivery.envelope.message_id, "closed")
        journal.runs.append(closed)
        desk.barrier.add(closed)


def done_events(barrier: Barrier, saga: str, step: Handler) -> list[Event | None]:
    """What the runs of a step that are to be undone had answered."""
    return [_done(step, run) for run in barrier.to_undo(saga, step.name)]


def _done(step: Handler, run: Run) -> Event | None:
    for event in step.events:
        if event.declaration.type == run.done_type and run.done is not None:
            return event.model_validate_json(run.done)
    return None


async def _call(
    handler: Handler, delivery: Delivery, done: Event | None, desk: Desk, journal: _Journal
) -> list[Any]:
    arguments = [_argument(each, delivery, done, desk, journal) for each in handler.parameters]
    if handler.uses_transaction:
        assert desk.transaction is not None
        async with _savepoint(desk.transaction):
            result = await handler.function(*arguments)
    else:
        result = handler.function(*arguments)
    results = _several(result)
    for each in results:
        if isinstance(each, Event):
            journal.events.append(encode(each, delivery.envelope, desk))
        else:
            _take_in(each, desk, journal)
    return results


def _take_in(row: Any, desk: Desk, journal: _Journal) -> None:
    """A returned row is new, the one that was asked for, or replaces the one that was asked for."""
    table = row_table(type(row))
    present = desk.rows.find(table.row, table.key_of(row.__dict__))
    if present is None:
        desk.rows.add(row)
        journal.added.append(row)
    elif present is not row:
        if all(instance is not present for _, instance, _ in journal.images):
            raise ValueError(f"{table.table.name} {table.key_of(row.__dict__)} exists already")
        table.restore(present, table.image(row))


def _savepoint(transaction: Transaction) -> AbstractAsyncContextManager[None]:
    return transaction.savepoint()


def _several(result: Any) -> list[Any]:
    if result is None:
        return []
    if isinstance(result, tuple | list):
        return [each for each in result if each is not None]
    return [result]


def _argument(
    parameter: Parameter, delivery: Delivery, done: Event | None, desk: Desk, journal: _Journal
) -> Any:
    match parameter.role:
        case "message":
            return delivery.message
        case "row" | "rows":
            return _rows(parameter, delivery.message, done, desk, journal)
        case "done":
            return done
        case "time":
            return delivery.envelope.time
        case "envelope":
            return delivery.envelope
        case "ids":
            assert parameter.row is not None
            return desk.ids[parameter.row]
        case "tx":
            assert desk.transaction is not None
            return desk.transaction.connection


def _rows(parameter: Parameter, message: Any, done: Event | None, desk: Desk, journal: _Journal) -> Any:
    load = parameter.load
    assert load is not None
    table = row_table(load.row)
    values = tuple(values_of(load.columns, message, done))
    if load.many:
        found = desk.rows.find_all(load.row, load.columns[0], values[0])
        journal.images += [(table, each, table.image(each)) for each in found]
        return found
    row = desk.rows.find(load.row, values)
    if row is None and not desk.rows.was_asked(load.row, values):
        raise _RowMissing(load, values)
    if row is not None:
        journal.images.append((table, row, table.image(row)))
    elif not parameter.optional:
        named = ", ".join(f"{name} {value}" for name, value in zip(load.columns, values, strict=True))
        raise NotFound(f"there is no {table.table.name} with {named}")
    return row


def values_of(columns: Sequence[str], message: Any, done: Event | None = None) -> Iterator[Any]:
    """The values a row is looked up by: the message's, or what the undone step answered."""
    for column in columns:
        yield getattr(message if column in type(message).model_fields else done, column)


def encode(event: Event, cause: Envelope, desk: Desk) -> Outgoing:
    """An event as it will stand on Kafka. Raises `EventTooLarge`, or `ValueError` for a NUL in a text."""
    declaration, message_id, subject = event.declaration, desk.new_id(), event.subject
    trace = f'"traceparent":"{cause.traceparent}",' if cause.traceparent else ""
    payload = (
        (
            f'{{"specversion":"1.0","id":"{message_id}","type":"{declaration.type}","source":"{desk.source}",'
            f'"time":"{desk.now.isoformat()}","subject":{orjson.dumps(subject).decode()},'
            f'"correlationid":"{cause.correlation_id}","causationid":"{cause.message_id}",{trace}'
            f'"dataversion":{declaration.version},"datacontenttype":"application/json","data":'
        ).encode()
        + event.__pydantic_serializer__.to_json(event)
        + b"}"
    )
    if len(payload) > desk.largest_event_bytes:
        raise EventTooLarge(
            f"the event {declaration.type} would have {len(payload):,} bytes; "
            f"the broker takes {desk.largest_event_bytes:,}"
        )
    if b"\\u0000" in payload:
        raise ValueError(f"a text of {declaration.type} holds a NUL, which no database takes")
    return Outgoing(message_id, declaration.topic, declaration.aggregate, subject, declaration.type, payload)
