"""What the sweep found, in words and plots."""

from collections.abc import Mapping, Sequence

from tests.benchmarks import plots
from tests.benchmarks.plots import Axis

__all__ = ["paragraph", "plots_of"]

Points = Sequence[Mapping[str, float]]

WHY = {
    "records per poll": (
        "A poll is one transaction with a constant number of statements, so each record's share of commit, "
        "round trips and planning shrinks as polls grow. At low load polls are small whatever the limit is: it "
        "only matters when records wait."
    ),
    "partitions": (
        "One process reads all partitions in one poll, so their number changes little for it: more producer "
        "batches a flight and more checkpoints a poll. It limits how many processes of a service can share the "
        "work, and is for ever."
    ),
    "processes": (
        "Each process runs Python on one core at a time. Further ones help while cores are free, and here "
        "they share the cores with Kafka and PostgreSQL."
    ),
    "inbox rows": (
        "Rows of days that are over lie in partitions of their own, which no insert touches. What grows is "
        "the index of the current day, and ids are in the order of time, so an insert meets its right-hand edge."
    ),
    "bytes of text": (
        "A longer text is written to the outbox and to Kafka, read by each service, and stored in rows and "
        "on my page: it costs copies, WAL and parsing, not statements."
    ),
}


def paragraph(name: str, points: Points) -> str:
    """From the least to the most, what became of throughput and latency, and why."""
    first, last = points[0], points[-1]
    best = max(points, key=lambda point: point["sagas_per_second"])
    return (
        f"From {first['value']:,.0f} to {last['value']:,.0f} {name} throughput goes from "
        f"{first['sagas_per_second']:,.0f} to "
        f"{last['sagas_per_second']:,.0f} sagas/s "
        f"({last['sagas_per_second'] / first['sagas_per_second']:.2f} ×), the most being "
        f"{best['sagas_per_second']:,.0f} with {best['value']:,.0f}; p99 to the view, at half of what HTTP "
        f"can take, from "
        f"{first['p99_ms']:,.0f} to {last['p99_ms']:,.0f} ms. {WHY[name]}"
    )


def plots_of(name: str, points: Points, file: str) -> dict[str, str]:
    """Two plots: throughput under `file`, latency beside it."""
    x = Axis(name, logarithmic=points[-1]["value"] / points[0]["value"] >= 20)
    rates = {"": [(point["value"], point["sagas_per_second"]) for point in points]}
    latencies = {
        "p50": [(point["value"], point["p50_ms"]) for point in points],
        "p99": [(point["value"], point["p99_ms"]) for point in points],
    }
    return {
        file: plots.lines(f"Sagas a second by {name}", x, Axis("sagas/s"), rates),
        f"{file}-latency": plots.lines(f"From HTTP to my page by {name}", x, Axis("ms"), latencies),
    }
