"""What the head-to-head found, in words and a table."""

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from tests.benchmarks import rates
from tests.benchmarks.tables import table

__all__ = ["section"]


def section(found: Mapping[str, Any]) -> Iterator[str]:
    """By the stored results of the head-to-head."""
    peers = {
        name: rates.rate(each) for name, each in found.items() if not name.startswith(("product", "floor"))
    }
    best = max(peers, key=lambda name: peers[name], default="")
    beside = (
        f", and **{rates.rate(found['product']) / peers[best]:.1f} ×** {best}, the best of the libraries"
        if peers.get(best)
        else ""
    )
    yield "## Sagas a second"
    yield ""
    yield (
        f"The product, all services in one process, carries out **{rates.rate(found['product']):,.0f} sagas/s**: "
        f"{_ratio(found['product'], found['floor'])} the floor{beside}. "
        "Medians; the runs took turns, and ratios to the floor are those of each round."
    )
    yield ""
    yield "![Sagas a second](benchmarks/head_to_head.svg)"
    yield ""
    columns = [
        "",
        "sagas/s",
        "least to most",
        "÷ floor",
        "own CPU a saga",
        "PostgreSQL's",
        "Kafka's",
        "commits a saga",
    ]
    rows = []
    for name, each in found.items():
        each_rate = [result["sagas_per_second"] for result in rates.counted(each)]
        rows.append(
            [
                name,
                f"{rates.rate(each):,.0f}",
                f"{min(each_rate, default=0):,.0f} to {max(each_rate, default=0):,.0f}",
                f"{median(beside_floor):.2f}"
                if (beside_floor := rates.ratios(each, found["floor"]))
                else "–",
                *(f"{rates.middle(each, cpu):,.0f} µs" for cpu in ("cpu", "postgresql_cpu", "kafka_cpu")),
                f"{rates.middle(each, 'commits'):.3f}",
                "–" if each["statements"] is None else f"{each['statements']:.2f}",
                f"{len(each_rate)} of {len(each['results'])} × {each['sagas']:,}",
            ]
        )
    yield from table([*columns, "statements a saga", "runs that count × sagas"], rows)
    if restless := [name for name in ("product", "floor") if rates.spread(found[name]) > rates.MOST_SPREAD]:
        yield ""
        yield (
            f"**The machine was not quiet**: the runs of {' and '.join(restless)} differ by more than "
            f"{rates.MOST_SPREAD:g} ×, so these figures say little."
        )
    for name, each in found.items():
        for problem in each["gate"]:
            yield ""
            yield f"A run of {name} does not count: {problem}."


def _ratio(each: rates.Contender, floor: rates.Contender) -> str:
    """The median of `ratios`, the least and the most; a dash where no round of both counts."""
    found = rates.ratios(each, floor)
    if not found:
        return "– ×"
    return f"**{median(found):.2f} ×** ({min(found):.2f} to {max(found):.2f})"
