"""A process that dies by SIGKILL loses nothing and does nothing twice."""

import asyncio
import signal
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from clinic_lib.messages import new_message_id
from clinic_lib.storage import Database
from clinic_lib.telemetry import CrashPoint
from tests.core import shop
from tests.core.process import service_process
from tests.core.shop import OrderPlaced
from tests.core.worker import cloud_event, value

PARTITIONS = 3


class Published(NamedTuple):
    """An event as it stands on Kafka."""

    type: bytes | None
    message_id: bytes | None


async def declare_topic(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    answer = await admin.create_topics([NewTopic(shop.TOPIC, PARTITIONS, 1)])
    await admin.close()
    for _, code, *_ in answer.topic_errors:
        assert not code or for_code(code) is TopicAlreadyExistsError


async def publish(kafka: str, event: OrderPlaced) -> None:
    producer, message_id = AIOKafkaProducer(bootstrap_servers=kafka), new_message_id()
    await producer.start()
    headers = [("type", b"OrderPlaced"), ("id", message_id.bytes)]
    await producer.send_and_wait(
        shop.TOPIC, cloud_event(event, message_id), key=event.subject.encode(), headers=headers
    )
    await producer.stop()


async def events_of(kafka: str, order_id: int) -> list[Published]:
    """All that stands on Kafka of one order now, but what the test itself put there."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition(shop.TOPIC, n) for n in range(PARTITIONS)]
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    ends = await consumer.end_offsets(places)
    found = []
    while any([await consumer.position(place) < ends[place] for place in places]):
        for records in (await consumer.getmany(timeout_ms=200)).values():
            found += [record for record in records if record.key == str(order_id).encode()]
    await consumer.stop()
    headers = [dict(record.headers) for record in found]
    return [Published(each["type"], each["id"]) for each in headers if each["type"] != b"OrderPlaced"]


async def in_effect(kafka: str, order_id: int, seconds: float = 25) -> set[Published]:
    """The events of an order, each once as its consumers' inbox sees them; waits for the first."""
    async with asyncio.timeout(seconds):
        while not (found := await events_of(kafka, order_id)):
            await asyncio.sleep(0.1)
    return set(found)


@pytest.mark.parametrize(
    ("crash_point", "order_id", "free_after_the_crash", "on_kafka_after_the_crash"),
    [
        ("before-commit", 101, 10, 0),
        ("after-commit", 102, 7, 0),
        ("after-publish", 103, 7, 1),
        ("before-offset-commit", 104, 7, None),
    ],
)
async def test_a_record_is_handled_once_whenever_its_process_dies(
    crash_point: CrashPoint,
    order_id: int,
    free_after_the_crash: int,
    on_kafka_after_the_crash: int | None,
    database: Database,
    database_url: str,
    kafka_bootstrap_servers: str,
) -> None:
    kafka = kafka_bootstrap_servers
    await declare_topic(kafka)
    async with database.session() as session:
        await session.execute("insert into seat select i, 10 from generate_series(101, 104) i")
    async with service_process(
        "seat", database_url=database_url, kafka=kafka, crash_point=crash_point
    ) as seat:
        await publish(kafka, OrderPlaced(order_id=order_id, seat_id=order_id, quantity=3))
        assert await seat.died_of() == signal.SIGKILL
        free = "select free from seat where seat_id = $1"
        assert await value(database, free, order_id) == free_after_the_crash
        if on_kafka_after_the_crash is not None:
            assert len(await events_of(kafka, order_id)) == on_kafka_after_the_crash

        await seat.start()

        ((kind, _),) = await in_effect(kafka, order_id)
        assert kind == b"SeatsReserved"
        assert await value(database, free, order_id) == 7
        async with asyncio.timeout(10):
            while await value(database, "select count(*) from clinic_lib.outbox"):
                await asyncio.sleep(0.1)
        assert len(await in_effect(kafka, order_id)) == 1


async def test_an_order_that_was_committed_is_published_after_its_process_died(
    database: Database, database_url: str, kafka_bootstrap_servers: str
) -> None:
    async with database.session() as session:
        await session.execute("""alter sequence order_order_id_seq restart with 900""")
    async with service_process(
        "order", database_url=database_url, kafka=kafka_bootstrap_servers, crash_point="after-commit"
    ) as order:
        await order.until("/health/live", 200)
        with pytest.raises(Exception, match=""):
            while (await order.client.post("/orders", json={"seat_id": 1, "quantity": 1})).status_code == 503:
                await asyncio.sleep(0.1)
        assert await order.died_of() == signal.SIGKILL
        assert await value(database, 'select status from "order"') == "placed"

        await order.start()

        async with asyncio.timeout(20):
            while await value(database, "select count(*) from clinic_lib.outbox"):
                await asyncio.sleep(0.1)
        assert await value(database, 'select count(*) from "order"') == 1
