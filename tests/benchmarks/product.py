"""The workload on the product: services/reservation as it is, in one process or in several.

The library's locks, parked keys, stored offsets, deadlines, barriers and metrics are on, as in any service.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg

from tests.benchmarks.ground import Run
from tests.benchmarks.stopwatch import Result, Stopwatch
from tests.benchmarks.worker import Wanted
from tests.benchmarks.workers import started
from tests.benchmarks.workload import PARTITIONS, RECORDS, Books, fill_seats, free_at_first

__all__ = ["SERVICES", "VARIANTS", "Product", "books_of", "measure", "until_tidy"]

SERVICES = ("order", "seat", "my_page")
MODULES = {name: f"services.reservation.{name}.app" for name in SERVICES}
VARIANTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "one process": (SERVICES,),
    "a process each": tuple((name,) for name in SERVICES),
    "two replicas each": tuple((name,) for name in SERVICES * 2),
}
"""Which services share a process."""

TIDY_WITHIN_S = 10.0  # acknowledged rows are deleted within a second, what a sweeper has to find within four
UNSENT = "select count(*) from clinic_lib.outbox"
LETTERS = "select count(*) from clinic_lib.dead_letter"
RECEIVED = "select count(*) from clinic_lib.inbox"
OPEN_SAGAS = "select count(*) from clinic_lib.saga where state not in ('completed', 'compensated')"


@dataclass(frozen=True)
class Product:
    """How the product is run and what it is given."""

    variant: str = "one process"
    records: int = RECORDS
    partitions: int = PARTITIONS
    payload: int = 0
    inbox_rows: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> list[Wanted]:
        settings = {"POLL_RECORDS": str(self.records), "KAFKA_PARTITIONS": str(self.partitions)}
        settings |= self.environment
        return [
            Wanted(
                tuple(MODULES[name] for name in names),
                {name: port for name, port in self.ports.items() if name in names},
                settings,
                long_texts=self.payload > 200,
            )
            for names in VARIANTS[self.variant]
        ]

    @property
    def order_processes(self) -> list[int]:
        return [n for n, names in enumerate(VARIANTS[self.variant]) if "order" in names]


async def measure(run: Run, sagas: int, product: Product | None = None) -> Result:
    """Runs `sagas` orders, placed in groups as large as a poll, through the services."""
    product = product or Product()
    async with started(run, product.wanted) as workers, books_of(run) as books:
        await fill_seats(books.seat, free_at_first(sagas))
        if product.inbox_rows:
            await fill_inboxes(books, product.inbox_rows)

        async def place() -> None:
            await workers.place(sagas, product.records, product.order_processes, product.payload)

        result = await Stopwatch(books, sagas, workers.cpu).measure(place)
        await until_tidy(books)
        result.gate = await books.gate(sagas)
        result.kafka_bytes = run.kafka_bytes() / sagas
    async with books_of(run) as books:  # the processes have ended in order: nothing is under way any more
        result.gate += await left_over(books, sagas, product.inbox_rows)
    return result


async def until_tidy(books: Books) -> None:
    """Return when no outbox holds anything any more, or after some seconds: then the gate says what is left."""
    with suppress(TimeoutError):
        async with asyncio.timeout(TIDY_WITHIN_S):
            for connection in (books.order, books.seat, books.page):
                while await connection.fetchval(UNSENT):
                    await asyncio.sleep(0.1)


async def left_over(books: Books, sagas: int, earlier: int = 0) -> list[str]:
    """What is wrong with inboxes, outboxes, dead letters and sagas."""
    cancelled = await books.order.fetchval("select count(*) from \"order\" where status = 'cancelled'")
    received = {
        "order": sagas + cancelled,  # seats reserved or refused, and its own cancellations
        "seat": sagas + cancelled,  # orders placed and cancelled
        "my_page": 3 * sagas,
    }
    wrong = []
    for name, connection in zip(SERVICES, (books.order, books.seat, books.page), strict=True):
        inbox = await connection.fetchval(RECEIVED) - earlier
        unsent, letters = await connection.fetchval(UNSENT), await connection.fetchval(LETTERS)
        if (inbox, unsent, letters) != (received[name], 0, 0):
            wrong.append(
                f"{name} has received {inbox} events instead of {received[name]}, "
                f"has {unsent} in its outbox and {letters} dead letters"
            )
    if running := await books.order.fetchval(OPEN_SAGAS):
        wrong.append(f"{running} sagas have not ended for the service that owns them")
    return wrong


async def fill_inboxes(books: Books, rows: int) -> None:
    """Ids of messages that were handled before, spread over yesterday."""
    for connection in (books.order, books.seat, books.page):
        await connection.execute(
            "insert into clinic_lib.inbox select uuidv7(-make_interval(secs => 86400.0 * i / $1::bigint)) "
            "from generate_series(1, $1::bigint) i",
            rows,
        )
        await connection.execute("analyze clinic_lib.inbox")


@asynccontextmanager
async def books_of(run: Run) -> AsyncIterator[Books]:
    """Connections to the three databases."""
    async with AsyncExitStack() as stack:
        connections = []
        for name in SERVICES:
            connection = await asyncpg.connect(run.database(name))
            stack.push_async_callback(connection.close)
            connections.append(connection)
        yield Books(*connections)
