"""What was committed is on Kafka soon, in order for each key, and gone from the outbox afterwards."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import ValidationError

from clinic_lib import outbox
from clinic_lib.errors import EventTooLargeError
from clinic_lib.messages import new_message_id
from clinic_lib.outbox import OutboxRow, Outgoing
from clinic_lib.relay import FRAMING_BYTES, Relay, partition_of
from clinic_lib.settings import ServiceSettings
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.metric_values import moved
from tests.core.shop import OrderPlaced, PlaceOrder
from tests.core.worker import Log, Worker, letters, rows, value

PARTITIONS = 3
CLOSED_PORT = "127.0.0.1:9"
MakeProducer = Callable[[], AIOKafkaProducer]


@pytest.fixture
async def topic(kafka_bootstrap_servers: str) -> AsyncIterator[str]:
    name = f"shop-relay-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    yield name
    await admin.delete_topics([name])
    await admin.close()


@pytest.fixture
def make_producer(kafka_bootstrap_servers: str) -> MakeProducer:
    return lambda: producer_for(kafka_bootstrap_servers)


def producer_for(servers: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=servers,
        enable_idempotence=True,
        max_batch_size=1_000_000 + FRAMING_BYTES,
        max_request_size=1_000_000 + FRAMING_BYTES,
        request_timeout_ms=3000,
    )


@asynccontextmanager
async def running(database: Database, make_producer: MakeProducer) -> AsyncIterator[Relay]:
    relay = Relay("shop", database, make_producer)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


def outgoing(topic: str, key: str, text: str) -> Outgoing:
    data = text.encode()
    return Outgoing(new_message_id(), topic, "order", key, "OrderPlaced", data, f"order_id:{key}", data)


async def store(database: Database, events: list[Outgoing], relay: Relay | None = None) -> list[OutboxRow]:
    """As a process that commits, and hands its relay what to send; without one it dies right after."""
    async with database.transaction() as transaction:
        stored = await outbox.insert(transaction, events)
    if relay is not None:
        relay.offer(stored)
    return stored


async def read(servers: str, topic: str, count: int, seconds: float = 15) -> list[ConsumerRecord]:
    """At least `count` records of the topic, and what follows within a moment."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await consumer.start()
    found: list[ConsumerRecord] = []
    try:
        places = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        async with asyncio.timeout(seconds):
            while True:
                polled = await consumer.getmany(timeout_ms=300)
                found += [record for records in polled.values() for record in records]
                if len(found) >= count and not polled:
                    return found
    finally:
        await consumer.stop()


def first_occurrences(records: list[ConsumerRecord], key: str) -> list[str]:
    """The values of one key in the order in which each is first seen."""
    return list(dict.fromkeys(record.value.decode() for record in records if record.key == key.encode()))


