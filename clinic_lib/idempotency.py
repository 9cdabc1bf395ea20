"""Idempotency keys: the same request answered twice takes effect once.

Invariant: the answer is stored in the transaction of the command. A second request with the key waits at the
unique index until the first has committed, and then finds the answer. 5xx answers are not kept.
Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from dataclasses import dataclass

from sqlalchemy import Column, DateTime, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, func

from clinic_lib.storage import LIBRARY, SCHEMA, Database, Transaction

__all__ = ["IdempotencyKey", "StoredAnswer", "claim", "expire", "keep"]

VALID_HOURS = 24

idempotency = Table(
    "idempotency",
    LIBRARY,
    Column("key", Text),
    Column("path", Text),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("status", Integer),
    Column("body", LargeBinary),
    Column("location", Text),
    PrimaryKeyConstraint("key", "path"),
)

CLAIM = f"""
insert into {SCHEMA}.idempotency as i (key, path, fingerprint)
select * from unnest($1::text[], $2::text[], $3::bytea[]) as c (key, path, fingerprint) order by 1, 2
on conflict (key, path) do update set
    fingerprint = case when i.created_at < now() - interval '{VALID_HOURS} hours'
        then excluded.fingerprint else i.fingerprint end,
    created_at = case when i.created_at < now() - interval '{VALID_HOURS} hours'
        then excluded.created_at else i.created_at end
returning key, path, fingerprint,
    case when old.created_at = new.created_at then old.status end, old.body, old.location
"""

KEEP = f"""
with failed as (
    delete from {SCHEMA}.idempotency i using unnest($6::text[], $7::text[]) as f (key, path)
    where i.key = f.key and i.path = f.path
)
update {SCHEMA}.idempotency i set status = a.status, body = a.body, location = a.location
from unnest($1::text[], $2::text[], $3::integer[], $4::bytea[], $5::text[])
    as a (key, path, status, body, location)
where i.key = a.key and i.path = a.path
"""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key for one path; `fingerprint` is the hash of the body it came with."""

    key: str
    path: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request was answered; `status` is None for a key that was free until now."""

    fingerprint: bytes
    status: int | None
    body: bytes | None
    location: str | None


async def claim(transaction: Transaction, keys: list[IdempotencyKey]) -> dict[tuple[str, str], StoredAnswer]:
    """Take the free ones of `keys` and return what is stored under each. One statement."""
    rows = await transaction.fetch(
        CLAIM, [each.key for each in keys], [each.path for each in keys], [each.fingerprint for each in keys]
    )
    return {(row[0], row[1]): StoredAnswer(*row[2:]) for row in rows}


async def keep(
    transaction: Transaction,
    answers: list[tuple[IdempotencyKey, int, bytes, str | None]],
    failed: list[IdempotencyKey],
) -> None:
    """Store `answers` (key, status, body, location) and free the keys that `failed`. One statement."""
    await transaction.execute(
        KEEP,
        [key.key for key, *_ in answers],
        [key.path for key, *_ in answers],
        [status for _, status, _, _ in answers],
        [body for _, _, body, _ in answers],
        [location for *_, location in answers],
        [key.key for key in failed],
        [key.path for key in failed],
    )


async def expire(database: Database) -> None:
    """Delete keys past their 24 hours."""
    async with database.session() as session:
        await session.execute(
            f"delete from {SCHEMA}.idempotency where created_at < now() - interval '{VALID_HOURS} hours'"
        )
