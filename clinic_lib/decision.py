"""Decide: the pure core of the executor. Messages, rows and barrier in; changed rows, events and letters out.

Messages are handled one after another in the order of the log, in memory. A function that raises is undone by
setting the rows it was handed back to what they were; the other messages of the batch don't notice. Nothing
here does I/O, except a handler that asks for the transaction; a clock is read only to note when a sampled
message was handled.
"""

from collections.abc import Sequence
from typing import Any

from clinic_lib.compensation import Barrier, Run
from clinic_lib.crash_points import crash_point
from clinic_lib.delivery import Delivery, values_of
from clinic_lib.desk import Desk, Journal, RowMissing
from clinic_lib.errors import NotFoundError
from clinic_lib.failure import must_repeat, set_aside, settle_letter, wait_behind
from clinic_lib.handlers import Course, Handler, Load, Parameter
from clinic_lib.logs import subject
from clinic_lib.messages import Event
from clinic_lib.outbox import Outgoing
from clinic_lib.rows import Image, row_table
from clinic_lib.tally import Outcome

__all__ = ["decide", "done_events"]


async def decide(deliveries: Sequence[Delivery], desk: Desk) -> None:
    """Handle `deliveries` in the order of their keys. A record that fails becomes a dead letter and parks its key.

    What turns out to need a row that only an answer of this batch names waits, with what follows of its key,
    until those rows are loaded, for all messages at once.
    """
    before = subject.get()
    try:
        await _decide_all(list(deliveries), desk)
    finally:
        subject.set(before)


async def _decide_all(waiting: list[Delivery], desk: Desk) -> None:
    while waiting:
        missing: dict[Load, set[Image]] = {}
        deferred: list[Delivery] = []
        held: set[str | None] = set()
        for delivery in waiting:
            if delivery.key in held:
                deferred.append(delivery)
            elif lacks := await _decide(delivery, desk):
                missing.setdefault(lacks.load, set()).add(lacks.key)
                deferred.append(delivery)
                held.add(delivery.key)
        if missing:
            assert desk.load is not None
            await desk.load(desk.rows, missing)
        waiting = deferred


async def _decide(delivery: Delivery, desk: Desk) -> "RowMissing | None":
    """Handle one message, whole or not at all; what it returns must be loaded first."""
    subject.set(delivery)  # from here on lines in the log are about this message
    if delivery.notes is not None:
        delivery.notes.decide()
    if _is_news(delivery, desk):
        desk.ledger.note(delivery.message, delivery.envelope)
    if delivery.record is not None and delivery.handlers and delivery.key in desk.parked:
        wait_behind(delivery, desk)
        return None
    journal = Journal()
    try:
        course = delivery.course
        if course.uses_transaction:
            assert desk.transaction is not None
            async with desk.transaction.savepoint():
                await _run(course, delivery, desk, journal)
        else:
            await _run(course, delivery, desk, journal)
    except RowMissing as missing:
        journal.undo(desk)
        return missing
    except Exception as exc:
        if must_repeat(delivery, desk, exc):
            raise
        journal.undo(desk)
        outcome = set_aside(delivery, desk, exc)
        desk.tally.set_aside([journal.handler] if journal.handler else delivery.handlers, outcome)
    else:
        if journal.events:
            _publish(delivery, desk, journal)
        desk.tally.take(journal.decisions, delivery.envelope.time)
        settle_letter(delivery, desk)
    return None


def _publish(delivery: Delivery, desk: Desk, journal: Journal) -> None:
    for event, outgoing in journal.events:
        desk.take(event, outgoing, delivery.envelope)
    if delivery.notes is not None:
        delivery.notes.key = journal.events[0][1].key


def _is_news(delivery: Delivery, desk: Desk) -> bool:
    """Another service's event that the ledger has not seen; a letter was seen when it came, once readable."""
    if not desk.ledger.sagas.concerned(type(delivery.message)):
        return False
    if delivery.envelope.source == desk.encoder.source:
        return False
    return delivery.letter is None or delivery.letter.state == "malformed"


async def _run(course: Course, delivery: Delivery, desk: Desk, journal: Journal) -> None:
    if delivery.failure is not None:
        raise delivery.failure
    results: list[Any] = []
    for compensate, handlers in course.parts:
        if compensate:
            results += await _compensate(handlers, delivery, desk, journal)
        else:
            for handler in handlers:
                results += await _handle(handler, delivery, desk, journal)
    if delivery.respond is not None:
        delivery.answer = delivery.respond(tuple(results), desk.rows)


async def _handle(handler: Handler, delivery: Delivery, desk: Desk, journal: Journal) -> list[Any]:
    if handler.kind == "deadline" and desk.ledger.has_ended(delivery.message):
        return []
    guarded = handler.name in desk.guarded
    if guarded and delivery.key and desk.barrier.is_closed(delivery.key, handler.name):
        return []
    first = len(journal.events)
    results = await _call(handler, delivery, None, desk, journal)
    if guarded:
        _note_run(handler, delivery, journal.events[first:], desk, journal)
    return results


