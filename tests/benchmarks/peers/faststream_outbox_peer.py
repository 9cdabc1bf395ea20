"""faststream-outbox: three services joined by a transactional outbox whose table is the queue.

https://faststream-outbox.modern-python.org: rows are handled in place ("standalone outbox queue"), which saves the
library the way over Kafka. Each handler publishes the next message in its own transaction; the handled row is deleted
after it. Many workers, large fetches, acknowledgements flushed in groups, asyncpg with LISTEN/NOTIFY. It has no inbox:
a message that is delivered twice would be handled twice, and nothing is spent to prevent it.
"""

import asyncio
import logging
import sys
from dataclasses import asdict
from typing import Any

import uvloop
from faststream_outbox import OutboxBroker, make_outbox_table
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from tests.benchmarks.peers.transactions import Order, Outcome, end, place, reserve, wanted
from tests.benchmarks.stopwatch import measure_in_one_database
from tests.benchmarks.workload import database_of, make_tables

AT_ONCE = 32
"""Orders placed side by side, and workers a queue."""
FETCHED = 100
FLUSHED = 20


async def main(sagas: int) -> None:
    await make_tables(sagas)
    engine = create_async_engine(
        database_of("peer").replace("postgresql:", "postgresql+asyncpg:"),
        pool_size=6 * AT_ONCE,
        max_overflow=0,
    )
    metadata = MetaData()
    broker = OutboxBroker(engine, outbox_table=make_outbox_table(metadata), logger=None)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    options: dict[str, Any] = {
        "max_workers": AT_ONCE,
        "fetch_batch_size": FETCHED,
        "terminal_flush_batch_size": FLUSHED,
        "min_fetch_interval": 0.01,
        "max_fetch_interval": 0.1,
    }

    @broker.subscriber("placed", **options)
    async def reserve_seats(body: dict[str, Any]) -> None:
        async with sessions.begin() as session:
            outcome = await reserve(session, Order(**body["order"]))
            await broker.publish({**body, "outcome": asdict(outcome)}, queue="answered", session=session)

    @broker.subscriber("answered", **options)
    async def end_order(body: dict[str, Any]) -> None:
        async with sessions.begin() as session:
            await end(session, body["order_id"], Order(**body["order"]), Outcome(**body["outcome"]))

    slots = asyncio.Semaphore(AT_ONCE)

    async def one(n: int) -> None:
        order = wanted(n)
        async with slots, sessions.begin() as session:
            order_id = await place(session, order)
            await broker.publish(
                {"order_id": order_id, "order": asdict(order)}, queue="placed", session=session
            )

    async def all_of_them() -> None:
        await asyncio.gather(*(one(n) for n in range(sagas)))

    logging.disable(logging.WARNING)
    async with broker:
        result = await measure_in_one_database(sagas, all_of_them)
    result.tell()
    await engine.dispose()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
