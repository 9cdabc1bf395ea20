"""My page by hand on aiokafka and asyncpg, with the very statements, arrays and numbers of keys that the library has.

What the product takes beyond it is the price of reading with types, of wiring, deciding and metrics, for the same SQL.
It trusts what it reads: no check of a record's key, type and texts, and no undoing of what fails.
It takes requests on standard input as a worker does.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Any

import asyncpg
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from clinic_lib import dead_letter, inbox, keys
from clinic_lib.arrays import Array
from clinic_lib.messages import fast_uuid
from clinic_lib.rows import row_table
from services.reservation.my_page.domain import MyPage
from tests.benchmarks.floor import calm_garbage_collector
from tests.benchmarks.worker import Worker, answer_requests
from tests.benchmarks.workload import database_of, run_name

__all__: list[str] = []

TABLE = row_table(MyPage)
NAMES = TABLE.names
STEPS = NAMES.index("steps")
STATUS = {b"OrderConfirmed": "confirmed", b"OrderCancelled": "cancelled"}
CHANGES = (*STATUS, b"SeatsReserved")

Received = tuple[Any, ConsumerRecord, bytes, dict[str, Any]]
"""A message id, its record, its type and the event."""


async def main(topic: str, records: int) -> None:
    logging.disable(logging.ERROR)
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        group_id=f"bare_{run_name()}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    connection = await asyncpg.connect(database_of("my_page"))
    async with asyncio.TaskGroup() as tasks:
        consuming = tasks.create_task(consume(consumer, connection, records))
        calm_garbage_collector()
        await answer_requests(Worker({}))
        consuming.cancel()
    await consumer.stop()
    await connection.close()


async def consume(consumer: AIOKafkaConsumer, connection: Any, most: int) -> None:
    """Handle poll after poll, each in a transaction, for ever; commit offsets each second."""
    offsets: dict[TopicPartition, int] = {}
    committed = monotonic()
    while True:
        polled = await consumer.getmany(timeout_ms=1_000, max_records=most)
        if polled:
            next_offsets = {place.partition: records[-1].offset + 1 for place, records in polled.items()}
            received = [receive(record) for records in polled.values() for record in records]
            async with connection.transaction():
                await handle(connection, received, next_offsets)
            offsets |= {place: records[-1].offset + 1 for place, records in polled.items()}
        if offsets and monotonic() - committed > 1:
            await consumer.commit(offsets)
            offsets, committed = {}, monotonic()


def receive(record: Any) -> Received:
    headers = dict(record.headers)
    event = orjson.loads(record.value)
    event["time"] = datetime.fromisoformat(event["time"])
    return fast_uuid(headers["id"]), record, headers["type"], event


async def handle(connection: Any, received: Sequence[Received], next_offsets: dict[int, int]) -> None:
    """The statements of a projection, in their order."""
    ids, records, _, events = zip(*received, strict=True)
    place = {partition: nth for nth, partition in enumerate(next_offsets, 1)}
    arrived = (
        Array("text", ["bare"] * len(place)),
        Array("integer", place),
        Array("bigint", next_offsets.values()),
        Array("uuid", ids),
        Array("integer", (place[each.partition] for each in records)),
        Array("bigint", (each.offset for each in records)),
    )
    fresh = {row[0] for row in await ask(connection, inbox.RECEIVE, *arrived)}
    names = sorted({f"order_id:{event['subject']}" for event in events})
    await ask(connection, keys.LOCK, Array("bigint", sorted(map(keys.number_of, names))))
    await ask(connection, dead_letter.PARKED, Array("text", names))
    known = {event["data"]["order_id"] for _, _, kind, event in received if kind in CHANGES}
    rows = await ask(connection, TABLE.loading(("order_id",)), Array("bigint", known)) if known else []
    pages = {row[0]: list(row) for row in rows}
    there = set(pages)
    for message_id, _, kind, event in received:
        if message_id in fresh:
            show(pages, kind, event)
    images = sorted(pages.items())
    columns = zip(TABLE.kinds.values(), zip(*(page for _, page in images), strict=True), strict=True)
    is_known = Array("boolean", (each in there for each, _ in images))
    await ask(connection, TABLE.saving(), is_known, *(Array(kind or "", values) for kind, values in columns))


def show(pages: dict[int, list[Any]], kind: bytes, event: dict[str, Any]) -> None:
    """What the service's projections do."""
    data = event["data"]
    if kind == b"OrderPlaced":
        steps = orjson.dumps([{"status": "placed", "at": event["time"]}]).decode()
        given = {
            **data,
            "status": "placed",
            "since": event["time"],
            "created_at": event["time"],
            "steps": steps,
        }
        pages[data["order_id"]] = [given.get(name) for name in NAMES]
        return
    page = pages[data["order_id"]]
    if status := STATUS.get(kind):
        longer = [*orjson.loads(page[STEPS]), {"status": status, "at": event["time"]}]
        changed = {"status": status, "since": event["time"], "reason": data.get("reason")}
        changed["steps"] = orjson.dumps(longer).decode()
    else:
        changed = {"seat_name": data["seat_name"]}
    for name, value in changed.items():
        page[NAMES.index(name)] = value


async def ask(connection: Any, statement: str, *arrays: Array) -> Any:
    return await connection.fetch(statement, *(each.literal() for each in arrays))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
