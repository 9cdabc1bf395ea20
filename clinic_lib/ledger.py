"""The ledger of one batch: what its events mean for the instances of the sagas that the service owns."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from clinic_lib import metrics, tracing
from clinic_lib.keys import key_of
from clinic_lib.logs import logger
from clinic_lib.messages import Envelope, Event
from clinic_lib.saga import Freed, Saga, Stuck

__all__ = ["Change", "Ledger", "Sagas", "Start"]

log = logger(__name__)


class Sagas:
    """The sagas that a service owns, found by the events that concern them.

    `decided` are the `deadline_reached` events that a function handles: only those are published, and only for
    them the start's content is kept. `deadline` stands in for each saga's own when it is given.
    """

    def __init__(
        self,
        sagas: Sequence[Saga] = (),
        decided: Collection[type[Event]] = (),
        deadline: timedelta | None = None,
    ) -> None:
        self.all = tuple(sagas)
        self.decided = frozenset(decided)
        self.deadline = deadline
        self._concerned: dict[type[Event], list[Saga]] = defaultdict(list)
        for each in sagas:
            for event in {each.starts, *each.ends, *each.notices, each.deadline_reached}:
                self._concerned[event].append(each)

    def concerned(self, event: type[Event]) -> Sequence[Saga]:
        return self._concerned.get(event, ())

    def observed(self, published: Collection[type[Event]]) -> set[type[Event]]:
        """What has to be received beside what functions handle: others' ends, and notices."""
        events = {event for each in self.all for event in (*each.ends, *each.notices)}
        return events.difference(published)

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.all]

    def named(self, name: str) -> Saga | None:
        return next((each for each in self.all if each.name == name), None)

    def begin(self, each: Saga, event: Event, envelope: Envelope) -> "Start":
        """What is known of an instance from its start on."""
        deadline = each.deadline and (self.deadline or each.deadline)
        decided = each.deadline_reached in self.decided
        return Start(
            envelope.message_id,
            envelope.correlation_id,
            envelope.time,
            envelope.time + deadline if deadline else None,
            event.__pydantic_serializer__.to_json(event) if decided else None,
            event.declaration.version,
        )


class Start(NamedTuple):
    """How an instance began; `started` is the event's JSON, kept until the end for the deadline's function."""

    message_id: UUID
    correlation_id: UUID
    started_at: datetime
    deadline_at: datetime | None
    started: bytes | None
    started_version: int


@dataclass(slots=True)
class Change:
    """What one batch makes of an instance."""

    subject: str
    start: Start | None = None
    state: Literal["completed", "compensated"] | None = None
    ended_at: datetime | None = None
    traceparent: str | None = None
    stuck: dict[str, dict[str, object]] = field(default_factory=dict)
    freed: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """What one batch's events mean for the instances of the service's own sagas.

    `durations` are, by saga and state, the seconds of those that ended for the first time, once their
    rows were changed.
    """

    sagas: Sagas
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    ended: set[tuple[str, str]] = field(default_factory=set)
    durations: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, event: Event, envelope: Envelope) -> None:
        """Take in an event that is published or was received."""
        kind = type(event)
        for each in self.sagas.concerned(kind):
            if kind is each.deadline_reached:
                continue
            name = each.name, key_of(event)
            change = self.changes.get(name)
            if change is None:
                change = self.changes[name] = Change(event.subject)
            if kind is each.starts:
                change.start = self.sagas.begin(each, event, envelope)
            elif kind in each.ends:
                change.state = "compensated" if event.declaration.failure else "completed"
                change.ended_at, change.traceparent = envelope.time, envelope.traceparent
                self.ended.add(name)
            elif isinstance(event, Stuck):
                change.freed.pop(str(event.message_id), None)
                change.stuck[str(event.message_id)] = event.model_dump(
                    mode="json", include=set(Stuck.model_fields)
                )
            elif isinstance(event, Freed):
                change.stuck.pop(str(event.message_id), None)
                change.freed[str(event.message_id)] = None

    def has_ended(self, deadline: Event) -> bool:
        """Whether the instance that `deadline` is about ended before it could be handled."""
        return any(
            (each.name, key_of(deadline)) in self.ended for each in self.sagas.concerned(type(deadline))
        )

    def count(self, service: str) -> None:
        """Once it is committed, in the metrics; who is stuck is said aloud."""
        started = Counter(name for (name, _), change in self.changes.items() if change.start)
        for name, instances in started.items():
            metrics.sagas_started.labels(service, name).inc(instances)
        for labels, durations in self.durations.items():
            metrics.sagas_ended.labels(service, *labels).inc(len(durations))
            histogram = metrics.saga_seconds.labels(service, *labels)
            ends = [c.traceparent for (name, _), c in self.changes.items() if (name, c.state) == labels]
            # which of several took how long is not known here
            example = tracing.exemplar(ends[0]) if len(ends) == len(durations) == 1 else None
            for seconds in durations:
                histogram.observe(seconds, example)
        for (name, key), change in self.changes.items():
            if change.stuck:
                metrics.sagas_stuck.labels(service, name).inc(len(change.stuck))
                services = ", ".join(str(notice["service"]) for notice in change.stuck.values())
                log.error("ledger.stuck", saga=name, saga_key=key, services=services)
