"""The number of SQL statements of one poll, or one group of commands, does not depend on its size."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import pytest
from asyncpg.connection import LoggedQuery
from sqlalchemy.orm import Mapped, mapped_column

from clinic_lib.delivery import Commands
from clinic_lib.service import Service
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.shop import (
    Base,
    MyPage,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    PlaceOrder,
    Seat,
    SeatsReserved,
)
from tests.core.worker import Log, Worker, rows, value

SIZES = (10, 500)
FRAME = ("BEGIN", "COMMIT", "ROLLBACK")
DRIVER = ("typeinfo_tree", "current_setting('jit')")
"""How asyncpg asks, once a connection, for what a type is made of."""


class Counted:
    """The statements that one connection was sent, without those that begin and end transactions."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.frame: list[str] = []

    def __call__(self, query: LoggedQuery) -> None:
        if any(mark in query.query for mark in DRIVER):
            return
        is_frame = query.query.strip(" ;").upper().startswith(FRAME)
        (self.frame if is_frame else self.statements).append(query.query)


@asynccontextmanager
async def counting(database: Database) -> AsyncIterator[Counted]:
    """Counts on the pool's one driver connection."""
    counted = Counted()
    async with database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        driver.add_query_logger(counted)
    yield counted
    driver.remove_query_logger(counted)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, connections=1)
    async with database.session() as session:
        await session.execute("insert into seat select i, 1000000 from generate_series(1, 50) i")
    yield database
    await database.close()


async def statements_of_a_poll(worker: Worker, events: Iterable[shop.ShopEvent], log: Log) -> int:
    records = [log.append(event) for event in events]
    database = worker.executor.database
    assert isinstance(database, Database)
    async with counting(database) as counted:
        await worker.poll(*records)
    assert len(counted.frame) == 2, counted.frame
    return len(counted.statements)


def placed(numbers: Iterable[int]) -> list[OrderPlaced]:
    return [OrderPlaced(order_id=n, seat_id=n % 50 + 1, quantity=2) for n in numbers]


def cancelled(numbers: Iterable[int]) -> list[OrderCancelled]:
    return [OrderCancelled(order_id=n, reason="changed my mind") for n in numbers]


def report(what: str, counts: Sequence[int]) -> None:
    print(f"\nSQL statements of {what}, of {' and '.join(map(str, SIZES))} messages: {counts}")


async def test_a_step_with_its_compensation_takes_the_same_number_for_10_and_500(
    database: Database,
) -> None:
    worker, log = Worker(shop.seat_service, database), Log()

    steps = [
        await statements_of_a_poll(worker, placed(range(first, first + size)), log)
        for first, size in ((1, SIZES[0]), (1000, SIZES[1]))
    ]
    compensations = [
        await statements_of_a_poll(worker, cancelled(range(first, first + size)), log)
        for first, size in ((1, SIZES[0]), (1000, SIZES[1]))
    ]

    report("a step", steps)
    report("its compensation", compensations)
    assert len({*steps, *compensations}) == 1
    assert steps[0] <= 9
    assert await value(database, "select count(*) from seat where free = 1000000") == 50
    assert await value(database, "select count(*) from clinic_lib.outbox") == 2 * sum(SIZES)


