"""Instances of sagas: how each one that this service started stands.

Invariant: an instance's row is made in the transaction that publishes its start, and changes only under its
key's lock: by ends (the owner's own when it publishes them, those of others when they are received), by notices
of services that are stuck, and by the timer, which takes the deadline away in the transaction that stores
`deadline_reached`. So each instance has ended, runs, is overdue, or is known to be stuck; none is forgotten.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
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

from clinic_lib.arrays import Array
from clinic_lib.keys import key_of
from clinic_lib.ledger import Ledger, Sagas
from clinic_lib.messages import Event
from clinic_lib.storage import LIBRARY, SCHEMA, Database, Storage, Transaction

__all__ = ["Due", "due", "expire", "load_ended", "put_off", "save", "take_due"]

DUE_AT_ONCE = 500
KEPT_DAYS = 30
EXPIRE_AT_ONCE = 10_000
PUT_OFF_MINUTES = 10

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
    Index("saga_stuck", "id", postgresql_where=text("stuck <> '{}'")),
    Index("saga_open", "saga", "state", postgresql_where=text("ended_at is null and stuck = '{}'")),
    Index("saga_overdue", "id", postgresql_where=text("state = 'overdue'")),
    Index("saga_ended", "ended_at", postgresql_where=text("ended_at is not null")),
    Index("saga_deadline", "deadline_at", postgresql_where=text("deadline_at is not null")),
    postgresql_with={"fillfactor": 70},
)

BEGIN = f"""
insert into {SCHEMA}.saga (saga, key, subject, message_id, correlation_id, started_at, deadline_at, started,
    started_version, state, stuck)
select saga, key, subject, message_id, correlation_id, started_at, deadline_at, started,
    started_version, 'running', '{{}}'
from unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::uuid[], $5::text::uuid[],
    $6::text::timestamptz[], $7::text::timestamptz[], $8::bytea[], $9::text::integer[])
    as c (saga, key, subject, message_id, correlation_id, started_at, deadline_at, started, started_version)
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
from unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::timestamptz[], $5::text::text[],
    $6::text::text[])
    as c (saga, key, state, ended_at, stuck, freed)
where s.saga = c.saga and s.key = c.key
returning new.saga, new.state,
    case when old.ended_at is null then extract(epoch from new.ended_at - new.started_at)::float8 end
"""

ENDED = f"""
select saga, key from {SCHEMA}.saga
where saga = any($1::text[]) and key = any($2::text[]) and state in ('completed', 'compensated')
"""

DUE = f"""
select key from {SCHEMA}.saga where deadline_at <= now() and saga = any($1::text[])
order by deadline_at limit {DUE_AT_ONCE}
"""

TAKE_DUE = f"""
update {SCHEMA}.saga set deadline_at = null, state = 'overdue'
where key = any($1::text[]) and deadline_at <= now() and saga = any($2::text[])
returning saga, key, message_id, correlation_id, started, started_version
"""

PUT_OFF = f"""
update {SCHEMA}.saga set deadline_at = now() + interval '{PUT_OFF_MINUTES} minutes'
where saga = $1 and key = any($2::text[])
"""

EXPIRE = f"""
delete from {SCHEMA}.saga where ctid = any(array(
    select ctid from {SCHEMA}.saga
    where ended_at < now() - interval '{KEPT_DAYS} days' and stuck = '{{}}' limit {EXPIRE_AT_ONCE}
))
returning 1
"""


BEGUN = ("text", "text", "text", "uuid", "uuid", "timestamptz", "timestamptz", "bytea", "integer")
CHANGED = ("text", "text", "text", "timestamptz", "text", "text")
"""Of which kinds the columns of `BEGIN` and `CHANGE` are."""


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
    began, one for those that changed.
    """
    begun: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    for (name, key), each in ledger.changes.items():
        if each.start is not None:
            begun.append((name, key, each.subject, *each.start))
        if each.state or each.stuck or each.freed:
            stuck = orjson.dumps(each.stuck).decode() if each.stuck else "{}"
            freed = orjson.dumps(list(each.freed)).decode() if each.freed else "[]"
            changed.append((name, key, each.state, each.ended_at, stuck, freed))
    if begun:
        await transaction.execute(BEGIN, *_arrays(BEGUN, begun))
    if changed:
        for name, state, seconds in await transaction.fetch(CHANGE, *_arrays(CHANGED, changed)):
            if seconds is not None:  # it ended now, for the first time
                ledger.durations[name, state].append(max(0.0, seconds))


def _arrays(kinds: Sequence[str], rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    columns = zip(kinds, zip(*rows, strict=True), strict=True)
    return [list(values) if kind == "bytea" else Array(kind, values) for kind, values in columns]


async def load_ended(transaction: Transaction, deadlines: Iterable[Event], ledger: Ledger) -> None:
    """Let the ledger know which instances of `deadlines` have ended. One statement."""
    concerned = [
        (each.name, key_of(event)) for event in deadlines for each in ledger.sagas.concerned(type(event))
    ]
    rows = await transaction.fetch(ENDED, [name for name, _ in concerned], [key for _, key in concerned])
    ledger.ended.update((row[0], row[1]) for row in rows)


async def due(database: Storage, sagas: Sagas) -> list[str]:
    """The keys of instances whose deadline has come, the longest overdue first."""
    async with database.session() as session:
        return [row[0] for row in await session.fetch(DUE, sagas.names)]


async def take_due(transaction: Transaction, sagas: Sagas, keys: Collection[str]) -> list[Due]:
    """Take the deadlines of `keys` away: whoever does it is the one that acts. The caller holds the locks.

    Sagas that only another version of the service declares are left to it.
    """
    return [Due(*row) for row in await transaction.fetch(TAKE_DUE, list(keys), sagas.names)]


async def put_off(transaction: Transaction, saga_name: str, keys: Collection[str]) -> None:
    """Look at these again in ten minutes: what they began with can't be read."""
    await transaction.execute(PUT_OFF, saga_name, list(keys))


async def expire(database: Database) -> None:
    """Delete instances that ended more than 30 days ago, a portion at a time."""
    async with database.session() as session:
        while len(await session.fetch(EXPIRE)) == EXPIRE_AT_ONCE:
            pass
