"""Instances of sagas: how each one that this service started stands.

Invariant: an instance's row is made in the transaction that publishes its start, and changes only under its
key's lock: by ends (the owner's own when it publishes them, those of others when they are received), by notices
of services that are stuck, and by the timer, which takes the deadline away in the transaction that stores
`deadline_reached`. So each instance has ended, runs, is overdue, or is known to be stuck; none is forgotten.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from clinic_lib import telemetry
from clinic_lib.keys import key_of
from clinic_lib.messages import Envelope, Event
from clinic_lib.saga import Freed, Saga, Stuck
from clinic_lib.storage import LIBRARY, SCHEMA, Database, Transaction

__all__ = ["Due", "Ledger", "Sagas", "due", "expire", "load_ended", "save", "take_due"]

log = logging.getLogger(__name__)

DUE_AT_ONCE = 500
KEPT_DAYS = 30

saga = Table(
    "saga",
    LIBRARY,
    Column("id", BigInteger, Identity(), nullable=False),
    Column("saga", Text),
    Column("key", Text),
    Column("subject", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("deadline_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("message_id", Uuid, nullable=False),
    Column("correlation_id", Uuid, nullable=False),
    Column("started", LargeBinary),
    Column("started_version", Integer, nullable=False),
    Column("stuck", JSONB, nullable=False),
    PrimaryKeyConstraint("saga", "key"),
    Index("saga_id", "id"),
    Index("saga_deadline", "deadline_at", postgresql_where=text("deadline_at is not null")),
    postgresql_with={"fillfactor": 70},
)

BEGIN = f"""
insert into {SCHEMA}.saga (saga, key, subject, message_id, correlation_id, started_at, deadline_at, started,
    started_version, state, ended_at, stuck)
select saga, key, subject, message_id, correlation_id, started_at, deadline_at, started,
    started_version, state, ended_at, stuck::jsonb
from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::timestamptz[],
    $7::timestamptz[], $8::bytea[], $9::integer[], $10::text[], $11::timestamptz[], $12::text[])
    as c (saga, key, subject, message_id, correlation_id, started_at, deadline_at, started,
        started_version, state, ended_at, stuck)
order by saga, key
on conflict (saga, key) do nothing
"""

CHANGE = f"""
update {SCHEMA}.saga s set
    state = coalesce(c.state, s.state),
    ended_at = coalesce(c.ended_at, s.ended_at),
    deadline_at = case when c.state is null then s.deadline_at end,
    started = case when c.state is null then s.started end,
    stuck = (s.stuck - array(select jsonb_array_elements_text(c.freed::jsonb))) || c.stuck::jsonb
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
    as c (saga, key, state, ended_at, stuck, freed)
