"""Dead letters: messages a service gave up on, whole, with the error; and the keys that wait behind them.

A key is parked while it has a letter: its later messages are stored here too, as `waiting`, so that
they are handled in order after a redrive. A record that is no event of ours is `malformed` and parks nothing.
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
)
from sqlalchemy.dialects.postgresql import JSONB

from clinic_lib.storage import LIBRARY, SCHEMA, Transaction

__all__ = ["DeadLetter", "LetterState", "Record", "parked", "store"]

LetterState = Literal["failed", "waiting", "malformed"]

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
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("dead_letter_key", "key"),
)

PARKED = f"select distinct key from {SCHEMA}.dead_letter where key = any($1::text[])"

STORE = f"""
insert into {SCHEMA}.dead_letter
    (state, key, message_id, type, topic, partition, "offset",
     record_key, record_headers, record_value, handler, error, traceback)
select state, key, message_id, type, topic, partition, at,
     record_key, record_headers::jsonb, record_value, handler, error, traceback
from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::integer[], $7::bigint[],
            $8::bytea[], $9::text[], $10::bytea[], $11::text[], $12::text[], $13::text[])
    with ordinality as l (state, key, message_id, type, topic, partition, at,
        record_key, record_headers, record_value, handler, error, traceback, place)
order by place
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
    """A record with what is known of it; `error` is None for one that only waits behind another."""

    state: LetterState
    record: Record
    key: str | None = None
    message_id: UUID | None = None
    type: str | None = None
    handler: str | None = None
    error: BaseException | None = None

    def row(self) -> tuple[object, ...]:
        record, error = self.record, self.error
        trace = "".join(traceback.format_exception(error)) if error else None
        return (
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
        )


async def parked(transaction: Transaction, keys: Collection[str]) -> set[str]:
    """Those of `keys` that wait behind a dead letter; the caller holds the keys' locks."""
    return {row[0] for row in await transaction.fetch(PARKED, list(keys))}


async def store(transaction: Transaction, letters: Sequence[DeadLetter]) -> None:
    """Store letters in their order, in one statement."""
    columns = zip(*(letter.row() for letter in letters), strict=True)
    await transaction.execute(STORE, *(list(column) for column in columns))


def _header(name: str, value: bytes | None) -> list[str | None]:
    return [_text(name), None if value is None else base64.b64encode(value).decode()]


def _text(value: str | None) -> str | None:
    """PostgreSQL's text takes neither NUL nor lone surrogates."""
    if value is None:
        return None
    return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "backslashreplace").decode()
