"""What traces cost: `python -m tests.benchmarks.traces 10000 500 5` runs the sagas of `tests.benchmarks.saga` without
traces, with 1 % of them and with 10 % sampled, in turns, and prints the medians and what each keeps.

Exits with 1 when throughput and CPU time a saga both say that more is lost than may be. Needs
KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL.
"""

import os
import re
import subprocess
import sys
from statistics import median

from tests.collector import running_collector

MAY_LOSE = {"0.01": 0.05, "0.1": 0.10}
"""By the share of sagas that is sampled."""
FIGURES = re.compile(r"([\d,]+) sagas/s, ([\d,]+) µs CPU a saga, gate: passed")


def main(sagas: str, records: str, turns: int) -> int:
    results: dict[str, list[tuple[int, int]]] = {each: [] for each in ("off", *MAY_LOSE)}
    for _ in range(turns):
        for ratio, measured in results.items():
            measured.append(_run(sagas, records, ratio))
    base_rate, base_cpu = _medians(results["off"])
    print(f"off: {base_rate:,.0f} sagas/s, {base_cpu:,.0f} µs CPU a saga")
    too_much = False
    for ratio, may_lose in MAY_LOSE.items():
        rate, cpu = _medians(results[ratio])
        by_rate, by_cpu = rate / base_rate, base_cpu / cpu
        too_much |= max(by_rate, by_cpu) < 1 - may_lose
        print(
            f"{float(ratio):.0%} sampled: {rate:,.0f} sagas/s, {cpu:,.0f} µs CPU a saga; "
            f"ratio {by_rate:.3f} by throughput, {by_cpu:.3f} by CPU; at least {1 - may_lose:.2f}"
        )
    return int(too_much)


def _run(sagas: str, records: str, ratio: str) -> tuple[int, int]:
    """One run in a process of its own; the collector is in this one, so its time does not count."""
    with running_collector(keep=False) as collector:
        environment = {
            **os.environ,
            "OTEL_SDK_DISABLED": str(ratio == "off").lower(),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0" if ratio == "off" else ratio,
        }
        command = [sys.executable, "-m", "tests.benchmarks.saga", sagas, records]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        found = FIGURES.search(said)
        assert found, said
        print(f"{ratio}: {said.strip()}, {collector.count} spans", flush=True)
        return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def _medians(measured: list[tuple[int, int]]) -> tuple[float, float]:
    return median(rate for rate, _ in measured), median(cpu for _, cpu in measured)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