where s.saga = c.saga and s.key = c.key
"""

ENDED = f"""
select saga, key from {SCHEMA}.saga
where saga = any($1::text[]) and key = any($2::text[]) and state in ('completed', 'compensated')
"""

DUE = f"""
select key from {SCHEMA}.saga where deadline_at <= now() order by deadline_at limit {DUE_AT_ONCE}
"""

TAKE_DUE = f"""
update {SCHEMA}.saga set deadline_at = null, state = 'overdue'
where key = any($1::text[]) and deadline_at <= now()
returning saga, key, message_id, correlation_id, started, started_version
"""


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
        """What has to be received beside what functions handle: others' ends, notices, the deadlines."""
        events = {event for each in self.all for event in (*each.ends, *each.notices, each.deadline_reached)}
        return events.difference(published)

    def named(self, name: str) -> Saga | None:
        return next((each for each in self.all if each.name == name), None)

    def begin(self, each: Saga, event: Event, message_id: UUID, cause: Envelope) -> "Start":
        """What is known of an instance from its start on."""
        deadline = each.deadline and (self.deadline or each.deadline)
        decided = each.deadline_reached in self.decided
        return Start(
            message_id,
            cause.correlation_id,
            cause.time,
            cause.time + deadline if deadline else None,
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

    def ended(self) -> "Start":
        """Without what is kept only until the end."""
        return self._replace(deadline_at=None, started=None)


@dataclass(slots=True)
class Change:
    """What one batch makes of an instance."""

    subject: str
    start: Start | None = None
    state: Literal["completed", "compensated"] | None = None
    ended_at: datetime | None = None
    stuck: dict[str, dict[str, object]] = field(default_factory=dict)
    freed: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """What one batch's events mean for the instances of the service's own sagas."""

    sagas: Sagas
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    ended: set[tuple[str, str]] = field(default_factory=set)

    def note(self, event: Event, message_id: UUID, envelope: Envelope) -> None:
        """Take in an event that was published or received; `envelope` is the one it came or was caused with."""
        for each in self.sagas.concerned(type(event)):
            if isinstance(event, each.deadline_reached):
                continue
            name = each.name, key_of(event)
            change = self.changes.get(name)
            if change is None:
                change = self.changes[name] = Change(event.subject)
            if isinstance(event, Stuck):
                change.freed.pop(event.service, None)
                change.stuck[event.service] = event.model_dump(mode="json", include=set(Stuck.model_fields))
            elif isinstance(event, Freed):
                change.stuck.pop(event.service, None)
                change.freed[event.service] = None
            elif type(event) is each.starts:
                change.start = self.sagas.begin(each, event, message_id, envelope)
            else:
                change.state = "compensated" if event.declaration.failure else "completed"
                change.ended_at = envelope.time
                self.ended.add(name)

    def has_ended(self, deadline: Event) -> bool:
        """Whether the instance that `deadline` is about ended before it could be handled."""
        return any(
            (each.name, key_of(deadline)) in self.ended for each in self.sagas.concerned(type(deadline))
        )

    def count(self, service: str) -> None:
        """Once it is committed, in the metrics; who is stuck is said aloud."""
        for (name, key), change in self.changes.items():
            if change.start:
                telemetry.sagas_started.labels(service, name).inc()
            if change.state:
                telemetry.sagas_ended.labels(service, name, change.state).inc()
            if change.stuck:
                telemetry.sagas_stuck.labels(service, name).inc(len(change.stuck))
                log.error("instances.stuck: %s %s in %s", name, key, ", ".join(change.stuck))


class Due(NamedTuple):
    """An instance whose deadline has come."""

    saga: str
    key: str
    message_id: UUID
    correlation_id: UUID
    started: bytes | None
    started_version: int


async def save(transaction: Transaction, ledger: Ledger) -> None:
    """Store what became of the instances; the caller holds their keys' locks. One statement for those that
    began, one for others.
    """
    begun, changed = [], []
    for (name, key), each in ledger.changes.items():
        stuck = orjson.dumps(each.stuck).decode() if each.stuck else "{}"
        if each.start is not None:
            start = each.start if each.state is None else each.start.ended()
            begun.append((name, key, each.subject, *start, each.state or "running", each.ended_at, stuck))
        else:
            freed = orjson.dumps(list(each.freed)).decode() if each.freed else "[]"
            changed.append((name, key, each.state, each.ended_at, stuck, freed))
    for statement, rows in ((BEGIN, begun), (CHANGE, changed)):
        if rows:
            await transaction.execute(statement, *(list(column) for column in zip(*rows, strict=True)))


async def load_ended(transaction: Transaction, deadlines: Iterable[Event], ledger: Ledger) -> None:
    """Let the ledger know which instances of `deadlines` have ended. One statement."""
    concerned = [
        (each.name, key_of(event)) for event in deadlines for each in ledger.sagas.concerned(type(event))
    ]
    rows = await transaction.fetch(ENDED, [name for name, _ in concerned], [key for _, key in concerned])
    ledger.ended.update((row[0], row[1]) for row in rows)


async def due(database: Database) -> list[str]:
    """The keys of instances whose deadline has come, the longest overdue first."""
    async with database.session() as session:
        return [row[0] for row in await session.fetch(DUE)]


async def take_due(transaction: Transaction, keys: Collection[str]) -> list[Due]:
    """Take the deadlines of `keys` away: whoever does it is the one that acts. The caller holds the locks."""
    return [Due(*row) for row in await transaction.fetch(TAKE_DUE, list(keys))]


async def expire(database: Database) -> None:
    """Delete instances that ended more than 30 days ago."""
    async with database.session() as session:
        await session.execute(
            f"delete from {SCHEMA}.saga where ended_at < now() - interval '{KEPT_DAYS} days' and stuck = '{{}}'"
        )