def _note_run(
    handler: Handler, delivery: Delivery, events: list[tuple[Event, Outgoing]], desk: Desk, journal: Journal
) -> None:
    """A step that answered with nothing but failures has done nothing to undo."""
    for done, outgoing in events:
        if not done.declaration.failure:
            declaration = done.declaration
            run = Run(
                delivery.key or outgoing.key,
                handler.name,
                delivery.envelope.message_id,
                "done",
                declaration.type,
                outgoing.data,
                declaration.version,
            )
            break
    else:
        if events or delivery.key is None:
            return
        run = Run(delivery.key, handler.name, delivery.envelope.message_id, "done")
    journal.runs.append(run)
    desk.barrier.add(run)


async def _compensate(
    handlers: tuple[Handler, ...], delivery: Delivery, desk: Desk, journal: Journal
) -> list[Any]:
    """Undo what the steps of `handlers` did, the latest run first, whichever step's it is."""
    saga = delivery.key
    assert saga is not None
    to_undo: list[tuple[Run, Handler, Event | None]] = []
    for handler in handlers:
        assert handler.compensates is not None
        step = handler.compensates
        was_closed = desk.barrier.is_closed(saga, step.name)
        runs = [(run, handler, _done(step, run)) for run in desk.barrier.to_undo(saga, step.name)]
        mine = [each for each in runs if not handler.done or isinstance(each[2], handler.done)]
        if not mine and not was_closed:
            closed = Run(saga, step.name, delivery.envelope.message_id, "closed")
            journal.runs.append(closed)
            desk.barrier.add(closed)
        to_undo += mine
    results = []
    for run, handler, done in sorted(to_undo, key=lambda each: each[0].place, reverse=True):
        desk.barrier.compensate(run)
        journal.compensated.append(run)
        results += await _call(handler, delivery, done, desk, journal)
        crash_point("compensation")
    return results


def done_events(barrier: Barrier, saga: str, compensation: Handler) -> list[Event | None]:
    """What the runs that `compensation` is to undo had answered."""
    step = compensation.compensates
    assert step is not None
    answers = [_done(step, run) for run in barrier.to_undo(saga, step.name)]
    return [done for done in answers if not compensation.done or isinstance(done, compensation.done)]


def _done(step: Handler, run: Run) -> Event | None:
    """What a run answered; None when it was nothing. Raises where the step does not declare it any more."""
    if run.done is None:
        return None
    for event in step.events:
        if event.declaration.type == run.done_type:
            return event.read(run.done, run.done_version or 1)
    raise ValueError(f"{step.name} answered with {run.done_type}, which it does not declare any more")


async def _call(
    handler: Handler, delivery: Delivery, done: Event | None, desk: Desk, journal: Journal
) -> list[Any]:
    journal.handler = handler
    arguments = [_argument(each, delivery, done, desk, journal) for each in handler.parameters]
    if delivery.notes is not None:
        delivery.notes.call(handler.kind, handler.name)
    result = handler.function(*arguments)
    if handler.uses_transaction:
        result = await result
    if delivery.notes is not None:
        delivery.notes.returned()
    results = _several(result)
    outcome: Outcome = "done"
    for each in results:
        if isinstance(each, Event):
            if each.declaration.failure:
                outcome = "failure"
            outgoing = desk.encoder.encode(each, delivery.envelope)
            if delivery.key and outgoing.key != delivery.key:
                raise ValueError(
                    f"{handler.name} answered about {outgoing.key} to a message of {delivery.key}"
                )
            journal.events.append((each, outgoing))
        else:
            _take_in(each, desk, journal)
    journal.decisions.append((handler.name, handler.kind, outcome))
    return results


def _take_in(row: Any, desk: Desk, journal: Journal) -> None:
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


def _several(result: Any) -> list[Any]:
    if result is None:
        return []
    if isinstance(result, tuple | list):
        return [each for each in result if each is not None]
    return [result]


def _argument(
    parameter: Parameter, delivery: Delivery, done: Event | None, desk: Desk, journal: Journal
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


def _rows(parameter: Parameter, message: Any, done: Event | None, desk: Desk, journal: Journal) -> Any:
    load = parameter.load
    assert load is not None
    table = row_table(load.row)
    values = values_of(load.columns, message, done)
    if load.many:
        found = desk.rows.find_all(load.row, load.columns[0], values[0])
        journal.images += [(table, each, desk.rows.hand_out(table, each)) for each in found]
        return found
    row = desk.rows.find(load.row, values)
    if row is None and not desk.rows.was_asked(load.row, values):
        raise RowMissing(load, values)
    if row is not None:
        journal.images.append((table, row, desk.rows.hand_out(table, row)))
    elif not parameter.optional:
        named = ", ".join(f"{name} {value}" for name, value in zip(load.columns, values, strict=True))
        raise NotFoundError(f"there is no {table.table.name} with {named}")
    return row
