"""Dead letters: messages a service could not handle, whole, with the error; and the keys that wait behind them.

Invariant: a key is parked while it has a letter: its later messages are stored here too, as `waiting`, and
a key's letters are handled in the order of their ids, under its lock. The first is `failed` (somebody has to
look) or `retrying` (it is handled again by itself, with growing pauses). A record that is no event of ours is
`malformed` and parks nothing.
"""

import base64
import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from clinic_lib.arrays import Array
from clinic_lib.storage import LIBRARY, SCHEMA, Transaction

__all__ = ["DeadLetter", "LetterState", "Record", "parked", "store"]

LetterState = Literal["failed", "retrying", "waiting", "malformed"]

LONGEST_PAUSE_SECONDS = 30

dead_letter = Table(
    "dead_letter",
    LIBRARY,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("state", Text, nullable=False),
    Column("key", Text),
    Column("message_id", Uuid),
    Column("type", Text),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("record_key", LargeBinary),
    Column("record_headers", JSONB, nullable=False),
    Column("record_value", LargeBinary),
    Column("handler", Text),
    Column("error", Text),
    Column("traceback", Text),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("announced", Boolean, nullable=False, server_default="false"),
    Column("retry_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("dead_letter_key_id", "key", "id"),
    Index("dead_letter_message_id", "message_id"),
    Index("dead_letter_state", "state"),
    Index("dead_letter_retry", "retry_at", postgresql_where=text("state = 'retrying'")),
)

PARKED = f"""
select key from unnest($1::text::text[]) as k (key)
where exists (select from {SCHEMA}.dead_letter d where d.key = k.key)
"""

RETRY_AT = f"""
    case when l.state = 'retrying' then now() + (0.5 + random() / 2)
        * least({LONGEST_PAUSE_SECONDS}, 0.5 * power(2, least(l.attempts, 20) - 1)) * interval '1 second' end
"""

STORE = f"""
with letter as (
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::integer[],
            $8::bigint[], $9::bytea[], $10::text[], $11::bytea[], $12::text[], $13::text[], $14::text[],
            $15::integer[], $16::boolean[])
        with ordinality as l (id, state, key, message_id, type, topic, partition, at, record_key, record_headers,
            record_value, handler, error, traceback, attempts, announced, place)
), again as (
    update {SCHEMA}.dead_letter d set state = l.state, key = l.key, message_id = l.message_id, type = l.type,
        handler = l.handler, error = l.error, traceback = l.traceback, attempts = l.attempts,
        announced = d.announced or l.announced, retry_at = {RETRY_AT}
    from letter l where d.id = l.id
)
insert into {SCHEMA}.dead_letter
    (state, key, message_id, type, topic, partition, "offset", record_key, record_headers, record_value,
     handler, error, traceback, attempts, announced, retry_at)
select state, key, message_id, type, topic, partition, at, record_key, record_headers::jsonb, record_value,
     handler, error, traceback, attempts, announced, {RETRY_AT}
from letter l where id is null order by place
"""


class Record(Protocol):
    """A Kafka record as it came: aiokafka's `ConsumerRecord`."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record with what is known of it; `error` is None for one that only waits behind another.

    `id` is set for a letter that is there already and failed again; `attempts` counts its failures. `announced`:
    its saga's owner was told.
    """

    state: LetterState
    record: Record
    key: str | None = None
    message_id: UUID | None = None
    type: str | None = None
    handler: str | None = None
    error: BaseException | None = None
    attempts: int = 1
    announced: bool = False
    id: int | None = None

    def row(self) -> tuple[object, ...]:
        record, error = self.record, self.error
        trace = "".join(traceback.format_exception(error)) if error else None
        return (
            self.id,
            self.state,
            self.key,
            self.message_id,
            _text(self.type),
            record.topic,
            record.partition,
            record.offset,
            record.key,
            orjson.dumps([_header(name, value) for name, value in record.headers]).decode(),
            record.value,
            self.handler,
            _text(f"{type(error).__name__}: {error}") if error else None,
            _text(trace),
            self.attempts,
            self.announced,
        )


async def parked(transaction: Transaction, keys: Collection[str]) -> set[str]:
    """Those of `keys` that wait behind a dead letter; the caller holds the keys' locks."""
    return {row[0] for row in await transaction.fetch(PARKED, Array("text", keys))}


async def store(transaction: Transaction, letters: Sequence[DeadLetter]) -> None:
    """Store letters in their order, and what became of those that are there already. One statement."""
    columns = zip(*(letter.row() for letter in letters), strict=True)
    await transaction.execute(STORE, *(list(column) for column in columns))


def _header(name: str, value: bytes | None) -> list[str | None]:
    return [_text(name), None if value is None else base64.b64encode(value).decode()]


def _text(value: str | None) -> str | None:
    """PostgreSQL's text takes neither NUL nor lone surrogates."""
    if value is None:
        return None
    return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "backslashreplace").decode()
