"""History: what the log says of one saga, over all services, in the order in which it happened."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypedDict
from uuid import UUID

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from clinic_lib.relay import partition_of

__all__ = ["Entry", "History"]

READ_SECONDS = 10.0
CLOCKS_DIFFER_BY = timedelta(minutes=1)
"""At most, between the process that began a saga and the one that sent the event."""


class Entry(TypedDict):
    """One event of the saga; a duplicate of the relay's is left out."""

    message_id: str
    type: str
    source: str
    time: str
    causation_id: str | None
    partition: int
    offset: int


class History:
    """Reads one key of a log. `make_consumer` gives a client that is in no group and not started."""

    def __init__(self, make_consumer: Callable[[], AIOKafkaConsumer]) -> None:
        self._make_consumer = make_consumer

    async def of(self, topic: str, subject: str, correlation_id: UUID, since: datetime) -> list[Entry]:
        """The saga's events since its start. Raises `TimeoutError` after 10 s, and Kafka's errors."""
        consumer, key = self._make_consumer(), subject.encode()
        found: dict[str, Entry] = {}
        async with asyncio.timeout(READ_SECONDS):
            await consumer.start()
            try:
                partitions = consumer.partitions_for_topic(topic) or {0}
                place = TopicPartition(topic, partition_of(key, len(partitions)))
                consumer.assign([place])
                await self._go_to(consumer, place, since)
                (end,) = (await consumer.end_offsets([place])).values()
                while await consumer.position(place) < end:
                    for record in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
                        if record.key == key and (entry := _entry(record, correlation_id)):
                            found.setdefault(entry["message_id"], entry)
            finally:
                await consumer.stop()
        return list(found.values())

    async def _go_to(self, consumer: AIOKafkaConsumer, place: TopicPartition, since: datetime) -> None:
        first_ms = int((since - CLOCKS_DIFFER_BY).timestamp() * 1000)
        at = (await consumer.offsets_for_times({place: first_ms}))[place]
        if at is None:
            await consumer.seek_to_end(place)
        else:
            consumer.seek(place, at.offset)


def _entry(record: ConsumerRecord, correlation_id: UUID) -> Entry | None:
    with suppress(ValueError, KeyError, TypeError):
        wire = orjson.loads(record.value)
        if wire["correlationid"] == str(correlation_id):
            return Entry(
                message_id=wire["id"],
                type=wire["type"],
                source=wire["source"],
                time=wire["time"],
                causation_id=wire.get("causationid"),
                partition=record.partition,
                offset=record.offset,
            )
    return None
