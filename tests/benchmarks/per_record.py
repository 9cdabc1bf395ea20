"""What a record costs beyond its SQL: my page's service beside the same statements on bare aiokafka and asyncpg."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from statistics import median
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from clinic_lib import inbox
from clinic_lib.outbox import Outgoing
from clinic_lib.schema import migrate
from clinic_lib.storage import Database
from services.reservation.contracts import OrderPlaced
from services.reservation.my_page.app import service as my_page
from tests.benchmarks.alone import make_topic, outgoing
from tests.benchmarks.ground import Run, Servers, fresh_run
from tests.benchmarks.product import MODULES
from tests.benchmarks.steps import Steps
from tests.benchmarks.worker import Wanted
from tests.benchmarks.workers import Workers, programs, started
from tests.benchmarks.workload import PARTITIONS, RECORDS, RunError

__all__ = ["cost", "measure"]

ORDERS = 5_000
SHOWN_WITHIN_S = 120.0
SHOWN = "select count(*) from my_page where status = 'confirmed' and seat_name is not null"
WAYS = ("product", "bare")


async def measure(servers: Servers, steps: Steps, rounds: int) -> dict[str, Any]:
    """Microseconds of CPU a record, both ways in turns. Raises `RunError` when my page is not complete in time."""
    steps.expect(rounds)
    found: dict[str, list[float]] = {each: [] for each in WAYS}
    for number in range(1, rounds + 1):
        steps(f"round {number} of {rounds}: CPU a record")
        for way in WAYS if number % 2 else reversed(WAYS):
            found[way].append(await cost(servers, way, ORDERS))
    return {"per_record": {way: {"cpu_us": median(costs), "all": costs} for way, costs in found.items()}}


async def cost(servers: Servers, way: str, orders: int) -> float:
    """Microseconds of CPU that a record took, of three an order that wait on Kafka."""
    async with fresh_run(servers, ["my_page"]) as run:
        topic = f"{OrderPlaced.declaration.topic}-{run.name}"
        await _prepare(run, topic)
        events = [each._replace(topic=topic) for each in outgoing(orders)]
        async with _consuming(run, way, topic) as workers:
            before = await workers.cpu()
            await _publish(run, events)
            await _until_shown(run, orders)
            return 1e6 * (await workers.cpu() - before) / len(events)


@asynccontextmanager
async def _consuming(run: Run, way: str, topic: str) -> AsyncIterator[Workers]:
    if way == "product":
        settings = {"POLL_RECORDS": str(RECORDS), "KAFKA_PARTITIONS": str(PARTITIONS)}
        async with started(run, [Wanted((MODULES["my_page"],), settings=settings)]) as workers:
            yield workers
    else:
        command = (sys.executable, "-m", "tests.benchmarks.bare", topic, str(RECORDS))
        async with programs(run, [command]) as workers:
            yield workers


async def _prepare(run: Run, topic: str) -> None:
    await make_topic(run, topic)
    database = Database(run.database("my_page"))
    await migrate(database, my_page.tables)
    await inbox.keep_partitions(database, datetime.now(UTC))
    await database.close()


async def _publish(run: Run, events: Sequence[Outgoing]) -> None:
    """In their order, all at once, so that whoever reads them finds a full poll each time."""
    async with AIOKafkaProducer(bootstrap_servers=run.servers.kafka, max_batch_size=1_000_000) as producer:
        batches: list[tuple[int, Any]] = []
        for start in range(0, len(events), RECORDS):
            of_partition = {n: producer.create_batch() for n in range(PARTITIONS)}
            for each in events[start : start + RECORDS]:
                key = each.aggregateid.encode()
                batch = of_partition[(murmur2(key) & 0x7FFFFFFF) % PARTITIONS]
                headers = [("type", each.type.encode()), ("id", each.message_id.bytes)]
                batch.append(timestamp=None, key=key, value=each.payload, headers=headers)
            batches += of_partition.items()
        sending = (producer.send_batch(batch, events[0].topic, partition=n) for n, batch in batches)
        await asyncio.gather(*await asyncio.gather(*sending))


async def _until_shown(run: Run, orders: int) -> None:
    connection = await asyncpg.connect(run.database("my_page"))
    try:
        async with asyncio.timeout(SHOWN_WITHIN_S):
            while await connection.fetchval(SHOWN) < orders:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise RunError(f"my page was not complete after {SHOWN_WITHIN_S:g} s") from None
    finally:
        await connection.close()
