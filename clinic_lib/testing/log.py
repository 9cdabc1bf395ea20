"""The records of a system's topics: read, and published again."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

__all__ = ["LogRecord", "ends_of", "group_offsets", "publish_again", "read_log"]

POLL_MS = 1000


@dataclass(frozen=True, slots=True)
class LogRecord:
    """An event as it stands on Kafka; `message_id` is None when it has none. `data` is what it says."""

    topic: str
    partition: int
    offset: int
    key: str | None
    type: str
    message_id: UUID | None
    envelope: dict[str, Any]
    raw: ConsumerRecord

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.envelope.get("data") or {})

    @property
    def source(self) -> str:
        """The service that published it."""
        return str(self.envelope.get("source", ""))

    @property
    def causation_id(self) -> UUID | None:
        cause = self.envelope.get("causationid")
        return UUID(cause) if cause else None

    def __str__(self) -> str:
        return f"{self.type} {self.message_id} of {self.key} at {self.topic}/{self.partition}/{self.offset}"


async def read_log(servers: str) -> list[LogRecord]:
    """Every record of every topic, those of one partition in their order."""
    records: list[LogRecord] = []
    async with _consumer(servers, await _topics(servers)) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
        left = {place for place, end in ends.items() if end}
        while left:
            for polled in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                records += map(_read, polled)
            left = {place for place in left if await consumer.position(place) < ends[place]}
    return sorted(records, key=lambda record: (record.topic, record.partition, record.offset))


async def ends_of(servers: str, topics: Collection[str]) -> dict[tuple[str, int], int]:
    """The offset that the next record of each partition will have."""
    async with _consumer(servers, topics) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
    return {(place.topic, place.partition): end for place, end in ends.items()}


async def publish_again(servers: str, records: Sequence[LogRecord]) -> None:
    """Appends the records to their partitions, byte for byte, with their headers."""
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    async with _started(producer):
        for record in records:
            await producer.send_and_wait(
                record.topic,
                record.raw.value,
                key=record.raw.key,
                partition=record.partition,
                headers=list(record.raw.headers),
            )


async def group_offsets(servers: str, group: str) -> dict[tuple[str, int], int]:
    """The offsets that a consumer group has committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    try:
        await admin.start()
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {(place.topic, place.partition): each.offset for place, each in offsets.items()}


async def _topics(servers: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    try:
        await admin.start()
        return [name for name in await admin.list_topics() if not name.startswith("__")]
    finally:
        await admin.close()


@asynccontextmanager
async def _consumer(servers: str, topics: Collection[str]) -> AsyncIterator[AIOKafkaConsumer]:
    """One that has all partitions of the topics, and begins with their first records."""
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    async with _started(consumer):
        yield consumer


@asynccontextmanager
async def _started(client: AIOKafkaConsumer | AIOKafkaProducer) -> AsyncIterator[None]:
    """Started in the block, stopped after it, also when it could not be started."""
    try:
        await client.start()
        yield
    finally:
        await client.stop()


def _read(record: ConsumerRecord) -> LogRecord:
    headers = dict(record.headers)
    message_id, envelope = headers.get("id"), {}
    with suppress(orjson.JSONDecodeError):
        envelope = orjson.loads(record.value or b"")
    return LogRecord(
        record.topic,
        record.partition,
        record.offset,
        None if record.key is None else record.key.decode(errors="replace"),
        (headers.get("type") or b"").decode(errors="replace"),
        UUID(bytes=message_id) if message_id is not None and len(message_id) == 16 else None,
        envelope if isinstance(envelope, dict) else {},
        record,
    )
