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
from tests.benchmarks.workload import Books

SAGAS = 1_500


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
    assert "my page shows" in wrong[1]


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
