"""`pytest tests/benchmarks`: sagas a second, with a gate that says whether the run counts."""

import uvloop
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks.saga import Result, measure

SAGAS, RECORDS_PER_POLL = 2_000, 500


def test_every_saga_of_the_benchmark_ends_and_the_books_balance(
    benchmark: BenchmarkFixture, kafka_bootstrap_servers: str, postgresql_url: str
) -> None:
    def run() -> Result:
        return uvloop.run(measure(SAGAS, RECORDS_PER_POLL, kafka_bootstrap_servers, postgresql_url))

    result = benchmark.pedantic(run, rounds=1, iterations=1)

    assert result.gate == []
    benchmark.extra_info["sagas_per_second"] = round(result.sagas_per_second)
    benchmark.extra_info["cpu_microseconds_per_saga"] = round(result.cpu_microseconds_per_saga)
