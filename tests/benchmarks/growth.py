"""What the sweep found, in words and plots."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tests.benchmarks import plots
from tests.benchmarks.plots import Axis

__all__ = ["Series", "introduction", "paragraph", "plots_of"]

Points = Sequence[Mapping[str, Any]]
Series = Literal["records per poll", "partitions", "processes", "inbox rows", "bytes of text"]

WHY: dict[str, str] = {
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


def introduction(found: Mapping[str, Points]) -> str:
    """What the figures are."""
    if all(_runs(point, "sagas_per_second") for points in found.values() for point in points):
        return "Medians; in brackets, and as upright lines in the plots, the least and the most of the runs."
    return "Medians of runs that were not kept, so how far they lie apart is unknown: `clinic bench --sweep` tells it."


def paragraph(name: str, points: Points) -> str:
    """From the least to the most, what became of throughput and latency, and why."""
    first, last = points[0], points[-1]
    best = max(points, key=lambda point: point["sagas_per_second"])
    return (
        f"From {first['value']:,.0f} to {last['value']:,.0f} {name} throughput goes from "
        f"{_with_runs(first, 'sagas_per_second')} to {_with_runs(last, 'sagas_per_second')} sagas/s "
        f"({last['sagas_per_second'] / first['sagas_per_second']:.2f} ×), the most being "
        f"{best['sagas_per_second']:,.0f} with {best['value']:,.0f}; p99 to the view, at {_loads(points)} orders/s, "
        f"from {_with_runs(first, 'p99_ms')} to {_with_runs(last, 'p99_ms')} ms. {WHY[name]}"
    )


def plots_of(name: str, points: Points, file: str) -> dict[str, str]:
    """Two plots: throughput under `file`, latency beside it."""
    x = Axis(name, logarithmic=points[-1]["value"] / points[0]["value"] >= 20)

    def drawn(title: str, unit: str, figures: Mapping[str, str]) -> str:
        series = {
            shown: [(point["value"], point[figure]) for point in points] for shown, figure in figures.items()
        }
        spans = {
            shown: [(point["value"], runs) for point in points if (runs := _runs(point, figure))]
            for shown, figure in figures.items()
        }
        return plots.lines(title, x, Axis(unit), series, spans)

    return {
        file: drawn(f"Sagas a second by {name}", "sagas/s", {"": "sagas_per_second"}),
        f"{file}-latency": drawn(f"From HTTP to my page by {name}", "ms", {"p50": "p50_ms", "p99": "p99_ms"}),
    }


def _loads(points: Points) -> str:
    """One for all, unless they were measured before that was so."""
    rates = [point["rate"] for point in points]
    least, most = f"{min(rates):,.0f}", f"{max(rates):,.0f}"
    return least if least == most else f"{least} to {most}"


def _with_runs(point: Mapping[str, Any], figure: str) -> str:
    runs = _runs(point, figure)
    return f"{point[figure]:,.0f}" + (f" ({min(runs):,.0f} to {max(runs):,.0f})" if runs else "")


def _runs(point: Mapping[str, Any], figure: str) -> list[float]:
    """All that the point's median is of; none where they were not kept."""
    if figure == "sagas_per_second":
        return list(point.get("throughputs", ()))
    return [run[figure] for run in point.get("latencies", ())]
