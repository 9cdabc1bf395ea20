"""A process that dies by SIGKILL loses nothing and does nothing twice."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import NamedTuple
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from httpx2 import TransportError

from clinic_lib.crash_points import CrashPoint
from clinic_lib.messages import new_message_id
from clinic_lib.storage import Database
from tests.core.process import service_process
from tests.core.shop import OrderPlaced
from tests.core.worker import cloud_event, value

PARTITIONS = 3


class Published(NamedTuple):
    """An event as it stands on Kafka."""

    type: bytes | None
    message_id: bytes | None


@pytest.fixture
def run() -> str:
    """Topic and consumer group of this test alone."""
    return uuid4().hex[:8]


@pytest.fixture
async def topic(run: str, kafka_bootstrap_servers: str) -> AsyncIterator[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(f"shop-{run}", PARTITIONS, 1)])
    yield f"shop-{run}"
    await admin.delete_topics([f"shop-{run}"])
    await admin.close()


async def publish(kafka: str, topic: str, event: OrderPlaced) -> None:
    producer, message_id = AIOKafkaProducer(bootstrap_servers=kafka), new_message_id()
    await producer.start()
    headers = [("type", b"OrderPlaced"), ("id", message_id.bytes)]
    await producer.send_and_wait(
        topic, cloud_event(event, message_id), key=event.subject.encode(), headers=headers
    )
    await producer.stop()


async def published(kafka: str, topic: str, kind: bytes = b"SeatsReserved") -> list[Published]:
    """The events of a kind that stand on the topic now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition(topic, n) for n in range(PARTITIONS)]
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    ends = await consumer.end_offsets(places)
    found: list[ConsumerRecord] = []
    while any([await consumer.position(place) < ends[place] for place in places]):
        for records in (await consumer.getmany(timeout_ms=200)).values():
            found += records
    await consumer.stop()
    headers = [dict(record.headers) for record in found]
    return [Published(each["type"], each["id"]) for each in headers if each["type"] == kind]


async def emptied(database: Database, seconds: float = 25) -> None:
    """Waits until every event was sent and acknowledged."""
    async with asyncio.timeout(seconds):
        while await value(database, "select count(*) from clinic_lib.outbox"):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("crash_point", "free_after_the_crash", "on_kafka_after_the_crash"),
    [
        ("before-commit", 10, 0),
        ("after-commit", 7, 0),
        ("after-publish", 7, 1),
        ("before-offset-commit", 7, None),
    ],
)
async def test_a_record_is_handled_once_whenever_its_process_dies(
    crash_point: CrashPoint,
    free_after_the_crash: int,
    on_kafka_after_the_crash: int | None,
    run: str,
    topic: str,
    database: Database,
    database_url: str,
    kafka_bootstrap_servers: str,
) -> None:
    kafka, free = kafka_bootstrap_servers, "select free from seat"
    async with database.session() as session:
        await session.execute("insert into seat values (1, 10)")
    await publish(kafka, topic, OrderPlaced(order_id=1, seat_id=1, quantity=3))
    async with service_process(
        "seat", database_url=database_url, kafka=kafka, crash_point=crash_point, SHOP_RUN=run
    ) as seat:
        assert await seat.died_of() == signal.SIGKILL
        assert await value(database, free) == free_after_the_crash
        if on_kafka_after_the_crash is not None:
            assert len(await published(kafka, topic)) == on_kafka_after_the_crash

        await seat.start()

        async with asyncio.timeout(25):
            while await value(database, free) != 7 or not await published(kafka, topic):
                await asyncio.sleep(0.05)
        await emptied(database)
        await publish(kafka, topic, OrderPlaced(order_id=2, seat_id=1, quantity=1))
        async with asyncio.timeout(25):
            while len(in_effect := set(await published(kafka, topic))) < 2:
                await asyncio.sleep(0.05)
        assert len(in_effect) == 2
        assert await value(database, free) == 6


async def test_an_order_that_was_committed_is_published_after_its_process_died(
    run: str, topic: str, database: Database, database_url: str, kafka_bootstrap_servers: str
) -> None:
    async with service_process(
        "order",
        database_url=database_url,
        kafka=kafka_bootstrap_servers,
        crash_point="after-commit",
        SHOP_RUN=run,
    ) as order:
        await order.until("/health/ready", 200)
        with suppress(TransportError):
            await order.client.post("/orders", json={"seat_id": 1, "quantity": 1})
        assert await order.died_of() == signal.SIGKILL
        assert await value(database, 'select status from "order"') == "placed"
        assert await value(database, "select count(*) from clinic_lib.outbox") == 1

        await order.start()
        await emptied(database)

        assert await value(database, 'select count(*) from "order"') == 1
        assert len(set(await published(kafka_bootstrap_servers, topic, b"OrderPlaced"))) == 1
