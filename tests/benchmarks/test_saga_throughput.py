"""Sagas a second, of the product and of the floor, each with the gate that says whether the run counts."""

import asyncio

import asyncpg
import psutil
import pytest
import uvloop
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks.contenders import Contender, Floor, ProductVariant
from tests.benchmarks.ground import Servers, fresh_run
from tests.benchmarks.product import Product, books_of
from tests.benchmarks.stopwatch import Result
from tests.benchmarks.workload import TABLES, Books, fill_seats, free_at_first

SAGAS = 1_500
ALL_ENDED = """
insert into "order" (seat_id, quantity, customer, status, created_at, reason)
select (n + 2) / 3, 3, 'customer ' || n, case n % 3 when 0 then 'cancelled' else 'confirmed' end, now(),
    case n % 3 when 0 then 'not enough seats' end
from generate_series(1, 300) n;
insert into my_page (order_id, customer, seat_id, quantity, status, since, seat_name, reason, steps)
select order_id, customer, seat_id, quantity, status, now(), 'Stalls ' || seat_id, reason,
    jsonb_build_array(jsonb_build_object('status', 'placed'), jsonb_build_object('status', status))
from "order";
update seat set free = 0;
"""
SWAPPED = """
update my_page p set status = o.status, reason = o.reason,
    steps = jsonb_build_array(jsonb_build_object('status', 'placed'), jsonb_build_object('status', o.status))
from (values (3, 4), (4, 3), (6, 5), (5, 6)) as swapped (one, other) join "order" o on o.order_id = other
where p.order_id = one
"""


@pytest.mark.parametrize(
    "contender",
    [ProductVariant(Product("one process")), ProductVariant(Product("two replicas each")), Floor()],
    ids=lambda contender: contender.name,
)
def test_every_saga_ends_and_the_books_balance(
    benchmark: BenchmarkFixture, ground: Servers, contender: Contender
) -> None:
    async def measure() -> Result:
        async with fresh_run(ground, contender.databases) as run:
            return await contender.measure(run, SAGAS)

    result = benchmark.pedantic(lambda: uvloop.run(measure()), rounds=1, iterations=1)

    assert result.gate == []
    benchmark.extra_info |= {"sagas_per_second": result.sagas_per_second, "cpu_microseconds": result.cpu}


def test_a_run_that_loses_an_order_does_not_count(ground: Servers) -> None:
    """The gate can fail: a page that was changed by hand is noticed."""

    async def measure() -> list[str]:
        contender = ProductVariant(Product())
        async with fresh_run(ground, contender.databases) as run:
            assert (await contender.measure(run, 300)).gate == []
            async with books_of(run) as books:
                return await _spoilt(books)

    wrong = uvloop.run(measure())

    assert len(wrong) == 3
    assert "seats are left" in wrong[0]
    assert "my page shows other orders" in wrong[1]


def test_orders_whose_ends_are_swapped_on_my_page_stand_in_the_gate(ground: Servers) -> None:
    """As many of each end as there were, and the same sum of their numbers."""

    async def measure() -> list[list[str]]:
        async with fresh_run(ground, ["peer"]) as run:
            connection = await asyncpg.connect(run.database("peer"))
            try:
                await connection.execute(";".join(TABLES.values()))
                await fill_seats(connection, free_at_first(300))
                await connection.execute(ALL_ENDED)
                books = Books(connection, connection, connection)
                before = await books.gate(300)
                await connection.execute(SWAPPED)
                return [before, await books.gate(300)]
            finally:
                await connection.close()

    before, after = uvloop.run(measure())

    assert before == []
    (wrong,) = after
    assert wrong.startswith("my page shows other orders")


def test_a_process_that_is_killed_stands_in_the_gate(ground: Servers) -> None:
    async def measure() -> list[str]:
        contender = ProductVariant(Product())
        async with fresh_run(ground, contender.databases) as run:
            measuring = asyncio.create_task(contender.measure(run, 100_000))
            async with books_of(run) as books, asyncio.timeout(60):
                while not await _placed(books):
                    await asyncio.sleep(0.1)
            (worker,) = (
                each for each in psutil.Process().children() if "tests.benchmarks.worker" in each.cmdline()
            )
            worker.kill()
            return (await measuring).gate

    (problem,) = uvloop.run(measure())

    assert problem.endswith("was ended by SIGKILL")


async def _placed(books: Books) -> int:
    try:
        return int(await books.order.fetchval('select count(*) from "order"'))
    except asyncpg.UndefinedTableError:
        return 0


async def _spoilt(books: Books) -> list[str]:
    await books.page.execute(
        "update my_page set status = 'cancelled' "
        "where order_id = (select min(order_id) from my_page where status = 'confirmed')"
    )
    await books.seat.execute("update seat set free = free + 1")
    return await books.gate(300)
