"""The desk: all that one batch is decided on, what came of it, and the journal by which a message is undone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from operator import length_hint
from typing import Any

from clinic_lib.compensation import Barrier, Run
from clinic_lib.dead_letter import DeadLetter
from clinic_lib.encoding import Encoder
from clinic_lib.handlers import Handler, Load
from clinic_lib.ledger import Ledger
from clinic_lib.messages import Envelope, Event
from clinic_lib.outbox import Outgoing
from clinic_lib.rows import Image, Rows, RowTable
from clinic_lib.storage import NewIds, Transaction
from clinic_lib.tally import Decision, Tally

__all__ = ["Desk", "DrawnIds", "IdsExhausted", "Journal", "RowMissing"]


class IdsExhausted(BaseException):
    """A function took more new ids than were drawn: the batch is repeated with more."""


class RowMissing(BaseException):
    """A compensation needs a row that only a step of this same batch names."""

    def __init__(self, load: Load, key: Image) -> None:
        self.load = load
        self.key = key


class DrawnIds(NewIds[Any]):
    """Ids that were drawn for the functions of so many `messages`."""

    def __init__(self, ids: list[int], messages: int) -> None:
        super().__init__(ids)
        self._drawn = len(ids)
        self._messages = messages

    @property
    def taken_each(self) -> int:
        """How many a message took, on average, rounded up."""
        return -(-(self._drawn - length_hint(self._ids)) // self._messages)

    def __next__(self) -> int:
        try:
            return super().__next__()
        except StopIteration:
            raise IdsExhausted from None


@dataclass(slots=True)
class Desk:
    """All that one batch is decided on, and what came of it. `handled` are the dead letters that are none any more."""

    encoder: Encoder
    rows: Rows
    barrier: Barrier
    ledger: Ledger
    parked: set[str]
    guarded: frozenset[str]
    ids: dict[type, DrawnIds] = field(default_factory=dict)
    transaction: Transaction | None = None
    load: Callable[[Rows, dict[Load, set[Image]]], Awaitable[None]] | None = None
    events: list[Outgoing] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    handled: list[int] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def publish(self, event: Event, cause: Envelope) -> None:
        """An event of the library's own, which nothing undoes."""
        self.take(event, self.encoder.write(event, cause), cause)

    def take(self, event: Event, outgoing: Outgoing, cause: Envelope) -> None:
        self.events.append(outgoing)
        if self.ledger.sagas.concerned(type(event)):
            self.ledger.note(event, self.encoder.envelope(outgoing, cause))


class Journal:
    """What one message touched, so that it can be undone, and what its functions came to.

    `handler` is the one that was called last: if the message fails, it is the one that failed.
    One is made for each message; as a dataclass it would cost three times as much.
    """

    __slots__ = ("added", "compensated", "decisions", "events", "handler", "images", "runs")

    def __init__(self) -> None:
        self.images: list[tuple[RowTable, Any, Image]] = []
        self.added: list[Any] = []
        self.runs: list[Run] = []
        self.compensated: list[Run] = []
        self.events: list[tuple[Event, Outgoing]] = []
        self.decisions: list[Decision] = []
        self.handler: Handler | None = None

    def undo(self, desk: Desk) -> None:
        for instance in reversed(self.added):
            desk.rows.remove(instance)
        for table, instance, image in reversed(self.images):
            table.restore(instance, image)
        desk.barrier.undo(iter(self.runs), iter(self.compensated))
