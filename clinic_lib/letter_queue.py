"""The queue of a key's dead letters: which of them may be handled again, and when they do so by themselves.

Invariant: a letter is handled only when all before it of its key are, in the same transaction or before. What
only waited and comes first, once those before it are gone, is handled by itself.
"""

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from clinic_lib.dead_letter import LetterState
from clinic_lib.storage import SCHEMA, Storage, Transaction

__all__ = [
    "Known",
    "StoredLetter",
    "claim_retries",
    "count",
    "handleable",
    "heads",
    "of_key",
    "present",
    "settle",
    "stored",
]

CLAIM_SECONDS = 60
AT_ONCE = 500

STORED = """
id, state, key, message_id, type, topic, partition, "offset", record_key, record_headers::text, record_value,
attempts, announced, error, handler
"""

HELD = f"""
select id, key, state, attempts, announced from {SCHEMA}.dead_letter
where (key = any($1::text[]) and id <= $3) or id = any($2::bigint[])
order by id for update
"""

SETTLE = f"""
with gone as (delete from {SCHEMA}.dead_letter where id = any($1::bigint[]))
update {SCHEMA}.dead_letter set state = 'retrying', attempts = 0, retry_at = now()
where state = 'waiting' and id in (
    select min(id) from {SCHEMA}.dead_letter
    where key = any($2::text[]) and id <> all($1::bigint[]) group by key
)
"""

CLAIM_RETRIES = f"""
with due as materialized (
    select id from {SCHEMA}.dead_letter where state = 'retrying' and retry_at <= now()
    order by retry_at limit {AT_ONCE} for update skip locked
)
update {SCHEMA}.dead_letter d set retry_at = now() + interval '{CLAIM_SECONDS} seconds'
from due where d.id = due.id
returning d.key
"""

HEADS = f"""
select min(id) as head from {SCHEMA}.dead_letter where key is not null group by key
union all select id from {SCHEMA}.dead_letter where key is null order by head
"""

COUNT = f"select count(*), (array_agg(error order by id))[1] from {SCHEMA}.dead_letter where key = $1"

OF_KEY = f"select {STORED} from {SCHEMA}.dead_letter where key = $1 order by id limit $2"

ONE = f"select {STORED} from {SCHEMA}.dead_letter where id = $1"


class Known(NamedTuple):
    """What may have changed of a letter since it was read without its key's lock."""

    state: LetterState
    attempts: int
    announced: bool


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter as it lies in the table; it is a `Record` too. Read without its key's lock, it is refreshed by
    `handleable`.
    """

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
    handler: str | None


async def handleable(
    transaction: Transaction, keys: Collection[str], letters: Mapping[int, str | None]
) -> dict[int, Known]:
    """Which of `letters` (their keys by their ids) may be handled now, as they stand under the keys' locks.

    One may be when all before it of its key are among them, too. The caller holds the locks.
    """
    may: dict[int, Known] = {}
    behind: set[str | None] = set()
    for number, key, *known in await transaction.fetch(HELD, list(keys), list(letters), max(letters)):
        if number not in letters:
            behind.add(key)
        elif letters[number] is None or letters[number] not in behind:
            may[number] = Known(*known)
    return may


async def present(transaction: Transaction, letters: Collection[int]) -> dict[int, Known]:
    """Which of `letters` are still there, whatever stands before them. The caller holds their keys' locks."""
    rows = await transaction.fetch(HELD, [], list(letters), 0)
    return {number: Known(*known) for number, _, *known in rows}


async def settle(transaction: Transaction, ids: Collection[int], keys: Collection[str]) -> None:
    """Delete the letters `ids` of `keys`; what then comes first of a key and only waited is handled by itself."""
    await transaction.execute(SETTLE, list(ids), list(keys))


async def claim_retries(database: Storage) -> set[str]:
    """The keys whose letters are to be handled again now; for a minute no other process gets them."""
    async with database.session() as session:
        return {row[0] for row in await session.fetch(CLAIM_RETRIES)}


async def heads(database: Storage) -> list[int]:
    """The first letter of every key, and every malformed record."""
    async with database.session() as session:
        rows = await session.fetch(HEADS)
    return [row[0] for row in rows]


async def count(database: Storage, key: str) -> tuple[int, str | None]:
    """How many letters a key has, and the error of the first."""
    async with database.session() as session:
        rows = await session.fetch(COUNT, key)
    return rows[0][0], rows[0][1]


async def of_key(database: Storage, key: str, limit: int = AT_ONCE) -> list[StoredLetter]:
    """The first letters of a key, in their order."""
    async with database.session() as session:
        rows = await session.fetch(OF_KEY, key, limit)
    return [_stored(row) for row in rows]


async def stored(database: Storage, letter_id: int) -> StoredLetter | None:
    """One letter; None when there is none of that id."""
    async with database.session() as session:
        rows = await session.fetch(ONE, letter_id)
    return _stored(rows[0]) if rows else None


def _stored(row: Sequence[Any]) -> StoredLetter:
    values = dict(zip((each.name for each in fields(StoredLetter)), row, strict=True))
    headers = orjson.loads(values["headers"])
    values["headers"] = [(name, value and base64.b64decode(value)) for name, value in headers]
    return StoredLetter(**values)
