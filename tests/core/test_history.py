"""What the log says of one saga, read from a real Kafka."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from clinic_lib.history import History
from clinic_lib.messages import new_message_id
from clinic_lib.relay import partition_of
from tests.core.shop import OrderPlaced
from tests.core.test_trouble import BadName
from tests.core.worker import cloud_event

ORDER = OrderPlaced(order_id=7, seat_id=1, quantity=3)
PLACE = partition_of(b"7", 3)


@pytest.fixture
async def topic(kafka_bootstrap_servers: str) -> AsyncIterator[str]:
    name = f"history-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(name, 3, 1)])
    yield name
    await admin.delete_topics([name])
    await admin.close()


@pytest.fixture
async def producer(kafka_bootstrap_servers: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap_servers) as producer:
        yield producer


@pytest.fixture
def history(kafka_bootstrap_servers: str) -> History:
    return History(
        lambda: AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap_servers, enable_auto_commit=False)
    )


async def send(
    producer: AIOKafkaProducer, topic: str, value: bytes | None, key: bytes, message_id: UUID
) -> None:
    headers = [("type", b"OrderPlaced"), ("id", message_id.bytes)]
    await producer.send_and_wait(topic, value, key=key, partition=PLACE, headers=headers)


async def test_only_this_saga_s_events_are_told_once_and_in_order(
    topic: str, producer: AIOKafkaProducer, history: History
) -> None:
    first, second = new_message_id(), new_message_id()
    other = OrderPlaced(order_id=8, seat_id=1, quantity=3)
    of_another_kind = cloud_event(ORDER, new_message_id(), data={"visit_id": 7})
    for value, key, message_id in (
        (cloud_event(ORDER, first), b"7", first),
        (cloud_event(other, new_message_id()), b"8", new_message_id()),
        (of_another_kind, b"7", new_message_id()),
        (b"[]", b"7", new_message_id()),
        (b"no JSON", b"7", new_message_id()),
        (None, b"7", new_message_id()),
        (cloud_event(ORDER, second, causationid=str(first)), b"7", second),
        (cloud_event(ORDER, first), b"7", first),
    ):
        await send(producer, topic, value, key, message_id)

    told = await history.of(topic, "order_id:7", datetime.now(UTC))

    assert [each["message_id"] for each in told] == [str(first), str(second)]
    assert [(each["type"], each["source"]) for each in told] == [("OrderPlaced", "tests")] * 2
    assert [(each["causation_id"], each["partition"], each["offset"]) for each in told] == [
        (None, PLACE, 0),
        (str(first), PLACE, 6),
    ]


async def test_a_record_that_the_client_cannot_read_is_passed_over(
    topic: str, producer: AIOKafkaProducer, history: History
) -> None:
    ids = [new_message_id() for _ in range(3)]
    for message_id in ids:
        await send(producer, topic, cloud_event(ORDER, message_id), b"7", message_id)
        unreadable = producer.create_batch()
        unreadable._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 10_000)
        assert unreadable.append(timestamp=None, key=b"7", value=b"{}", headers=[(BadName("x"), b"1")])
        await (await producer.send_batch(unreadable, topic, partition=PLACE))

    told = await history.of(topic, "order_id:7", datetime.now(UTC))

    assert [each["message_id"] for each in told] == [str(each) for each in ids]


async def test_a_log_without_the_saga_tells_nothing(topic: str, history: History) -> None:
    assert await history.of(topic, "order_id:7", datetime.now(UTC)) == []
    assert await history.of(topic, "order_id:7", datetime.now(UTC) + timedelta(hours=1)) == []
