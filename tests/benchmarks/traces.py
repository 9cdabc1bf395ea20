"""What traces cost: `python -m tests.benchmarks.traces 10000 5` runs 10,000 sagas without traces, with 1 % of them and
with 10 % sampled, five times in turns, and prints the medians and what each keeps.

Exits with 1 when more throughput is lost than may be, or when a run does not count.
"""

import asyncio
import sys
from statistics import median

from tests.benchmarks.contenders import ProductVariant
from tests.benchmarks.ground import Servers, fresh_run, servers
from tests.benchmarks.product import Product
from tests.benchmarks.stopwatch import Result
from tests.collector import running_collector

MAY_LOSE = {"0.01": 0.05, "0.1": 0.10}
"""By the share of sagas that is sampled."""


async def main(sagas: int, turns: int) -> int:
    results: dict[str, list[Result]] = {each: [] for each in ("off", *MAY_LOSE)}
    async with servers() as ground:
        for _ in range(turns):
            for ratio, measured in results.items():
                measured.append(await _measure(ground, sagas, ratio))
    off_rate, off_cpu = _medians(results["off"])
    print(f"off: {off_rate:,.0f} sagas/s, {off_cpu:,.0f} µs CPU a saga")
    wrong = any(each.gate for measured in results.values() for each in measured)
    for ratio, may_lose in MAY_LOSE.items():
        rate, cpu = _medians(results[ratio])
        by_rate, by_cpu = rate / off_rate, off_cpu / cpu
        wrong |= by_rate < 1 - may_lose
        print(
            f"{float(ratio):.0%} sampled: {rate:,.0f} sagas/s, {cpu:,.0f} µs CPU a saga; "
            f"ratio {by_rate:.3f} by throughput, {by_cpu:.3f} by CPU; at least {1 - may_lose:.2f}"
        )
    return int(wrong)


async def _measure(ground: Servers, sagas: int, ratio: str) -> Result:
    """One run; the collector is in this process, so that its time does not count."""
    with running_collector(keep=False) as collector:
        environment = {
            "OTEL_SDK_DISABLED": str(ratio == "off").lower(),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0" if ratio == "off" else ratio,
        }
        contender = ProductVariant(Product(environment=environment))
        async with fresh_run(ground, contender.databases) as run:
            result = await contender.measure(run, sagas)
        print(
            f"{ratio}: {result.sagas_per_second:,.0f} sagas/s, {result.cpu:,.0f} µs CPU a saga, "
            f"{collector.count} spans, gate: {', '.join(result.gate) or 'passed'}",
            flush=True,
        )
        return result


def _medians(measured: list[Result]) -> tuple[float, float]:
    return median(each.sagas_per_second for each in measured), median(each.cpu for each in measured)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]))))
