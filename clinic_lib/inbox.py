"""The inbox: a redelivered message is handled once.

Invariant: a message id enters the inbox in the transaction that handles the message, and the next offset of
its partition moves in the same statement. Records below the stored offset are skipped, so resetting a consumer
group's offsets changes nothing; its row lock also makes two owners of one partition take turns.

Message ids are UUIDv7 and the table is partitioned by the id itself: by day of arrival, a redelivery after
midnight would pass as new.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Column, Integer, Table, Text, Uuid

from clinic_lib.arrays import Array
from clinic_lib.storage import LIBRARY, SCHEMA, Database, Storage, Transaction

__all__ = ["RETENTION", "Position", "admit", "keep_partitions", "positions", "receive"]

RETENTION = timedelta(days=14)
AHEAD = timedelta(days=3)

inbox = Table(
    "inbox",
    LIBRARY,
    Column("message_id", Uuid, primary_key=True),
    postgresql_partition_by="RANGE (message_id)",
)
checkpoint = Table(
    "checkpoint",
    LIBRARY,
    Column("log", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 50},
)

RECEIVE = f"""
with moved as (
    insert into {SCHEMA}.checkpoint as c (log, partition, next_offset)
    select * from unnest($1::text::text[], $2::text::integer[], $3::text::bigint[])
    on conflict (log, partition) do update set next_offset = greatest(c.next_offset, excluded.next_offset)
    returning log, partition, coalesce(old.next_offset, 0) as handled
), stood as materialized (
    select array(
        select moved.handled
        from unnest($1::text::text[], $2::text::integer[]) with ordinality as p (log, partition, nth)
        join moved using (log, partition)
        order by nth
    ) as at
)
insert into {SCHEMA}.inbox (message_id)
select r.message_id
from stood, unnest($4::text::uuid[], $5::text::integer[], $6::text::bigint[]) as r (message_id, place, at)
where r.at >= stood.at[r.place]
order by 1
on conflict do nothing
returning message_id
"""
"""Where a record's partition stood is found by its place in an array: joined, it would be compared with every one."""

ADMIT = f"""
insert into {SCHEMA}.inbox (message_id) select distinct * from unnest($1::uuid[]) order by 1
on conflict do nothing returning message_id
"""

POSITIONS = f"select log, partition, next_offset from {SCHEMA}.checkpoint where log = any($1::text[])"


class Position(NamedTuple):
    """Where a record stands: `log` is the cluster's id and the topic, so another cluster starts anew."""

    log: str
    partition: int
    offset: int


async def receive(
    transaction: Transaction,
    next_offsets: dict[tuple[str, int], int],
    message_ids: Sequence[UUID],
    places: Sequence[Position],
) -> set[UUID]:
    """Store offsets, and the ids of messages, each with the place it arrived at; return the ids that are new here.

    One statement, whatever the number. Raises `ValueError` when a message has no place, or a place no message,
    and `KeyError` for a place in a partition whose offset is not stored with it.
    """
    if len(message_ids) != len(places):
        raise ValueError(f"{len(message_ids)} messages can't have arrived at {len(places)} places")
    partitions = sorted(next_offsets)
    place = {each: nth for nth, each in enumerate(partitions, 1)}
    rows = await transaction.fetch(
        RECEIVE,
        Array("text", (log for log, _ in partitions)),
        Array("integer", (partition for _, partition in partitions)),
        Array("bigint", (next_offsets[each] for each in partitions)),
        Array("uuid", message_ids),
        Array("integer", (place[each.log, each.partition] for each in places)),
        Array("bigint", (each.offset for each in places)),
    )
    return {row[0] for row in rows}


async def admit(transaction: Transaction, message_ids: Collection[UUID]) -> set[UUID]:
    """Store ids of messages that come from no place in the log; return those that are new here. One statement."""
    return {row[0] for row in await transaction.fetch(ADMIT, list(message_ids))}


async def positions(database: Storage, logs: list[str]) -> dict[tuple[str, int], int]:
    """The next offset of each partition that this service has ever handled."""
    async with database.session() as session:
        rows = await session.fetch(POSITIONS, logs)
    return {(row[0], row[1]): row[2] for row in rows}


async def keep_partitions(database: Database, today: datetime) -> None:
    """Make the partitions of the days to come, drop those past `RETENTION`; ids of no day go to `inbox_rest`."""
    day = today.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    names = {_name(day + timedelta(days=n)): day + timedelta(days=n) for n in range(-1, AHEAD.days + 1)}
    async with database.transaction() as transaction:
        await transaction.fetch("select pg_advisory_xact_lock(hashtext('clinic_lib.inbox'))")
        rows = await transaction.fetch(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid "
            f"where i.inhparent = '{SCHEMA}.inbox'::regclass"
        )
        present = {row[0] for row in rows}
        if "inbox_rest" not in present:
            await transaction.fetch(f"create table {SCHEMA}.inbox_rest partition of {SCHEMA}.inbox default")
        for name, start in names.items():
            if name not in present:
                await _make(transaction, name, start)
        await transaction.fetch(
            f"delete from {SCHEMA}.inbox_rest where message_id < $1", _first_id(day - RETENTION)
        )
        oldest = _name(day - RETENTION)
        for name in present - {"inbox_rest"}:
            if name < oldest:
                await transaction.fetch(f"drop table {SCHEMA}.{name}")


async def _make(transaction: Transaction, name: str, start: datetime) -> None:
    """One day's partition; ids of that day that came while it was missing move over from the rest."""
    low, high = _first_id(start), _first_id(start + timedelta(days=1))
    await transaction.fetch(f"create table {SCHEMA}.{name} (like {SCHEMA}.inbox including all)")
    await transaction.fetch(
        f"with gone as (delete from {SCHEMA}.inbox_rest where message_id >= $1 and message_id < $2 "
        f"returning message_id) insert into {SCHEMA}.{name} select message_id from gone",
        low,
        high,
    )
    await transaction.fetch(
        f"alter table {SCHEMA}.inbox attach partition {SCHEMA}.{name} for values from ('{low}') to ('{high}')"
    )


def _name(day: datetime) -> str:
    return f"inbox_{day:%Y%m%d}"


def _first_id(day: datetime) -> UUID:
    """The smallest UUIDv7 of that day: 48 bits of milliseconds, then nothing."""
    return UUID(int=int(day.timestamp() * 1000) << 80)
