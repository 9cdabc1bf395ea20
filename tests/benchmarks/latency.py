"""From an order's HTTP request to my page that shows its end, at shares of what the services can carry.

Orders come in at even intervals, whether earlier ones are through or not, and every nth is watched in my page's table.
Latency counts from when the request was due, so that a queue before the services counts, too.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter
from typing import Any

import asyncpg

from clinic_lib.testing.ports import free_ports
from tests.benchmarks.ground import Run, Servers, fresh_run
from tests.benchmarks.load import Load, closed_loop, connections, medians, open_loop, percentile, post
from tests.benchmarks.product import SERVICES, Product, books_of, fill_inboxes, left_over, until_tidy
from tests.benchmarks.steps import Steps
from tests.benchmarks.workers import Workers, started
from tests.benchmarks.workload import QUANTITY, Books, RunError, block_of, fill_seats

__all__ = ["Served", "at_rate", "measure", "serving", "usual_capacity"]

SHARES = (0.2, 0.5, 0.8)
CLIENTS = 64
SECONDS = 7.5
WARM_UP_SECONDS = 3.0
WATCHED_PER_SECOND = 100
WATCHED_EVERY_S = 0.004
PLENTY = 10**9
ENDED = "select customer from my_page where customer = any($1::text[]) and status <> 'placed'"


@dataclass
class Served:
    """The services with the order's HTTP port; `orders` is how many were placed so far."""

    run: Run
    port: int
    workers: Workers
    books: Books
    product: Product
    orders: int = 0

    def order(self, customer: str) -> bytes:
        self.orders += 1
        body = {
            "seat_id": block_of(self.orders),
            "quantity": QUANTITY,
            "customer": customer.ljust(self.product.payload, "x"),
        }
        return post("/orders", body)

    async def settled(self, load: Load) -> None:
        """Return when all orders are shown. Raises `RunError` when some of `load` were refused, or are never shown."""
        if load.failures:
            raise RunError(f"{load.failures} of {len(load.latencies)} orders were refused")
        await self.books.until_shown(self.orders)


async def measure(servers: Servers, steps: Steps, rounds: int) -> dict[str, Any]:
    """The capacity over HTTP, and latencies at shares of it: medians over `rounds`, the shares in turns."""
    steps.expect(1 + rounds * len(SHARES))
    found: dict[float, list[dict[str, float]]] = {share: [] for share in SHARES}
    async with serving(servers, Product()) as served:
        steps("capacity over HTTP")
        most = await usual_capacity(served)
        for number in range(1, rounds + 1):
            for share in SHARES if number % 2 else reversed(SHARES):
                steps(f"round {number} of {rounds}: latency at {share:.0%} of capacity")
                found[share].append(await at_rate(served, most * share, SECONDS))
    at = [{"share": share, "rounds": rounds, **medians(loads)} for share, loads in found.items()]
    return {"latency": {"capacity": most, "at": at}}


@asynccontextmanager
async def serving(servers: Servers, product: Product) -> AsyncIterator[Served]:
    """The product with HTTP, and blocks of seats that are never sold out. Raises `RunError` for a wrong end."""
    port = free_ports([0])
    product = replace(product, ports={"order": port})
    async with fresh_run(servers, SERVICES) as run:
        async with started(run, product.wanted) as workers, books_of(run) as books:
            await fill_seats(books.seat, PLENTY)
            if product.inbox_rows:
                await fill_inboxes(books, product.inbox_rows)
            served = Served(run, port, workers, books, product)
            yield served
            await until_tidy(books)
        async with books_of(run) as books:
            if wrong := await left_over(books, served.orders, product.inbox_rows):
                raise RunError(f"the run does not count: {'; '.join(wrong)}")


async def capacity(served: Served, seconds: float = SECONDS) -> float:
    """Orders a second, from the first request until my page shows the last one, with a request always waiting."""
    async with connections(served.port, CLIENTS) as clients:
        warm = await closed_loop(clients, WARM_UP_SECONDS, lambda: served.order("warm"))
        await served.settled(warm)
        before, began = served.orders, perf_counter()
        load = await closed_loop(clients, seconds, lambda: served.order("capacity"))
        await served.settled(load)
        return (served.orders - before) / (perf_counter() - began)


async def usual_capacity(served: Served) -> float:
    """The median of three: a machine's good moment is no rate to hold."""
    return median([await capacity(served) for _ in range(3)])


async def at_rate(served: Served, rate: float, seconds: float) -> dict[str, float]:
    """Latencies in milliseconds while `rate` orders a second come in."""
    every = max(1, round(rate / WATCHED_PER_SECOND))
    waiting: dict[str, float] = {}
    shown: list[float] = []

    def order(n: int, due: float) -> bytes:
        customer = f"{served.run.name} {served.orders}".ljust(served.product.payload, "x")
        if n % every == 0:
            waiting[customer] = due
        return served.order(customer)

    watching = asyncio.create_task(_watch(served.run.database("my_page"), waiting, shown))
    try:
        async with connections(served.port, CLIENTS) as clients:
            load = await open_loop(clients, rate, seconds, order)
        await served.settled(load)
        while waiting and not watching.done():
            await asyncio.sleep(WATCHED_EVERY_S)
        if watching.done():
            watching.result()
    finally:
        watching.cancel()
    return {
        "rate": rate,
        "watched": len(shown),
        "p50_ms": percentile(shown, 0.5) * 1e3,
        "p99_ms": percentile(shown, 0.99) * 1e3,
        "http_p50_ms": percentile(load.latencies, 0.5) * 1e3,
        "http_p99_ms": percentile(load.latencies, 0.99) * 1e3,
    }


async def _watch(database: str, waiting: dict[str, float], shown: list[float]) -> None:
    """Move what my page shows from `waiting` to `shown`, as seconds since it was due."""
    connection = await asyncpg.connect(database)
    try:
        while True:
            for (customer,) in await connection.fetch(ENDED, list(waiting)) if waiting else ():
                shown.append(perf_counter() - waiting.pop(customer))
            await asyncio.sleep(WATCHED_EVERY_S)
    finally:
        await connection.close()
