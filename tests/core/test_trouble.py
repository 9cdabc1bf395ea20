"""Trouble that is no message's fault costs no message, and a record nobody can read stops nothing."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from faststream.kafka import KafkaBroker
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from clinic_lib.consumer import Consumer
from clinic_lib.messages import new_message_id
from clinic_lib.storage import Database, is_transient
from services.clinic.contracts import Patient
from tests.core import shop
from tests.core.process import service_process
from tests.core.shop import OrderPlaced
from tests.core.worker import Log, Worker, cloud_event, letters, rows, value

ORDER = OrderPlaced(order_id=1, seat_id=1, quantity=3)


class BadName(str):
    """A header's name whose bytes are no UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


@pytest.fixture
async def run(kafka_bootstrap_servers: str) -> AsyncIterator[str]:
    name = uuid4().hex[:8]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(f"shop-{name}", 3, 1)])
    yield name
    await admin.delete_topics([f"shop-{name}"])
    await admin.close()


async def test_a_record_that_the_client_cannot_read_is_put_aside(
    run: str, database: Database, database_url: str, kafka_bootstrap_servers: str
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap_servers)
    await producer.start()
    unreadable = producer.create_batch()
    unreadable._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 10_000)
    assert unreadable.append(timestamp=None, key=b"1", value=b"{}", headers=[(BadName("x"), b"1")])
    await (await producer.send_batch(unreadable, f"shop-{run}", partition=0))
    message_id = new_message_id()
    headers = [("type", b"OrderPlaced"), ("id", message_id.bytes)]
    await producer.send_and_wait(
        f"shop-{run}", cloud_event(ORDER, message_id), key=b"1", headers=headers, partition=0
    )
    await producer.stop()

    async with service_process(
        "page", database_url=database_url, kafka=kafka_bootstrap_servers, SHOP_RUN=run
    ):
        async with asyncio.timeout(25):
            while await rows(database, "select status from my_page") != [("placed",)]:
                await asyncio.sleep(0.05)

    assert [state for state, *_ in await letters(database)] == ["malformed"]


async def test_a_message_is_not_blamed_for_what_the_server_could_not_do(database: Database) -> None:
    async with database.session() as session:
        await session.execute("insert into seat values (1, 10)")
        await session.execute("alter table seat rename to seat_away")
        await session.execute("alter table clinic_lib.dead_letter rename to dead_letter_away")
    worker = Worker(shop.seat_service, database)
    work = worker.work([Log().append(ORDER)])
    with pytest.raises(asyncpg.UndefinedTableError):
        await worker.executor.run(work)
    async with database.session() as session:
        await session.execute("alter table seat_away rename to seat")
        await session.execute("alter table clinic_lib.dead_letter_away rename to dead_letter")

    await worker.executor.run(work)

    assert await letters(database) == []
    assert await value(database, "select free from seat") == 7


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (asyncpg.InternalClientError("cannot switch to state 15"), True),
        (asyncpg.ReadOnlySQLTransactionError("a standby"), True),
        (PoolTimeoutError("no connection is free"), True),
        (asyncpg.InterfaceError("the connection is closed"), True),
        (asyncpg.InterfaceError("the server expects 1 argument, 2 were passed"), False),
        (asyncpg.UniqueViolationError("there is one"), False),
    ],
)
def test_what_passes_by_itself_is_told_from_what_does_not(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


def test_the_client_commits_no_offset_by_itself(database: Database) -> None:
    worker = Worker(shop.seat_service, database)
    consumer = Consumer("seat", worker.executor, shop.seat_service.handlers, records=500)

    subscriber = consumer.subscribe(KafkaBroker("127.0.0.1:9"), None)

    assert subscriber._connection_args["enable_auto_commit"] is False


def test_what_a_newer_version_tells_of_a_patient_is_ignored() -> None:
    patient = Patient.model_validate(
        {"name": "Ada", "birth_date": "1985-12-10", "phone": None, "email": "ada@example.org"}
    )

    assert patient.name == "Ada"