async def test_a_poll_that_mixes_step_and_compensation_takes_no_more(database: Database) -> None:
    worker, log = Worker(shop.seat_service, database), Log()
    alone = await statements_of_a_poll(worker, placed([1]), log)

    counts = []
    for first, size in ((10, SIZES[0]), (1000, SIZES[1])):
        undone, kept = range(first, first + size // 3), range(first + size, first + size + size // 3)
        mixed = [each for pair in zip(placed(undone), cancelled(undone), strict=True) for each in pair]
        counts.append(await statements_of_a_poll(worker, [*mixed, *placed(kept)], log))

    report("a mixed poll", counts)
    assert counts == [alone, alone]
    taken = 2 * (1 + sum(size // 3 for size in SIZES))
    assert await value(database, "select sum(free)::bigint from seat") == 50 * 1_000_000 - taken


class Bench(Base):
    """A row that only the answer of a step names."""

    __tablename__ = "seat_bench"

    seat_id: Mapped[int] = mapped_column(primary_key=True)
    taken: Mapped[int]


bench_service = Service(f"shop_bench_{shop.RUN}", system="shop")


@bench_service.step
def choose(event: OrderConfirmed) -> SeatsReserved:
    return SeatsReserved(order_id=event.order_id, seat_id=event.order_id, quantity=1)


@bench_service.compensation(choose)
def leave(event: OrderCancelled, done: SeatsReserved, bench: Bench) -> None:
    bench.taken -= done.quantity


async def test_rows_that_only_the_answers_of_the_same_poll_name_take_no_statement_each(
    database: Database,
) -> None:
    async with database.session() as session:
        await session.execute("insert into seat_bench select i, 1 from generate_series(1, 2000) i")
    worker, log = Worker(bench_service, database), Log()

    counts = []
    for first, size in ((10, SIZES[0]), (1000, SIZES[1])):
        half = range(first, first + size // 2)
        confirmed = [OrderConfirmed(order_id=n) for n in half]
        counts.append(await statements_of_a_poll(worker, [*confirmed, *cancelled(half)], log))

    report("a poll whose compensations need rows the steps had not", counts)
    assert counts[0] == counts[1]
    assert await value(database, "select count(*) from seat_bench where taken = 0") == sum(SIZES) // 2


async def test_a_projection_takes_at_most_five(database: Database) -> None:
    worker, log = Worker(shop.page_service, database), Log()

    inserts = [
        await statements_of_a_poll(worker, placed(range(first, first + size)), log)
        for first, size in ((1, SIZES[0]), (1000, SIZES[1]))
    ]
    updates = [
        await statements_of_a_poll(
            worker, [OrderConfirmed(order_id=n) for n in range(first, first + size)], log
        )
        for first, size in ((1, SIZES[0]), (1000, SIZES[1]))
    ]

    report("a projection", [*inserts, *updates])
    assert len({*inserts, *updates}) == 1
    assert inserts[0] <= 5
    assert await value(database, "select count(*) from my_page where status = 'confirmed'") == sum(SIZES)


two_tables = Service(f"shop_two_tables_{shop.RUN}", system="shop")
three_tables = Service(f"shop_three_tables_{shop.RUN}", system="shop")


@two_tables.step
def reserve_and_show(event: OrderPlaced, seat: Seat, page: MyPage | None) -> tuple[MyPage, SeatsReserved]:
    seat.free -= event.quantity
    reserved = SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)
    return MyPage(event.order_id, "reserved"), reserved


@two_tables.compensation(reserve_and_show)
def release_and_show(event: OrderCancelled, done: SeatsReserved, seat: Seat, page: MyPage) -> None:
    seat.free += done.quantity
    page.status = "released"


@three_tables.step
def reserve_in_three(
    event: OrderPlaced, seat: Seat, page: MyPage | None, bench: Bench | None
) -> tuple[MyPage, Bench, SeatsReserved]:
    seat.free -= event.quantity
    reserved = SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)
    return MyPage(event.order_id, "reserved"), Bench(event.seat_id, 1), reserved


@three_tables.compensation(reserve_in_three)
def release_in_three(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> None:
    seat.free += done.quantity


async def test_each_further_table_takes_at_most_two_more(database: Database) -> None:
    log = Log()
    numbers = [
        [
            await statements_of_a_poll(
                Worker(service, database), placed(range(first + start, first + start + size)), log
            )
            for first, size in ((1, SIZES[0]), (1000, SIZES[1]))
        ]
        for start, service in ((0, two_tables), (10_000, three_tables))
    ]

    report("a step over two and over three tables", [count for each in numbers for count in each])
    (two, two_of_500), (three, three_of_500) = numbers
    assert (two, three) == (two_of_500, three_of_500)
    assert two <= 9 + 2
    assert three <= 9 + 4


async def test_a_group_of_commands_takes_the_same_number_for_10_and_500(database: Database) -> None:
    worker = Worker(shop.order_service, database)

    counts = []
    for size in SIZES:
        deliveries = [worker.delivery(PlaceOrder(seat_id=1, quantity=n)) for n in range(1, size + 1)]
        async with counting(database) as counted:
            await worker.executor.run(Commands(deliveries))
        counts.append(len(counted.statements))

    report("a group of commands", counts)
    assert counts[0] == counts[1]
    assert len(await rows(database, 'select distinct order_id from "order"')) == sum(SIZES)


async def test_a_group_of_commands_about_rows_takes_the_same_number_for_10_and_500(
    database: Database,
) -> None:
    async with database.session() as session:
        await session.execute(
            """insert into "order" select i, 1, 1, 'placed', now() from generate_series(1, 510) i"""
        )
    worker = Worker(shop.order_service, database)

    counts = []
    for numbers in (range(1, 11), range(11, 511)):
        deliveries = [
            worker.delivery(shop.CancelOrder(order_id=n, reason="late"), f"order_id:{n}") for n in numbers
        ]
        async with counting(database) as counted:
            await worker.executor.run(Commands(deliveries))
        counts.append(len(counted.statements))

    report("a group of commands about rows", counts)
    assert counts[0] == counts[1]
    assert await value(database, """select count(*) from "order" where status = 'cancelled'""") == 510


async def test_the_ends_of_own_sagas_take_one_more_for_10_as_for_500(database: Database) -> None:
    """Against the same service that owns no saga."""
    idle = Service(shop.order_service.name, system="shop")
    idle.handlers = list(shop.order_service.handlers)
    async with database.session() as session:
        await session.execute(
            """insert into "order" select i, 1, 1, 'placed', now() from generate_series(1, 2000) i"""
        )
    log = Log()

    counts = []
    for first, size, service in (
        (1, SIZES[0], shop.order_service),
        (100, SIZES[1], shop.order_service),
        (1000, SIZES[1], idle),
    ):
        answers = [SeatsReserved(order_id=n, seat_id=1, quantity=1) for n in range(first, first + size)]
        counts.append(await statements_of_a_poll(Worker(service, database), answers, log))

    report("a poll that ends sagas, the last one of a service that owns none", counts)
    assert counts[0] == counts[1] == counts[2] + 1


async def test_a_redrive_takes_the_same_number_for_10_and_500(database: Database) -> None:
    worker, log = Worker(shop.seat_service, database), Log()

    counts = []
    for number, size in enumerate(SIZES, 900):
        lost = [OrderPlaced(order_id=number, seat_id=number, quantity=1) for _ in range(size)]
        await worker.poll(*(log.append(each) for each in lost))
        async with database.session() as session:
            await session.execute("insert into seat values ($1, 1000)", number)
        async with counting(database) as counted:
            assert (await worker.redriver.redrive_key(f"order_id:{number}")).handled == size
        counts.append(len(counted.statements))

    report("a redrive", counts)
    assert counts[0] == counts[1]


async def test_failed_and_waiting_messages_take_the_same_number_for_10_and_500(database: Database) -> None:
    worker, log = Worker(shop.seat_service, database), Log()
    nowhere = 999

    counts = []
    for first, size in ((1, SIZES[0]), (1000, SIZES[1])):
        numbers = range(first, first + size // 2)
        failing = [OrderPlaced(order_id=n, seat_id=nowhere, quantity=1) for n in numbers]
        counts.append(await statements_of_a_poll(worker, [*failing, *cancelled(numbers)], log))

    report("a poll of dead letters", counts)
    assert counts[0] == counts[1]
    states = await rows(database, "select state, count(*) from clinic_lib.dead_letter group by 1 order by 1")
    assert states == [("failed", sum(SIZES) // 2), ("waiting", sum(SIZES) // 2)]
