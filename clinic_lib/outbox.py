"""The transactional outbox: an event is stored in the transaction that caused it and sent afterwards.

Invariant: the rows of one key are inserted under the key's lock, so their ids are in the order of their
transactions. The insert returns the key's older rows too; who sends them first keeps the first occurrences of
a key's events in order on Kafka, whoever pauses or dies.

The columns are those of Debezium's outbox event router, so it can take the relay's place.
Source: https://debezium.io/documentation/reference/stable/transformations/outbox-event-router.html
"""

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, LargeBinary, Table, Text, Uuid, func

from clinic_lib.arrays import Array, any_of
from clinic_lib.storage import LIBRARY, SCHEMA, Storage, Transaction

__all__ = ["Outlet", "OutboxRow", "Outgoing", "delete", "insert", "overdue"]

SWEEP_ROWS = 1_000

outbox = Table(
    "outbox",
    LIBRARY,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("message_id", Uuid, nullable=False),
    Column("topic", Text, nullable=False),
    Column("aggregatetype", Text, nullable=False),
    Column("aggregateid", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("outbox_key", "aggregateid", "aggregatetype"),
    postgresql_with={"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 5000},
)

COLUMNS = "id, message_id, topic, aggregateid, type, payload"

INSERT = f"""
with gone as (
    delete from {SCHEMA}.outbox where id = {any_of(1, "bigint")}
), events as (
    select * from unnest($2::text::uuid[], $3::text::text[], $4::text::text[], $5::text::text[], $6::text::text[],
            $7::bytea[])
        with ordinality as e (message_id, topic, aggregatetype, aggregateid, type, payload, place)
), added as (
    insert into {SCHEMA}.outbox (message_id, topic, aggregatetype, aggregateid, type, payload)
    select message_id, topic, aggregatetype, aggregateid, type, payload from events order by place
    returning id, message_id
)
select id, message_id, null as topic, null as aggregateid, null as type, null::bytea as payload from added
union all
select {COLUMNS} from {SCHEMA}.outbox
where (aggregateid, aggregatetype) in (select aggregateid, aggregatetype from events)
    and id not in (select each from unnest($1::text::bigint[]) as each)
"""

DELETE = f"delete from {SCHEMA}.outbox where id = any($1::bigint[])"

OVERDUE = f"""
select {COLUMNS} from {SCHEMA}.outbox
where (aggregateid, aggregatetype) in (
    select aggregateid, aggregatetype from {SCHEMA}.outbox
    where created_at < now() - make_interval(secs => $2) and id <> all($1::bigint[])
    order by id limit {SWEEP_ROWS}
)
order by id
"""


class Outgoing(NamedTuple):
    """An event on its way into the outbox; `payload` is the record's value, `data` the part of it that holds the
    event's fields, `key` its saga's.
    """

    message_id: UUID
    topic: str
    aggregatetype: str
    aggregateid: str
    type: str
    payload: bytes
    key: str
    data: bytes


class OutboxRow(NamedTuple):
    """A stored event; `id` is its place in the order of its key."""

    id: int
    message_id: UUID
    topic: str
    aggregateid: str
    type: str
    payload: bytes


class Outlet:
    """Where committed events go: the relay, or nowhere in a test of the executor alone."""

    def take_sent(self) -> list[int]:
        """Rows the broker has acknowledged, to be deleted in this transaction."""
        return []

    def give_back(self, sent: list[int]) -> None:
        """The transaction that was to delete them failed."""

    def deleted(self, sent: Collection[int]) -> None:
        """The transaction that deleted them has committed."""

    def offer(self, rows: Sequence[OutboxRow]) -> None:
        """Send these, in their order."""


async def insert(
    transaction: Transaction, events: list[Outgoing], sent: Collection[int] = ()
) -> list[OutboxRow]:
    """Store `events`, delete what was `sent`; return the new rows and, before them, older ones of their keys."""
    rows = await transaction.fetch(
        INSERT,
        Array("bigint", sent),
        Array("uuid", (event.message_id for event in events)),
        Array("text", (event.topic for event in events)),
        Array("text", (event.aggregatetype for event in events)),
        Array("text", (event.aggregateid for event in events)),
        Array("text", (event.type for event in events)),
        [event.payload for event in events],
    )
    by_id = {event.message_id: event for event in events}
    return sorted([_row(row, by_id.get(row[1])) for row in rows], key=itemgetter(0))


async def delete(database: Storage, sent: Collection[int]) -> None:
    """Delete rows whose records the broker has acknowledged."""
    async with database.session() as session:
        await session.execute(DELETE, list(sent))


async def overdue(database: Storage, known: Collection[int], seconds: float) -> list[OutboxRow]:
    """All rows, in order, of every key that has a row older than `seconds` which is not among `known`."""
    async with database.session() as session:
        rows = await session.fetch(OVERDUE, list(known), seconds)
    return [_row(row, None) for row in rows]


def _row(row: "tuple[int, UUID, str, str, str, bytes]", event: Outgoing | None) -> OutboxRow:
    if event is None:
        return OutboxRow(*row)
    return OutboxRow(row[0], event.message_id, event.topic, event.aggregateid, event.type, event.payload)
