"""The relay and a projection, each by itself: events a second without the rest of a service around."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import REGISTRY

from clinic_lib import inbox, outbox
from clinic_lib.decoding import decode, subscriptions
from clinic_lib.delivery import Poll
from clinic_lib.encoding import Encoder
from clinic_lib.executor import Executor
from clinic_lib.messages import Envelope, Event, new_message_id
from clinic_lib.outbox import OutboxRow, Outgoing
from clinic_lib.relay import FRAMING_BYTES, Relay
from clinic_lib.schema import migrate
from clinic_lib.storage import Database
from services.reservation.contracts import OrderConfirmed, OrderPlaced, SeatsReserved
from services.reservation.my_page.app import service as my_page
from tests.benchmarks.ground import Run
from tests.benchmarks.workload import PARTITIONS, QUANTITY, RECORDS, block_of

__all__ = ["Rate", "make_topic", "outgoing", "projection", "relay"]


@dataclass(frozen=True)
class Rate:
    """Events a second; `gate` says what is wrong."""

    events_per_second: float
    gate: list[str]


async def relay(run: Run, orders: int) -> Rate:
    """From rows that were committed to Kafka's acknowledgement of all of them."""
    topic = f"relay-{run.name}"
    await make_topic(run, topic)
    async with _database(run, "order") as database:
        stored: dict[int, OutboxRow] = {}  # an insert returns older rows of its keys, too
        events = [each._replace(topic=topic) for each in outgoing(orders)]
        for start in range(0, len(events), RECORDS):
            async with database.transaction() as transaction:
                stored |= {
                    row.id: row for row in await outbox.insert(transaction, events[start : start + RECORDS])
                }
        rows = list(stored.values())
        sender = Relay(run.name, database, lambda: _producer(run))
        await sender.start()
        started = perf_counter()
        for start in range(0, len(rows), RECORDS):
            sender.offer(rows[start : start + RECORDS])
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            while _acknowledged(run) < len(rows):
                await asyncio.sleep(0.001)
        seconds = perf_counter() - started
        await sender.stop()
        sent = await _sent(run, topic)
    return Rate(
        len(rows) / seconds, [] if sent == len(rows) else [f"{sent} of {len(rows)} events are on Kafka"]
    )


async def projection(run: Run, orders: int) -> Rate:
    """From records as Kafka hands them over to committed rows of my page."""
    async with _database(run, "my_page") as database:
        await migrate(database, my_page.tables)
        executor = Executor("my_page", database, my_page.tables, my_page.handlers)
        known = subscriptions(my_page.handlers)
        records = [_record(offset, each) for offset, each in enumerate(outgoing(orders))]
        started = perf_counter()
        for start in range(0, len(records), RECORDS):
            polled = records[start : start + RECORDS]
            deliveries = [decode(record, "benchmark", known) for record in polled]
            await executor.run(Poll(deliveries, {("benchmark", 0): start + len(polled)}))
        seconds = perf_counter() - started
        async with database.session() as session:
            (shown,) = (await session.fetch("select count(*) from my_page where status = 'confirmed'"))[0]
    return Rate(
        len(records) / seconds, [] if shown == orders else [f"my page shows {shown} of {orders} orders"]
    )


def _acknowledged(run: Run) -> float:
    return REGISTRY.get_sample_value("clinic_relay_sent_total", {"service": run.name}) or 0.0


def outgoing(orders: int) -> Iterator[Outgoing]:
    """Three events an order, as they follow each other in a log: a block of orders at a time."""
    encoder, cause = Encoder("benchmark", datetime.now(UTC)), new_message_id()
    envelope = Envelope(cause, datetime.now(UTC), "benchmark", cause)
    for start in range(1, orders + 1, RECORDS):
        block = range(start, min(start + RECORDS, orders + 1))
        for kind in (_placed, _reserved, _confirmed):
            for n in block:
                yield encoder.encode(kind(n), envelope)


def _placed(n: int) -> Event:
    return OrderPlaced(order_id=n, seat_id=block_of(n), quantity=QUANTITY, customer=f"customer {n}")


def _reserved(n: int) -> Event:
    return SeatsReserved(
        order_id=n, seat_id=block_of(n), seat_name=f"Stalls {block_of(n)}", quantity=QUANTITY
    )


def _confirmed(n: int) -> Event:
    return OrderConfirmed(order_id=n)


def _record(offset: int, event: Outgoing) -> "ConsumerRecord[bytes, bytes]":
    headers = (("type", event.type.encode()), ("id", event.message_id.bytes))
    key = event.aggregateid.encode()
    return ConsumerRecord(
        event.topic, 0, offset, 0, 0, key, event.payload, None, len(key), len(event.payload), headers
    )


@asynccontextmanager
async def _database(run: Run, name: str) -> AsyncIterator[Database]:
    database = Database(run.database(name))
    try:
        await migrate(database, [])
        await inbox.keep_partitions(database, datetime.now(UTC))
        yield database
    finally:
        await database.close()


def _producer(run: Run) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=run.servers.kafka,
        enable_idempotence=True,
        max_batch_size=1_000_000 + FRAMING_BYTES,
        max_request_size=1_000_000 + FRAMING_BYTES,
    )


async def make_topic(run: Run, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=run.servers.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    await admin.close()


async def _sent(run: Run, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=run.servers.kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, n) for n in range(PARTITIONS)])
        return sum(ends.values())
    finally:
        await consumer.stop()