async def emptied(database: Database, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while await value(database, "select count(*) from clinic_lib.outbox"):
            await asyncio.sleep(0.05)


async def test_rows_are_sent_in_order_for_each_key_and_deleted(
    database: Database, make_producer: MakeProducer, topic: str, kafka_bootstrap_servers: str
) -> None:
    events = [outgoing(topic, str(n % 7), f"{n}") for n in range(3000)]

    async with running(database, make_producer) as relay:
        for start in range(0, 3000, 500):
            await store(database, events[start : start + 500], relay)
        await emptied(database)

    records = await read(kafka_bootstrap_servers, topic, 3000)
    assert len(records) == 3000
    for key in map(str, range(7)):
        values = [record.value.decode() for record in records if record.key == key.encode()]
        assert values == [event.payload.decode() for event in events if event.aggregateid == key]


async def test_a_record_has_the_key_the_type_and_the_id_of_its_event(
    database: Database, make_producer: MakeProducer, topic: str, kafka_bootstrap_servers: str
) -> None:
    event = outgoing(topic, "17", "seventeen")

    async with running(database, make_producer) as relay:
        await store(database, [event], relay)
        await emptied(database)

    (record,) = await read(kafka_bootstrap_servers, topic, 1)
    assert (record.key, record.value, record.partition) == (
        b"17",
        b"seventeen",
        partition_of(b"17", PARTITIONS),
    )
    assert dict(record.headers) == {"type": b"OrderPlaced", "id": event.message_id.bytes}


async def test_what_a_dead_process_left_is_sent_by_another(
    database: Database, make_producer: MakeProducer, topic: str, kafka_bootstrap_servers: str
) -> None:
    await store(database, [outgoing(topic, "1", str(n)) for n in range(5)])

    async with running(database, make_producer):
        await emptied(database)

    assert first_occurrences(await read(kafka_bootstrap_servers, topic, 5), "1") == list("01234")


async def test_a_process_sends_what_another_left_of_a_key_before_its_own(
    database: Database, make_producer: MakeProducer, topic: str, kafka_bootstrap_servers: str
) -> None:
    await store(database, [outgoing(topic, "1", "older"), outgoing(topic, "2", "other")])

    async with running(database, make_producer) as relay:
        stored = await store(database, [outgoing(topic, "1", "newer")], relay)
        assert [row.payload for row in stored] == [b"older", b"newer"]
        await emptied(database)

    records = await read(kafka_bootstrap_servers, topic, 3)
    assert first_occurrences(records, "1") == ["older", "newer"]


async def test_of_two_relays_the_first_occurrences_are_in_order(
    database: Database,
    other_database: Database,
    make_producer: MakeProducer,
    topic: str,
    kafka_bootstrap_servers: str,
) -> None:
    numbers = range(300)

    async with running(database, make_producer) as one, running(other_database, make_producer) as two:
        for n in numbers:
            relay, own = (one, database) if n % 2 else (two, other_database)
            await store(own, [outgoing(topic, "1", str(n)), outgoing(topic, "2", str(n))], relay)
        await emptied(database)

    records = await read(kafka_bootstrap_servers, topic, 600)
    for key in ("1", "2"):
        assert first_occurrences(records, key) == [str(n) for n in numbers]


async def test_after_an_error_a_new_producer_goes_on_from_the_oldest_row(
    database: Database, topic: str, kafka_bootstrap_servers: str
) -> None:
    servers = [kafka_bootstrap_servers, CLOSED_PORT, CLOSED_PORT]
    made: list[str] = []

    def make_producer() -> AIOKafkaProducer:
        made.append(servers.pop())
        return producer_for(made[-1])

    async with running(database, make_producer) as relay:
        for n in range(20):
            await store(database, [outgoing(topic, "1", str(n))], relay)
        await emptied(database)

    assert made == [CLOSED_PORT, CLOSED_PORT, kafka_bootstrap_servers]
    records = await read(kafka_bootstrap_servers, topic, 20)
    assert first_occurrences(records, "1") == [str(n) for n in range(20)]


async def test_a_producer_that_is_lost_between_flights_is_replaced(
    database: Database, topic: str, kafka_bootstrap_servers: str
) -> None:
    made: list[AIOKafkaProducer] = []

    def make_producer() -> AIOKafkaProducer:
        made.append(producer_for(kafka_bootstrap_servers))
        return made[-1]

    async with running(database, make_producer) as relay:
        await store(database, [outgoing(topic, "1", "before")], relay)
        await emptied(database)
        await made[0].stop()
        await store(database, [outgoing(topic, "1", "after")], relay)
        await emptied(database)

    assert len(made) == 2
    assert first_occurrences(await read(kafka_bootstrap_servers, topic, 2), "1") == ["before", "after"]


async def test_an_idle_relay_remembers_nothing(
    database: Database, make_producer: MakeProducer, shop_topic: None
) -> None:
    worker = Worker(shop.order_service, database)

    async with running(database, make_producer) as relay:
        worker.executor.outlet = relay
        for n in range(1, 21):
            await worker.command(PlaceOrder(seat_id=n, quantity=1))
            await asyncio.sleep(0.02)
        await emptied(database)
        await asyncio.sleep(0.1)

        assert relay.known() == []


@pytest.fixture
async def shop_topic(kafka_bootstrap_servers: str) -> AsyncIterator[None]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(shop.TOPIC, PARTITIONS, 1)])
    yield
    await admin.close()


