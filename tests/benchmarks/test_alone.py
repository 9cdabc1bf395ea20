"""The relay alone, a projection alone, and a process that starts."""

import asyncio
import os
import signal

import pytest
import uvloop
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks import alone, per_record
from tests.benchmarks.alone import Rate
from tests.benchmarks.ground import Servers, fresh_run
from tests.benchmarks.product import MODULES
from tests.benchmarks.worker import Wanted
from tests.benchmarks.workers import started
from tests.benchmarks.workload import RunError

ORDERS = 1_000


def test_the_relay_alone_sends_every_event_once(benchmark: BenchmarkFixture, ground: Servers) -> None:
    async def measure() -> Rate:
        async with fresh_run(ground, ["order"]) as run:
            return await alone.relay(run, ORDERS)

    rate = benchmark.pedantic(lambda: uvloop.run(measure()), rounds=1, iterations=1)

    assert rate.gate == []
    benchmark.extra_info["events_per_second"] = rate.events_per_second


def test_a_projection_alone_shows_every_order(benchmark: BenchmarkFixture, ground: Servers) -> None:
    async def measure() -> Rate:
        async with fresh_run(ground, ["my_page"]) as run:
            return await alone.projection(run, ORDERS)

    rate = benchmark.pedantic(lambda: uvloop.run(measure()), rounds=1, iterations=1)

    assert rate.gate == []
    benchmark.extra_info["events_per_second"] = rate.events_per_second


def test_a_record_s_cpu_is_measured_beside_the_same_sql_by_hand(
    benchmark: BenchmarkFixture, ground: Servers
) -> None:
    async def measure() -> dict[str, float]:
        return {way: await per_record.cost(ground, way, ORDERS) for way in per_record.WAYS}

    costs = benchmark.pedantic(lambda: uvloop.run(measure()), rounds=1, iterations=1)

    assert all(cost > 0 for cost in costs.values())
    benchmark.extra_info["cpu_us_a_record"] = costs


def test_a_run_is_over_at_once_when_its_process_is_killed(ground: Servers) -> None:
    async def measure() -> None:
        async with (
            fresh_run(ground, ["my_page"]) as run,
            started(run, [Wanted((MODULES["my_page"],))]) as workers,
        ):
            os.kill(workers.pids[0], signal.SIGKILL)
            await asyncio.sleep(60)

    with pytest.raises(RunError, match=r"which was measured, was ended by SIGKILL$"):
        uvloop.run(measure())


def test_a_process_serves_from_a_cold_start(benchmark: BenchmarkFixture, ground: Servers) -> None:
    """From the start of Python to a service that has made its tables and joined its group."""

    async def measure() -> float:
        async with (
            fresh_run(ground, ["my_page"]) as run,
            started(run, [Wanted((MODULES["my_page"],))]) as workers,
        ):
            return await workers.cpu()

    cpu = benchmark.pedantic(lambda: uvloop.run(measure()), rounds=1, iterations=1)

    assert cpu > 0
    benchmark.extra_info["cpu_seconds"] = cpu
