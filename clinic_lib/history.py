"""History: what the log says of one saga, over all services, in the order in which it happened."""

import asyncio
from collections.abc import AsyncIterator, Callable
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
    correlation_id: str
    causation_id: str | None
    partition: int
    offset: int


class History:
    """Reads one key of a log. `make_consumer` gives a client that is in no group and not started."""

    def __init__(self, make_consumer: Callable[[], AIOKafkaConsumer]) -> None:
        self._make_consumer = make_consumer

    async def of(self, topic: str, name: str, since: datetime) -> list[Entry]:
        """The events of the saga `name` (as `order_id:17`) since its start, also those of later requests.

        Raises `TimeoutError` after 10 s, and Kafka's errors.
        """
        consumer, key = self._make_consumer(), name.partition(":")[2].encode()
        found: dict[str, Entry] = {}
        async with asyncio.timeout(READ_SECONDS):
            consumer.subscribe([topic])  # a client without topics knows nothing of their partitions
            try:
                await consumer.start()
                place = TopicPartition(topic, partition_of(key, len(consumer.assignment()) or 1))
                consumer.unsubscribe()
                consumer.assign([place])
                await self._go_to(consumer, place, since)
                (end,) = (await consumer.end_offsets([place])).values()
                async for record in _records(consumer, place, end):
                    if record.key == key and (entry := _entry(record, name)):
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


async def _records(
    consumer: AIOKafkaConsumer, place: TopicPartition, end: int
) -> AsyncIterator[ConsumerRecord]:
    """Those before `end`. One that the client itself can't read (a header's name is no UTF-8) is passed over:
    once there was one, they are read one by one.
    """
    at_once: int | None = None
    while (position := await consumer.position(place)) < end:
        try:
            polled = await consumer.getmany(place, timeout_ms=500, max_records=at_once)
        except UnicodeDecodeError:
            consumer.seek(place, position + 1 if at_once else position)
            at_once = 1
            continue
        for record in polled.get(place, ()):
            yield record


def _entry(record: ConsumerRecord, name: str) -> Entry | None:
    """By its headers, as it is handled. None for what is no event of ours, or of another kind of saga with that id."""
    field, _, subject = name.partition(":")
    with suppress(ValueError, KeyError, TypeError):
        wire, headers = orjson.loads(record.value), dict(record.headers)
        if str(wire["data"][field]) == subject:
            return Entry(
                message_id=str(UUID(bytes=headers["id"])),
                type=headers["type"].decode(),
                source=wire["source"],
                time=wire["time"],
                correlation_id=wire["correlationid"],
                causation_id=wire.get("causationid"),
                partition=record.partition,
                offset=record.offset,
            )
    return None
