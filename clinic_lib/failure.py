"""Failures of functions: what is repeated, what is tried again later, and what waits for a person.

A record whose function fails is set aside with its key; nothing else of its batch notices. Trouble that passes
by itself is tried again for ever, a compensation a few times, any other error is final until somebody looks.
Once it is clear that time alone won't help, the service says so in the saga's log.
"""

from uuid import UUID

from clinic_lib.dead_letter import DeadLetter, LetterState
from clinic_lib.delivery import Delivery
from clinic_lib.desk import Desk
from clinic_lib.errors import CommandError, TransientError
from clinic_lib.logs import describe, logger
from clinic_lib.messages import fast_uuid
from clinic_lib.saga import Freed, Stuck, notice
from clinic_lib.storage import is_from_database, is_transient
from clinic_lib.tally import Outcome

__all__ = ["must_repeat", "set_aside", "settle_letter", "wait_behind"]

COMPENSATION_ATTEMPTS = 5
PATIENCE_ATTEMPTS = 5
"""After so many attempts a saga's owner is told of trouble that was to pass by itself."""

log = logger(__name__)


def must_repeat(delivery: Delivery, desk: Desk, error: Exception) -> bool:
    """Whether all of the batch is repeated: the transaction is lost, or a command may go well a moment later."""
    if not _is_the_servers(delivery, error):
        return False
    assert desk.transaction is not None
    return delivery.record is None or desk.transaction.is_lost


def wait_behind(delivery: Delivery, desk: Desk) -> None:
    """Its key is parked: it is stored behind the letter that parks it, where a letter lies already."""
    _note(delivery, "parked", None)
    if delivery.letter is None:
        desk.tally.set_aside(delivery.handlers, "parked")
        desk.letters.append(_letter(delivery, "waiting", None, attempts=0))


def set_aside(delivery: Delivery, desk: Desk, error: Exception) -> Outcome:
    """A command is answered its error; a record becomes a dead letter and parks its key."""
    attempts = 1 + (delivery.letter.attempts if delivery.letter else 0)
    if delivery.record is None:
        delivery.answer = error
        if isinstance(error, CommandError):
            _note(delivery, "refused", None)
            return "refused"
        log.error("failure.command", handler=delivery.handlers[0].name, exc_info=error)
        _note(delivery, "failed", error)
        return "error"
    if delivery.key is None:
        record = delivery.record
        place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        log.error("failure.malformed", **place, error=describe(error))
        desk.letters.append(_letter(delivery, "malformed", error, attempts))
        _note(delivery, "malformed", error)
        return "dead_letter"
    letter = _letter(delivery, _state(delivery, error, attempts), error, attempts)
    facts = {"handler": letter.handler, "type": letter.type, "state": letter.state, "attempts": attempts}
    log.error("failure.message", **facts, exc_info=error)
    _note(delivery, letter.state, error)
    desk.letters.append(letter)
    desk.parked.add(delivery.key)
    if letter.announced and not (delivery.letter and delivery.letter.announced):
        _say_stuck(delivery, letter, desk)
    return "retrying" if letter.state == "retrying" else "dead_letter"


def _note(delivery: Delivery, outcome: str, error: Exception | None) -> None:
    """A command that is refused, or a message that waits, is no error."""
    if delivery.notes is not None:
        delivery.notes.fail(outcome, error)


def settle_letter(delivery: Delivery, desk: Desk) -> None:
    """A dead letter that was handled is none any more; who was told of it is told that, too."""
    letter = delivery.letter
    if letter is None:
        return
    desk.handled.append(letter.id)
    if letter.announced and delivery.key:
        freed = notice(Freed, letter.topic, delivery.key)
        desk.publish(freed(service=desk.encoder.source, message_id=letter.message_id), delivery.envelope)


def _say_stuck(delivery: Delivery, letter: DeadLetter, desk: Desk) -> None:
    assert letter.key is not None
    stuck = notice(Stuck, letter.record.topic, letter.key)
    event = stuck(
        service=desk.encoder.source,
        handler=letter.handler or "",
        message_type=letter.type or "",
        message_id=letter.message_id,
        error=type(letter.error).__name__,
    )
    desk.publish(event, delivery.envelope)


def _state(delivery: Delivery, error: Exception, attempts: int) -> LetterState:
    passes = isinstance(error, TransientError) or _is_the_servers(delivery, error)
    compensates = any(handler.kind == "compensation" for handler in delivery.handlers)
    return "retrying" if passes or (compensates and attempts < COMPENSATION_ATTEMPTS) else "failed"


def _is_the_servers(delivery: Delivery, error: Exception) -> bool:
    """Trouble of the database that passes, met by a function's own SQL; not a function's own `OSError`. A
    `TimeoutError` is taken for the driver's, which gives a statement a minute.
    """
    told = is_from_database(error) or isinstance(error, TimeoutError)
    return delivery.course.uses_transaction and told and is_transient(error)


def _letter(delivery: Delivery, state: LetterState, error: Exception | None, attempts: int) -> DeadLetter:
    """What a letter knew stays known when its record can't be read any more."""
    assert delivery.record is not None
    before, message = delivery.letter, delivery.message
    told = before is not None and before.announced
    return DeadLetter(
        state,
        delivery.record,
        key=delivery.key,
        message_id=delivery.envelope.message_id if message else _told_id(delivery),
        type=message.declaration.type if message else _told_type(delivery),
        handler=", ".join(each.name for each in delivery.handlers) or (before.handler if before else None),
        error=error,
        attempts=attempts,
        announced=told or state == "failed" or (state == "retrying" and attempts >= PATIENCE_ATTEMPTS),
        id=before.id if before else None,
    )


def _told_id(delivery: Delivery) -> UUID | None:
    """The id that the letter knew, or that a record which can't be read says of itself."""
    if delivery.letter is not None and delivery.letter.message_id is not None:
        return delivery.letter.message_id
    assert delivery.record is not None
    told = dict(delivery.record.headers).get("id")
    return fast_uuid(told) if told is not None and len(told) == 16 else None


def _told_type(delivery: Delivery) -> str | None:
    assert delivery.record is not None
    told = dict(delivery.record.headers).get("type")
    return told.decode(errors="backslashreplace") if told else None
