"""The queue of a key's dead letters: which of them may be handled again, and when they do so by themselves.

Invariant: a letter is handled only when all before it of its key are, in the same transaction or before. What
only waited and comes first, once those before it are gone, is handled by itself.
"""

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from uuid import UUID

import asyncpg
import orjson

from clinic_lib.dead_letter import LetterState
from clinic_lib.storage import SCHEMA, Database, Transaction

__all__ = ["StoredLetter", "claim_retries", "count", "handleable", "heads", "of_key", "settle", "stored"]

CLAIM_SECONDS = 60
AT_ONCE = 500

STORED = """
id, state, key, message_id, type, topic, partition, "offset", record_key, record_headers::text, record_value,
attempts, announced, error
"""

HANDLEABLE = f"""
select id, key from {SCHEMA}.dead_letter where key = any($1::text[]) or id = any($2::bigint[])
order by id for update
"""

SETTLE = f"""
with gone as (delete from {SCHEMA}.dead_letter where id = any($1::bigint[]))
update {SCHEMA}.dead_letter set state = 'retrying', retry_at = now()
where state = 'waiting' and id in (
    select min(id) from {SCHEMA}.dead_letter
    where key = any($2::text[]) and id <> all($1::bigint[]) group by key
)
"""

CLAIM_RETRIES = f"""
update {SCHEMA}.dead_letter set retry_at = now() + interval '{CLAIM_SECONDS} seconds' where id in (
    select id from {SCHEMA}.dead_letter where state = 'retrying' and retry_at <= now()
    order by retry_at limit {AT_ONCE} for update skip locked
)
returning key
"""


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter as it lies in the table; it is a `Record` too."""

    id: int
    state: LetterState
    parked_key: str | None
    message_id: UUID | None
    type: str | None
    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None
    attempts: int
    announced: bool
    error: str | None


async def handleable(
    transaction: Transaction, keys: Collection[str], ids: Collection[int]
) -> tuple[set[int], dict[str, int]]:
    """Which of the letters `ids` may be handled now, and how many letters each key has.

    A letter may be when all before it of its key are among `ids`, too. The caller holds the keys' locks.
    """
    wanted, held = set(ids), set()
    counts: dict[str, int] = {}
    result = set()
    for row in await transaction.fetch(HANDLEABLE, list(keys), list(ids)):
        number, key = row
        if key is not None:
            counts[key] = counts.get(key, 0) + 1
        if number not in wanted:
            held.add(key)
        elif key is None or key not in held:
            result.add(number)
    return result, counts


async def settle(transaction: Transaction, ids: Collection[int], keys: Collection[str]) -> None:
    """Delete the letters `ids` of `keys`; what then comes first of a key and only waited is handled by itself."""
    await transaction.execute(SETTLE, list(ids), list(keys))


async def claim_retries(database: Database) -> set[str]:
    """The keys whose letters are to be handled again now; for a minute no other process gets them."""
    async with database.session() as session:
        return {row[0] for row in await session.fetch(CLAIM_RETRIES)}


async def heads(database: Database) -> list[StoredLetter]:
    """The first letter of every key, and every malformed record."""
    async with database.session() as session:
        rows = await session.fetch(
            f"select {STORED} from {SCHEMA}.dead_letter where key is null or id in "
            f"(select min(id) from {SCHEMA}.dead_letter group by key) order by id"
        )
    return [_stored(row) for row in rows]


async def count(database: Database, key: str) -> tuple[int, str | None]:
    """How many letters a key has, and the error of the first."""
    async with database.session() as session:
        rows = await session.fetch(
            f"select count(*), (array_agg(error order by id))[1] from {SCHEMA}.dead_letter where key = $1",
            key,
        )
    return rows[0][0], rows[0][1]


async def of_key(database: Database, key: str) -> list[StoredLetter]:
    """The first letters of a key, at most 500, in their order."""
    async with database.session() as session:
        rows = await session.fetch(
            f"select {STORED} from {SCHEMA}.dead_letter where key = $1 order by id limit {AT_ONCE}", key
        )
    return [_stored(row) for row in rows]


async def stored(database: Database, letter_id: int) -> StoredLetter | None:
    """One letter; None when there is none of that id."""
    async with database.session() as session:
        rows = await session.fetch(f"select {STORED} from {SCHEMA}.dead_letter where id = $1", letter_id)
    return _stored(rows[0]) if rows else None


def _stored(row: "asyncpg.Record") -> StoredLetter:
    values = dict(zip((each.name for each in fields(StoredLetter)), row, strict=True))
    headers = orjson.loads(values["headers"])
    values["headers"] = [(name, value and base64.b64decode(value)) for name, value in headers]
    return StoredLetter(**values)
