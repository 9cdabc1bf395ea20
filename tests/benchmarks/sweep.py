"""How it grows: throughput and latency against one thing at a time, everything else as usual."""

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

from tests.benchmarks import product
from tests.benchmarks.ground import Servers, fresh_run
from tests.benchmarks.latency import at_rate, serving
from tests.benchmarks.load import medians
from tests.benchmarks.product import SERVICES, VARIANTS, Product
from tests.benchmarks.steps import Steps
from tests.benchmarks.workload import RunError

__all__ = ["SERIES", "measure"]

SAGAS = 15_000
ROUNDS = 3
LATENCY_SHARE = 0.2
"""Of the least throughput of a series: HTTP and the load share the cores, so this is half of what some can take."""
LATENCY_RUNS = 3
LATENCY_SECONDS = 5.0
WARM_UP_SECONDS = 2.0

Series = tuple[tuple[float, ...], Callable[[Product, float], Product]]

SERIES: dict[str, Series] = {
    "records per poll": ((10, 50, 100, 250, 500, 1000), lambda usual, n: replace(usual, records=int(n))),
    "partitions": ((1, 4, 12, 24, 48), lambda usual, n: replace(usual, partitions=int(n))),
    "processes": ((1, 3, 6), lambda usual, n: replace(usual, variant=_variant(int(n)))),
    "inbox rows": ((1e4, 1e5, 1e6), lambda usual, n: replace(usual, inbox_rows=int(n))),
    "bytes of text": ((20, 200, 1000, 4000, 16000), lambda usual, n: replace(usual, payload=int(n))),
}
"""What is varied, over which values, and how."""


async def measure(servers: Servers, steps: Steps) -> dict[str, Any]:
    """For each value: throughputs, the values there and back; then latencies, at one rate for all of a series."""
    steps.expect(sum(len(values) for values, _ in SERIES.values()) * (ROUNDS + 1))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SERIES}
    for name, (values, change) in SERIES.items():
        throughputs: dict[float, list[float]] = {value: [] for value in values}
        for number in range(1, ROUNDS + 1):
            for value in values if number % 2 else reversed(values):
                steps(f"{name}: {value:,.0f}, round {number}")
                throughputs[value].append(await _throughput(servers, change(Product(), value)))
        rate = LATENCY_SHARE * min(map(median, throughputs.values()))
        for value, runs in throughputs.items():
            steps(f"{name}: {value:,.0f}, latency")
            latencies = await _latencies(servers, change(Product(), value), rate)
            point = {"value": value, "sagas_per_second": median(runs), **medians(latencies)}
            found[name].append({**point, "throughputs": runs, "latencies": latencies})
    return {"sweep": found}


async def _throughput(servers: Servers, changed: Product) -> float:
    async with fresh_run(servers, SERVICES) as run:
        result = await product.measure(run, SAGAS, changed)
    if result.gate:
        raise RunError(f"the run does not count: {'; '.join(result.gate)}")
    return result.sagas_per_second


async def _latencies(servers: Servers, changed: Product, rate: float) -> list[dict[str, float]]:
    async with serving(servers, changed) as served:
        await at_rate(served, rate, WARM_UP_SECONDS)
        return [await at_rate(served, rate, LATENCY_SECONDS) for _ in range(LATENCY_RUNS)]


def _variant(processes: int) -> str:
    return next(name for name, parts in VARIANTS.items() if len(parts) == processes)
