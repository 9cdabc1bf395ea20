"""A soak: 80 % of capacity for minutes, while memory, tables and latency are looked at."""

from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any

import asyncpg

from tests.benchmarks.ground import Servers
from tests.benchmarks.latency import Served, at_rate, serving, usual_capacity
from tests.benchmarks.product import SERVICES, Product
from tests.benchmarks.steps import Steps

__all__ = ["measure", "slices_of"]

SHARE = 0.8
SLICE_SECONDS = 20.0
TABLES = """
select relname, n_live_tup, n_dead_tup, autovacuum_count, pg_total_relation_size(relid) as bytes
from pg_stat_user_tables where schemaname = 'clinic_lib'
"""


async def measure(servers: Servers, steps: Steps, minutes: float) -> dict[str, Any]:
    """A sample for each slice of time: latencies, the processes' memory, and what the library's tables hold."""
    slices, seconds = slices_of(minutes)
    steps.expect(1 + slices)
    async with serving(servers, Product()) as served:
        steps("capacity over HTTP")
        rate = await usual_capacity(served) * SHARE
        began, samples = perf_counter(), []
        for number in range(1, slices + 1):
            steps(f"soak at {rate:,.0f} sagas/s: {number} of {slices}")
            latency = await at_rate(served, rate, seconds)
            samples.append(
                {
                    "seconds": perf_counter() - began,
                    "memory_mb": await served.workers.memory() / 2**20,
                    **latency,
                    **await _tables(served),
                }
            )
    return {"soak": {"minutes": minutes, "rate": rate, "samples": samples}}


def slices_of(minutes: float) -> tuple[int, float]:
    """How many, and the seconds of each: about `SLICE_SECONDS`, all of them together the whole time."""
    slices = max(2, round(minutes * 60 / SLICE_SECONDS))
    return slices, minutes * 60 / slices


async def _tables(served: Served) -> dict[str, float]:
    """Over the three databases: dead and living rows, vacuums, and the size of outbox and inbox."""
    rows: list[asyncpg.Record] = []
    async with AsyncExitStack() as stack:
        for name in SERVICES:
            connection = await asyncpg.connect(served.run.database(name))
            stack.push_async_callback(connection.close)
            rows += await connection.fetch(TABLES)

    def total(column: str, start: str = "") -> float:
        return float(sum(row[column] for row in rows if row["relname"].startswith(start)))

    return {
        "dead_rows": total("n_dead_tup"),
        "dead_outbox_rows": total("n_dead_tup", "outbox"),
        "vacuums": total("autovacuum_count"),
        "outbox_mb": total("bytes", "outbox") / 2**20,
        "inbox_mb": total("bytes", "inbox") / 2**20,
        "inbox_rows": total("n_live_tup", "inbox"),
    }