async def test_events_of_900_kilobytes_arrive_whole(
    database: Database, make_producer: MakeProducer, topic: str, kafka_bootstrap_servers: str
) -> None:
    text = "x" * 900_000

    async with running(database, make_producer) as relay:
        await store(database, [outgoing(topic, "1", text), outgoing(topic, "1", text + "y")], relay)
        await emptied(database)

    records = await read(kafka_bootstrap_servers, topic, 2)
    assert [len(record.value) for record in records] == [900_000, 900_001]


async def test_an_event_too_large_for_the_broker_is_refused_before_anything_is_stored(
    database: Database,
) -> None:
    worker = Worker(shop.order_service, database)
    worker.executor.plan.largest_event_bytes = 1_000

    answer = await worker.command(PlaceOrder(seat_id=1, quantity=1, note="x" * 1_900))

    assert isinstance(answer, EventTooLargeError)
    assert await rows(database, 'select * from "order"') == []
    assert await rows(database, "select * from clinic_lib.outbox") == []


async def test_an_event_too_large_for_the_broker_is_a_dead_letter_of_the_step_that_caused_it(
    database: Database,
) -> None:
    async with database.session() as session:
        await session.execute("insert into seat values (1, 10)")
    worker = Worker(shop.seat_service, database)
    worker.executor.plan.largest_event_bytes = 10

    await worker.poll(Log().append(OrderPlaced(order_id=1, seat_id=1, quantity=1)))

    assert [state for state, *_ in await letters(database)] == ["failed"]
    assert await value(database, "select free from seat") == 10


def test_no_event_may_be_larger_than_what_the_relay_sends() -> None:
    with pytest.raises(ValidationError):
        ServiceSettings(
            database_url="postgresql://x/y",
            kafka_bootstrap_servers="x:1",
            largest_event_bytes=1_000_000 + FRAMING_BYTES,
        )


async def test_a_relay_that_stops_sends_what_it_has(
    database: Database, make_producer: MakeProducer, topic: str, kafka_bootstrap_servers: str
) -> None:
    async with running(database, make_producer) as relay:
        await store(database, [outgoing(topic, str(n), "x") for n in range(100)], relay)

    assert await value(database, "select count(*) from clinic_lib.outbox") == 0
    assert len(await read(kafka_bootstrap_servers, topic, 100)) == 100


async def test_a_relay_that_stops_while_it_deletes_leaves_nothing_that_was_sent(
    database: Database, make_producer: MakeProducer, topic: str
) -> None:
    """Somebody holds the table, so that the deletion waits when the relay is stopped."""
    waits = "select count(*) from pg_locks where relation = 'clinic_lib.outbox'::regclass and not granted"
    relay = Relay("shop", database, make_producer)
    await relay.start()
    await store(database, [outgoing(topic, "1", "one")], relay)

    async with database.transaction() as transaction:
        await transaction.execute("lock table clinic_lib.outbox in exclusive mode")
        async with asyncio.timeout(10):
            while not await value(database, waits):
                await asyncio.sleep(0.05)
        stopped = asyncio.create_task(relay.stop())
        await asyncio.sleep(0.3)
    await stopped

    assert await value(database, "select count(*) from clinic_lib.outbox") == 0


async def test_a_send_that_fails_is_counted_and_one_that_is_acknowledged_is_timed(
    database: Database, topic: str, kafka_bootstrap_servers: str
) -> None:
    servers = CLOSED_PORT

    async with running(database, lambda: producer_for(servers)) as relay:
        with moved("shop") as by:
            await store(database, [outgoing(topic, "1", "first")], relay)
            async with asyncio.timeout(10):
                while not by("clinic_relay_failures_total"):
                    await asyncio.sleep(0.05)
            assert by("clinic_relay_pending_rows") == 1
            servers = kafka_bootstrap_servers
            async with asyncio.timeout(10):
                while not by("clinic_relay_sent_total"):
                    await asyncio.sleep(0.05)

            assert by("clinic_relay_pending_rows") == 0
            assert by("clinic_relay_send_seconds_count") == 1
