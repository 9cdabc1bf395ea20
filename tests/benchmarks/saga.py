"""Runs N reservation sagas through three services in one process: `python -m tests.benchmarks.saga 20000 500`.

Needs KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL (a server's address: databases are made and dropped).
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

import asyncpg
import uvloop
from faststream.kafka import KafkaBroker
from sqlalchemy.engine import make_url

from clinic_lib import tracing
from clinic_lib.delivery import CommandDelivery, Commands
from clinic_lib.messages import Envelope, new_message_id
from clinic_lib.otlp_encoding import Kind
from clinic_lib.runtime import Runtime
from clinic_lib.service import Service
from clinic_lib.settings import ServiceSettings
from tests.benchmarks import reservation
from tests.benchmarks.reservation import OrderEvent, PlaceOrder

BLOCKS = 100


class Result(NamedTuple):
    """What one run measured; it counts only when `gate` is empty."""

    sagas_per_second: float
    cpu_microseconds_per_saga: float
    gate: list[str]


async def measure(sagas: int, records: int, kafka: str, postgresql: str) -> Result:
    """Place `sagas` orders in groups of `records`, a third too many, and wait until my page shows how each ended."""
    run = uuid4().hex[:8]
    _rename_topic(f"reservation-{run}")
    async with (
        tracing.tracing("benchmark"),
        _databases(run, postgresql) as urls,
        _running(urls, kafka, records) as (order, seat, page),
    ):
        free = 2 * (sagas // BLOCKS)
        async with seat.database.session() as session:
            await session.execute("insert into seat select i, $1 from generate_series(1, $2) i", free, BLOCKS)
        started, cpu = time.perf_counter(), time.process_time()
        await _place(order, sagas, records)
        while await _count(page, "select count(*) from my_page where status <> 'placed'") < sagas:
            await asyncio.sleep(0.05)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        await asyncio.sleep(1.5)
        gate = await _gate(order, seat, page, sagas, free)
    return Result(sagas / seconds, cpu / sagas * 1e6, gate)


async def _place(order: Runtime, sagas: int, records: int) -> None:
    handler = next(each for each in reservation.order_service.handlers if each.name == "place")
    for start in range(0, sagas, records):
        deliveries = [
            CommandDelivery(
                PlaceOrder(seat_id=n % BLOCKS + 1, quantity=3),
                _envelope(),
                (handler,),
                None,
            )
            for n in range(start, min(start + records, sagas))
        ]
        await order.executor.run(Commands(deliveries))


def _envelope() -> Envelope:
    """As that of a request, with its trace."""
    traceparent, span = tracing.enter(None, "POST /orders", Kind.SERVER)
    if span is not None:
        tracing.finish(span)
    message_id = new_message_id()
    return Envelope(message_id, datetime.now(UTC), "benchmark", message_id, traceparent=traceparent)


async def _gate(order: Runtime, seat: Runtime, page: Runtime, sagas: int, free: int) -> list[str]:
    """Every order ended, seats add up, the page equals the orders, nothing is left in an outbox."""
    confirmed = await _count(order, "select count(*) from \"order\" where status = 'confirmed'")
    cancelled = await _count(order, "select count(*) from \"order\" where status = 'cancelled'")
    left = await _count(seat, "select sum(free)::bigint from seat")
    shown = await _count(page, "select count(*) from my_page where status = 'confirmed'")
    checks = {
        "every order ended": confirmed + cancelled == sagas,
        "seats add up": left == free * BLOCKS - 3 * confirmed,
        "the page equals the orders": shown == confirmed,
    }
    for runtime in (order, seat, page):
        rest = await _count(runtime, "select count(*) from clinic_lib.outbox")
        letters = await _count(runtime, "select count(*) from clinic_lib.dead_letter")
        checks[f"outbox and dead letters empty: {rest}, {letters}"] = rest + letters == 0
    return [name for name, holds in checks.items() if not holds]


async def _count(runtime: Runtime, statement: str) -> int:
    async with runtime.database.session() as session:
        return int((await session.fetch(statement))[0][0])


def _rename_topic(topic: str) -> None:
    for event in (*OrderEvent.__subclasses__(), reservation.reservation.deadline_reached):
        declaration = event.declaration
        event.declaration = type(declaration)(
            declaration.type, topic, declaration.key, declaration.failure, declaration.version
        )


@asynccontextmanager
async def _databases(run: str, postgresql: str) -> AsyncIterator[list[str]]:
    server = make_url(postgresql)
    names = [f"{name}_{run}" for name in ("order", "seat", "my_page")]
    connection = await asyncpg.connect(server.render_as_string(False))
    for name in names:
        await connection.execute(f"create database {name}")
    try:
        yield [server.set(database=name).render_as_string(False) for name in names]
    finally:
        for name in names:
            await connection.execute(f"drop database {name} with (force)")
        await connection.close()


@asynccontextmanager
async def _running(urls: list[str], kafka: str, records: int) -> AsyncIterator[list[Runtime]]:
    services: list[Service] = [reservation.order_service, reservation.seat_service, reservation.page_service]
    runtimes = []
    for url, service in zip(urls, services, strict=True):
        settings = ServiceSettings(
            database_url=url,
            kafka_bootstrap_servers=kafka,
            poll_records=records,
            kafka_partitions=4,
        )
        broker = KafkaBroker(settings.kafka_bootstrap_servers, logger=None)
        runtimes.append(Runtime(service, settings, broker))
    try:
        for runtime in runtimes:
            await runtime.start()
        while any(runtime.ready() for runtime in runtimes):
            await asyncio.sleep(0.05)
        yield runtimes
    finally:
        await asyncio.gather(*(runtime.stop() for runtime in runtimes))


if __name__ == "__main__":
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["DATABASE_URL"]
    result = uvloop.run(measure(int(sys.argv[1]), int(sys.argv[2]), *servers))
    print(
        f"{result.sagas_per_second:,.0f} sagas/s, {result.cpu_microseconds_per_saga:,.0f} µs CPU a saga, "
        f"gate: {', '.join(result.gate) or 'passed'}"
    )
