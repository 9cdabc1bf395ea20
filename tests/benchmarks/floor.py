"""The floor: the workload written by hand on aiokafka and asyncpg, as fast as we can make it and still read it.

Three services in one process, each with a database of its own. A poll is one transaction: inbox, rows, outbox. Events
are published from memory after the commit, one producer batch a partition; their outbox rows are deleted by the next
transaction. It has no locks of keys, no parked messages, no stored offsets, deadlines, compensations or metrics, and
trusts what it reads: what the library costs beyond it is the price of those.

Tried and left, because it was no faster: publishing while the next poll is handled, and the server settings that the
library's connections have (docs/adr/0080-benchmarks-with-a-gate.md).
"""

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from time import monotonic
from typing import Any

import asyncpg
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from uuid_utils import uuid7

from tests.benchmarks.floor_rules import Connection, Event, Reservation, literal
from tests.benchmarks.stopwatch import Stopwatch
from tests.benchmarks.workload import (
    PARTITIONS,
    TABLES,
    Books,
    block_of,
    database_of,
    fill_seats,
    free_at_first,
    run_name,
)

__all__ = ["main"]

INBOX_AND_OUTBOX = """
create table inbox (id uuid primary key);
create table outbox (id uuid primary key, topic text not null, key bigint not null, body bytea not null)
"""
RECEIVE = "insert into inbox select * from unnest($1::text::uuid[]) on conflict do nothing returning id::text"
STORE = """
with gone as (delete from outbox where id = any((select $5::text::uuid[])::uuid[]))
insert into outbox select * from unnest($1::text::uuid[], $2::text::text[], $3::text::bigint[], $4::bytea[])
"""
FORGET = "delete from outbox where id = any((select $1::text::uuid[])::uuid[])"

Row = tuple[str, str, int, bytes]
"""An event on its way: its id, topic, key and body."""
Decide = Callable[[Connection, Sequence[Event]], Awaitable[list[tuple[str, Event]]]]
"""Handles new events in the transaction; answers with topics and events."""


class Service:
    """One service: consumes `topics`, all of which `decide` handles."""

    def __init__(self, name: str, topics: Sequence[str], decide: Decide, records: int) -> None:
        self.name, self.topics, self.decide, self.records = name, topics, decide, records
        self.connection: Any = None
        self.producer: Any = None
        self.sent: list[str] = []

    async def run(self, servers: str) -> None:
        """Poll, handle, publish, for ever."""
        consumer = AIOKafkaConsumer(
            *self.topics,
            bootstrap_servers=servers,
            group_id=f"{self.name}_{run_name()}",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        offsets: dict[TopicPartition, int] = {}
        committed = monotonic()
        try:
            while True:
                polled = await consumer.getmany(timeout_ms=200, max_records=self.records)
                if polled:
                    await self.handle([record for records in polled.values() for record in records])
                    offsets |= {place: records[-1].offset + 1 for place, records in polled.items()}
                if offsets and monotonic() - committed > 1:
                    await consumer.commit(offsets)
                    offsets, committed = {}, monotonic()
                if self.sent and not polled:
                    await self.connection.execute(FORGET, self.take_sent())
        finally:
            await consumer.stop()

    async def handle(self, records: Iterable[Any]) -> None:
        """One transaction: what is new, what is done about it, and what it causes."""
        events = [orjson.loads(record.value) for record in records]
        async with self.connection.transaction():
            ids = literal(event["id"] for event in events)
            new = {row[0] for row in await self.connection.fetch(RECEIVE, ids)}
            caused = await self.decide(self.connection, [event for event in events if event["id"] in new])
            rows = await self.store(self.connection, caused) if caused else []
        await self.publish(rows)

    async def store(self, connection: Connection, caused: Sequence[tuple[str, Event]]) -> list[Row]:
        """Put events into the outbox and take out what was sent."""
        rows = []
        for topic, event in caused:
            event_id = str(uuid7())
            body = orjson.dumps({"id": event_id, **event})
            rows.append((event_id, topic, event["order_id"], body))
        ids, topics, keys, bodies = zip(*rows, strict=True)
        await connection.fetch(STORE, literal(ids), literal(topics), literal(keys), bodies, self.take_sent())
        return rows

    async def publish(self, rows: Sequence[Row]) -> None:
        """One producer batch a partition; a poll's events always fit."""
        batches: dict[tuple[str, int], Any] = {}
        for _, topic, key, body in rows:
            place = topic, key % PARTITIONS
            batch = batches.get(place) or batches.setdefault(place, self.producer.create_batch())
            assert batch.append(key=b"%d" % key, value=body, timestamp=None)
        acknowledgements = [
            await self.producer.send_batch(batch, topic, partition=partition)
            for (topic, partition), batch in batches.items()
        ]
        await asyncio.gather(*acknowledgements)
        self.sent += [row[0] for row in rows]

    def take_sent(self) -> str:
        taken, self.sent = self.sent, []
        return literal(taken)


async def main(sagas: int, records: int) -> None:
    """Places `sagas` orders in groups of `records`, and tells the result as JSON."""
    kafka, run = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["BENCHMARK_RUN"]
    rules = Reservation(run)
    services = [
        Service("order", [rules.seats], rules.end, records),
        Service("seat", [rules.placed], rules.reserve, records),
        Service("my_page", [rules.placed, rules.seats, rules.ended], rules.show, records),
    ]
    async with AsyncExitStack() as stack:
        await make_topics(kafka, services[2].topics)
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka, enable_idempotence=True, max_batch_size=1_000_000
        )
        await stack.enter_async_context(producer)

        async def connect(service: Service) -> Any:
            connection = await asyncpg.connect(database_of(service.name))
            stack.push_async_callback(connection.close)
            return connection

        for service in services:
            service.producer, service.connection = producer, await connect(service)
            await service.connection.execute(TABLES[service.name] + ";" + INBOX_AND_OUTBOX)
        books = Books(*[await connect(service) for service in services])
        placing = await connect(services[0])
        await fill_seats(books.seat, free_at_first(sagas))
        tasks = [asyncio.create_task(service.run(kafka)) for service in services]
        await asyncio.sleep(1)  # all have joined their groups
        calm_garbage_collector()
        result = await Stopwatch(books, sagas).measure(
            lambda: place_all(services[0], placing, rules, sagas, records)
        )
        await asyncio.sleep(1)
        result.gate = await books.gate(sagas) + await left_over(services, sagas)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        result.tell()


async def place_all(
    order: Service, connection: Connection, rules: Reservation, sagas: int, records: int
) -> None:
    """Stands for commands that came over HTTP and were grouped."""
    for first in range(0, sagas, records):
        wanted = [(block_of(n), f"customer {n}") for n in range(first, min(first + records, sagas))]
        async with connection.transaction():
            rows = await order.store(connection, await rules.place(connection, wanted))
        await order.publish(rows)


async def left_over(services: Sequence[Service], sagas: int) -> list[str]:
    """What is wrong with inboxes and outboxes."""
    wrong = []
    for service, events in zip(services, (1, 1, 3), strict=True):
        received = await service.connection.fetchval("select count(*) from inbox")
        unsent = await service.connection.fetchval("select count(*) from outbox")
        if (received, unsent) != (events * sagas, 0):
            wrong.append(f"{service.name} has {received} ids in its inbox and {unsent} events in its outbox")
    return wrong


async def make_topics(servers: str, names: Iterable[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    finally:
        await admin.close()


def calm_garbage_collector() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
