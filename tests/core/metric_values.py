"""What the metrics of this process say, and how much they moved."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import REGISTRY

from tests.core.worker import Worker

__all__ = ["Moved", "moved", "now"]

Moved = Callable[..., float]


def now(worker: Worker, name: str, **labels: str) -> float:
    """The value of a series of a worker's service; 0 when there is none yet."""
    return REGISTRY.get_sample_value(name, {"service": worker.executor.service, **labels}) or 0.0


@contextmanager
def moved(worker: Worker) -> Iterator[Moved]:
    """Ask it inside the block by how much a series has moved since the block began."""
    before = _all(worker)

    def by(name: str, **labels: str) -> float:
        return now(worker, name, **labels) - before.get((name, frozenset(labels.items())), 0.0)

    yield by


def _all(worker: Worker) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    service = ("service", worker.executor.service)
    return {
        (sample.name, frozenset(sample.labels.items() - {service})): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if service in sample.labels.items()
    }
