"""Commands a second over HTTP: committed in groups, each by itself, and without a database."""

import pytest
import uvloop
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks.ground import Servers
from tests.benchmarks.http_commands import COMMITS, load, order_service
from tests.benchmarks.load import Load

CLIENTS, SECONDS = 64, 0.5


@pytest.mark.parametrize("commits", COMMITS)
def test_every_order_over_http_is_answered_and_published(
    benchmark: BenchmarkFixture, ground: Servers, commits: str
) -> None:
    async def measure() -> Load:
        async with order_service(ground, commits) as port:
            return await load(port, CLIENTS, SECONDS)

    found = benchmark.pedantic(lambda: uvloop.run(measure()), rounds=1, iterations=1)

    assert found.failures == 0
    assert len(found.latencies) >= CLIENTS
    benchmark.extra_info |= found.to_json()
