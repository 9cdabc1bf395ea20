"""Commands over HTTP: what committing them in groups is worth, and what the database costs at all.

The same endpoint, POST /orders through uvicorn, three times: with commands committed in groups, each by itself on
a pool of connections, and not at all. The first two publish their events to Kafka as well.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg

from clinic_lib.testing.ports import free_ports
from tests.benchmarks.ground import Run, Servers, fresh_run
from tests.benchmarks.load import Load, closed_loop, connections, medians, post
from tests.benchmarks.product import MODULES
from tests.benchmarks.steps import Steps
from tests.benchmarks.worker import Wanted
from tests.benchmarks.workers import started
from tests.benchmarks.workload import QUANTITY, RunError

__all__ = ["COMMITS", "load", "measure", "order_service"]

COMMITS = ("group", "each", "none")
CLIENTS = 64
SECONDS = 4.0
TURNS_OF_ONE = 8
PUBLISHED_WITHIN_S = 30.0
ORDER = post("/orders", {"seat_id": 1, "quantity": QUANTITY, "customer": "Ada Byron"})
ORDERS = 'select count(*) from "order"'


async def measure(servers: Servers, steps: Steps, rounds: int) -> dict[str, Any]:
    """Medians over `rounds`, the three in turns; with one connection and with many.

    With one connection a request is little but a flush of the disk, whose pace changes from second to second: turns are
    short there, and many. And they come first, while all three have tables of one size: with many connections groups
    carry out several times as many orders, and the larger tables were measured to cost a tenth.
    """
    steps.expect(rounds * 2)
    found: dict[str, dict[str, list[dict[str, float]]]] = {
        commits: {"many": [], "one": []} for commits in COMMITS
    }
    async with AsyncExitStack() as stack:
        ports = {each: await stack.enter_async_context(order_service(servers, each)) for each in COMMITS}
        for clients, name, turns in ((1, "one", TURNS_OF_ONE), (CLIENTS, "many", 1)):
            for number in range(1, rounds + 1):
                steps(f"round {number} of {rounds}: commands over HTTP, {name} at once")
                for turn in range(turns):
                    for commits in _in_turn(number + turn):
                        found[commits][name].append(
                            (await load(ports[commits], clients, SECONDS / turns)).to_json()
                        )
    return {
        "http_commands": {each: {n: medians(loads) for n, loads in by.items()} for each, by in found.items()}
    }


def _in_turn(number: int) -> tuple[str, ...]:
    """All three, another one the first each time."""
    first = number % len(COMMITS)
    return COMMITS[first:] + COMMITS[:first]


@asynccontextmanager
async def order_service(servers: Servers, commits: str) -> AsyncIterator[int]:
    """The order's service by itself; yields its port. Raises `RunError` when its events are not published."""
    port = free_ports([0])
    wanted = Wanted((MODULES["order"],), {"order": port}, commits=commits)
    async with fresh_run(servers, ["order"]) as run, started(run, [wanted]):
        yield port
        await _until_published(run)


async def _until_published(run: Run) -> None:
    connection = await asyncpg.connect(run.database("order"))
    try:
        async with asyncio.timeout(PUBLISHED_WITHIN_S):
            while unsent := await connection.fetchval("select count(*) from clinic_lib.outbox"):
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise RunError(f"{unsent} events were not published") from None
    finally:
        await connection.close()


async def load(port: int, clients: int, seconds: float) -> Load:
    """Raises `RunError` when an order is refused."""
    async with connections(port, clients) as opened:
        await closed_loop(opened, seconds / 4, lambda: ORDER)
        found = await closed_loop(opened, seconds, lambda: ORDER)
    if found.failures:
        raise RunError(f"{found.failures} of {len(found.latencies)} orders were refused")
    return found
