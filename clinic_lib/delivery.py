"""Deliveries: what an executor is given to handle, from Kafka or over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from clinic_lib.dead_letter import Record
from clinic_lib.errors import CommandError
from clinic_lib.handlers import Course, Handler, Load, course_of
from clinic_lib.idempotency import IdempotencyKey
from clinic_lib.inbox import Position
from clinic_lib.keys import saga_of
from clinic_lib.letter_queue import StoredLetter
from clinic_lib.logs import trace_fields
from clinic_lib.messages import Envelope, Event
from clinic_lib.notes import Notes
from clinic_lib.rows import Rows

__all__ = [
    "Answer",
    "CommandDelivery",
    "Commands",
    "Delivery",
    "Discard",
    "Poll",
    "RecordDelivery",
    "Redrive",
    "Work",
    "values_of",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP command is answered: a status, a JSON body and the new resource's address."""

    status: int
    body: bytes
    location: str | None = None


@dataclass(slots=True, eq=False)
class Delivery:
    """A message to be handled. `key` is what is locked and parked: `reception_id:17`; a command that makes a
    new saga has none yet. `record` is set for what came from Kafka, `letter` when it is handled again out of its
    dead letter, `respond` for a command that is answered. `notes` are kept of a message whose trace is sampled.
    """

    message: Any
    envelope: Envelope
    handlers: tuple[Handler, ...]
    key: str | None
    record: Record | None = None
    respond: Callable[[tuple[Any, ...], Rows], Answer] | None = None
    answer: Answer | CommandError | Exception | None = None
    failure: Exception | None = None
    letter: StoredLetter | None = None
    notes: Notes | None = None

    def log_fields(self) -> dict[str, object]:
        """What a line in the log says of it."""
        envelope = self.envelope
        saga = {"saga": saga_of(self.key), "saga_key": self.key} if self.key else {}
        return {
            **trace_fields(envelope.traceparent),
            "correlation_id": str(envelope.correlation_id),
            "message_id": str(envelope.message_id),
            **saga,
        }

    @property
    def course(self) -> Course:
        return course_of(self.handlers)


@dataclass(slots=True, eq=False)
class RecordDelivery(Delivery):
    """A message from Kafka, or a record that is none: then `failure` says why."""

    position: Position | None = None


@dataclass(slots=True, eq=False)
class CommandDelivery(Delivery):
    """A command. `key_field` names the id of its saga, `key_load` the row that knows it when the command does
    not; with neither the command starts a saga. `settled` is set once its transaction has committed.
    `transaction_id` is PostgreSQL's of the last attempt: when the connection broke in the commit, the server still
    knows how it ended.
    """

    key_field: str | None = None
    key_load: Load | None = None
    idempotency: IdempotencyKey | None = None
    transaction_id: str | None = None
    settled: bool = False


@dataclass(slots=True)
class Work:
    """What one transaction is to handle, with so many times as many new ids as are usually taken."""

    source: ClassVar[str]
    deliveries: list[Any]
    times_ids: int = field(default=1, kw_only=True)
    committed: bool = field(default=False, init=False)

    def begin(self) -> None:
        """An attempt begins: nothing of those before it counts."""

    def enter(self, transaction_id: str) -> None:
        """The attempt is in this transaction."""

    def commit(self) -> None:
        """The attempt was committed."""
        self.committed = True

    def halves(self) -> tuple[Self, Self]:
        """Two smaller works in the same order."""
        middle = len(self.deliveries) // 2
        first, second = self.deliveries[:middle], self.deliveries[middle:]
        return replace(self, deliveries=first), replace(self, deliveries=second)


@dataclass(slots=True)
class Poll(Work):
    """Records of one request to Kafka, and for each partition the offset behind the last one."""

    source: ClassVar[str] = "poll"
    next_offsets: dict[tuple[str, int], int]

    def halves(self) -> tuple[Self, Self]:
        """The first half moves the offsets only as far as it goes."""
        first, second = super(Poll, self).halves()
        reached = {(p.log, p.partition): p.offset + 1 for p in (each.position for each in first.deliveries)}
        return replace(first, next_offsets=reached), second


@dataclass(slots=True)
class Commands(Work):
    """Commands that are answered."""

    source: ClassVar[str] = "commands"

    def begin(self) -> None:
        for delivery in self.deliveries:
            delivery.answer = delivery.transaction_id = None

    def enter(self, transaction_id: str) -> None:
        for delivery in self.deliveries:
            delivery.transaction_id = transaction_id

    def commit(self) -> None:
        super(Commands, self).commit()
        for delivery in self.deliveries:
            delivery.settled = True


@dataclass(slots=True)
class Redrive(Work):
    """Dead letters that are handled again, each key's in their order."""

    source: ClassVar[str] = "redrive"


@dataclass(slots=True)
class Discard(Work):
    """Dead letters that are deleted: deliveries without functions."""

    source: ClassVar[str] = "discard"


def values_of(columns: tuple[str, ...], message: Any, done: Event | None = None) -> tuple[Any, ...]:
    """The values a row is looked up by: the message's, or what the undone step answered."""
    values = message.__dict__
    if len(columns) == 1:
        name = columns[0]
        return (values[name] if name in values else getattr(done, name),)
    return tuple(values[name] if name in values else getattr(done, name) for name in columns)
