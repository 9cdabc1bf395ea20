"""A metric: how one is declared, so that the page of all of them can be written from what the code says."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

__all__ = ["DECLARED", "Declared", "counter", "gauge", "histogram", "shared_gauge", "table"]

disable_created_metrics()  # a second series for each counter, which says when this process first counted


class Declared(NamedTuple):
    """What is said of one metric. `labels` come beside `service`; one that is `shared` is read from the database,
    and is the same on every replica of a service.
    """

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    meaning: str
    look: str
    shared: bool = False

    def register(self) -> list[str]:
        """Put it on the list; return all its labels."""
        DECLARED.append(self)
        return ["service", *self.labels]


DECLARED: list[Declared] = []


def counter(name: str, unit: str, labels: Sequence[str], meaning: str, look: str) -> Counter:
    declared = Declared(name, "counter", unit, tuple(labels), meaning, look)
    return Counter(name, meaning, declared.register())


def gauge(name: str, unit: str, labels: Sequence[str], meaning: str, look: str) -> Gauge:
    declared = Declared(name, "gauge", unit, tuple(labels), meaning, look)
    return Gauge(name, meaning, declared.register())


def shared_gauge(name: str, unit: str, labels: Sequence[str], meaning: str, look: str) -> Gauge:
    declared = Declared(name, "gauge", unit, tuple(labels), meaning, look, shared=True)
    return Gauge(name, meaning, declared.register())


def histogram(
    name: str, labels: Sequence[str], meaning: str, look: str, *, buckets: Sequence[float], unit: str = "s"
) -> Histogram:
    declared = Declared(name, "histogram", unit, tuple(labels), meaning, look)
    return Histogram(name, meaning, declared.register(), buckets=buckets)


def table() -> str:
    """The page of all metrics, in Markdown."""
    return "\n".join([*_lines(), ""])


def _lines() -> Iterator[str]:
    yield "# Metrics\n"
    yield "Written by `python -m clinic_lib.metrics > docs/metrics.md`; what stands here is what the code declares.\n"
    yield (
        "All have the label `service`. A gauge marked (S) is read from the service's database and the same on "
        "each of its replicas: take the `max`, not the `sum`. `process_…` and `python_gc_…` of the Python client "
        "come with them.\n"
    )
    yield "| metric | kind | further labels | unit | meaning | where to look |"
    yield "|---|---|---|---|---|---|"
    for each in DECLARED:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        kind = f"{each.kind} (S)" if each.shared else each.kind
        yield f"| `{each.name}` | {kind} | {labels} | {each.unit} | {each.meaning} | {each.look} |"
